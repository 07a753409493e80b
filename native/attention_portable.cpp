// Attention in plain C++: runs everywhere, and is what the SIMD kernels are compared with bit for bit.
#include <cmath>
#include <cstring>

#include "attention_template.h"
#include "half.h"

namespace sevenb {
namespace {

struct Floats {
  static constexpr int width = 16;
  float lane[width];

  static Floats load(const float* from) {
    Floats v;
    std::memcpy(v.lane, from, sizeof v.lane);
    return v;
  }
  static Floats load(const std::uint16_t* from) {
    Floats v;
    for (int i = 0; i < width; ++i) v.lane[i] = half_to_float(from[i]);
    return v;
  }
  static Floats broadcast(float value) {
    Floats v;
    for (float& lane : v.lane) lane = value;
    return v;
  }
  void store(float* to) const { std::memcpy(to, lane, sizeof lane); }
};

template <class Operation>
Floats lanewise(const Floats& a, const Floats& b, Operation operation) {
  Floats v;
  for (int i = 0; i < Floats::width; ++i) v.lane[i] = operation(a.lane[i], b.lane[i]);
  return v;
}

Floats add(const Floats& a, const Floats& b) {
  return lanewise(a, b, [](float x, float y) { return x + y; });
}
Floats subtract(const Floats& a, const Floats& b) {
  return lanewise(a, b, [](float x, float y) { return x - y; });
}
Floats multiply(const Floats& a, const Floats& b) {
  return lanewise(a, b, [](float x, float y) { return x * y; });
}
Floats maximum(const Floats& a, const Floats& b) {
  return lanewise(a, b, [](float x, float y) { return x > y ? x : y; });
}
Floats multiply_add(const Floats& a, const Floats& b, const Floats& c) {
  Floats v;
  for (int i = 0; i < Floats::width; ++i) v.lane[i] = std::fma(a.lane[i], b.lane[i], c.lane[i]);
  return v;
}

// power * 2^n, n being the low bits of `shifted`.
Floats scale_by_power_of_two(const Floats& power, const Floats& shifted) {
  return lanewise(power, shifted, [](float x, float n) {
    std::uint32_t bits, exponent;
    std::memcpy(&bits, &x, 4);
    std::memcpy(&exponent, &n, 4);
    bits += exponent << 23;
    std::memcpy(&x, &bits, 4);
    return x;
  });
}

Floats zero_unless_at_least(const Floats& v, const Floats& x, const Floats& bound) {
  Floats kept;
  for (int i = 0; i < Floats::width; ++i) kept.lane[i] = x.lane[i] >= bound.lane[i] ? v.lane[i] : 0.0f;
  return kept;
}

template <class Operation>
float reduce(Floats v, Operation operation) {
  for (int half = Floats::width / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) v.lane[i] = operation(v.lane[i], v.lane[i + half]);
  return v.lane[0];
}
float reduce_add(const Floats& v) {
  return reduce(v, [](float x, float y) { return x + y; });
}
float reduce_maximum(const Floats& v) {
  return reduce(v, [](float x, float y) { return x > y ? x : y; });
}
float first_lane(const Floats& v) { return v.lane[0]; }

struct Portable {
  using Wide = Floats;
  using Narrow = Floats;
  static constexpr int kWideRows = 4;
  static constexpr int kDirectRows = 4;
};

}  // namespace

const AttentionKernels attention_portable = make_kernels<Portable>();

}  // namespace sevenb
