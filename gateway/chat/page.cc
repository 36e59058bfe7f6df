#include "gateway/chat/page.h"

#include <algorithm>
#include <array>

#include "adapters/wire/rfc3339.h"

namespace belfry::gateway {
namespace {

struct Words {
  std::string_view language, direction, title, you, office, write, send, refresh, queued, place, closed_hours, over, empty, file;
};
constexpr std::array kWords{
    Words{"en", "ltr", "Write to us", "You", "Office", "Your message", "Send", "Look for an answer",
          "You are in line; an agent will answer here.",
          "Your place in line:", "We are closed now. Write all the same: it is kept and answered.",
          "This conversation is over. Write again to begin a new one.", "Write your question. The answer appears on this page.",
          "File"},
    Words{"es", "ltr", "Escríbanos", "Usted", "Oficina", "Su mensaje", "Enviar", "Ver si hay respuesta",
          "Está en la cola; un agente le responderá aquí.",
          "Su lugar en la cola:", "Ahora está cerrado. Escriba igualmente: se guarda y se responde.",
          "Esta conversación ha terminado. Escriba de nuevo para empezar otra.",
          "Escriba su pregunta. La respuesta aparece en esta página.", "Archivo"},
    Words{"pt", "ltr", "Escreva-nos", "Você", "Atendimento", "Sua mensagem", "Enviar", "Ver se há resposta",
          "Você está na fila; um agente responderá aqui.",
          "Seu lugar na fila:", "Estamos fechados agora. Escreva assim mesmo: fica guardado e será respondido.",
          "Esta conversa terminou. Escreva de novo para começar outra.", "Escreva sua pergunta. A resposta aparece nesta página.",
          "Arquivo"},
    Words{"ru", "ltr", "Напишите нам", "Вы", "Служба", "Ваше сообщение", "Отправить", "Проверить ответ",
          "Вы в очереди; оператор ответит здесь.",
          "Ваше место в очереди:", "Сейчас мы закрыты. Напишите всё равно: сообщение сохранится, и на него ответят.",
          "Этот разговор завершён. Напишите снова, чтобы начать новый.", "Напишите свой вопрос. Ответ появится на этой странице.",
          "Файл"},
    Words{"ar", "rtl", "راسلنا", "أنت", "المكتب", "رسالتك", "إرسال", "تحقق من الرد", "أنت في الانتظار؛ سيجيبك موظف هنا.",
          "ترتيبك في الانتظار:", "نحن مغلقون الآن. اكتب على أي حال: تُحفظ رسالتك ويُجاب عنها.",
          "انتهت هذه المحادثة. اكتب من جديد لبدء أخرى.", "اكتب سؤالك. يظهر الجواب في هذه الصفحة.", "ملف"},
};

const Words& words_of(std::string_view language) {
  const auto it = std::find_if(kWords.begin(), kWords.end(), [&](const Words& w) { return w.language == language; });
  return it == kWords.end() ? kWords.front() : *it;
}

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

}  // namespace

std::string page_language(std::string_view accepted) {
  while (!accepted.empty()) {
    const auto end = std::min(accepted.find(','), accepted.size());
    std::string_view tag = accepted.substr(0, end);
    accepted.remove_prefix(std::min(end + 1, accepted.size()));
    while (!tag.empty() && tag.front() == ' ') tag.remove_prefix(1);
    tag = tag.substr(0, tag.find_first_of(";-"));
    for (const Words& w : kWords) {
      if (w.language == tag) return std::string(tag);
    }
  }
  return "en";
}

std::string html_of(const ChatPage& page) {
  const Words& w = words_of(page.language);
  std::string out = "<!doctype html>\n<html lang=\"" + std::string(w.language) + "\" dir=\"" + std::string(w.direction) +
                    "\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
                    "<meta name=\"color-scheme\" content=\"light dark\"><meta name=\"robots\" content=\"noindex\"><title>";
  out.append(w.title).append("</title><link rel=\"stylesheet\" href=\"/chat/page.css\"></head>\n<body><main>\n<h1>");
  out.append(w.title).append("</h1>\n");
  if (!page.open) out.append("<p class=\"note\">").append(w.closed_hours).append("</p>\n");
  if (page.messages.empty()) {
    out.append("<p class=\"note\">").append(w.empty).append("</p>\n");
  } else {
    out += "<ol>\n";
    for (const webchat::MessageView& m : page.messages) {
      out.append("<li class=\"").append(m.his ? "his" : "ours").append("\"><p class=\"who\"><bdi>");
      out += m.his ? std::string(w.you) : m.agent.empty() ? std::string(w.office) : escaped(m.agent);
      const std::string at = wire::rfc3339(m.at);
      out.append("</bdi> <time datetime=\"").append(at).append("\">").append(at.substr(0, 16)).append("Z</time></p>");
      if (!m.text.empty()) out.append("<p class=\"words\" dir=\"auto\">").append(escaped(m.text)).append("</p>");
      if (!m.media_url.empty()) {
        out.append("<p><a href=\"").append(escaped(m.media_url)).append("\" download>").append(w.file).append(" <bdi>");
        out.append(escaped(m.media_name)).append("</bdi></a></p>");
      }
      out += "</li>\n";
    }
    out += "</ol>\n";
  }
  if (page.state == "closed") {
    out.append("<p class=\"note\" role=\"status\">").append(w.over).append("</p>\n");
  } else if (page.queue.position > 0) {
    out.append("<p class=\"note\" role=\"status\">").append(w.queued).append(" ").append(w.place).append(" ");
    out.append(std::to_string(page.queue.position)).append("</p>\n");
  }
  if (!page.problem.empty())
    out.append("<p class=\"wrong\" role=\"alert\" lang=\"en\" dir=\"ltr\">").append(escaped(page.problem)).append("</p>\n");
  const std::string hidden = "<input type=\"hidden\" name=\"token\" value=\"" + escaped(page.token) +
                             "\"><input type=\"hidden\" name=\"language\" value=\"" + std::string(w.language) + "\">";
  out += "<form method=\"post\" action=\"/chat/" + page.inbox + "\">" + hidden +
         "<input type=\"hidden\" name=\"client_id\" value=\"" + page.client_id + "\"><label for=\"text\">" +
         std::string(w.write) +
         "</label><textarea id=\"text\" name=\"text\" rows=\"4\" maxlength=\"4000\" required dir=\"auto\">" +
         escaped(page.draft) + "</textarea><button type=\"submit\">" + std::string(w.send) + "</button></form>\n";
  out += "<form method=\"post\" action=\"/chat/" + page.inbox + "\">" + hidden + "<button type=\"submit\" class=\"quiet\">" +
         std::string(w.refresh) + "</button></form>\n</main></body></html>\n";
  return out;
}

std::string_view chat_page_style() {
  return R"(:root{color-scheme:light dark;--ink:#17211f;--paper:#f3f5f4;--sheet:#fff;--his:#d8eee9;--line:#7d8a87;--accent:#0b6158;--accent-ink:#fff;--wrong:#a5191f;font:1rem/1.45 system-ui,sans-serif}
@media(prefers-color-scheme:dark){:root{--ink:#e8efed;--paper:#101615;--sheet:#182120;--his:#1d4039;--line:#75857f;--accent:#6fd3c3;--accent-ink:#06231f;--wrong:#ff9a96}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);overflow-wrap:anywhere}
main{max-inline-size:40rem;margin-inline:auto;padding:1rem}
h1{font-size:1.25rem}
ol{list-style:none;margin:0;padding:0}
li{background:var(--sheet);border-radius:10px;padding:.5rem .75rem;margin-block:.5rem;margin-inline-end:15%}
li.his{background:var(--his);margin-inline:15% 0}
p{margin:.25rem 0}
.who{font-size:.875rem}
.words{white-space:pre-wrap}
.wrong{color:var(--wrong)}
form{margin-block:1rem}
label{display:block;font-weight:600}
textarea{inline-size:100%;font:inherit;padding:.5rem;border:1px solid var(--line);border-radius:8px;background:var(--sheet);color:inherit}
button{font:inherit;min-block-size:44px;padding:.5rem 1.25rem;border-radius:8px;border:1px solid var(--accent);background:var(--accent);color:var(--accent-ink)}
button.quiet{background:transparent;color:var(--accent)}
)";
}

}  // namespace belfry::gateway
