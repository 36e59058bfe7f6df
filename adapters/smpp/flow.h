// How fast an account may speak: a bucket of segments, and the rate that yields when the SMSC says "slower".
//
// Additive increase, multiplicative decrease, once a second at most: a throttling answer takes the rate down to nine tenths of
// what the SMSC took in the last second, and at least by a twentieth, at most by half; then it grows by a hundredth of that a
// second. So it stays close below a limit that nobody told us, as congestion_state of 5.0 asks too.
#pragma once

#include "belfry/clock.h"

namespace belfry::smpp {

class Flow {
 public:
  Flow(int per_second, Instant start);

  // Segments that may leave now; and when there will be one.
  int ready(Instant now) const;
  Instant next(Instant now) const;
  void sent(Instant now);
  void accepted(Instant now);                 // the SMSC took one
  void throttled(Instant now);                // or said "slower"
  void congestion(Instant now, int percent);  // 5.0: 80 to 90 is where it works best
  double rate(Instant now) const;
  int taken(Instant now) const;  // by the SMSC, in the last second

 private:
  void refill(Instant now);
  double tokens(Instant now) const;

  double full_, rate_;
  double step_ = 0;  // by which it grows a second
  double tokens_ = 1;
  Instant at_;                        // when tokens_ and rate_ were true
  Instant pause_;                     // nothing leaves before
  Instant cut_;                       // of the last decrease
  Instant second_;                    // begin of the second that is counted
  int taken_ = 0, taken_before_ = 0;  // in this second, in the one before
};

}  // namespace belfry::smpp
