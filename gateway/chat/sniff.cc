#include "gateway/chat/sniff.h"

#include <algorithm>
#include <array>

namespace belfry::gateway {
namespace {

struct Row {
  std::size_t at;
  std::string_view magic;
  std::string_view type;
};
using namespace std::string_view_literals;
constexpr std::array kRows{
    Row{0, "\xFF\xD8\xFF"sv, "image/jpeg"},
    Row{0, "\x89PNG\r\n\x1A\n"sv, "image/png"},
    Row{0, "GIF87a"sv, "image/gif"},
    Row{0, "GIF89a"sv, "image/gif"},
    Row{8, "WEBP"sv, "image/webp"},
    Row{4, "ftypheic"sv, "image/heic"},
    Row{4, "ftypavif"sv, "image/avif"},
    Row{0, "%PDF-"sv, "application/pdf"},
    Row{4, "ftypM4A"sv, "audio/mp4"},
    Row{4, "ftyp"sv, "video/mp4"},
    Row{0, "\x1A\x45\xDF\xA3"sv, "video/webm"},
    Row{0, "OggS"sv, "audio/ogg"},
    Row{0, "ID3"sv, "audio/mpeg"},
    Row{0, "\xFF\xFB"sv, "audio/mpeg"},
    Row{8, "WAVE"sv, "audio/wav"},
    Row{0, "PK\x03\x04"sv, "application/zip"},
    Row{0, "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"sv, "application/x-ole-storage"},
    Row{0, "{\\rtf"sv, "application/rtf"},
};

// The office formats are zips that begin with a file of a known name.
std::string kind_of_zip(std::string_view bytes) {
  const std::string_view head = bytes.substr(0, 4'096);
  const auto holds = [&](std::string_view name) { return head.find(name) != std::string_view::npos; };
  constexpr std::string_view kOffice = "application/vnd.openxmlformats-officedocument.";
  if (holds("word/")) return std::string(kOffice) + "wordprocessingml.document";
  if (holds("xl/")) return std::string(kOffice) + "spreadsheetml.sheet";
  if (holds("ppt/")) return std::string(kOffice) + "presentationml.presentation";
  if (holds("mimetypeapplication/vnd.oasis.opendocument.text")) return "application/vnd.oasis.opendocument.text";
  if (holds("mimetypeapplication/vnd.oasis.opendocument.spreadsheet")) return "application/vnd.oasis.opendocument.spreadsheet";
  return "application/zip";
}

// Text has no control characters but the usual three, and does not begin as markup does.
bool is_plain_text(std::string_view bytes) {
  const std::string_view head = bytes.substr(0, 4'096);
  if (std::any_of(head.begin(), head.end(), [](char c) {
        const auto octet = static_cast<unsigned char>(c);
        return octet < 0x20 && c != '\n' && c != '\r' && c != '\t';
      }))
    return false;
  const auto first = head.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  return first == std::string_view::npos || head[first] != '<';
}

}  // namespace

std::optional<std::string> sniff(std::string_view bytes) {
  for (const Row& row : kRows) {
    if (bytes.size() < row.at + row.magic.size() || bytes.substr(row.at, row.magic.size()) != row.magic) continue;
    if (row.at == 8 && !bytes.starts_with("RIFF")) continue;
    return row.type == "application/zip" ? kind_of_zip(bytes) : std::string(row.type);
  }
  if (is_plain_text(bytes)) return "text/plain; charset=utf-8";
  return std::nullopt;
}

}  // namespace belfry::gateway
