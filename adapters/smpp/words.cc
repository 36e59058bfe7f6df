#include "adapters/smpp/words.h"

#include <algorithm>

#include "adapters/smpp/utf8.h"

namespace belfry::smpp {
namespace {

bool in(char32_t c, char32_t from, char32_t to) { return c >= from && c <= to; }

// Punctuation, blanks, invisible marks, and the vowel signs of Arabic: what does not count.
bool is_nothing(char32_t c) {
  return c <= 0x2F || in(c, 0x3A, 0x40) || in(c, 0x5B, 0x60) || in(c, 0x7B, 0xBF) || in(c, 0x2000, 0x206F) ||
         in(c, 0x64B, 0x65F) || c == 0x670 || c == 0x640 || c == 0x60C || c == 0x61B || c == 0x61F || c == 0xFEFF ||
         in(c, 0x3000, 0x303F);
}

char32_t folded(char32_t c) {
  if (in(c, 'A', 'Z') || (in(c, 0xC0, 0xDE) && c != 0xD7)) return c + 32;
  if (in(c, 0x410, 0x42F)) return c + 32;
  if (c == 0x401 || c == 0x451) return 0x435;                // io is written as ie
  if (c == 0x622 || c == 0x623 || c == 0x625) return 0x627;  // alef in its forms
  if (c == 0x649) return 0x64A;                              // alef maksura
  if (c == 0x629) return 0x647;                              // teh marbuta
  if (in(c, 0xE0, 0xE5)) return 'a';
  if (in(c, 0xE8, 0xEB)) return 'e';
  if (in(c, 0xEC, 0xEF)) return 'i';
  if (in(c, 0xF2, 0xF6)) return 'o';
  if (in(c, 0xF9, 0xFC)) return 'u';
  if (c == 0xF1) return 'n';
  if (c == 0xE7) return 'c';
  return c;
}

constexpr std::size_t kLongest = 60;  // octets: what is longer says more than one of the words

std::vector<std::u32string> folded_all(const std::vector<std::string_view>& words) {
  std::vector<std::u32string> out;
  out.reserve(words.size());
  for (const std::string_view word : words) out.push_back(fold_word(word));
  return out;
}

}  // namespace

// Letters and digits alone, words one blank apart. Two rounds of folding: a capital with an accent loses both.
std::u32string fold_word(std::string_view text) {
  std::u32string out;
  bool blank = false;
  for (std::size_t at = 0; at < text.size();) {
    const auto c = next_utf8(text, at);
    if (!c) return {};
    if (is_nothing(*c)) {
      blank = blank || *c == ' ' || *c == '\n' || *c == '\t';
      continue;
    }
    if (blank && !out.empty()) out.push_back(' ');
    blank = false;
    out.push_back(folded(folded(*c)));
  }
  return out;
}

const Words& usual_words() {
  static const Words words{folded_all({"STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "QUIT", "ALTO", "PARAR", "BAJA", "CANCELAR",
                                       "PARE", "SAIR", "СТОП", "ОТПИСАТЬСЯ", "ОТПИСКА", "توقف", "إيقاف", "قف", "إلغاء"}),
                           folded_all({"START", "UNSTOP", "YES START", "SUBSCRIBE", "ALTA", "INICIAR", "COMENZAR", "COMEÇAR",
                                       "СТАРТ", "ПОДПИСАТЬСЯ", "ابدأ", "بدء", "اشتراك"}),
                           folded_all({"HELP", "INFO", "AYUDA", "AJUDA", "ПОМОЩЬ", "СПРАВКА", "مساعدة", "ساعدني"})};
  return words;
}

Wish read_wish(std::string_view text, const Words& words) {
  if (text.empty() || text.size() > kLongest) return Wish::kNone;
  const std::u32string core = fold_word(text);
  if (core.empty()) return Wish::kNone;
  const auto is_one_of = [&core](const std::vector<std::u32string>& all) {
    return std::find(all.begin(), all.end(), core) != all.end();
  };
  if (is_one_of(words.stop)) return Wish::kStop;
  if (is_one_of(words.start)) return Wish::kStart;
  if (is_one_of(words.help)) return Wish::kHelp;
  return Wish::kNone;
}

}  // namespace belfry::smpp
