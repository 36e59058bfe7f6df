#include "routing/resp.h"

#include <hiredis/read.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <new>
#include <utility>

namespace belfry::routing {

namespace {

struct KnownRefusal {
  std::string_view word;
  Refusal refusal;
};
constexpr std::array kRefusals{
    KnownRefusal{"LOADING", Refusal::kLoading},       KnownRefusal{"MASTERDOWN", Refusal::kLoading},
    KnownRefusal{"CLUSTERDOWN", Refusal::kLoading},   KnownRefusal{"READONLY", Refusal::kReadonly},
    KnownRefusal{"MISCONF", Refusal::kMisconf},       KnownRefusal{"OOM", Refusal::kOutOfMemory},
    KnownRefusal{"NOREPLICAS", Refusal::kNoReplicas}, KnownRefusal{"BUSY", Refusal::kBusy},
    KnownRefusal{"MOVED", Refusal::kMoved},           KnownRefusal{"ASK", Refusal::kMoving},
    KnownRefusal{"TRYAGAIN", Refusal::kMoving},       KnownRefusal{"NOSCRIPT", Refusal::kNoScript},
    KnownRefusal{"NOAUTH", Refusal::kAuth},           KnownRefusal{"WRONGPASS", Refusal::kAuth},
    KnownRefusal{"NOPERM", Refusal::kAuth},
};

std::string_view first_word(std::string_view text) { return text.substr(0, text.find(' ')); }

void append_number(std::string& out, char mark, std::size_t number) {
  char digits[24];
  digits[0] = mark;
  char* end = std::to_chars(digits + 1, digits + 22, number).ptr;
  *end++ = '\r';
  *end++ = '\n';
  out.append(digits, static_cast<std::size_t>(end - digits));
}

std::size_t digits_of(std::size_t number) {
  std::size_t digits = 1;
  while (number >= 10) {
    number /= 10;
    ++digits;
  }
  return digits;
}

}  // namespace

Refusal refusal_of(std::string_view error_text) {
  const std::string_view word = first_word(error_text);
  for (const auto& known : kRefusals) {
    if (known.word == word) return known.refusal;
  }
  // The one refusal without a word of its own: FCALL of a function that nobody loaded (Redis 7.0 functions.c).
  if (error_text.starts_with("ERR Function not found")) return Refusal::kNoFunction;
  return Refusal::kOther;
}

Refusal refusal_of(const Value& reply) { return reply.is_error() ? refusal_of(std::string_view(reply.text)) : Refusal::kNone; }

Error error_of(const Value& reply) {
  std::string word(first_word(reply.text).substr(0, 40));
  switch (refusal_of(reply)) {
    case Refusal::kLoading:
    case Refusal::kReadonly:
    case Refusal::kMisconf:
    case Refusal::kOutOfMemory:
    case Refusal::kNoReplicas:
    case Refusal::kMoved:
    case Refusal::kMoving: return {Errc::kUnavailable, "redis says " + word};
    case Refusal::kBusy: return {Errc::kBusy, "redis says " + word};
    case Refusal::kAuth: return {Errc::kUnauthorized, "redis says " + word};
    default: return {Errc::kInternal, "redis says " + word};
  }
}

bool may_write(std::string_view encoded) {
  // What the gateway sends and only reads: commands, and functions of ours that are registered with no-writes.
  static constexpr std::array<std::string_view, 24> kReads{
      "GET",   "MGET",   "HGET",   "HMGET", "HGETALL",  "HEXISTS",   "HLEN",  "EXISTS", "TTL",  "PTTL",    "LRANGE", "LLEN",
      "ZCARD", "ZRANGE", "ZSCORE", "SCARD", "SMEMBERS", "SISMEMBER", "XREAD", "XRANGE", "PING", "PUBLISH", "CONFIG", "INFO"};
  static constexpr std::array<std::string_view, 8> kReadFunctions{"recount", "card", "desk",          "replay",
                                                                  "entries", "page", "conversations", "snapshot"};
  // The next word; empty if there is none.
  const auto word = [&encoded]() -> std::string_view {
    const auto dollar = encoded.find('$');
    const auto line = encoded.find("\r\n", dollar == std::string_view::npos ? 0 : dollar);
    if (dollar == std::string_view::npos || line == std::string_view::npos) return {};
    std::size_t size = 0;
    std::from_chars(encoded.data() + dollar + 1, encoded.data() + line, size);
    encoded.remove_prefix(line + 2);
    const std::string_view found = encoded.substr(0, size);
    encoded.remove_prefix(found.size());
    return found;
  };
  const std::string_view verb = word();
  if (verb != "FCALL") return std::find(kReads.begin(), kReads.end(), verb) == kReads.end();
  const std::string_view function = word();
  return std::find(kReadFunctions.begin(), kReadFunctions.end(), function.substr(0, function.rfind('_'))) == kReadFunctions.end();
}

void append_command(std::string& out, std::span<const std::string_view> args) {
  std::size_t size = 3 + digits_of(args.size());
  for (const auto& arg : args) size += 5 + digits_of(arg.size()) + arg.size();
  // Exact reserves would defeat doubling when many commands share one buffer.
  if (out.capacity() - out.size() < size) out.reserve(std::max(out.size() + size, out.capacity() * 2));
  append_number(out, '*', args.size());
  for (const auto& arg : args) {
    append_number(out, '$', arg.size());
    out.append(arg);
    out.append("\r\n", 2);
  }
}

std::string encode(std::span<const std::string_view> args) {
  std::string out;
  append_command(out, args);
  return out;
}

// hiredis builds the reply through callbacks. Each gets the task of the value at hand, whose parent's `obj` is the array it
// belongs to. Values are appended depth first, so a pointer into a vector is used only while it is the last element.
struct Decoder::State {
  explicit State(DecoderLimits l) : limits(l), reader(redisReaderCreateWithFunctions(&kFunctions)) {
    if (reader == nullptr) throw std::bad_alloc();
    reader->privdata = this;
  }
  ~State() { redisReaderFree(reader); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  // Null tells hiredis "out of memory", which ends the stream; `over_limit` remembers what it really was.
  static void* place(const redisReadTask* task, Value&& value) noexcept {
    State& state = *static_cast<State*>(task->privdata);
    if (++state.elements > state.limits.max_elements) {
      state.over_limit = true;
      return nullptr;
    }
    try {
      if (task->parent == nullptr) {
        state.root = std::move(value);
        return &state.root;
      }
      auto& siblings = static_cast<Value*>(task->parent->obj)->array;
      siblings.push_back(std::move(value));
      return &siblings.back();
    } catch (...) {
      return nullptr;
    }
  }
  static void* on_string(const redisReadTask* task, char* text, std::size_t length) {
    Value value;
    value.kind = task->type == REDIS_REPLY_ERROR    ? Value::Kind::kError
                 : task->type == REDIS_REPLY_STATUS ? Value::Kind::kStatus
                                                    : Value::Kind::kString;
    try {
      value.text.assign(text, length);
    } catch (...) {
      return nullptr;
    }
    return place(task, std::move(value));
  }
  static void* on_array(const redisReadTask* task, int count) {
    Value value;
    value.kind = Value::Kind::kArray;
    try {
      // The count is the peer's claim: believe it only as far as it costs little.
      value.array.reserve(static_cast<std::size_t>(std::clamp(count, 0, 64)));
    } catch (...) {
      return nullptr;
    }
    return place(task, std::move(value));
  }
  static void* on_integer(const redisReadTask* task, long long number) {
    Value value;
    value.kind = Value::Kind::kInteger;
    value.integer = number;
    return place(task, std::move(value));
  }
  static void* on_nil(const redisReadTask* task) { return place(task, Value{}); }
  static void on_free(void*) {}  // `root` is ours

  static redisReplyObjectFunctions kFunctions;

  DecoderLimits limits;
  redisReader* reader;
  Value root;
  std::size_t elements = 0;      // of the reply under way
  std::size_t reply_octets = 0;  // handed to the reader since the last whole reply
  bool over_limit = false;
  std::optional<Error> lost;
  std::string pending;  // fed, and not yet handed to the reader
  std::size_t pending_at = 0;
};

redisReplyObjectFunctions Decoder::State::kFunctions = {
    Decoder::State::on_string, Decoder::State::on_array, Decoder::State::on_integer,
    Decoder::State::on_nil,    Decoder::State::on_free,
};

Decoder::Decoder(DecoderLimits limits) : state_(std::make_unique<State>(limits)) {}
Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;

void Decoder::feed(std::string_view bytes) {
  if (!state_->lost) state_->pending.append(bytes);
}

std::size_t Decoder::buffered() const {
  return state_->pending.size() - state_->pending_at + (state_->reader->len - state_->reader->pos);
}

Result<std::optional<Value>> Decoder::next() {
  // The reader moves its rest to the front every 1 KiB it consumes: a small buffer keeps that cheap.
  constexpr std::size_t kSlice = 4UL << 10;
  State& s = *state_;
  const auto lose = [&](Errc code, std::string why) {
    s.lost = Error{code, std::move(why)};
    s.pending = {};
    s.pending_at = 0;
    return tl::unexpected<Error>(*s.lost);
  };
  if (s.lost) return tl::unexpected<Error>(*s.lost);
  for (;;) {
    void* reply = nullptr;
    if (redisReaderGetReply(s.reader, &reply) != REDIS_OK) {
      if (s.over_limit) return lose(Errc::kTooLarge, "a redis reply has too many elements");
      return lose(Errc::kBadInput, "redis broke its protocol");
    }
    if (reply != nullptr) {
      s.elements = 0;
      s.reply_octets = s.reader->len - s.reader->pos;
      return std::optional<Value>(std::exchange(s.root, Value{}));
    }
    // Every unfinished line is scanned again from its start, so an endless one must not grow.
    const std::size_t unread = s.reader->len - s.reader->pos;
    const char* head = unread > 0 ? s.reader->buf + s.reader->pos : nullptr;
    if (unread > s.limits.max_line &&
        (s.reader->rstack[std::max(s.reader->ridx, 0)].type != REDIS_REPLY_STRING || std::memchr(head, '\r', 32) == nullptr)) {
      return lose(Errc::kTooLarge, "a redis line has no end");
    }
    if (s.pending_at == s.pending.size()) {
      if (s.pending.capacity() > (1UL << 20)) s.pending = {};
      s.pending.clear();
      s.pending_at = 0;
      return std::optional<Value>{};
    }
    const std::size_t size = std::min(kSlice, s.pending.size() - s.pending_at);
    s.reply_octets += size;
    if (s.reply_octets > s.limits.max_reply) return lose(Errc::kTooLarge, "a redis reply is too large");
    if (redisReaderFeed(s.reader, s.pending.data() + s.pending_at, size) != REDIS_OK) {
      return lose(Errc::kInternal, "no memory for a redis reply");
    }
    s.pending_at += size;
  }
}

}  // namespace belfry::routing
