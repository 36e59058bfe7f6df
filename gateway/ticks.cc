// See ticks.h.
#include "gateway/ticks.h"

#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>

namespace belfry::gateway {

asio::execution_context::id Ticks::id;

Ticks::Ticks(asio::execution_context& loop)
    : asio::execution_context::service(loop), timer_(std::in_place, static_cast<asio::io_context&>(loop)) {
  refresh();
}

void Ticks::shutdown() { timer_.reset(); }

void Ticks::add(Ticked& ticked) {
  if (ticked.listed_) return;
  ticked.listed_ = true;
  ticked.before_ = nullptr;
  ticked.after_ = first_;
  if (first_ != nullptr) first_->before_ = &ticked;
  first_ = &ticked;
  arm();
}

void Ticks::remove(Ticked& ticked) {
  if (!ticked.listed_) return;
  ticked.listed_ = false;
  if (next_ == &ticked) next_ = ticked.after_;
  if (ticked.after_ != nullptr) ticked.after_->before_ = ticked.before_;
  (ticked.before_ != nullptr ? ticked.before_->after_ : first_) = ticked.after_;
}

void Ticks::arm() {
  if (armed_ || !timer_) return;
  armed_ = true;
  refresh();
  timer_->expires_after(std::chrono::milliseconds(kEveryMs));
  timer_->async_wait([this](const std::error_code& error) {
    if (error) return;
    armed_ = false;
    refresh();
    next_ = first_;
    while (next_ != nullptr) {
      Ticked& ticked = *next_;
      next_ = ticked.after_;
      ticked.on_tick(now_ms_);
    }
    if (first_ != nullptr) arm();
  });
}

void Ticks::refresh() {
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  now_ms_ = duration_cast<milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
  wall_ms_ = duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  const std::time_t second = wall_ms_ / 1000;
  if (second == date_second_) return;
  date_second_ = second;
  std::tm t{};
  gmtime_r(&second, &t);
  // strftime would speak the process's language.
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::array<char, 80> text{};
  std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[t.tm_wday], t.tm_mday, kMonths[t.tm_mon],
                t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
  date_ = text.data();
}

}  // namespace belfry::gateway
