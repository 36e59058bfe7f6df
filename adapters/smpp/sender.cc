#include "adapters/smpp/sender.h"

#include <algorithm>
#include <utility>

#include "adapters/smpp/inbound.h"
#include "adapters/smpp/status.h"

namespace belfry::smpp {
namespace {

constexpr std::int64_t kLeaseMarginMs = 1'000;
constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kHourMs = 60 * kMinuteMs;
constexpr std::int64_t kSuspectMs = 2 * kMinuteMs;
constexpr std::int64_t kArrivedMs = 1'000;  // a yes that was written so long ago is with the peer, if the link still stands
constexpr std::int64_t kQueueFullMs = 30'000;
constexpr std::size_t kMemories = 1'000;
constexpr std::size_t kMaxTried = 20'000;
constexpr LinkId kSessions = 64;
constexpr int kDeliveryBits = 40;  // of a token; above it the session

std::string printable(std::string_view id) {
  std::string out(id.substr(0, 64));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < ' ' || c == ','; }, '_');
  return out;
}

std::int64_t pause_before(int tries, Lane lane) {
  const std::int64_t first = lane == Lane::kAlert ? 1'000 : 5'000;
  return first << std::min(2 * (tries - 1), 6);
}

// Past its bound a map of memories loses an arbitrary half: each entry is a convenience, none is a promise.
template <class Map>
void keep_below(Map& map, std::size_t most) {
  if (map.size() < most) return;
  auto each = map.begin();
  for (std::size_t i = map.size() / 2; i > 0; --i) each = map.erase(each);
}

}  // namespace

Sender::Sender(Account account, Now start)
    : account_(std::move(account)),
      flow_(account_.rate, start.mono),
      next_reference_(static_cast<std::uint16_t>(start.wall.ms & 0xFFFF)) {}

void Sender::open_sessions() {
  const auto add = [this](Command bind) {
    const auto link = static_cast<LinkId>(sessions_.size());
    sessions_.emplace_back().session = std::make_unique<Session>(account_, bind, link, *this);
  };
  for (int i = 0; i < account_.binds; ++i) {
    switch (account_.bind) {
      case BindAs::kTransceiver: add(Command::kBindTransceiver); break;
      case BindAs::kTransmitter: add(Command::kBindTransmitter); break;
      case BindAs::kReceiver: add(Command::kBindReceiver); break;
      case BindAs::kPair:
        add(Command::kBindTransmitter);
        add(Command::kBindReceiver);
        break;
    }
  }
}

Sender::Bound* Sender::at_link(LinkId link) {
  const std::size_t index = link % kSessions;
  return index < sessions_.size() && sessions_[index].session->link() == link ? &sessions_[index] : nullptr;
}

std::size_t Sender::index_of(const Session& session) const { return session.link() % kSessions; }

void Sender::on_lease(Now now, Instant until, Effects& effects) {
  lease_until_ = until;
  if (until == Instant{}) {
    if (!ours_) return;
    ours_ = false;
    for (Bound& bound : sessions_) bound.session->drop(now, kOk, effects);
    refuse_all(now, effects);
    return;
  }
  if (sessions_.empty()) open_sessions();
  ours_ = true;
  after(now, effects);
}

bool Sender::may_transmit(Now now) const { return ours_ && lease_until_ - now.mono > kLeaseMarginMs; }

int Sender::free_slots(bool alert) const {
  int free = 0;
  for (const Bound& bound : sessions_) {
    if (!bound.session->transmits()) continue;
    free += std::max(0, (alert ? account_.window : without_alerts(account_.window)) - static_cast<int>(bound.submits.size()));
  }
  return free;
}

// What it takes in a tenth of a second: longer no claim lasts on a disk that keeps up.
int Sender::ahead(Now now) const {
  int windows = 0;
  for (const Bound& bound : sessions_) windows += bound.session->transmits() ? account_.window : 0;
  return std::min(windows, flow_.taken(now.mono) / 10);
}

Credit Sender::credit(Now now) const {
  if (draining_ || !may_transmit(now)) return {0, 0, now.mono + kMinuteMs};
  const int waiting = static_cast<int>(ready_.size() + alerts_.size());
  const int tokens = flow_.ready(now.mono);
  const int more = ahead(now);
  const int messages = std::min(free_slots(false), tokens) + more - waiting;
  const int alerts = std::min(free_slots(true), tokens) + more - static_cast<int>(alerts_.size());
  return {std::max(messages, 0), std::max({messages, alerts, 0}), tokens > 0 ? now.mono + 1'000 : flow_.next(now.mono)};
}

void Sender::send(Now now, Outbound message, Effects& effects) {
  const std::uint64_t id = next_open_++;
  Open& open = open_[id];
  open.message = std::move(message);
  const auto to = recipient_of(account_, open.message.address);
  const auto wishes = read_wishes(open.message.content.detail);
  const auto plan = smpp::plan(open.message.content.text, account_.text);
  if (!to || !wishes || !plan) {
    return finish(id, State::kFailed, now.wall, !to ? "not_a_number" : !wishes ? "invalid_options" : "invalid_text", effects);
  }
  open.to = *to;
  open.from = account_.source;
  if (!wishes->sender.empty()) open.from = sender_from(wishes->sender).value_or(account_.source);
  const bool alert = open.message.lane == Lane::kAlert;
  open.priority = static_cast<std::uint8_t>(wishes->priority > 0 ? wishes->priority : alert ? 1 : 0);
  open.validity_ms = wishes->validity_ms > 0 ? wishes->validity_ms : account_.validity_ms;
  open.reference = next_reference_;
  open.segments = segments(*plan, account_.text, open.reference, wishes->flash);
  next_reference_ = static_cast<std::uint16_t>(next_reference_ + open.segments.size());
  auto& line = alert ? alerts_ : ready_;
  for (std::size_t i = 0; i < open.segments.size(); ++i) line.emplace_back(id, i);
  if (draining_ || !ours_) return give_back(now, id, 0, "draining", effects);
  after(now, effects);
}

void Sender::on_link(Now now, LinkId link, LinkState state, Effects& effects) {
  if (Bound* bound = at_link(link)) bound->session->on_link(now, state, effects);
  after(now, effects);
}

void Sender::on_bytes(Now now, LinkId link, std::string_view bytes, Effects& effects) {
  if (Bound* bound = at_link(link)) bound->session->on_bytes(now, bytes, effects);
  after(now, effects);
}

void Sender::on_wake(Now now, Effects& effects) {
  for (Bound& bound : sessions_) {
    while (!bound.order.empty()) {
      const auto it = bound.submits.find(bound.order.front());
      if (it != bound.submits.end() && it->second.deadline > now.mono) break;
      const std::uint32_t sequence = bound.order.front();
      bound.order.pop_front();
      if (it == bound.submits.end()) continue;
      const Submit submit = it->second;
      bound.submits.erase(it);
      const Asked asked{bound.session->link(), sequence};
      unanswered(now, submit, &asked, effects);
    }
  }
  after(now, effects);
}

void Sender::after(Now now, Effects& effects) {
  if (!ours_) return;
  if (std::exchange(no_transceiver_, false)) {
    const auto link = static_cast<LinkId>(sessions_.size());
    sessions_.emplace_back().session = std::make_unique<Session>(account_, Command::kBindReceiver, link, *this);
  }
  while (!later_.empty() && later_.begin()->first <= now.mono) {
    const auto [id, segment] = later_.begin()->second;
    later_.erase(later_.begin());
    const auto it = open_.find(id);
    if (it != open_.end()) (it->second.message.lane == Lane::kAlert ? alerts_ : ready_).emplace_front(id, segment);
  }
  while (!written_at_.empty() && now.mono - written_at_.front().first >= kArrivedMs) {
    const auto it = written_.find(written_at_.front().second);
    if (it != written_.end() && it->second.at == written_at_.front().first) {
      effects.emplace_back(Acknowledged{it->first});
      written_.erase(it);
    }
    written_at_.pop_front();
  }
  submit_ready(now, effects);
  Instant wake{INT64_MAX};
  if (!written_at_.empty()) wake = written_at_.front().first + kArrivedMs;
  for (Bound& bound : sessions_) {
    if (draining_) {
      if (bound.session->bound() && bound.submits.empty() && bound.deliveries.empty()) bound.session->unbind(now, effects);
      if (bound.session->phase() == Session::Phase::kIdle) continue;
    }
    wake = std::min(wake, bound.session->tick(now, effects));
    if (!bound.order.empty()) {
      const auto it = bound.submits.find(bound.order.front());
      wake = std::min(wake, it == bound.submits.end() ? now.mono + 1'000 : it->second.deadline);
    }
  }
  if (!later_.empty()) wake = std::min(wake, later_.begin()->first);
  if (!ready_.empty() || !alerts_.empty()) wake = std::min(wake, std::max(flow_.next(now.mono), now.mono + 1));
  if (wake.ms != INT64_MAX) effects.emplace_back(Wake{wake});
}

void Sender::submit_ready(Now now, Effects& effects) {
  if (!may_transmit(now)) return;
  while (!alerts_.empty() || !ready_.empty()) {
    const bool alert = !alerts_.empty();
    auto& line = alert ? alerts_ : ready_;
    const auto [id, segment] = line.front();
    if (!open_.contains(id)) {  // settled meanwhile, by another of its segments
      line.pop_front();
      continue;
    }
    if (flow_.ready(now.mono) <= 0) return;
    const int window = alert ? account_.window : without_alerts(account_.window);
    Bound* best = nullptr;
    for (Bound& bound : sessions_) {
      if (!bound.session->transmits() || static_cast<int>(bound.submits.size()) >= window) continue;
      if (best == nullptr || bound.submits.size() < best->submits.size()) best = &bound;
    }
    if (best == nullptr) return;
    line.pop_front();
    submit(now, *best, id, segment, effects);
  }
}

Message Sender::written(const Open& open, const Segment& segment, std::optional<std::uint16_t> reference,
                        bool with_receipt) const {
  Message m;
  m.source = open.from;
  m.destination = open.to;
  m.esm_class = segment.esm_class;
  m.priority = open.priority;
  if (open.validity_ms > 0) m.validity = relative_time(open.validity_ms);
  m.registered_delivery = with_receipt ? 1 : 0;
  m.data_coding = segment.data_coding;
  m.short_message = segment.short_message;
  if (!segment.payload.empty()) m.tlvs.push_back({tag::kMessagePayload, segment.payload});
  if (segment.sar_total > 1) {
    m.tlvs.push_back(number_tlv(tag::kSarMsgRefNum, segment.sar_ref, 2));
    m.tlvs.push_back(number_tlv(tag::kSarTotalSegments, segment.sar_total, 1));
    m.tlvs.push_back(number_tlv(tag::kSarSegmentSeqnum, segment.sar_seq, 1));
  }
  if (reference) m.tlvs.push_back(number_tlv(tag::kUserMessageReference, *reference, 2));
  return m;
}

void Sender::submit(Now now, Bound& bound, std::uint64_t id, std::size_t segment, Effects& effects) {
  const Open& open = open_.at(id);
  const bool with_receipt =
      account_.receipts == Receipts::kAll || (account_.receipts == Receipts::kLast && segment + 1 == open.segments.size());
  std::optional<std::uint16_t> reference;
  if (bound.session->takes_tlvs() && !no_reference_) {
    reference = static_cast<std::uint16_t>(open.reference + segment);
    doubted_.erase(*reference);  // the number is this one's now
  }
  const std::uint32_t sequence =
      bound.session->request(Command::kSubmitSm, written(open, open.segments[segment], reference, with_receipt), effects);
  bound.submits[sequence] = {id, segment, now.mono + account_.response_timeout_ms, reference};
  bound.order.push_back(sequence);
  flow_.sent(now.mono);
  ++counts_.submits;
}

void Sender::on_bound(Now, Session&, Effects&) { refusal_ = kOk; }  // after() submits what waits

void Sender::on_answer(Now now, Session& session, const Pdu& answer, Effects& effects) {
  Bound& bound = sessions_[index_of(session)];
  const auto it = bound.submits.find(answer.header.sequence);
  const bool of_submit = answer.header.command == answer_to(Command::kSubmitSm) || answer.header.command == Command::kGenericNack;
  if (!of_submit) return;
  if (it == bound.submits.end()) return late_answer(now, session, answer, effects);
  const Submit submit = it->second;
  bound.submits.erase(it);
  while (!bound.order.empty() && !bound.submits.contains(bound.order.front())) bound.order.pop_front();
  const auto* body = std::get_if<MessageAnswer>(&answer.body);
  if (body != nullptr) {
    if (const auto congestion = number_in(body->tlvs, tag::kCongestionState))
      flow_.congestion(now.mono, static_cast<int>(*congestion));
  }
  if (answer.header.status != kOk || answer.header.command == Command::kGenericNack)
    return refused(now, submit, answer.header.status == kOk ? kSystemError : answer.header.status, effects);
  flow_.accepted(now.mono);
  const std::string id = body == nullptr ? std::string() : body->message_id;
  taken(now, submit, id, name_from_answer(id, account_.id_format), effects);
}

void Sender::taken(Now now, const Submit& submit, const std::string& id, const std::string& name, Effects& effects) {
  const auto it = open_.find(submit.open);
  if (it == open_.end()) return doubt(submit);
  Open& open = it->second;
  if (!id.empty()) {
    open.ids.push_back(printable(id));
    open.names.push_back(name + "|" + tail_of(open.to.digits));
  }
  if (++open.answered == open.segments.size()) finish(submit.open, State::kSent, now.wall, "", effects);
}

void Sender::refused(Now now, const Submit& submit, std::uint32_t status, Effects& effects) {
  const auto it = open_.find(submit.open);
  if (it == open_.end()) return;
  Open& open = it->second;
  if (submit.reference && (status == kInvOptionalStream || status == kOptionalNotAllowed)) {
    no_reference_ = true;
    (open.message.lane == Lane::kAlert ? alerts_ : ready_).emplace_front(submit.open, submit.segment);
    return;
  }
  const Status what = status_of(status);
  const auto again_in = [&](std::int64_t wait_ms) {
    // An alert that was sent again is kept: in its lane it would be a new one, and be sent again once more.
    if (open.segments.size() == 1 && !open.resent) return give_back(now, submit.open, wait_ms, shown_status(status), effects);
    later_.emplace(now.mono + wait_ms, std::pair(submit.open, submit.segment));
  };
  switch (what.verdict) {
    case Verdict::kThrottled:
      ++counts_.throttled;
      flow_.throttled(now.mono);
      (open.message.lane == Lane::kAlert ? alerts_ : ready_).emplace_front(submit.open, submit.segment);
      return;
    case Verdict::kQueueFull:
    case Verdict::kTemporary: {
      if (what.verdict == Verdict::kQueueFull) flow_.throttled(now.mono);
      const int tries = count_try(open.message.ref);
      if (tries > what.most_tries) break;
      return again_in(what.verdict == Verdict::kQueueFull ? kQueueFullMs : pause_before(tries, open.message.lane));
    }
    case Verdict::kRebind:
      tell(now, status, "submit_sm", effects);
      for (Bound& bound : sessions_) bound.session->rest(now.mono + 1'000);
      return again_in(1'000);
    case Verdict::kConfig:
    case Verdict::kBug:
    case Verdict::kStop: tell(now, status, "submit_sm", effects); break;
    case Verdict::kDone:
    case Verdict::kPermanent:
    case Verdict::kRecipient: break;
  }
  finish(submit.open, State::kFailed, now.wall, shown_status(status), effects);
}

void Sender::unanswered(Now now, const Submit& submit, const Asked* asked, Effects& effects) {
  if (!submit.named.empty()) return taken(now, submit, submit.named, submit.named, effects);
  const auto it = open_.find(submit.open);
  if (it == open_.end()) return doubt(submit);
  Open& open = it->second;
  if (open.message.lane == Lane::kAlert && !std::exchange(open.resent, true)) {
    alerts_.emplace_front(submit.open, submit.segment);
    return;
  }
  keep_below(suspects_, kMemories);
  suspects_[open.to.digits] = {open.message.ref, now.mono + kSuspectMs};
  keep_below(doubts_, kMemories);
  doubts_[submit.open] = {open.message.ref, open.to.digits, open.segments.size() - open.answered, {}};
  doubt(submit);
  keep_below(late_, kMemories);
  if (asked != nullptr) late_[*asked] = {open.message.ref, tail_of(open.to.digits)};
  finish(submit.open, State::kUncertain, now.wall, "no_answer", effects);
}

// Its receipt may name it, if the SMSC says our references back.
void Sender::doubt(const Submit& submit) {
  if (!submit.reference || !doubts_.contains(submit.open)) return;
  keep_below(doubted_, kMemories);
  doubted_[*submit.reference] = submit.open;
}

// Its slot is free when the answer comes: that is how the SMSC counts. If none comes, we know what it would have said.
void Sender::name_submit(std::uint16_t reference, const Message& message, const std::string& name) {
  for (Bound& bound : sessions_) {
    for (auto& [sequence, submit] : bound.submits) {
      const auto open = submit.reference == reference ? open_.find(submit.open) : open_.end();
      if (open == open_.end()) continue;
      const std::string& digits = open->second.to.digits;
      if (digits == message.source.digits || digits == message.destination.digits) submit.named = name;
    }
  }
}

// Whose fate a receipt with this reference decides. Of several segments: when it is failed, or the last one is delivered.
std::optional<MessageRef> Sender::in_doubt(std::uint16_t reference, const Message& message, State state) {
  const auto number = doubted_.find(reference);
  const auto it = number == doubted_.end() ? doubts_.end() : doubts_.find(number->second);
  if (it == doubts_.end() || state == State::kSent) return std::nullopt;
  Doubt& about = it->second;
  if (about.digits != message.source.digits && about.digits != message.destination.digits) return std::nullopt;
  if (state != State::kDelivered) return about.ref;
  about.delivered.insert(reference);
  if (about.delivered.size() < about.segments) return std::nullopt;
  return about.ref;
}

// The answer to a submit that was given up: what it names is known from now on, so a receipt decides.
void Sender::late_answer(Now now, Session& session, const Pdu& answer, Effects& effects) {
  const auto it = late_.find({session.link(), answer.header.sequence});
  if (it == late_.end()) return;
  const auto [ref, tail] = it->second;
  late_.erase(it);
  Receipt receipt;
  receipt.account = account_.id;
  receipt.ref = ref;
  receipt.at = now.wall;
  const auto* body = std::get_if<MessageAnswer>(&answer.body);
  if (answer.header.status == kOk && body != nullptr && !body->message_id.empty()) {
    receipt.state = State::kSent;
    receipt.provider_id = printable(body->message_id);
    receipt.names.push_back(name_from_answer(body->message_id, account_.id_format) + "|" + tail);
  } else if (answer.header.status != kOk) {
    receipt.state = State::kFailed;
    receipt.reason = shown_status(answer.header.status);
  } else {
    return;
  }
  effects.emplace_back(Deliver{~Token{0}, std::move(receipt)});
}

void Sender::finish(std::uint64_t id, State state, WallTime at, std::string reason, Effects& effects) {
  const auto it = open_.find(id);
  Open& open = it->second;
  Receipt receipt;
  receipt.account = account_.id;
  receipt.ref = open.message.ref;
  receipt.state = state;
  receipt.at = at;
  receipt.reason = std::move(reason);
  for (const std::string& each : open.ids) receipt.provider_id.append(receipt.provider_id.empty() ? "" : ",").append(each);
  // Of a message that was refused in the middle no receipt can make good.
  if (state != State::kFailed) receipt.names = std::move(open.names);
  if (!tries_.empty()) tries_.erase(public_id(open.message.ref));
  open_.erase(it);
  effects.emplace_back(Settle{std::move(receipt)});
}

void Sender::give_back(Now now, std::uint64_t id, std::int64_t wait_ms, std::string reason, Effects& effects) {
  const auto it = open_.find(id);
  effects.emplace_back(Settle{Returned{it->second.message.ref, now.wall + wait_ms, std::move(reason)}});
  open_.erase(it);
}

int Sender::count_try(const MessageRef& ref) {
  keep_below(tries_, kMaxTried);
  return ++tries_[public_id(ref)];
}

void Sender::on_fall(Now now, Session& session, std::uint32_t status, Effects& effects) {
  Bound& bound = sessions_[index_of(session)];
  const auto submits = std::exchange(bound.submits, {});
  const auto order = std::exchange(bound.order, {});
  for (const std::uint32_t sequence : order) {
    if (const auto it = submits.find(sequence); it != submits.end()) unanswered(now, it->second, nullptr, effects);
  }
  bound.first_delivery += bound.deliveries.size();
  bound.deliveries.clear();
  std::erase_if(written_, [link = session.link()](const auto& each) { return each.second.link == link; });
  put_back_unbegun(now, effects);
  if (status == kOk) return;
  refusal_ = status;
  if (status == kInvCommand && session.bind() == Command::kBindTransceiver) {
    session.rebind_as(Command::kBindTransmitter);
    no_transceiver_ = true;
  }
  tell(now, status, "bind", effects);
}

// An operator hears of each code once an hour.
void Sender::tell(Now now, std::uint32_t status, std::string_view what, Effects& effects) {
  const auto it = told_.find(status);
  if (it != told_.end() && now.mono - it->second < kHourMs) return;
  keep_below(told_, kMemories);
  told_[status] = now.mono;
  AccountNews news;
  news.account = account_.id;
  news.kind = std::string(what) + "_refused: " + shown_status(status) + ", " + std::string(status_of(status).words);
  news.detail = "{}";
  news.at = now.wall;
  effects.emplace_back(Deliver{~Token{0}, std::move(news)});
}

void Sender::on_request(Now now, Session& session, Pdu request, std::string_view bytes, Effects& effects) {
  const auto* message = std::get_if<Message>(&request.body);
  if (message == nullptr) return;  // alert_notification: nobody waits for it
  const std::size_t index = index_of(session);
  Bound& bound = sessions_[index];
  Arrival arrival = read_arrival(account_, *message, bytes, now.wall);
  bound.deliveries.push_back({request.header, arrival.hash, Delivery::State::kWaiting});
  const std::uint64_t number = bound.first_delivery + bound.deliveries.size() - 1;
  if (!arrival.event) {
    bound.deliveries.back().state = Delivery::State::kKept;
    return answer_in_order(now, bound, effects);
  }
  if (auto* receipt = std::get_if<Receipt>(&*arrival.event)) {
    ++counts_.receipts;
    const auto reference = number_in(message->tlvs, tag::kUserMessageReference);
    if (reference) {
      receipt->suspect = in_doubt(static_cast<std::uint16_t>(*reference), *message, receipt->state);
      name_submit(static_cast<std::uint16_t>(*reference), *message, receipt->names.front());
    }
    for (const Address* each : {&message->source, &message->destination}) {
      const auto suspect = suspects_.find(each->digits);
      if (suspect == suspects_.end() || reference) continue;  // what says whose it is, is no other's
      if (suspect->second.second > now.mono) receipt->suspect = suspect->second.first;
      if (receipt->state != State::kSent) suspects_.erase(suspect);
      break;
    }
  } else {
    ++counts_.delivered;
    if (auto* inbound = std::get_if<Inbound>(&*arrival.event)) inbound->fresh = was_answered(arrival.hash, session.link());
  }
  effects.emplace_back(Deliver{(static_cast<Token>(index) << kDeliveryBits) | number, std::move(*arrival.event)});
}

void Sender::on_stored(Now now, Token token, bool kept, Effects& effects) {
  const std::size_t index = token >> kDeliveryBits;
  if (index >= sessions_.size()) return;
  Bound& bound = sessions_[index];
  const std::uint64_t number = token & ((Token{1} << kDeliveryBits) - 1);
  if (number < bound.first_delivery || number - bound.first_delivery >= bound.deliveries.size()) return;  // its link fell
  bound.deliveries[number - bound.first_delivery].state = kept ? Delivery::State::kKept : Delivery::State::kRefused;
  answer_in_order(now, bound, effects);
}

void Sender::answer_in_order(Now now, Bound& bound, Effects& effects) {
  while (!bound.deliveries.empty() && bound.deliveries.front().state != Delivery::State::kWaiting) {
    Delivery& first = bound.deliveries.front();
    const bool kept = first.state == Delivery::State::kKept;
    bound.session->answer(first.request, kept ? kOk : kTemporaryAppError, effects);
    if (kept && !first.hash.empty()) {
      written_[first.hash] = {bound.session->link(), now.mono};
      written_at_.emplace_back(now.mono, std::move(first.hash));
    }
    bound.deliveries.pop_front();
    ++bound.first_delivery;
  }
}

bool Sender::was_answered(const std::string& hash, LinkId link) {
  const auto it = written_.find(hash);
  if (it == written_.end() || it->second.link != link) return false;
  written_.erase(it);  // those that come now are the ones that are not acknowledged
  return true;
}

// What was not handed to the SMSC goes back; of what was begun nobody knows.
void Sender::refuse_all(Now now, Effects& effects) {
  std::vector<std::pair<std::uint64_t, bool>> all;
  for (const auto& [id, open] : open_) {
    bool out = open.answered > 0;
    for (const Bound& bound : sessions_) {
      for (const auto& [sequence, submit] : bound.submits) out = out || submit.open == id;
    }
    all.emplace_back(id, out);
  }
  for (const auto& [id, out] : all) {
    if (!out && !open_.at(id).resent) {
      give_back(now, id, 0, "not_begun", effects);
    } else if (!draining_ || !out) {
      finish(id, State::kUncertain, now.wall, "link_lost", effects);
    }
  }
}

// While no link stands, whatever waits here waits in its lane as well, where a kill does not leave it uncertain. Not an alert
// that is sent again: there it would be new.
void Sender::put_back_unbegun(Now now, Effects& effects) {
  if (std::any_of(sessions_.begin(), sessions_.end(), [](const Bound& bound) { return bound.session->transmits(); })) return;
  std::vector<std::uint64_t> waiting;
  for (const auto& line : {alerts_, ready_}) {
    for (const auto& [id, segment] : line) {
      const auto it = open_.find(id);
      if (segment == 0 && it != open_.end() && it->second.answered == 0 && !it->second.resent) waiting.push_back(id);
    }
  }
  for (const std::uint64_t id : waiting) give_back(now, id, 0, "no_link", effects);
  for (auto* line : {&alerts_, &ready_}) std::erase_if(*line, [this](const auto& each) { return !open_.contains(each.first); });
}

void Sender::drain(Now now, Effects& effects) {
  draining_ = true;
  refuse_all(now, effects);
  after(now, effects);
}

bool Sender::drained() const {
  return std::all_of(sessions_.begin(), sessions_.end(),
                     [](const Bound& bound) { return bound.session->phase() == Session::Phase::kIdle; });
}

Sender::Links Sender::links(Now) const {
  Links out;
  out.all = static_cast<int>(sessions_.size());
  for (const Bound& bound : sessions_) out.up += bound.session->bound() ? 1 : 0;
  const auto is = [this](Session::Phase phase) {
    return std::any_of(sessions_.begin(), sessions_.end(), [phase](const Bound& b) { return b.session->phase() == phase; });
  };
  if (refusal_ != kOk) {
    out.words = "the SMSC refused the bind: " + shown_status(refusal_) + ", " + std::string(status_of(refusal_).words);
  } else if (out.up > 0) {
    out.words = "bound";
  } else if (is(Session::Phase::kBinding)) {
    out.words = "connected, and the SMSC has not answered the bind yet";
  } else if (is(Session::Phase::kDialling)) {
    out.words = "connecting to " + account_.host + ":" + std::to_string(account_.port);
  } else {
    out.words = "no connection to " + account_.host + ":" + std::to_string(account_.port);
  }
  return out;
}

bool Sender::set_secrets(Now, const Account& fresh) {
  if (account_.password.reveal() == fresh.password.reveal()) return false;
  account_.password = fresh.password;
  return true;
}

}  // namespace belfry::smpp
