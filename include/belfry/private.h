// Private<T>: what a citizen or an operator must not find in a log. It prints as its size.
#pragma once

#include <ostream>
#include <string>
#include <utility>

namespace belfry {

template <class T>
class Private {
 public:
  Private() = default;
  explicit Private(T value) : value_(std::move(value)) {}

  // The one way to the value; search for it to find every place that touches private data.
  const T& reveal() const { return value_; }
  bool empty() const { return value_.empty(); }

  // Has it changed? Not for what a peer claims to know: that is compared in constant time.
  friend bool operator==(const Private&, const Private&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Private& p) { return out << '<' << p.value_.size() << " bytes>"; }

 private:
  T value_;
};

using Secret = Private<std::string>;

}  // namespace belfry
