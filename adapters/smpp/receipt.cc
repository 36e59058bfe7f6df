#include "adapters/smpp/receipt.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>

namespace belfry::smpp {
namespace {

constexpr std::size_t kMaxId = 64;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
std::string lowered(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

constexpr std::array<std::string_view, 9> kKeys{
    "id:", "sub:", "dlvrd:", "submit date:", "done date:", "submitdate:", "stat:", "err:", "text:"};

// Where a key begins at or after `from`: at the start of a word, in any case.
std::size_t key_at(const std::string& low, std::string_view key, std::size_t from) {
  for (std::size_t at = low.find(key, from); at != std::string::npos; at = low.find(key, at + 1)) {
    if (at == 0 || !(is_hex(low[at - 1]) || (low[at - 1] >= 'a' && low[at - 1] <= 'z'))) return at;
  }
  return std::string::npos;
}

// What stands behind a key, up to the next one.
std::optional<std::string> value_of(const std::string& text, const std::string& low, std::string_view key) {
  const std::size_t at = key_at(low, key, 0);
  if (at == std::string::npos) return std::nullopt;
  const std::size_t from = at + key.size();
  std::size_t end = text.size();
  for (const std::string_view next : kKeys) end = std::min(end, key_at(low, next, from));
  if (key == "text:") end = text.size();
  std::string value = text.substr(from, end - from);
  const auto first = value.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return std::string();
  return value.substr(first, value.find_last_not_of(" \t\r\n,;") - first + 1);
}

std::string first_word(std::string_view value) { return std::string(value.substr(0, value.find_first_of(" \t\r\n"))); }

MessageState state_from(std::string_view word) {
  struct Row {
    std::string_view word;
    MessageState state;
  };
  constexpr std::array<Row, 12> kRows{{{"deliv", MessageState::kDelivered},
                                       {"expir", MessageState::kExpired},
                                       {"delet", MessageState::kDeleted},
                                       {"undel", MessageState::kUndeliverable},
                                       {"accep", MessageState::kAccepted},
                                       {"unkno", MessageState::kUnknown},
                                       {"rejec", MessageState::kRejected},
                                       {"enrou", MessageState::kEnroute},
                                       {"skipp", MessageState::kSkipped},
                                       {"buffr", MessageState::kEnroute},
                                       {"buffe", MessageState::kEnroute},
                                       {"sched", MessageState::kScheduled}}};
  const std::string low = lowered(word);
  for (const Row& row : kRows) {
    if (std::string_view(low).starts_with(row.word)) return row.state;
  }
  return MessageState::kUnknown;
}

// "3:27": type and number. Some write three ASCII digits instead.
std::string network_error(std::string_view value) {
  if (value.size() != 3) return "";
  if (std::all_of(value.begin(), value.end(), is_digit)) return std::string(value);
  const auto at = [value](std::size_t i) { return static_cast<int>(static_cast<unsigned char>(value[i])); };
  return std::to_string(at(0)) + ":" + std::to_string(at(1) * 256 + at(2));
}

// Zeros before a number are padding; in a word of letters (a UUID), or in what is longer than a number, they are not.
bool is_number(std::string_view id, bool hex) {
  return !id.empty() && id.size() <= 20 && std::all_of(id.begin(), id.end(), hex ? is_hex : is_digit);
}
std::string stripped(std::string_view id) {
  const auto first = id.find_first_not_of('0');
  return first == std::string_view::npos ? "0" : std::string(id.substr(first));
}

// 20 hexadecimal digits need 80 bits, so long arithmetic by hand: a number in decimal from its digits in `radix`.
std::string to_decimal(std::string_view id) {
  std::string out = "0";  // least significant digit first
  for (const char c : id) {
    int carry = is_digit(c) ? c - '0' : lower(c) - 'a' + 10;
    for (char& digit : out) {
      carry += (digit - '0') * 16;
      digit = static_cast<char>('0' + carry % 10);
      carry /= 10;
    }
    for (; carry > 0; carry /= 10) out.push_back(static_cast<char>('0' + carry % 10));
  }
  std::reverse(out.begin(), out.end());
  return out;
}

std::string name_of_id(std::string_view id, bool from_hex) {
  id = id.substr(0, kMaxId);
  std::string name;
  if (from_hex && is_number(id, true)) {
    name = stripped(to_decimal(id));
  } else {
    name = lowered(id);
    if (is_number(name, true)) name = stripped(name);
  }
  // It becomes a line of ours, and a part of one.
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '|' || static_cast<unsigned char>(c) < ' '; }, '_');
  return name;
}

std::optional<WallTime> time_from(std::string_view digits, std::size_t year_digits, bool seconds) {
  const auto part = [&digits](std::size_t at, std::size_t size) {
    unsigned value = 0;
    for (const char c : digits.substr(at, size)) value = value * 10 + static_cast<unsigned>(c - '0');
    return value;
  };
  int year = static_cast<int>(part(0, year_digits));
  if (year_digits == 2) year += year < 38 ? 2000 : 1900;
  const unsigned month = part(year_digits, 2), day = part(year_digits + 2, 2);
  const unsigned hour = part(year_digits + 4, 2), minute = part(year_digits + 6, 2);
  const unsigned second = seconds ? part(year_digits + 8, 2) : 0;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month), std::chrono::day(day)};
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return WallTime{((days * 24 + hour) * 60 + minute) * 60'000 + second * std::int64_t{1'000}};
}

}  // namespace

bool says_receipt(std::uint8_t esm_class) {
  const int kind = esm_class & 0x3C;
  return kind == 0x04 || kind == 0x20;
}

std::optional<ReceiptNews> read_receipt(const Message& message, Alphabet alphabet, WallTime now) {
  ReceiptNews out;
  const std::string* id = find(message.tlvs, tag::kReceiptedMessageId);
  const auto state = number_in(message.tlvs, tag::kMessageState);
  const std::string text = decode_text(message.data_coding, text_of(message), alphabet).text;
  const std::string low = lowered(text);
  const auto text_id = value_of(text, low, "id:");
  const auto stat = value_of(text, low, "stat:");
  const bool told = says_receipt(message.esm_class);
  // A citizen may write `id:` and `stat:` as well: without the SMSC's word for it, a receipt must look like nothing else.
  const bool looks = low.starts_with("id:") && stat && !stat->empty() && low.find("date:") != std::string::npos;
  const bool by_text = text_id && !text_id->empty() && (told || looks);
  if (id == nullptr && !by_text) return std::nullopt;
  if (id != nullptr) {
    out.id = id->substr(0, id->find('\0'));
  } else {
    out.id = first_word(*text_id);
  }
  if (stat) out.word = first_word(*stat);
  if (state && *state <= 9) {
    out.state = static_cast<MessageState>(*state);
  } else if (stat) {
    out.state = state_from(out.word);
  }
  if (const std::string* network = find(message.tlvs, tag::kNetworkErrorCode)) out.error = network_error(*network);
  if (const auto error = value_of(text, low, "err:"); error && out.error.empty()) out.error = first_word(*error);
  if (const auto done = value_of(text, low, "done date:")) out.done = receipt_time(first_word(*done), now);
  return out;
}

std::optional<State> state_of(MessageState state) {
  switch (state) {
    case MessageState::kDelivered: return State::kDelivered;
    case MessageState::kExpired:
    case MessageState::kDeleted:
    case MessageState::kUndeliverable:
    case MessageState::kRejected:
    case MessageState::kSkipped: return State::kFailed;
    case MessageState::kScheduled:
    case MessageState::kEnroute:
    case MessageState::kAccepted:
    case MessageState::kUnknown: return std::nullopt;
  }
  return std::nullopt;
}

std::string_view name_of(MessageState state) {
  constexpr std::array<std::string_view, 10> kNames{"SCHEDULED",     "ENROUTE",  "DELIVERED", "EXPIRED",  "DELETED",
                                                    "UNDELIVERABLE", "ACCEPTED", "UNKNOWN",   "REJECTED", "SKIPPED"};
  return kNames[std::min<std::size_t>(static_cast<std::size_t>(state), kNames.size() - 1)];
}

std::string name_from_answer(std::string_view id, IdFormat format) {
  return name_of_id(id, format == IdFormat::kAnswerHexReceiptDec);
}
std::string name_from_receipt(std::string_view id, IdFormat format) {
  return name_of_id(id, format == IdFormat::kAnswerDecReceiptHex);
}

std::string relative_time(std::int64_t ms) {
  const std::int64_t seconds = std::clamp<std::int64_t>(ms / 1'000, 1, 99LL * 86'400);
  char out[32];
  std::snprintf(out, sizeof out, "0000%02d%02d%02d%02d000R", static_cast<int>(seconds / 86'400),
                static_cast<int>(seconds / 3'600 % 24), static_cast<int>(seconds / 60 % 60), static_cast<int>(seconds % 60));
  return out;
}

std::optional<WallTime> receipt_time(std::string_view digits, WallTime now) {
  if (!std::all_of(digits.begin(), digits.end(), is_digit)) return std::nullopt;
  if (digits.size() == 10) return time_from(digits, 2, false);
  if (digits.size() == 14) return time_from(digits, 4, true);
  if (digits.size() != 12) return std::nullopt;
  const auto brief = time_from(digits, 2, true), full = time_from(digits, 4, false);
  if (!brief || !full) return brief ? brief : full;
  return std::abs(*brief - now) <= std::abs(*full - now) ? brief : full;
}

}  // namespace belfry::smpp
