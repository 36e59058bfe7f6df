#include "adapters/smpp/text.h"

#include <algorithm>
#include <array>

#include "adapters/smpp/udh.h"
#include "adapters/smpp/utf8.h"

namespace belfry::smpp {
namespace {

constexpr int kOctets = 140;  // of one SMS, TS 23.040 9.2.3.16
constexpr int kMostSegments = 255;
constexpr std::size_t kForcedShown = 8;
constexpr int kLookBack = 40;  // characters that one visible character may be made of

bool in(char32_t c, char32_t from, char32_t to) { return c >= from && c <= to; }

// What belongs to the character before it: marks, variants, skin tones, joiners.
bool continues(char32_t c) {
  return in(c, 0x300, 0x36F) || in(c, 0x483, 0x489) || in(c, 0x591, 0x5C7) || in(c, 0x610, 0x61A) || in(c, 0x64B, 0x65F) ||
         in(c, 0x900, 0x903) || in(c, 0x93A, 0x94F) || in(c, 0x981, 0x983) || in(c, 0x9BC, 0x9CD) || in(c, 0x1AB0, 0x1AFF) ||
         in(c, 0x1DC0, 0x1DFF) || c == 0x200D || in(c, 0x20D0, 0x20FF) || in(c, 0xFE00, 0xFE0F) || in(c, 0xFE20, 0xFE2F) ||
         in(c, 0x1F3FB, 0x1F3FF) || in(c, 0xE0020, 0xE007F);
}

// A text in one coding: where its characters begin, and where a part may end without cutting what a person sees as one.
struct Encoded {
  std::string octets;
  std::vector<std::uint32_t> starts;  // of each character, and the end
  std::vector<bool> whole;            // a visible character begins here
};

struct Room {
  int single = 0, many = 0;  // octets of `Encoded` that one part holds, of one and of several
};

Room room_of(Coding coding, Tables tables, Long how) {
  const int tables_octets = tables.single != 0 && tables.locking != 0 ? 6 : tables.single != 0 || tables.locking != 0 ? 3 : 0;
  const int concat = how == Long::kUdh16 ? 6 : 5;  // sar_* and message_payload cost the SMSC as much as a header of 8 bits
  const auto of = [&](int header) {
    const int octets = header == 0 ? 0 : header + 1;  // with its length
    switch (coding) {
      case Coding::kGsm7:
      case Coding::kAscii: return (kOctets * 8 - octets * 8) / 7;
      case Coding::kLatin1: return kOctets - octets;
      case Coding::kUcs2: return (kOctets - octets) / 2 * 2;
    }
    return 0;
  };
  return {of(tables_octets), of(tables_octets + concat)};
}

// Cuts it; empty if one part holds all or if there are too many parts (then `count` says how many).
std::vector<std::string> cut(const Encoded& text, int room, int& count) {
  std::vector<std::string> parts;
  std::size_t at = 0;  // index of a character
  const std::size_t characters = text.starts.size() - 1;
  count = 0;
  while (at < characters) {
    std::size_t end = at;
    while (end < characters && text.starts[end + 1] - text.starts[at] <= static_cast<std::uint32_t>(room)) ++end;
    if (end < characters) {
      std::size_t better = end;
      for (int i = 0; i < kLookBack && better > at + 1 && !text.whole[better]; ++i) --better;
      if (text.whole[better] && better > at) end = better;
    }
    ++count;
    parts.push_back(text.octets.substr(text.starts[at], text.starts[end] - text.starts[at]));
    at = end;
  }
  return parts;
}

void append_ucs2(std::string& out, char32_t c) {
  const auto unit = [&out](char32_t value) {
    out.push_back(static_cast<char>(value >> 8));
    out.push_back(static_cast<char>(value & 0xFF));
  };
  if (c > 0xFFFF) {
    unit(0xD800 + ((c - 0x10000) >> 10));
    unit(0xDC00 + ((c - 0x10000) & 0x3FF));
  } else {
    unit(c);
  }
}

bool append_in(std::string& out, char32_t c, Coding coding, Tables tables) {
  switch (coding) {
    case Coding::kGsm7: return append_septets(out, c, tables);
    case Coding::kLatin1:
    case Coding::kAscii:
      if (c > (coding == Coding::kAscii ? 0x7FU : 0xFFU) || c == 0 || in(c, 0x80, 0x9F)) return false;
      out.push_back(static_cast<char>(c));
      return true;
    case Coding::kUcs2: append_ucs2(out, c); return true;
  }
  return false;
}

// All of it in this coding, or the characters that are not in it.
struct Attempt {
  Encoded text;
  std::vector<char32_t> missing;
};
Attempt encode_as(const std::u32string& characters, Coding coding, Tables tables) {
  Attempt out;
  out.text.octets.reserve(characters.size() * (coding == Coding::kUcs2 ? 2 : 1));
  char32_t before = 0;
  bool flags = false;  // an odd number of regional indicators: the next one ends a flag
  for (const char32_t c : characters) {
    const bool flag = in(c, 0x1F1E6, 0x1F1FF);
    out.text.starts.push_back(static_cast<std::uint32_t>(out.text.octets.size()));
    out.text.whole.push_back(!(continues(c) || before == 0x200D || (before == '\r' && c == '\n') || (flag && flags)));
    flags = flag && !flags;
    before = c;
    if (append_in(out.text.octets, c, coding, tables)) continue;
    if (std::find(out.missing.begin(), out.missing.end(), c) == out.missing.end()) out.missing.push_back(c);
    if (out.missing.size() >= kForcedShown) break;
  }
  out.text.starts.push_back(static_cast<std::uint32_t>(out.text.octets.size()));
  out.text.whole.push_back(true);
  return out;
}

struct Choice {
  Coding coding = Coding::kUcs2;
  Tables tables;
};

// What the route carries, the plainest first: of two that need as many segments the first is taken.
std::vector<Choice> choices_of(const TextPolicy& policy) {
  std::vector<Choice> out;
  if (policy.alphabet == Alphabet::kLatin1) return {{Coding::kLatin1, {}}, {Coding::kUcs2, {}}};
  if (policy.alphabet == Alphabet::kAscii) return {{Coding::kAscii, {}}, {Coding::kUcs2, {}}};
  out.push_back({Coding::kGsm7, {}});
  for (const std::uint8_t each : policy.national) out.push_back({Coding::kGsm7, {each, 0}});
  for (const std::uint8_t each : policy.national) {
    if (!has_main_table(each)) continue;
    out.push_back({Coding::kGsm7, {0, each}});
    for (const std::uint8_t single : policy.national) out.push_back({Coding::kGsm7, {single, each}});
  }
  out.push_back({Coding::kUcs2, {}});
  return out;
}

}  // namespace

std::string_view name_of(Coding coding) {
  switch (coding) {
    case Coding::kGsm7: return "GSM 7-bit";
    case Coding::kLatin1: return "Latin-1";
    case Coding::kAscii: return "ASCII";
    case Coding::kUcs2: return "UCS-2";
  }
  return "";
}

Result<Plan> plan(std::string_view utf8, const TextPolicy& policy) {
  if (utf8.empty()) return fail(Errc::kBadInput, "there is no text to send: write something");
  std::u32string characters;
  characters.reserve(utf8.size());
  for (std::size_t at = 0; at < utf8.size();) {
    const auto c = next_utf8(utf8, at);
    if (!c) return fail(Errc::kBadInput, "the text is not valid UTF-8 at octet " + std::to_string(at));
    characters.push_back(*c);
  }
  Plan best;
  int fewest = INT32_MAX;
  std::vector<char32_t> forced;
  for (const Choice& choice : choices_of(policy)) {
    Attempt attempt = encode_as(characters, choice.coding, choice.tables);
    if (!attempt.missing.empty()) {
      if (forced.empty()) forced = std::move(attempt.missing);
      continue;
    }
    const Room room = room_of(choice.coding, choice.tables, policy.how);
    const bool one = attempt.text.octets.size() <= static_cast<std::size_t>(room.single);
    int count = 1;
    std::vector<std::string> parts;
    if (!one) parts = cut(attempt.text, room.many, count);
    if (count >= fewest) continue;
    fewest = count;
    const int per_unit = choice.coding == Coding::kUcs2 ? 2 : 1;
    best.coding = choice.coding;
    best.tables = choice.tables;
    best.room = (one ? room.single : room.many) / per_unit;
    best.units.clear();
    if (one) {
      parts.push_back(std::move(attempt.text.octets));
    }
    for (const std::string& part : parts) best.units.push_back(static_cast<int>(part.size()) / per_unit);
    best.parts = std::move(parts);
    if (count == 1) break;
  }
  if (fewest > kMostSegments) {
    return fail(Errc::kTooLarge,
                "the text needs " + std::to_string(fewest) + " segments, and an SMS has at most 255: shorten it");
  }
  if (best.coding == Coding::kUcs2 || best.tables != Tables{}) {
    for (const char32_t c : forced) append_utf8(best.forced.emplace_back(), c);
  }
  return best;
}

std::vector<Segment> segments(const Plan& plan, const TextPolicy& policy, std::uint16_t ref, bool flash) {
  std::vector<Segment> out;
  Segment like;
  switch (plan.coding) {
    case Coding::kGsm7:
    case Coding::kAscii:
    case Coding::kLatin1: like.data_coding = flash ? 0x10 : 0x00; break;
    case Coding::kUcs2: like.data_coding = flash ? 0x18 : 0x08; break;
  }
  const std::size_t total = plan.parts.size();
  if (total > 1 && policy.how == Long::kPayload) {
    for (const std::string& part : plan.parts) like.payload += part;
    // A header in a payload stands once, before all of it.
    if (const std::string header = write_header(std::nullopt, plan.tables); !header.empty()) {
      like.esm_class = 0x40;
      like.payload.insert(0, header);
    }
    return {like};
  }
  for (std::size_t i = 0; i < total; ++i) {
    Segment& segment = out.emplace_back(like);
    std::optional<Concat> concat;
    if (total > 1 && policy.how != Long::kSar) {
      const bool wide = policy.how == Long::kUdh16;
      concat = Concat{wide ? ref : static_cast<std::uint16_t>(ref & 0xFF), static_cast<std::uint8_t>(total),
                      static_cast<std::uint8_t>(i + 1), wide};
    } else if (total > 1) {
      segment.sar_ref = ref;
      segment.sar_total = static_cast<std::uint8_t>(total);
      segment.sar_seq = static_cast<std::uint8_t>(i + 1);
    }
    segment.short_message = write_header(concat, plan.tables);
    if (!segment.short_message.empty()) segment.esm_class = 0x40;
    segment.short_message += plan.parts[i];
  }
  return out;
}

}  // namespace belfry::smpp
