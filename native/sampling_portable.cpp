// The sampler's passes in plain C++: run everywhere, and are what the SIMD ones are compared with bit for bit.
#include <cstdint>
#include <cstring>

#include "sampling_template.h"

namespace sevenb {
namespace {

template <class Number, int Width>
struct Lanes {
  Number lane[Width];

  template <class Source>
  static Lanes load(const Source* from) {
    Lanes v;
    for (int i = 0; i < Width; ++i) v.lane[i] = from[i];
    return v;
  }
  static Lanes broadcast(Number value) {
    Lanes v;
    for (Number& lane : v.lane) lane = value;
    return v;
  }
  void store(Number* to) const { std::memcpy(to, lane, sizeof lane); }
};

template <class Number, int Width, class Operation>
Lanes<Number, Width> lanewise(const Lanes<Number, Width>& a, const Lanes<Number, Width>& b, Operation operation) {
  Lanes<Number, Width> v;
  for (int i = 0; i < Width; ++i) v.lane[i] = operation(a.lane[i], b.lane[i]);
  return v;
}

template <class V>
V add(const V& a, const V& b) {
  return lanewise(a, b, [](auto x, auto y) { return x + y; });
}
template <class V>
V subtract(const V& a, const V& b) {
  return lanewise(a, b, [](auto x, auto y) { return x - y; });
}
template <class V>
V multiply(const V& a, const V& b) {
  return lanewise(a, b, [](auto x, auto y) { return x * y; });
}
template <class V>
V maximum(const V& a, const V& b) {
  return lanewise(a, b, [](auto x, auto y) { return x > y ? x : y; });
}
template <class V>
V scale_by_power_of_two(const V& power, const V& shifted) {
  return lanewise(power, shifted, [](double x, double n) {
    std::uint64_t bits, exponent;
    std::memcpy(&bits, &x, 8);
    std::memcpy(&exponent, &n, 8);
    bits += exponent << 52;
    std::memcpy(&x, &bits, 8);
    return x;
  });
}
template <class V>
V zero_unless_at_least(const V& v, const V& x, const V& bound) {
  V kept = v;
  for (int i = 0; i < static_cast<int>(sizeof v.lane / sizeof *v.lane); ++i)
    if (!(x.lane[i] >= bound.lane[i])) kept.lane[i] = 0.0;
  return kept;
}
template <class V>
float reduce_maximum(const V& v) {
  float largest = v.lane[0];
  for (float lane : v.lane) largest = lane > largest ? lane : largest;
  return largest;
}
template <class V>
bool any_at_least(const V& v, float bound) {
  for (float lane : v.lane)
    if (lane >= bound) return true;
  return false;
}

struct Portable {
  using Floats = Lanes<float, kLanes>;
  using Doubles = Lanes<double, kHalf>;
};

}  // namespace

const SamplingKernels sampling_portable = make_kernels<Portable>();

}  // namespace sevenb
