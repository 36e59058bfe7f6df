// PNG by hand: one IDAT of stored (uncompressed) deflate blocks. A photograph of a puddle, with some imagination.
#include "picture.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

namespace sim {

namespace {

void put32(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}

std::uint32_t crc32(std::string_view bytes) {
  static const auto kTable = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = (value & 1) != 0 ? 0xedb88320U ^ (value >> 1) : value >> 1;
      table[i] = value;
    }
    return table;
  }();
  std::uint32_t crc = ~0U;
  for (const char c : bytes) crc = kTable[(crc ^ static_cast<unsigned char>(c)) & 255] ^ (crc >> 8);
  return ~crc;
}

void chunk(std::string& out, std::string_view name, std::string_view data) {
  put32(out, static_cast<std::uint32_t>(data.size()));
  std::string body(name);
  body += data;
  out += body;
  put32(out, crc32(body));
}

}  // namespace

std::string make_png(Chance& chance, unsigned size) {
  const auto hue = static_cast<unsigned>(chance.between(0, 255));
  const auto x0 = static_cast<int>(chance.between(0, static_cast<int>(size)));
  std::string raw;
  for (unsigned y = 0; y < size; ++y) {
    raw += '\0';  // filter: none
    for (unsigned x = 0; x < size; ++x) {
      const int dx = static_cast<int>(x) - x0, dy = static_cast<int>(y) - static_cast<int>(size / 2);
      const bool puddle = dx * dx + 3 * dy * dy < static_cast<int>(size * size / 5);
      raw += static_cast<char>(puddle ? 40 : (hue + y) & 255);
      raw += static_cast<char>(puddle ? 90 : (hue / 2 + x) & 255);
      raw += static_cast<char>(puddle ? 180 - y / 2 : 120);
    }
  }
  std::string stream = "\x78\x01";
  std::uint32_t a = 1, b = 0;  // Adler-32
  for (const char c : raw) {
    a = (a + static_cast<unsigned char>(c)) % 65521;
    b = (b + a) % 65521;
  }
  for (std::size_t at = 0; at < raw.size(); at += 65535) {
    const auto length = std::min<std::size_t>(65535, raw.size() - at);
    stream += static_cast<char>(at + length == raw.size());
    stream += static_cast<char>(length & 255);
    stream += static_cast<char>(length >> 8);
    stream += static_cast<char>(~length & 255);
    stream += static_cast<char>((~length >> 8) & 255);
    stream.append(raw, at, length);
  }
  put32(stream, b << 16 | a);
  std::string head;
  put32(head, size);
  put32(head, size);
  head += std::string("\x08\x02\x00\x00\x00", 5);  // 8 bits, RGB
  std::string out = "\x89PNG\r\n\x1a\n";
  chunk(out, "IHDR", head);
  chunk(out, "IDAT", stream);
  chunk(out, "IEND", "");
  return out;
}

}  // namespace sim
