// The bench's SMSC: every read is answered by one write, and a submit costs the copying of 25 octets.
#include <algorithm>
#include <cstring>

#include "smsc.h"

namespace sim {

using namespace smpp;

namespace {

constexpr std::size_t kRing = 1U << 14;  // more than any window
constexpr std::size_t kIdDigits = 8;

void put_digits(char* at, std::size_t width, std::uint64_t value) {
  for (std::size_t i = width; i-- > 0; value /= 10) at[i] = static_cast<char>('0' + value % 10);
}

double round3(double value) { return static_cast<double>(static_cast<std::int64_t>(value * 1000 + 0.5)) / 1000; }

double per_second(std::uint64_t count, std::int64_t first, std::int64_t last) {
  return count < 2 || last <= first ? 0 : round3(static_cast<double>(count - 1) * 1e9 / static_cast<double>(last - first));
}

}  // namespace

FastSmsc::FastSmsc(Loop& loop, Smsc::Config config)
    : loop_(loop), config_(std::move(config)), run_(static_cast<std::uint64_t>(wall_ms()) % 1'000'000'000) {
  Sm sm;
  sm.source = {1, 1, "4915100000000"};
  sm.destination = {1, 1, config_.mo_to};
  static constexpr std::string_view kMark = "mo 000000000-000000000000 ";
  sm.short_message = std::string(kMark) + "there is no water in our street since this morning and nobody answers the telephone; ";
  sm.short_message.resize(160, '.');
  add_pdu(form_, kDeliverSm, 0, 0, sm_body(sm));
  slot_from_ = form_.find("4915100000000") + 5;
  slot_number_ = form_.find(kMark) + 13;
  put_digits(form_.data() + form_.find(kMark) + 3, 9, run_);
  SmppServer::Handlers handlers;
  handlers.opened = [](const std::shared_ptr<SmppLink>& link) { link->state = std::make_shared<State>(); };
  handlers.pdus = [this](const std::shared_ptr<SmppLink>& link, std::string_view bytes) { pdus(link, bytes); };
  handlers.garbage = [](const std::shared_ptr<SmppLink>& link) { add_pdu(link->out, kGenericNack, kBadLength, 0); };
  handlers.closed = [this](const std::shared_ptr<SmppLink>& link) {
    auto& state = *static_cast<State*>(link->state.get());
    // What was under way when the link fell is sent again on the next one.
    for (std::size_t i = 0; i < state.numbers.size(); ++i) {
      if (state.sent_ns[i] != 0) state.again.push_back(state.numbers[i]);
    }
    again_.insert(again_.end(), state.again.begin(), state.again.end());
  };
  server_ = std::make_unique<SmppServer>(loop_, config_.port, config_.cert_file, config_.key_file, std::move(handlers));
}

FastSmsc::~FastSmsc() = default;

void FastSmsc::pdus(const std::shared_ptr<SmppLink>& link, std::string_view bytes) {
  auto& state = *static_cast<State*>(link->state.get());
  auto& out = link->out;
  ++reads_;
  const auto now = mono_ns();
  bool more = false;
  std::size_t submits = 0;
  while (!bytes.empty()) {
    const auto header = read_header(bytes.data());
    const auto body = bytes.substr(kHeader, header.length - kHeader);
    bytes.remove_prefix(header.length);
    switch (header.id) {
      case kSubmitSm:
      case kDataSm: {
        char answer[kHeader + kIdDigits + 1];
        write_u32(answer, sizeof answer);
        write_u32(answer + 4, header.id | kResp);
        write_u32(answer + 8, 0);
        write_u32(answer + 12, header.sequence);
        put_digits(answer + kHeader, kIdDigits, submits_ % 100'000'000);
        answer[kHeader + kIdDigits] = '\0';
        out.append(answer, sizeof answer);
        ++submits_;
        ++submits;
        octets_ += header.length;
        break;
      }
      case kDeliverSm | kResp: {
        const auto at = header.sequence % kRing;
        if (state.numbers.empty() || state.sent_ns[at] == 0) break;
        ++deliver_codes_[header.status];
        --state.outstanding;
        latency_.add((now - state.sent_ns[at]) / 1000);
        state.sent_ns[at] = 0;
        if (header.status == kOk) {
          ++acked_;
          last_deliver_ = now;
        } else {
          ++retried_;
          state.again.push_back(state.numbers[at]);
        }
        more = true;
        break;
      }
      case kBindReceiver:
      case kBindTransmitter:
      case kBindTransceiver: {
        std::string answer = "sink";
        answer += '\0';
        add_tlv(answer, kTagVersion, std::string(1, static_cast<char>(config_.version)));
        add_pdu(out, header.id | kResp, 0, header.sequence, answer);
        ++binds_;
        state.receives = header.id != kBindTransmitter;
        if (state.receives && config_.flood != 0) {
          state.sent_ns.assign(kRing, 0);
          state.numbers.assign(kRing, 0);
          loop_.after(std::max<std::int64_t>(config_.mo_delay_ms, 1), [this, link] {
            if (!link->open) return;  // its state went with it
            auto& mine = *static_cast<State*>(link->state.get());
            mine.flooding = true;
            fill(*link, mine);
            link->flush();
          });
        }
        break;
      }
      case kEnquireLink: add_pdu(out, kEnquireLink | kResp, 0, header.sequence); break;
      case kUnbind:
        add_pdu(out, kUnbind | kResp, 0, header.sequence);
        link->close();
        return;
      default:
        ++others_;
        if ((header.id & kResp) == 0) add_pdu(out, kGenericNack, kBadCommand, header.sequence);
        break;
    }
    static_cast<void>(body);
  }
  if (submits != 0) {
    most_outstanding_ = std::max(most_outstanding_, submits);
    if (first_submit_ == 0) first_submit_ = now;
    last_submit_ = now;
    if (config_.count != 0 && submits_ >= config_.count) done();
  }
  if (more) {
    if (acked_ >= config_.flood) return done();
    fill(*link, state);
  }
}

void FastSmsc::fill(SmppLink& link, State& state) {
  if (!state.flooding) return;
  const auto now = mono_ns();
  if (first_deliver_ == 0) first_deliver_ = now;
  while (state.outstanding < config_.flood_window) {
    std::uint64_t number = 0;
    if (!again_.empty()) {
      number = again_.back();
      again_.pop_back();
    } else if (!state.again.empty()) {
      number = state.again.back();
      state.again.pop_back();
    } else if (next_ < config_.flood) {
      number = next_++;
    } else {
      break;
    }
    const auto sequence = state.sequence = state.sequence == 0x7FFFFFFF ? 1 : state.sequence + 1;
    write_u32(form_.data() + 12, sequence);
    put_digits(form_.data() + slot_from_, 8, number % config_.citizens);
    put_digits(form_.data() + slot_number_, 12, number);
    link.out += form_;
    state.sent_ns[sequence % kRing] = now;
    state.numbers[sequence % kRing] = number;
    ++state.outstanding;
  }
}

void FastSmsc::done() {
  // The last answers go out first.
  if (done_) loop_.after(20, std::exchange(done_, nullptr));
}

Smsc::Json FastSmsc::report() const {
  Smsc::Json codes = Smsc::Json::object();
  for (const auto& [code, count] : deliver_codes_) codes[std::to_string(code)] = count;
  return {{"binds", binds_},
          {"submits", submits_},
          {"submits_per_second", per_second(submits_, first_submit_, last_submit_)},
          {"submits_a_read", round3(static_cast<double>(submits_) / static_cast<double>(std::max<std::uint64_t>(reads_, 1)))},
          {"most_in_a_read", most_outstanding_},
          {"octets", octets_},
          {"mo_acked", acked_},
          {"mo_retried", retried_},
          {"mo_per_second", per_second(acked_, first_deliver_, last_deliver_)},
          {"mo_ms", {{"p50", round3(latency_.quantile_ms(0.5))}, {"p99", round3(latency_.quantile_ms(0.99))}}},
          {"mo_codes", codes},
          {"others", others_}};
}

}  // namespace sim
