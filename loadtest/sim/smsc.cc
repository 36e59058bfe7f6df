// What the SMSC does with each PDU, and when it speaks by itself.
#include "smsc.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

namespace sim {

using namespace smpp;

namespace {

constexpr std::size_t kMostKept = 200'000, kMostSets = 20'000, kMostTexts = 10'000'000, kMostRecent = 10'000,
                      kMostQueued = 100'000;
constexpr std::int64_t kSessionInitMs = 10'000;

double round3(double value) { return static_cast<double>(static_cast<std::int64_t>(value * 1000 + 0.5)) / 1000; }

double per_second(std::uint64_t count, std::int64_t first, std::int64_t last) {
  return count < 2 || last <= first ? 0 : round3(static_cast<double>(count - 1) * 1e9 / static_cast<double>(last - first));
}

std::string hex_code(std::uint32_t code) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%02X", code);
  return text;
}

std::string date(std::int64_t ms, const char* form) {
  const std::time_t seconds = ms / 1000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, form, &parts)};
}

std::string padded(std::uint64_t number, std::size_t width) {
  auto text = std::to_string(number);
  return text.size() < width ? std::string(width - text.size(), '0') + text : text;
}

std::string hex_number(std::uint64_t number) {
  char text[24];
  std::snprintf(text, sizeof text, "%lx", number);
  return text;
}

bool digits_only(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// What a strict operator would say about a segment; empty if nothing.
std::string complaint_about(const Sm& sm, const Concat& concat) {
  const auto alphabet = alphabet_of(sm.data_coding);
  const auto text = std::string_view(sm.content()).substr(concat.header);
  const bool payload = sm.short_message.empty() && sm.tlv(kTagPayload) != nullptr;
  if (!sm.short_message.empty() && sm.tlv(kTagPayload) != nullptr) return "short_message beside message_payload";
  if (concat.header != 0 && sm.tlv(kTagSarRef) != nullptr) return "sar_* beside a user data header";
  const auto room = alphabet == Alphabet::kGsm || alphabet == Alphabet::kAscii || alphabet == Alphabet::kLatin1
                        ? (1120 - 8 * concat.header) / 7
                        : 140 - concat.header;
  if (!payload && text.size() > room)
    return "segment of " + std::to_string(text.size()) + " where " + std::to_string(room) + " fit";
  if (alphabet == Alphabet::kGsm) {
    if (std::any_of(text.begin(), text.end(), [](char c) { return (c & 0x80) != 0; })) return "octet above 0x7F in GSM text";
    if (!text.empty() && text.back() == '\x1B') return "escape without its code";
  }
  if (alphabet == Alphabet::kUcs2) {
    if (text.size() % 2 != 0) return "UCS-2 of odd length";
    const auto high = [&](std::size_t at) { return static_cast<unsigned char>(text[at]) & 0xFCU; };
    if (text.size() >= 2 && (high(text.size() - 2) == 0xD8 || high(0) == 0xDC)) return "surrogate pair cut";
    if (text.substr(0, 2) == "\xFE\xFF") return "UCS-2 with a byte order mark";
  }
  return {};
}

}  // namespace

Smsc::Smsc(Loop& loop, Config config, Journal& journal)
    : loop_(loop),
      config_(std::move(config)),
      journal_(journal),
      chance_(config_.seed),
      run_(to_hex(random_bytes(3))),
      // Another id in every run, and of a size that hex and decimal do not confuse by length.
      next_id_(100'000'000 + static_cast<std::uint64_t>(wall_ms()) / 10 % 4'000'000'000) {
  if (config_.calm) config_.reorder = config_.slow = config_.duplicates = config_.odd = 0;
  if (config_.mo_kinds.empty()) config_.mo_kinds = mo_kinds();
  SmppServer::Handlers handlers;
  handlers.opened = [this](const auto& link) { opened(link); };
  handlers.pdus = [this](const auto& link, std::string_view bytes) { pdus(link, bytes); };
  handlers.garbage = [this](const auto& link) {
    ++garbage_;
    add_pdu(link->out, kGenericNack, kBadLength, 0);
  };
  handlers.closed = [this](const auto& link) { closed(link); };
  server_ = std::make_unique<SmppServer>(loop_, config_.port, config_.cert_file, config_.key_file, std::move(handlers));
  loop_.after(200, [this] { look_after(); });
  if (config_.drop_every_ms > 0) {
    loop_.after(config_.drop_every_ms, [this] { drop_all(true); });
  }
}

Smsc::~Smsc() = default;

bool Smsc::is_odd() {
  const bool odd = chance_.happens(config_.odd);
  odd_ += odd ? 1U : 0U;
  return odd;
}

void Smsc::drop_all(bool again) {
  for (const auto& session : sessions_) {
    if (const auto link = session->link.lock(); link && link->open) {
      ++drops_;
      link->drop();
    }
  }
  if (again) loop_.after(config_.drop_every_ms, [this] { drop_all(true); });
}

void Smsc::opened(const std::shared_ptr<SmppLink>& link) {
  auto session = std::make_shared<Session>();
  session->link = link;
  session->heard_ms = wall_ms();
  link->state = session;
  sessions_.insert(session);
  ++links_;
  if (is_odd()) {  // asked for a sign of life before it is bound
    add_pdu(link->out, kEnquireLink, 0, next_sequence(*session));
    link->flush();
  }
}

void Smsc::closed(const std::shared_ptr<SmppLink>& link) {
  const auto session = std::static_pointer_cast<Session>(link->state);
  sessions_.erase(session);
  session->bound = false;
  // What is not answered is delivered again on the next link, in its order.
  std::vector<std::pair<std::uint32_t, Delivery>> back;
  for (auto& [sequence, open] : session->open) {
    if (!open.delivery.repeat) back.emplace_back(sequence, std::move(open.delivery));
  }
  session->open.clear();
  std::sort(back.begin(), back.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  for (auto& [sequence, delivery] : back) {
    ++retried_;
    queue_.push_front(std::move(delivery));
  }
  pump();
}

void Smsc::pdus(const std::shared_ptr<SmppLink>& link, std::string_view bytes) {
  const auto session = std::static_pointer_cast<Session>(link->state);
  session->heard_ms = wall_ms();
  reading_ = link.get();
  while (!bytes.empty() && link->open) {
    const auto header = read_header(bytes.data());
    handle(*link, session, header, bytes.substr(kHeader, header.length - kHeader));
    bytes.remove_prefix(header.length);
  }
  reading_ = nullptr;
  pump();
}

void Smsc::handle(SmppLink& link, const SessionPtr& session, const Header& header, std::string_view body) {
  switch (header.id) {
    case kBindReceiver:
    case kBindTransmitter:
    case kBindTransceiver: return bind(link, *session, header, body);
    case kSubmitSm:
    case kDataSm: return submit(link, session, header, body);
    case kDeliverSm | kResp:
    case kDataSm | kResp: return answered(*session, header);
    case kEnquireLink: ++enquiries_; return add_pdu(link.out, kEnquireLink | kResp, 0, header.sequence);
    case kEnquireLink | kResp: session->enquiry = 0; return;
    case kUnbind:
      ++unbinds_;
      session->bound = false;
      add_pdu(link.out, kUnbind | kResp, 0, header.sequence);
      return link.close();
    case kQuerySm: return query(link, header, body);
    case kCancelSm:
    case kReplaceSm:
      // Both begin with a text; what is accepted here is on its way already.
      return add_pdu(link.out, header.id | kResp, header.id == kCancelSm ? 0x11 : 0x13, header.sequence);
    case kGenericNack: ++nacked_; return answered(*session, header);
    default: break;
  }
  if ((header.id & kResp) != 0) return;
  ++nacks_;
  add_pdu(link.out, kGenericNack, kBadCommand, header.sequence);
}

void Smsc::bind(SmppLink& link, Session& session, const Header& header, std::string_view body) {
  const auto refuse = [&](std::uint32_t status) {
    ++binds_refused_;
    add_pdu(link.out, header.id | kResp, status, header.sequence);
  };
  if (session.bound) return refuse(kAlreadyBound);
  const auto said = read_bind(body);
  if (!said) return refuse(kBindFailed);
  if (config_.refuse_binds > 0) {
    --config_.refuse_binds;
    return refuse(kBindFailed);
  }
  if (!config_.transceiver && header.id == kBindTransceiver) return refuse(kBadCommand);
  if (!config_.system_id.empty() && said->system_id != config_.system_id) return refuse(kBadSystemId);
  if (!config_.password.empty() && said->password != config_.password) return refuse(kBadPassword);
  ++binds_;
  session.bound = true;
  session.system_id = said->system_id;
  session.transmits = header.id != kBindReceiver;
  session.receives = header.id != kBindTransmitter;
  session.tlvs = said->version >= 0x34;
  session.five = said->version >= 0x50 && config_.version >= 0x50;
  std::string answer;
  add_string(answer, "belfry-sim");
  if (session.tlvs) add_tlv(answer, kTagVersion, std::string(1, static_cast<char>(config_.version)));
  if (session.tlvs && is_odd()) add_tlv(answer, 0x1002, "vendor");
  add_pdu(link.out, header.id | kResp, 0, header.sequence, answer);
  if (session.receives && !mo_begun_ && config_.mo != 0) {
    mo_begun_ = true;
    loop_.after(config_.mo_delay_ms, [this] {
      mo_began_ns_ = mono_ns();
      say_next();
    });
  }
}

// ---- submits ----

void Smsc::submit(SmppLink& link, const SessionPtr& session, const Header& header, std::string_view body) {
  const auto now = mono_ns();
  ++submits_;
  if (first_submit_ == 0) first_submit_ = now;
  last_submit_ = now;
  ++session->outstanding;
  most_outstanding_ = std::max(most_outstanding_, session->outstanding);
  if (config_.window != 0 && session->outstanding > config_.window) ++over_window_;
  const auto refuse = [&](std::uint32_t status) {
    ++refused_;
    answer_submit(session, header.id, header.sequence, status, {});
  };
  if (!session->bound || !session->transmits) return refuse(kBadState);
  const auto sm = header.id == kSubmitSm ? read_sm(body) : read_data_sm(body);
  if (!sm) {
    ++bad_;
    return refuse(kBadParameterLength);
  }
  if (!digits_only(sm->destination.digits)) return refuse(kBadDestination);
  if (sm->source.ton == 5 ? sm->source.digits.size() > 11 : !sm->source.digits.empty() && !digits_only(sm->source.digits))
    return refuse(kBadSource);
  if (config_.rate > 0) {
    // Real ones measure slices of a tenth of a second: so much may come at once.
    const double most = std::max(1.0, config_.rate / 10);
    tokens_ = tokens_at_ == 0 ? most : std::min(most, tokens_ + static_cast<double>(now - tokens_at_) * config_.rate / 1e9);
    tokens_at_ = now;
    if (tokens_ < 1) {
      ++throttled_;
      return refuse(kThrottled);
    }
    tokens_ -= 1;
  }
  if (chance_.happens(config_.queue_full)) return refuse(kQueueFull);
  for (const auto& [code, share] : config_.statuses) {
    if (chance_.happens(share)) return refuse(code);
  }
  ++accepted_;
  const auto number = next_id_++;
  const auto id = response_id(number);
  const auto fate = chance_.happens(config_.drop) ? 'd' : chance_.happens(config_.mute) ? 'm' : 'a';
  std::int64_t wait = config_.delay_ms;
  if (chance_.happens(config_.slow)) wait += chance_.between(200, 1500);
  if (chance_.happens(config_.reorder)) wait += chance_.between(5, 50);
  const bool early = fate == 'a' && chance_.happens(config_.early);
  if (early) wait += chance_.between(20, 100);
  if (fate == 'm') {
    // Nobody waits for this answer for ever: whether its place in the window is free again we cannot know, and do not accuse.
    ++muted_;
    --session->outstanding;
  }
  schedule_receipts(*sm, number, early);
  keep(*sm, id, fate == 'a', [this, session, fate, wait, id, command = header.id, sequence = header.sequence] {
    if (fate == 'd') {
      ++dropped_;
      if (const auto to = session->link.lock()) to->drop();
    } else if (fate == 'a' && wait > 0) {
      loop_.after(wait, [this, session, id, command, sequence] { answer_submit(session, command, sequence, kOk, id); });
    } else if (fate == 'a') {
      answer_submit(session, command, sequence, kOk, id);
    }
  });
  if (config_.mo_on_submit > 0 && chance_.happens(config_.mo_on_submit)) {
    ++waiting_;
    loop_.after(chance_.between(200, 2000), [this, from = sm->destination.digits, to = sm->source.digits] {
      --waiting_;
      say(from, to, {}, chance_.pick(config_.mo_kinds));
    });
  }
  if (config_.count != 0 && accepted_ >= config_.count && done_) loop_.after(50, std::exchange(done_, nullptr));
  static_cast<void>(link);
}

void Smsc::answer_submit(const SessionPtr& session, std::uint32_t command, std::uint32_t sequence, std::uint32_t status,
                         const std::string& id) {
  --session->outstanding;
  const auto link = session->link.lock();
  if (!link || !link->open) return;
  ++submit_codes_[status];
  std::string body;
  if (status == kOk) {
    ++answered_;
    add_string(body, id);
    if (!session->five && is_odd()) {
      if (chance_.happens(0.5)) {
        body.pop_back();  // the id without its NUL
      } else {
        add_tlv(body, 0x1402, "vendor");
      }
    }
    if (session->five) {
      const auto load = config_.window == 0 ? 0 : std::min<std::size_t>(100, session->outstanding * 100 / config_.window);
      add_tlv(body, kTagCongestion, std::string(1, static_cast<char>(load)));
    }
  }
  add_pdu(link->out, command | kResp, status, sequence, body);
  if (reading_ != link.get()) link->flush();
}

// Joins parts, counts what comes twice, and writes it down; `then` once the line is on disk.
void Smsc::keep(const Sm& sm, const std::string& id, bool will_answer, std::function<void()> then) {
  const auto concat = concat_of(sm);
  const auto alphabet = alphabet_of(sm.data_coding);
  if (const auto complaint = complaint_about(sm, concat); !complaint.empty()) ++complaints_[complaint];
  ++codings_[hex_code(static_cast<std::uint32_t>(sm.data_coding))];
  const auto part = sm.content().substr(concat.header);
  std::string text;
  std::vector<std::string> ids = {id};
  bool whole = true;
  if (concat.width == 0) {
    text = decode(alphabet, part);
  } else {
    const auto key = sm.source.digits + "|" + sm.destination.digits + "|" + std::to_string(concat.width) + "|" +
                     std::to_string(concat.reference) + "|" + std::to_string(concat.total);
    auto [found, fresh] = sets_.try_emplace(key);
    auto& set = found->second;
    if (fresh) sets_order_.push_back(key);
    if (const auto same = set.parts.find(concat.part); same != set.parts.end()) {
      if (same->second == part) {
        ++repeated_segments_;
      } else {
        set = {};  // the reference has come round
      }
    } else if (set.whole) {
      set = {};
    }
    const bool was_whole = set.whole;
    set.parts[concat.part] = part;
    set.ids.push_back(id);
    set.whole = set.parts.size() == static_cast<std::size_t>(concat.total);
    whole = set.whole && !was_whole;
    if (whole) {
      std::string all;
      for (const auto& [number, octets] : set.parts) all += alphabet == Alphabet::kGsm ? from_gsm(octets) : octets;
      text = alphabet == Alphabet::kGsm ? all : decode(alphabet, all);
      ids = set.ids;
    }
    for (; sets_order_.size() > kMostSets; sets_order_.pop_front()) sets_.erase(sets_order_.front());
  }
  bool again = false;
  if (whole) {
    ++messages_;
    if (texts_.size() < kMostTexts) again = ++texts_[std::hash<std::string>()(sm.destination.digits + '\0' + text)] > 1;
    if (again) ++repeated_;
  }
  kept_[id] = {sm.source.digits, sm.destination.digits, wall_ms(), undeliverable_.count(id) != 0 ? 5 : 2};
  undeliverable_.erase(id);
  kept_order_.push_back(id);
  for (; kept_order_.size() > kMostKept; kept_order_.pop_front()) kept_.erase(kept_order_.front());
  Json line;
  if (journal_.on() || config_.remember) {
    line = {{"k", "submit"},
            {"id", id},
            {"from", sm.source.digits},
            {"to", sm.destination.digits},
            {"part", concat.part},
            {"parts", concat.total},
            {"answered", will_answer}};
    if (whole) {
      line["text"] = text;
      if (ids.size() > 1) line["ids"] = ids;
    }
  }
  if (config_.remember) {
    auto seen = line;
    seen.erase("k");
    seen["n"] = ++recent_n_;
    seen["coding"] = sm.data_coding;
    seen["esm_class"] = sm.esm_class;
    seen["registered_delivery"] = sm.registered_delivery;
    seen["validity"] = sm.validity;
    seen["priority"] = sm.priority;
    seen["source_ton"] = sm.source.ton;
    seen["source_npi"] = sm.source.npi;
    seen["concat"] = concat.width;
    seen["reference"] = concat.reference;
    seen["again"] = again;
    seen["at"] = wall_ms();
    recent_.push_back(std::move(seen));
    if (recent_.size() > kMostRecent) recent_.pop_front();
  }
  // A text that is not UTF-8 cannot be: decode() makes all of it.
  journal_.append(journal_.on() ? line.dump(-1, ' ', false, Json::error_handler_t::replace) : std::string(), std::move(then));
}

void Smsc::query(SmppLink& link, const Header& header, std::string_view body) {
  ++queries_;
  const auto asked = read_query(body);
  const auto found = asked ? kept_.find(asked->first) : kept_.end();
  if (found == kept_.end() || found->second.source != asked->second.digits)
    return add_pdu(link.out, kQuerySm | kResp, asked ? kBadId : kBadParameterLength, header.sequence);
  const bool final = wall_ms() >= found->second.at_ms + config_.receipt_delay_ms;
  std::string answer;
  add_string(answer, asked->first);
  add_string(answer, final ? date(found->second.at_ms + config_.receipt_delay_ms, "%y%m%d%H%M%S000+") : std::string());
  answer += static_cast<char>(final ? found->second.state : 1);
  answer += '\0';
  add_pdu(link.out, kQuerySm | kResp, 0, header.sequence, answer);
}

// ---- receipts ----

std::string Smsc::response_id(std::uint64_t number) const {
  if (config_.ids == "hex-resp") return hex_number(number);
  if (config_.ids == "uuid") {
    const auto digest = to_hex(sha256(run_ + std::to_string(number)).substr(0, 16));
    return digest.substr(0, 8) + "-" + digest.substr(8, 4) + "-4" + digest.substr(13, 3) + "-a" + digest.substr(17, 3) + "-" +
           digest.substr(20, 12);
  }
  return padded(number, 10);
}

std::string Smsc::receipt_id(std::uint64_t number) const {
  if (config_.ids == "hex-resp") return padded(number, 10);
  if (config_.ids == "dec-resp") return hex_number(number);
  return response_id(number);
}

void Smsc::schedule_receipts(const Sm& sm, std::uint64_t number, bool early) {
  const int wanted = sm.registered_delivery & 3;
  const int state = chance_.happens(config_.undeliverable) ? 5 : 2;
  if (state == 5) undeliverable_.insert(response_id(number));
  if (config_.receipts == "none" || wanted == 0) return;
  const bool final = wanted == 1 || (wanted == 2) == (state == 5);
  const auto about = std::make_shared<Sm>(sm);
  const auto later = [&](int said, std::int64_t ms) {
    ++waiting_;
    loop_.after(ms, [this, about, number, said] {
      --waiting_;
      receipt(*about, number, said);
      pump();
    });
  };
  const auto delay = config_.receipt_delay_ms;
  if (chance_.happens(config_.intermediate)) later(1, delay / 4);
  if (!final) return;
  if (early) return receipt(sm, number, state);
  later(state, config_.calm ? delay : chance_.between(delay / 2, delay + delay / 2));
}

std::string Smsc::receipt_text(const std::string& dialect, const std::string& id, int state, const std::string& text) {
  static const std::array<const char*, 9> kWords = {"SCHEDULED", "ENROUTE", "DELIVRD", "EXPIRED", "DELETED",
                                                    "UNDELIV",   "ACCEPTD", "UNKNOWN", "REJECTD"};
  const std::string stat = kWords[static_cast<std::size_t>(state)];
  const auto now = wall_ms();
  const auto then = now - config_.receipt_delay_ms;
  const bool good = state == 2;
  const auto short_date = [](std::int64_t ms) { return date(ms, "%y%m%d%H%M"); };
  const auto tail = " text:" + text;
  if (dialect == "short")
    return "id:" + id + " submit date:" + short_date(then) + " done date:" + short_date(now) + " stat:" + stat + " err:000" +
           tail;
  if (dialect == "unpadded")
    return "id:" + id + " sub:1 dlvrd:" + (good ? "1" : "0") + " submit date:" + short_date(then) +
           " done date:" + short_date(now) + " stat:" + stat + " err:0" + tail;
  if (dialect == "seconds")
    return "id:" + id + " sub:001 dlvrd:001 submit date:" + date(then, "%y%m%d%H%M%S") +
           " done date:" + date(now, "%y%m%d%H%M%S") + " stat:" + stat + " err:000" + tail;
  if (dialect == "century")
    return "id:" + id + " sub:001 dlvrd:001 submit date:" + date(then, "%Y%m%d%H%M") + " done date:" + date(now, "%Y%m%d%H%M%S") +
           " stat:" + stat + " err:000 Text:" + text;
  if (dialect == "no-text")
    return "id:" + id + " sub:001 dlvrd:001 submit date:" + short_date(then) + " done date:" + short_date(now) + " stat:" + stat +
           " err:";
  if (dialect == "words") return "ID:" + id + " STAT:" + stat + " ERR:" + (good ? "nul" : "21b") + " TEXT:" + text;
  return "id:" + id + " sub:001 dlvrd:" + (good ? "001" : "000") + " submit date:" + short_date(then) +
         " done date:" + short_date(now) + " stat:" + stat + " err:" + (good || state == 1 ? "000" : "027") + tail;
}

const std::vector<std::string>& Smsc::dialects() {
  static const std::vector<std::string> all = {"standard", "short", "unpadded", "seconds", "century", "no-text",
                                               "words",    "ucs2",  "esm0",     "data_sm", "swapped"};
  return all;
}

void Smsc::receipt(const Sm& sm, std::uint64_t number, int state) {
  const auto dialect = config_.dialect == "mixed" ? chance_.pick(dialects()) : config_.dialect;
  Sm out;
  out.source = sm.destination;
  out.destination = sm.source;
  if (dialect == "swapped") std::swap(out.source, out.destination);
  out.esm_class = dialect == "esm0" ? 0 : state == 1 && chance_.happens(0.5) ? 0x20 : 0x04;
  if (config_.receipts != "tlv") {
    const auto concat = concat_of(sm);
    auto said = decode(alphabet_of(sm.data_coding), sm.content().substr(concat.header));
    std::size_t at = 0;
    for (int points = 0; at < said.size() && points < 20; ++points) {
      ++at;
      while (at < said.size() && (static_cast<unsigned char>(said[at]) & 0xC0) == 0x80) ++at;
    }
    const auto text = receipt_text(dialect, receipt_id(number), state, said.substr(0, at));
    if (auto gsm = to_gsm(text); gsm && dialect != "ucs2") {
      out.short_message = *gsm;
    } else if (dialect == "ucs2") {
      out.data_coding = 8;
      out.short_message = to_ucs2(text).substr(0, 254);
    } else {
      // Most put whatever the text was into it as Latin-1, or question marks.
      for (const char c : text) {
        if ((c & 0x80) == 0) out.short_message += c;
        if ((static_cast<unsigned char>(c) & 0xC0) == 0xC0) out.short_message += '?';
      }
    }
  }
  if (config_.receipts != "text" || dialect == "data_sm") {
    // The TLV has the id as the answer had it.
    out.tlvs.push_back({kTagReceiptedId, response_id(number) + '\0'});
    out.tlvs.push_back({kTagState, std::string(1, static_cast<char>(state))});
    if (state == 5) out.tlvs.push_back({kTagNetworkError, std::string("\x03\x00\x1B", 3)});
  }
  Delivery delivery;
  delivery.final_receipt = state != 1;
  if (dialect == "data_sm") {
    delivery.command = kDataSm;
    if (!out.short_message.empty()) out.tlvs.push_back({kTagPayload, out.short_message});
    delivery.body = data_sm_body(out);
  } else {
    delivery.body = sm_body(out);
  }
  enqueue(std::move(delivery));
}

// ---- what people write ----

const std::vector<std::string>& Smsc::mo_kinds() {
  static const std::vector<std::string> all = {
      "gsm",       "latin1",     "ucs2",     "ascii",     "binary",      "flash",        "flash-ucs2",       "data_sm",
      "long-udh8", "long-udh16", "long-sar", "long-ucs2", "long-latin1", "long-payload", "long-payload-udh", "torn-ucs2"};
  return all;
}

std::uint64_t Smsc::say(const std::string& from, const std::string& to, const std::string& text, const std::string& kind) {
  auto mo = std::make_shared<Mo>();
  mo->n = ++mo_number_;
  mo->from = from;
  mo->to = to;
  mo->kind = kind;
  const auto is = [&](std::string_view name) { return kind == name; };
  const bool is_long = kind.rfind("long-", 0) == 0 || is("torn-ucs2");
  auto alphabet = is("ucs2") || is("flash-ucs2") || is("long-ucs2") || is("long-payload") || is("torn-ucs2") ? Alphabet::kUcs2
                  : is("latin1") || is("long-latin1")                                                        ? Alphabet::kLatin1
                  : is("ascii")                                                                              ? Alphabet::kAscii
                  : is("binary")                                                                             ? Alphabet::kBinary
                                                                                                             : Alphabet::kGsm;
  mo->text = text;
  if (text.empty()) {
    if (config_.mo_unique) mo->text = "mo " + run_ + "-" + std::to_string(mo->n) + " ";
    const auto add = [&](const char* words) {
      do mo->text += words;
      while (is_long && mo->text.size() < 420);
    };
    switch (alphabet) {
      case Alphabet::kGsm: add("write me @ city.example, it costs 5 € {or} [less] ~ Grüße à Ñoño; "); break;
      case Alphabet::kLatin1: add("¿Dónde está el agua? não há água; ça coûte cher "); break;
      case Alphabet::kUcs2: add("нет воды 🚰 с утра, ماء 👩‍👩‍👧 не помогли; "); break;
      case Alphabet::kAscii: add("no water since this morning, who comes? "); break;
      case Alphabet::kBinary: break;
    }
  }
  std::string octets;
  if (alphabet == Alphabet::kBinary) {
    octets = std::string("\x00\x01\xFE\xFF", 4) + "n" + std::to_string(mo->n) + run_;
    mo->text = decode(alphabet, octets);
  } else if (auto gsm = alphabet == Alphabet::kGsm ? to_gsm(mo->text) : to_latin1(mo->text); gsm && alphabet != Alphabet::kUcs2) {
    octets = *gsm;
  } else {
    alphabet = Alphabet::kUcs2;
    octets = to_ucs2(mo->text);
  }
  Sm sm;
  sm.source = {1, 1, from};
  sm.destination = {to.size() <= 6 ? 3 : 1, to.size() <= 6 ? 0 : 1, to};
  switch (alphabet) {
    case Alphabet::kGsm: sm.data_coding = is("flash") ? 0xF0 : 0; break;
    case Alphabet::kLatin1: sm.data_coding = 3; break;
    case Alphabet::kAscii: sm.data_coding = 1; break;
    case Alphabet::kBinary: sm.data_coding = 4; break;
    case Alphabet::kUcs2: sm.data_coding = is("flash-ucs2") ? 0x18 : 8; break;
  }
  const auto room = alphabet == Alphabet::kGsm || alphabet == Alphabet::kAscii || alphabet == Alphabet::kLatin1 ? 160U : 140U;
  std::vector<Delivery> out;
  const auto add = [&](const Sm& one) {
    Delivery delivery;
    delivery.mo = mo;
    delivery.command = is("data_sm") ? kDataSm : kDeliverSm;
    delivery.body = is("data_sm") ? data_sm_body(one) : sm_body(one);
    out.push_back(std::move(delivery));
  };
  if (is("long-payload") || is("data_sm")) {
    sm.tlvs.push_back({kTagPayload, octets});
    add(sm);
  } else if (octets.size() <= room) {
    sm.short_message = octets;
    add(sm);
  } else {
    const bool sixteen = is("long-udh16");
    // A header of 6 octets leaves 153 septets or 134 octets; of 7: 152 or 132 of whole units. sar_* leave all, but operators cut
    // there too.
    const auto most = room == 160 ? (sixteen ? 152U : 153U) : (sixteen ? 132U : 134U);
    auto parts = cut(alphabet, octets, most);
    if (is("torn-ucs2")) {
      // As some phones do: where the octets end, in the middle of a pair if need be.
      parts.clear();
      for (std::size_t at = 0; at < octets.size(); at += 134) parts.push_back(octets.substr(at, 134));
    }
    const auto reference = static_cast<int>(chance_.bits() & (sixteen || is("long-sar") ? 0xFFFF : 0xFF));
    const auto byte = [](std::size_t value) { return static_cast<char>(value & 0xFF); };
    for (std::size_t i = 0; i < parts.size(); ++i) {
      auto one = sm;
      std::string header;
      if (is("long-sar")) {
        one.tlvs.push_back(
            {kTagSarRef, {byte(static_cast<std::size_t>(reference) >> 8), byte(static_cast<std::size_t>(reference))}});
        one.tlvs.push_back({kTagSarTotal, {byte(parts.size())}});
        one.tlvs.push_back({kTagSarPart, {byte(i + 1)}});
      } else if (sixteen) {
        header = {6,
                  8,
                  4,
                  byte(static_cast<std::size_t>(reference) >> 8),
                  byte(static_cast<std::size_t>(reference)),
                  byte(parts.size()),
                  byte(i + 1)};
      } else {
        header = {5, 0, 3, byte(static_cast<std::size_t>(reference)), byte(parts.size()), byte(i + 1)};
      }
      if (!header.empty()) one.esm_class |= 0x40;
      if (is("long-payload-udh")) {
        one.tlvs.push_back({kTagPayload, header + parts[i]});
      } else {
        one.short_message = header + parts[i];
      }
      add(one);
    }
  }
  mo->parts = out.size();
  if (out.size() > 1) {
    if (chance_.happens(config_.reorder * 4)) {
      std::swap(out[0], out[static_cast<std::size_t>(chance_.between(1, static_cast<std::int64_t>(out.size()) - 1))]);
    }
    if (chance_.happens(config_.lost_parts)) {
      out.erase(out.begin() + chance_.between(0, static_cast<std::int64_t>(out.size()) - 1));
      ++mo->lost;
      ++mo_lost_parts_;
    }
  }
  ++mo_sent_;
  for (auto& each : out) enqueue(std::move(each));
  pump();
  return mo->n;
}

void Smsc::say_next() {
  const auto due = static_cast<std::uint64_t>(static_cast<double>(mono_ns() - mo_began_ns_) * config_.mo_rate / 1e9) + 1;
  while (mo_said_ < std::min(due, config_.mo) && queue_.size() < kMostQueued) {
    const auto from = "49151" + padded(mo_said_ % config_.citizens, 8);
    const auto& kind = config_.mo_kinds[mo_said_ % config_.mo_kinds.size()];
    ++mo_said_;
    say(from, config_.mo_to, {}, kind);
  }
  if (mo_said_ >= config_.mo) return;
  loop_.after(std::max<std::int64_t>(5, static_cast<std::int64_t>(1000 / config_.mo_rate)), [this] { say_next(); });
}

// ---- deliveries: each until it is taken ----

void Smsc::enqueue(Delivery delivery) { queue_.push_back(std::move(delivery)); }

std::uint32_t Smsc::next_sequence(Session& session) {
  session.sequence = session.sequence >= 0x7FFFFFFF ? 1 : session.sequence + 1;
  return session.sequence;
}

void Smsc::pump() {
  if (queue_.empty()) return;
  std::vector<std::pair<SessionPtr, std::shared_ptr<SmppLink>>> able;
  for (const auto& session : sessions_) {
    if (!session->bound || !session->receives) continue;
    if (auto link = session->link.lock(); link && link->open) able.emplace_back(session, std::move(link));
  }
  std::size_t full = 0;
  while (!queue_.empty() && full < able.size()) {
    auto& [session, link] = able[turn_++ % able.size()];
    if (session->open.size() >= config_.deliver_window) {
      ++full;
      continue;
    }
    full = 0;
    auto delivery = std::move(queue_.front());
    queue_.pop_front();
    send(*link, *session, std::move(delivery));
  }
  for (auto& [session, link] : able) {
    if (reading_ != link.get()) link->flush();
  }
}

void Smsc::send(SmppLink& link, Session& session, Delivery delivery) {
  const auto now = mono_ns();
  if (first_deliver_ == 0) first_deliver_ = now;
  const auto put = [&](Delivery one) {
    auto sequence = next_sequence(session);
    auto body = one.body;
    if (is_odd()) {
      switch (chance_.between(0, 3)) {
        case 0: sequence |= 0x80000000; break;      // beyond what the book allows
        case 1: add_tlv(body, 0x002B, "x"); break;  // a tag that nobody knows
        case 2:
          body += std::string(
              "\x14\x03\x00\x40"
              "abc",
              7);
          break;                                                                        // a TLV that claims to reach past the end
        default: add_pdu(link.out, 0x00010203, 0, next_sequence(session), "?"); break;  // a request of the vendor's own before it
      }
    }
    add_pdu(link.out, one.command, 0, sequence, body);
    session.open[sequence] = {std::move(one), now};
    ++deliver_sent_;
  };
  if (!delivery.mo && delivery.tries == 0) ++receipts_sent_;
  ++delivery.tries;
  const bool twice = chance_.happens(config_.duplicates);
  Delivery copy;
  if (twice) {
    copy = delivery;
    copy.repeat = true;
  }
  put(std::move(delivery));
  // The same again while the first is unanswered, which is when an SMSC does it.
  if (twice) {
    ++repeats_;
    put(std::move(copy));
  }
  most_deliver_ = std::max(most_deliver_, session.open.size());
}

void Smsc::answered(Session& session, const Header& header) {
  const auto found = session.open.find(header.sequence);
  if (found == session.open.end()) return;
  const auto now = mono_ns();
  const auto status = header.id == kGenericNack && header.status == kOk ? kBadCommand : header.status;
  ++deliver_codes_[status];
  deliver_latency_.add((now - found->second.sent_ns) / 1000);
  last_deliver_ = now;
  auto delivery = std::move(found->second.delivery);
  session.open.erase(found);
  if (delivery.repeat) return;
  if (status == kOk) {
    if (!delivery.mo) {
      ++receipts_acked_;
      return;
    }
    auto& mo = *delivery.mo;
    if (++mo.acked + mo.lost < mo.parts || mo.failed) return;
    ++mo_acked_;
    if (!journal_.on()) return;
    Json line = {{"k", mo.lost == 0 ? "mo" : "mo_gap"},
                 {"n", mo.n},
                 {"from", mo.from},
                 {"to", mo.to},
                 {"kind", mo.kind},
                 {"parts", mo.parts},
                 {"text", mo.text}};
    return journal_.append(line.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  const bool later = status == kTemporary || status == kThrottled || status == kQueueFull || status == 0x08;
  if (later || (status != 0x65 && status != 0x66 && delivery.tries < 5)) {
    ++retried_;
    return give_back(std::move(delivery), config_.retry_ms);
  }
  ++failed_;
  if (delivery.mo && !std::exchange(delivery.mo->failed, true)) ++mo_failed_;
}

void Smsc::give_back(Delivery delivery, std::int64_t in_ms) {
  ++waiting_;
  loop_.after(in_ms, [this, kept = std::make_shared<Delivery>(std::move(delivery))] {
    --waiting_;
    queue_.push_back(std::move(*kept));
    pump();
  });
}

void Smsc::look_after() {
  const auto now = wall_ms();
  const auto late = mono_ns() - config_.deliver_timeout_ms * 1'000'000;
  for (const auto& session : sessions_) {
    const auto link = session->link.lock();
    if (!link || !link->open) continue;
    if (!session->bound && now - session->heard_ms > kSessionInitMs) {
      link->drop();
      continue;
    }
    if (config_.enquire_ms > 0 && session->bound && now - session->heard_ms > config_.enquire_ms) {
      if (session->enquiry == 0) {
        session->enquiry = next_sequence(*session);
        session->enquired_ms = now;
        ++enquired_;
        add_pdu(link->out, kEnquireLink, 0, session->enquiry);
        link->flush();
      } else if (now - session->enquired_ms > 10'000) {
        ++silent_;
        link->drop();
        continue;
      }
    }
    for (auto each = session->open.begin(); each != session->open.end();) {
      if (each->second.sent_ns > late) {
        ++each;
        continue;
      }
      if (!each->second.delivery.repeat) {
        ++unanswered_;
        ++retried_;
        queue_.push_back(std::move(each->second.delivery));
      }
      each = session->open.erase(each);
    }
  }
  pump();
  loop_.after(200, [this] { look_after(); });
}

bool Smsc::quiet() const {
  return queue_.empty() && waiting_ == 0 && mo_said_ >= config_.mo &&
         std::all_of(sessions_.begin(), sessions_.end(),
                     [](const SessionPtr& session) { return session->open.empty() && session->outstanding == 0; });
}

// ---- what a test asks, and the report ----

HttpSay Smsc::control(const HttpAsk& ask) {
  const auto say_json = [](int status, const Json& body) {
    return HttpSay{status, "application/json", body.dump(-1, ' ', false, Json::error_handler_t::replace), {}, false};
  };
  try {
    const auto path = ask.target.substr(0, ask.target.find('?'));
    if (path == "/sim/stats") return say_json(200, report());
    if (path == "/sim/submits") {
      const auto query = parse_query(ask.target);
      const auto after = query.count("after") != 0 ? std::stoull(query.at("after")) : 0;
      Json out = {{"submits", Json::array()}, {"next", after}};
      for (const auto& each : recent_) {
        const auto n = each.at("n").get<std::uint64_t>();
        if (n <= after) continue;
        if (out["submits"].size() == 1000) break;
        out["submits"].push_back(each);
        out["next"] = n;
      }
      return say_json(200, out);
    }
    if (ask.method != "POST")
      return say_json(400, {{"problem", "POST /sim/inbound, faults or drop; GET /sim/submits?after=N or stats"}});
    const auto body = Json::parse(ask.body.empty() ? "{}" : ask.body);
    if (path == "/sim/inbound") {
      const auto from = body.value("from", std::string());
      const auto kind = body.value("kind", std::string("gsm"));
      if (from.empty()) return say_json(400, {{"problem", "name who writes: \"from\""}});
      if (std::find(mo_kinds().begin(), mo_kinds().end(), kind) == mo_kinds().end())
        return say_json(400, {{"problem", "kind is one of " + Json(mo_kinds()).dump()}});
      return say_json(200, {{"n", say(from, body.value("to", config_.mo_to), body.value("text", std::string()), kind)}});
    }
    if (path == "/sim/drop") {
      drop_all(false);
      return say_json(200, {{"success", true}});
    }
    if (path == "/sim/faults") {
      const auto share = [&](const char* name, double& value) { value = body.value(name, value); };
      share("rate", config_.rate);
      share("queue_full", config_.queue_full);
      share("drop", config_.drop);
      share("mute", config_.mute);
      share("reorder", config_.reorder);
      share("slow", config_.slow);
      share("odd", config_.odd);
      share("early", config_.early);
      share("intermediate", config_.intermediate);
      share("undeliverable", config_.undeliverable);
      share("duplicates", config_.duplicates);
      share("lost_parts", config_.lost_parts);
      config_.delay_ms = body.value("delay_ms", config_.delay_ms);
      config_.receipt_delay_ms = body.value("receipt_delay_ms", config_.receipt_delay_ms);
      config_.receipts = body.value("receipts", config_.receipts);
      config_.dialect = body.value("dialect", config_.dialect);
      config_.refuse_binds = body.value("refuse_binds", config_.refuse_binds);
      if (body.contains("statuses")) {
        config_.statuses.clear();
        for (const auto& [code, rate] : body["statuses"].items())
          config_.statuses[static_cast<std::uint32_t>(std::stoul(code, nullptr, 0))] = rate.get<double>();
      }
      return say_json(200, {{"success", true}});
    }
    return say_json(404, {{"problem", "there is /sim/stats, submits, inbound, faults and drop"}});
  } catch (const std::exception& error) {
    return say_json(400, {{"problem", error.what()}});
  }
}

Smsc::Json Smsc::report() const {
  const auto by_code = [](const std::map<std::uint32_t, std::uint64_t>& counts) {
    Json out = Json::object();
    for (const auto& [code, count] : counts) out[hex_code(code)] = count;
    return out;
  };
  const auto by_name = [](const std::map<std::string, std::uint64_t>& counts) {
    Json out = Json::object();
    for (const auto& [name, count] : counts) out[name] = count;
    return out;
  };
  return {
      {"links", links_},
      {"binds", binds_},
      {"binds_refused", binds_refused_},
      {"bound", std::count_if(sessions_.begin(), sessions_.end(), [](const auto& session) { return session->bound; })},
      {"unbinds", unbinds_},
      {"enquiries", enquiries_},
      {"enquired", enquired_},
      {"silent", silent_},
      {"drops", drops_},
      {"odd", odd_},
      {"garbage", garbage_},
      {"nacks", nacks_},
      {"nacked", nacked_},
      {"queries", queries_},
      {"submits", submits_},
      {"accepted", accepted_},
      {"messages", messages_},
      {"repeated", repeated_},
      {"repeated_segments", repeated_segments_},
      {"answered", answered_},
      {"over_window", over_window_},
      {"most_outstanding", most_outstanding_},
      {"throttled", throttled_},
      {"refused", refused_},
      {"bad", bad_},
      {"dropped", dropped_},
      {"muted", muted_},
      {"submit_codes", by_code(submit_codes_)},
      {"codings", by_name(codings_)},
      {"complaints", by_name(complaints_)},
      {"submits_per_second", per_second(submits_, first_submit_, last_submit_)},
      {"accepted_per_second", per_second(accepted_, first_submit_, last_submit_)},
      {"receipts_sent", receipts_sent_},
      {"receipts_acked", receipts_acked_},
      {"mo_sent", mo_sent_},
      {"mo_acked", mo_acked_},
      {"mo_failed", mo_failed_},
      {"mo_lost_parts", mo_lost_parts_},
      {"deliver_sent", deliver_sent_},
      {"repeats", repeats_},
      {"retried", retried_},
      {"unanswered", unanswered_},
      {"failed", failed_},
      {"most_deliver", most_deliver_},
      {"deliver_codes", by_code(deliver_codes_)},
      {"deliver_ms", {{"p50", round3(deliver_latency_.quantile_ms(0.5))}, {"p99", round3(deliver_latency_.quantile_ms(0.99))}}},
      {"deliver_per_second", per_second(deliver_latency_.count(), first_deliver_, last_deliver_)},
      {"waiting", queue_.size() + waiting_}};
}

}  // namespace sim
