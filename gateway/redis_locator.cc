#include "gateway/redis_locator.h"

#include <algorithm>
#include <utility>

namespace belfry::gateway {

using routing::Refusal;
using routing::Value;
using What = RedisLocator::Next::What;

namespace {

constexpr std::size_t kMostNodes = 64;
constexpr unsigned kSlots = 16384;

// CRC16/XMODEM, a bit at a time: one key at start.
std::uint16_t crc16(std::string_view text) {
  unsigned crc = 0;
  for (const char c : text) {
    crc ^= static_cast<unsigned>(static_cast<unsigned char>(c)) << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000U) != 0 ? (crc << 1) ^ 0x1021U : crc << 1;
    crc &= 0xFFFFU;
  }
  return static_cast<std::uint16_t>(crc);
}

bool is_port(std::string_view port) {
  return !port.empty() && port.size() <= 5 &&
         std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
         std::stoi(std::string(port)) >= 1 && std::stoi(std::string(port)) <= 65535;
}

}  // namespace

std::uint16_t slot_of(std::string_view key) {
  if (const auto open = key.find('{'); open != std::string_view::npos) {
    const auto close = key.find('}', open + 1);
    if (close != std::string_view::npos && close > open + 1) key = key.substr(open + 1, close - open - 1);
  }
  return static_cast<std::uint16_t>(crc16(key) % kSlots);
}

RedisLocator::RedisLocator(RedisTarget target) : target_(std::move(target)), seeds_(target_.seeds) {
  if (target_.kind == RedisTarget::Kind::kSentinel) {
    question_ = routing::encode({"SENTINEL", "get-master-addr-by-name", target_.service});
  } else if (target_.kind == RedisTarget::Kind::kCluster) {
    slot_ = slot_of(target_.tag);
    question_ = routing::encode({"CLUSTER", "SLOTS"});
    probe_ = routing::encode({"EXISTS", target_.tag});
  }
}

RedisLocator::Next RedisLocator::begin() {
  if (!searches()) return found(target_.address);
  if (seeds_.empty()) return {What::kNobody, {}, {}, false, {Errc::kUnavailable, "nobody to ask where redis is"}};
  if (!std::exchange(served_, false)) ++at_;  // where he led us nobody served us: somebody else may know better
  if (!told_.empty()) return found(std::exchange(told_, {}));
  asked_ = 0;
  to_ask_ = seeds_.size();
  why_.clear();
  return ask();
}

RedisLocator::Next RedisLocator::ask() {
  at_ %= seeds_.size();
  ++asked_;
  with_login_ = target_.kind == RedisTarget::Kind::kCluster && !target_.password.empty();
  return {What::kAsk, seeds_[at_], question_, with_login_, {}};
}

RedisLocator::Next RedisLocator::next_seed() {
  if (asked_ < to_ask_) {
    ++at_;
    return ask();
  }
  const std::string who =
      target_.kind == RedisTarget::Kind::kSentinel ? "no sentinel knows the primary: " : "no node knows who owns our slot: ";
  return {What::kNobody, {}, {}, false, {Errc::kUnavailable, who + why_}};
}

RedisLocator::Next RedisLocator::found(std::string address) { return {What::kConnect, std::move(address), {}, false, {}}; }

RedisLocator::Next RedisLocator::failed(const Error& why) {
  why_ = why.detail;
  return next_seed();
}

RedisLocator::Next RedisLocator::answered(const Value& reply) {
  if (routing::refusal_of(reply) == Refusal::kAuth && !with_login_ && !target_.password.empty()) {
    with_login_ = true;
    return {What::kAsk, seeds_[at_], question_, true, {}};
  }
  if (reply.is_error()) return failed(routing::error_of(reply));
  return target_.kind == RedisTarget::Kind::kSentinel ? of_sentinel(reply) : of_cluster(reply);
}

RedisLocator::Next RedisLocator::of_sentinel(const Value& reply) {
  if (reply.is_nil()) return failed({Errc::kNotFound, "it watches nothing of that name"});
  if (!reply.is_array() || reply.array.size() != 2 || !is_host(reply.array[0].text) || !is_port(reply.array[1].text))
    return failed({Errc::kBadInput, "an odd answer"});
  return found(redis_address(reply.array[0].text, reply.array[1].text));
}

// Each range: first, last, owner, replicas…; a node: host, port, id, more. No host means the one that was asked.
RedisLocator::Next RedisLocator::of_cluster(const Value& reply) {
  if (!reply.is_array()) return failed({Errc::kBadInput, "an odd answer"});
  const std::string here = host_of(seeds_[at_]);
  std::string owner;
  for (const Value& range : reply.array) {
    if (!range.is_array() || range.array.size() < 3 || !range.array[0].is_integer() || !range.array[1].is_integer()) continue;
    for (std::size_t i = 2; i < range.array.size(); ++i) {
      const Value& node = range.array[i];
      if (!node.is_array() || node.array.size() < 2 || !node.array[1].is_integer()) continue;
      const std::string& host = node.array[0].text.empty() ? here : node.array[0].text;
      const std::string port = std::to_string(node.array[1].integer);
      if (!is_host(host) || !is_port(port)) continue;
      std::string address = redis_address(host, port);
      if (i == 2 && range.array[0].integer <= slot_ && slot_ <= range.array[1].integer) owner = address;
      learn(std::move(address));
    }
  }
  if (owner.empty()) return failed({Errc::kNotFound, "it knows no owner"});
  return found(std::move(owner));
}

void RedisLocator::learn(std::string address) {
  if (std::find(seeds_.begin(), seeds_.end(), address) != seeds_.end()) return;
  // The configured ones stay; of the others the oldest makes room.
  if (seeds_.size() >= kMostNodes) seeds_.erase(seeds_.begin() + static_cast<std::ptrdiff_t>(target_.seeds.size()));
  seeds_.push_back(std::move(address));
}

void RedisLocator::served() { served_ = true; }

bool RedisLocator::moved(std::string_view error_text, std::string_view from) {
  if (target_.kind != RedisTarget::Kind::kCluster || !error_text.starts_with("MOVED ")) return false;
  const std::string_view address = error_text.substr(error_text.rfind(' ') + 1);
  const auto colon = address.rfind(':');
  if (colon == std::string_view::npos || !is_port(address.substr(colon + 1))) return false;
  std::string_view host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const std::string here = host_of(from);
  if (host.empty()) host = here;
  if (!is_host(host)) return false;
  told_ = redis_address(host, address.substr(colon + 1));
  if (told_ == from) {  // it would send us round in circles
    told_.clear();
    return false;
  }
  learn(told_);
  served_ = true;
  return true;
}

}  // namespace belfry::gateway
