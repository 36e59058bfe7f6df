#include "adapters/smpp/session.h"

#include <algorithm>

#include "adapters/smpp/status.h"

namespace belfry::smpp {
namespace {

constexpr std::int64_t kConnectMs = 15'000;  // more than the gateway's own
constexpr std::int64_t kBindMs = 10'000;     // session_init_timer of 3.4 2.7
constexpr std::int64_t kUnbindMs = 2'000;
constexpr std::int64_t kMaxBackoffMs = 60'000;
constexpr std::int64_t kLockedOutMs = 300'000;
constexpr std::int64_t kMissed = 3;  // enquire_link times without a word: the peer is gone
constexpr LinkId kLinksApart = 64;
constexpr std::uint8_t kOldest = 0x34;  // of who takes TLVs

}  // namespace

std::uint32_t Session::next_sequence() {
  sequence_ = sequence_ >= 0x7FFFFFFF ? 1 : sequence_ + 1;
  return sequence_;
}

void Session::write(const Pdu& pdu, Effects& effects) { effects.emplace_back(Transmit{link_, encode(pdu)}); }

Instant Session::tick(Now now, Effects& effects) {
  switch (phase_) {
    case Phase::kIdle:
      if (now.mono < retry_at_) return retry_at_;
      link_ += kLinksApart;
      phase_ = Phase::kDialling;
      phase_until_ = now.mono + kConnectMs;
      frames_ = {};
      effects.emplace_back(Dial{link_, account_.host, account_.port, account_.tls});
      return phase_until_;
    case Phase::kDialling:
    case Phase::kBinding:
    case Phase::kUnbinding:
      if (now.mono >= phase_until_) drop(now, kOk, effects);
      return phase_ == Phase::kIdle ? retry_at_ : phase_until_;
    case Phase::kBound: break;
  }
  const std::int64_t every = account_.enquire_link_ms;
  if (now.mono - heard_ >= kMissed * every) {
    drop(now, kOk, effects);
    return retry_at_;
  }
  if (now.mono - heard_ >= every && now.mono - asked_ >= every) {
    asked_ = now.mono;
    request(Command::kEnquireLink, Empty{}, effects);
  }
  return std::max(heard_, asked_) + every;
}

void Session::on_link(Now now, LinkState state, Effects& effects) {
  if (state == LinkState::kDown) return fallen(now, kOk, effects);
  phase_ = Phase::kBinding;
  phase_until_ = now.mono + kBindMs;
  heard_ = asked_ = now.mono;
  sequence_ = 0;
  Bind bind;
  bind.system_id = account_.system_id;
  bind.password = account_.password.reveal();
  bind.system_type = account_.system_type;
  bind.interface_version = account_.version;
  request(bind_, std::move(bind), effects);
}

void Session::on_bytes(Now now, std::string_view bytes, Effects& effects) {
  heard_ = now.mono;
  frames_.feed(bytes);
  while (const auto frame = frames_.next()) {
    take(now, *frame, effects);
    if (phase_ == Phase::kIdle) return;  // it ended with this one
  }
  if (frames_.broken()) {
    write({{Command::kGenericNack, 0x02, 0}, Empty{}}, effects);
    drop(now, kOk, effects);
  }
}

void Session::take(Now now, std::string_view bytes, Effects& effects) {
  Read read = decode(bytes);
  const Header& header = read.pdu.header;
  if (is_answer(header.command)) return take_answer(now, read.pdu, effects);
  if (!is_known(header.command)) {
    return write({{Command::kGenericNack, kInvCommand, header.sequence}, Empty{}}, effects);
  }
  if (read.fault != 0) {
    if (has_answer(header.command)) answer(header, read.fault, effects);
    return;
  }
  switch (header.command) {
    case Command::kEnquireLink: return answer(header, kOk, effects);
    case Command::kUnbind: answer(header, kOk, effects); return drop(now, kOk, effects);
    case Command::kDeliverSm:
    case Command::kDataSm:
    case Command::kAlertNotification: return owner_.on_request(now, *this, std::move(read.pdu), bytes, effects);
    default:  // what only an SMSC is asked
      if (has_answer(header.command)) answer(header, kInvBindState, effects);
  }
}

void Session::take_answer(Now now, const Pdu& pdu, Effects& effects) {
  const Header& header = pdu.header;
  if (phase_ == Phase::kBinding && (header.command == answer_to(bind_) || header.command == Command::kGenericNack))
    return on_bind_answer(now, pdu, effects);
  if (header.command == answer_to(Command::kUnbind)) {
    if (phase_ == Phase::kUnbinding) drop(now, kOk, effects);
    return;
  }
  if (header.command == answer_to(Command::kEnquireLink)) return;
  // A generic_nack of no request: the peer lost the thread of our bytes.
  if (header.command == Command::kGenericNack && header.sequence == 0) return drop(now, kOk, effects);
  owner_.on_answer(now, *this, pdu, effects);
}

void Session::on_bind_answer(Now now, const Pdu& pdu, Effects& effects) {
  if (pdu.header.status != kOk || pdu.header.command == Command::kGenericNack) {
    const std::uint32_t status = pdu.header.status == kOk ? kInvCommand : pdu.header.status;
    if (status_of(status).verdict == Verdict::kStop) rest(now.mono + kLockedOutMs);
    return drop(now, status, effects);
  }
  phase_ = Phase::kBound;
  backoff_ms_ = 1'000;
  takes_tlvs_ = false;
  if (const auto* body = std::get_if<BindAnswer>(&pdu.body))
    takes_tlvs_ = number_in(body->tlvs, tag::kScInterfaceVersion).value_or(0) >= kOldest;
  owner_.on_bound(now, *this, effects);
}

void Session::answer(const Header& request, std::uint32_t status, Effects& effects) {
  const Header header{answer_to(request.command), status, request.sequence};
  switch (request.command) {
    case Command::kDeliverSm:
    case Command::kDataSm: return write({header, MessageAnswer{}}, effects);
    default: return write({header, Empty{}}, effects);
  }
}

void Session::unbind(Now now, Effects& effects) {
  if (phase_ != Phase::kBound) return drop(now, kOk, effects);
  phase_ = Phase::kUnbinding;
  phase_until_ = now.mono + kUnbindMs;
  request(Command::kUnbind, Empty{}, effects);
}

void Session::drop(Now now, std::uint32_t status, Effects& effects) {
  if (phase_ == Phase::kIdle) return;
  effects.emplace_back(Hangup{link_});
  fallen(now, status, effects);
}

void Session::fallen(Now now, std::uint32_t status, Effects& effects) {
  if (phase_ == Phase::kIdle) return;
  const bool was_bound = phase_ == Phase::kBound || phase_ == Phase::kUnbinding;
  phase_ = Phase::kIdle;
  // No chance here: the account's own name scatters those who fell together.
  const auto offset = static_cast<std::int64_t>(std::hash<std::string>{}(account_.id) % 250);
  retry_at_ = std::max(retry_at_, now.mono + (was_bound ? 1'000 : backoff_ms_) + offset);
  if (!was_bound) backoff_ms_ = std::min(backoff_ms_ * 2, kMaxBackoffMs);
  owner_.on_fall(now, *this, status, effects);
}

}  // namespace belfry::smpp
