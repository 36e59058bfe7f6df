#include "adapters/smpp/status.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace belfry::smpp {
namespace {

using V = Verdict;
constexpr std::array kTable{
    Status{0x00, "ROK", V::kDone, 0, "accepted"},
    Status{0x01, "RINVMSGLEN", V::kPermanent, 0, "the text is too long for it"},
    Status{0x02, "RINVCMDLEN", V::kBug, 0, "it could not read our PDU"},
    Status{0x03, "RINVCMDID", V::kConfig, 0, "it does not offer this operation"},
    Status{0x04, "RINVBNDSTS", V::kRebind, 0, "this bind may not do that"},
    Status{0x05, "RALYBND", V::kRebind, 0, "we are bound already, or an old session is not over yet"},
    Status{0x06, "RINVPRTFLG", V::kConfig, 0, "it does not take this priority"},
    Status{0x07, "RINVREGDLVFLG", V::kConfig, 0, "it does not take our wish for receipts"},
    Status{0x08, "RSYSERR", V::kTemporary, 3, "its own system failed"},
    Status{0x0A, "RINVSRCADR", V::kConfig, 0, "it does not take our sender"},
    Status{0x0B, "RINVDSTADR", V::kRecipient, 0, "the number does not exist for it"},
    Status{0x0C, "RINVMSGID", V::kPermanent, 0, "it does not know the message id"},
    Status{0x0D, "RBINDFAIL", V::kRebind, 0, "the bind failed"},
    Status{0x0E, "RINVPASWD", V::kStop, 0, "the password is wrong"},
    Status{0x0F, "RINVSYSID", V::kStop, 0, "it does not know our system_id"},
    Status{0x11, "RCANCELFAIL", V::kPermanent, 0, "it could not cancel the message"},
    Status{0x13, "RREPLACEFAIL", V::kPermanent, 0, "it could not replace the message"},
    Status{0x14, "RMSGQFUL", V::kQueueFull, 5, "its queue is full"},
    Status{0x15, "RINVSERTYP", V::kConfig, 0, "it does not take this service_type"},
    Status{0x33, "RINVNUMDESTS", V::kPermanent, 0, "wrong number of destinations"},
    Status{0x34, "RINVDLNAME", V::kPermanent, 0, "it does not know the distribution list"},
    Status{0x40, "RINVDESTFLAG", V::kBug, 0, "wrong destination flag"},
    Status{0x42, "RINVSUBREP", V::kPermanent, 0, "it does not replace messages"},
    Status{0x43, "RINVESMCLASS", V::kConfig, 0, "it does not take this esm_class: choose another way for long messages"},
    Status{0x44, "RCNTSUBDL", V::kPermanent, 0, "it cannot submit to a distribution list"},
    Status{0x45, "RSUBMITFAIL", V::kTemporary, 3, "the submit failed"},
    Status{0x48, "RINVSRCTON", V::kConfig, 0, "it does not take the type of our sender: source_ton"},
    Status{0x49, "RINVSRCNPI", V::kConfig, 0, "it does not take the plan of our sender: source_npi"},
    Status{0x50, "RINVDSTTON", V::kConfig, 0, "it does not take the type of the recipient's number"},
    Status{0x51, "RINVDSTNPI", V::kConfig, 0, "it does not take the plan of the recipient's number"},
    Status{0x53, "RINVSYSTYP", V::kConfig, 0, "it does not know our system_type"},
    Status{0x54, "RINVREPFLAG", V::kPermanent, 0, "it does not take the replace flag"},
    Status{0x55, "RINVNUMMSGS", V::kPermanent, 0, "wrong number of messages"},
    Status{0x58, "RTHROTTLED", V::kThrottled, 0, "we send faster than it allows"},
    Status{0x61, "RINVSCHED", V::kPermanent, 0, "it does not take the time of delivery"},
    Status{0x62, "RINVEXPIRY", V::kConfig, 0, "it does not take the validity"},
    Status{0x63, "RINVDFTMSGID", V::kPermanent, 0, "it has no such predefined message"},
    Status{0x64, "RX_T_APPN", V::kTemporary, 3, "the receiver cannot take it now"},
    Status{0x65, "RX_P_APPN", V::kRecipient, 0, "the receiver takes nothing more"},
    Status{0x66, "RX_R_APPN", V::kPermanent, 0, "the receiver refused this message"},
    Status{0x67, "RQUERYFAIL", V::kPermanent, 0, "the query failed"},
    Status{0xC0, "RINVOPTPARSTREAM", V::kBug, 0, "it could not read our optional parameters"},
    Status{0xC1, "ROPTPARNOTALLWD", V::kConfig, 0, "it does not take one of our optional parameters"},
    Status{0xC2, "RINVPARLEN", V::kBug, 0, "a parameter has the wrong length"},
    Status{0xC3, "RMISSINGOPTPARAM", V::kBug, 0, "it misses a parameter"},
    Status{0xC4, "RINVOPTPARAMVAL", V::kBug, 0, "it does not take a parameter's value"},
    Status{0xFE, "RDELIVERYFAILURE", V::kTemporary, 3, "the delivery failed"},
    Status{0xFF, "RUNKNOWNERR", V::kTemporary, 3, "it does not know what failed"},
    Status{0x100, "RSERTYPUNAUTH", V::kConfig, 0, "we may not use this service_type"},
    Status{0x101, "RPROHIBITED", V::kConfig, 0, "we may not do this"},
    Status{0x102, "RSERTYPUNAVAIL", V::kTemporary, 3, "the service is not there for now"},
    Status{0x103, "RSERTYPDENIED", V::kConfig, 0, "the service is denied"},
    Status{0x104, "RINVDCS", V::kPermanent, 0, "it does not take this data_coding"},
    Status{0x105, "RINVSRCADDRSUBUNIT", V::kPermanent, 0, "wrong source subunit"},
    Status{0x106, "RINVDSTADDRSUBUNIT", V::kPermanent, 0, "wrong destination subunit"},
    Status{0x10D, "RBCASTFAIL", V::kTemporary, 3, "the broadcast failed"},
    Status{0x10E, "RBCASTQUERYFAIL", V::kTemporary, 3, "the query of the broadcast failed"},
    Status{0x10F, "RBCASTCANCELFAIL", V::kTemporary, 3, "the broadcast could not be cancelled"},
};

}  // namespace

Status status_of(std::uint32_t code) {
  const auto* it = std::find_if(kTable.begin(), kTable.end(), [code](const Status& s) { return s.code == code; });
  if (it != kTable.end()) return *it;
  if (code >= 0x107 && code <= 0x112) return {code, "", V::kPermanent, 0, "it refuses a parameter of the broadcast"};
  if (code >= 0x400 && code <= 0x4FF) return {code, "", V::kTemporary, 3, "a code of this operator's own"};
  return {code, "", V::kTemporary, 3, "a code that no standard names"};
}

std::string shown_status(std::uint32_t code) {
  char hex[16];
  std::snprintf(hex, sizeof hex, "0x%02X", code);
  const Status status = status_of(code);
  if (status.name.empty()) return hex;
  return std::string(status.name) + " (" + hex + ")";
}

}  // namespace belfry::smpp
