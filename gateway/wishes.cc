#include "gateway/wishes.h"

#include <algorithm>
#include <array>

namespace belfry::gateway {
namespace {

enum class Tongue : std::uint8_t { kEnglish, kSpanish, kPortuguese, kRussian, kArabic };

// A word is too little for a detector of languages: its script tells two of them, and the rest is told by the word.
Tongue tongue_of(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0xD0 || byte == 0xD1) return Tongue::kRussian;
    if (byte >= 0xD8 && byte <= 0xDB) return Tongue::kArabic;
  }
  std::string word(text.substr(0, 20));
  std::transform(word.begin(), word.end(), word.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  const auto begins = [&word](std::string_view with) { return word.find(with) != std::string::npos; };
  if (begins("PARE") || begins("SAIR") || begins("COME\xC3") || begins("AJUDA")) return Tongue::kPortuguese;
  for (const std::string_view each : {"ALTO", "BAJA", "PARAR", "CANCELAR", "ALTA", "INICIAR", "COMENZAR", "AYUDA"}) {
    if (begins(each)) return Tongue::kSpanish;
  }
  return Tongue::kEnglish;
}

struct Row {
  std::string_view stop, start, help;
};
constexpr std::array<Row, 5> kAnswers{{
    {"You will get no more messages from us. Send START to get them again.",
     "You will get our messages again. Send STOP to end them.",
     "Write your question here and we answer. Send STOP to get no more messages."},
    {"No recibira mas mensajes nuestros. Envie ALTA para volver a recibirlos.",
     "Volvera a recibir nuestros mensajes. Envie BAJA para no recibirlos.",
     "Escriba aqui su pregunta y le respondemos. Envie BAJA para no recibir mas mensajes."},
    {"Nao recebera mais mensagens nossas. Envie START para voltar a receber.",
     "Voltara a receber as nossas mensagens. Envie SAIR para parar.",
     "Escreva aqui a sua pergunta e respondemos. Envie SAIR para nao receber mais mensagens."},
    {"Вы больше не будете получать наши сообщения. Отправьте СТАРТ, чтобы возобновить.",
     "Вы снова будете получать наши сообщения. Отправьте СТОП, чтобы прекратить.",
     "Напишите ваш вопрос, и мы ответим. Отправьте СТОП, чтобы не получать сообщения."},
    {"لن تصلك رسائل منا بعد الآن. أرسل ابدأ لاستئنافها.", "ستصلك رسائلنا من جديد. أرسل قف لإيقافها.",
     "اكتب سؤالك هنا وسنجيبك. أرسل قف لإيقاف الرسائل."},
}};

}  // namespace

std::string answer_to(Wish wish, std::string_view text, const AccountInfo& account) {
  if (const auto own = account.answers.find(wish); own != account.answers.end() && !own->second.empty()) return own->second;
  const Row& row = kAnswers[static_cast<std::size_t>(tongue_of(text))];
  switch (wish) {
    case Wish::kStop: return std::string(row.stop);
    case Wish::kStart: return std::string(row.start);
    case Wish::kHelp: return std::string(row.help);
    case Wish::kNone: break;
  }
  return "";
}

}  // namespace belfry::gateway
