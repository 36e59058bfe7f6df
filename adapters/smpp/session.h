// One bind: dialled, bound, kept alive, dialled again when it falls (SMPP 3.4 chapter 2). What it says of itself it sends; the
// rest of what the SMSC says it hands to its Sender.
//
//   idle -> dialling -> binding -> bound -> (unbinding) -> idle
//
// Again after 1 s, doubling to 60 s, with the account's own offset; after a wrong password or system_id every 5 minutes, for some
// SMSCs lock an account that insists. An SMSC that does not know transceivers (RINVCMDID) is told to the Sender.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/smpp/account.h"
#include "adapters/smpp/pdu.h"
#include "belfry/adapter.h"
#include "belfry/clock.h"

namespace belfry::smpp {

class Session {
 public:
  enum class Phase : std::uint8_t { kIdle, kDialling, kBinding, kBound, kUnbinding };
  // What the Sender must hear. The views of a PDU live during the call.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void on_bound(Now now, Session& session, Effects& effects) = 0;
    virtual void on_request(Now now, Session& session, Pdu request, std::string_view bytes, Effects& effects) = 0;
    virtual void on_answer(Now now, Session& session, const Pdu& answer, Effects& effects) = 0;
    // The link is gone, or the bind was refused with `status`: what waits for an answer will get none.
    virtual void on_fall(Now now, Session& session, std::uint32_t status, Effects& effects) = 0;
  };

  Session(const Account& account, Command bind, LinkId first_link, Owner& owner)
      : account_(account), bind_(bind), link_(first_link), owner_(owner) {}

  bool bound() const { return phase_ == Phase::kBound; }
  bool transmits() const { return bound() && bind_ != Command::kBindReceiver; }
  Phase phase() const { return phase_; }
  Command bind() const { return bind_; }
  LinkId link() const { return link_; }
  bool takes_tlvs() const { return takes_tlvs_; }

  // Dials when it is time, asks after the peer, gives up on one that is silent. Answers when it wants to be called again.
  Instant tick(Now now, Effects& effects);
  void on_link(Now now, LinkState state, Effects& effects);
  void on_bytes(Now now, std::string_view bytes, Effects& effects);
  // Sends a request and answers its sequence_number.
  template <class Body>
  std::uint32_t request(Command command, Body body, Effects& effects) {
    const std::uint32_t sequence = next_sequence();
    write({{command, 0, sequence}, std::move(body)}, effects);
    return sequence;
  }
  void answer(const Header& request, std::uint32_t status, Effects& effects);
  // Asks to be let go; the SMSC's answer, or two seconds, end it.
  void unbind(Now now, Effects& effects);
  // At once.
  void drop(Now now, std::uint32_t status, Effects& effects);
  // Binds anew not before then.
  void rest(Instant until) { retry_at_ = std::max(retry_at_, until); }
  void rebind_as(Command bind) { bind_ = bind; }

 private:
  void write(const Pdu& pdu, Effects& effects);
  void take(Now now, std::string_view bytes, Effects& effects);
  void take_answer(Now now, const Pdu& pdu, Effects& effects);
  void on_bind_answer(Now now, const Pdu& pdu, Effects& effects);
  void fallen(Now now, std::uint32_t status, Effects& effects);
  std::uint32_t next_sequence();

  const Account& account_;
  Command bind_;
  LinkId link_;  // each dialling has its own: link_ + 64 the next
  Owner& owner_;

  Phase phase_ = Phase::kIdle;
  Frames frames_;
  std::uint32_t sequence_ = 0;
  bool takes_tlvs_ = true;
  Instant phase_until_;  // of dialling, binding, unbinding
  Instant heard_;        // the last PDU of the peer
  Instant asked_;        // our last enquire_link
  Instant retry_at_;
  std::int64_t backoff_ms_ = 1'000;
};

}  // namespace belfry::smpp
