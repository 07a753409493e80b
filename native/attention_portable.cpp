// Attention in plain C++: runs everywhere, and is what the SIMD kernels are compared with bit for bit.
#include <cmath>
#include <cstring>

#include "attention_template.h"
#include "half.h"

namespace sevenb {
namespace {

struct FloatLanes {
  static constexpr int width = 16, depth = 1;
  float lane[width];

  static FloatLanes load(const float* from) {
    FloatLanes v;
    std::memcpy(v.lane, from, sizeof v.lane);
    return v;
  }
  static FloatLanes load(const std::uint16_t* from) {
    FloatLanes v;
    for (int i = 0; i < width; ++i) v.lane[i] = half_to_float(from[i]);
    return v;
  }
  static FloatLanes from_integers(const void* from) {
    std::int32_t integers[width];
    std::memcpy(integers, from, sizeof integers);
    FloatLanes v;
    for (int i = 0; i < width; ++i) v.lane[i] = static_cast<float>(integers[i]);
    return v;
  }
  static FloatLanes broadcast(float value) {
    FloatLanes v;
    for (float& lane : v.lane) lane = value;
    return v;
  }
  void store(float* to) const { std::memcpy(to, lane, sizeof lane); }
  void store_rounded(Pair* to) const {
    constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23: no bits are left below one
    const auto rounded = [](float x) { return static_cast<std::int16_t>(x + kRounder - kRounder); };
    for (int i = 0; i < width; i += 2) to[i / 2] = {rounded(lane[i]), rounded(lane[i + 1])};
  }
  // Lane i of the result is lane i ^ Distance.
  template <int Distance>
  FloatLanes exchanged() const {
    FloatLanes v;
    for (int i = 0; i < width; ++i) v.lane[i] = lane[i ^ Distance];
    return v;
  }
};

template <class Operation>
FloatLanes lanewise(const FloatLanes& a, const FloatLanes& b, Operation operation) {
  FloatLanes v;
  for (int i = 0; i < FloatLanes::width; ++i) v.lane[i] = operation(a.lane[i], b.lane[i]);
  return v;
}

FloatLanes add(const FloatLanes& a, const FloatLanes& b) {
  return lanewise(a, b, [](float x, float y) { return x + y; });
}
FloatLanes subtract(const FloatLanes& a, const FloatLanes& b) {
  return lanewise(a, b, [](float x, float y) { return x - y; });
}
FloatLanes multiply(const FloatLanes& a, const FloatLanes& b) {
  return lanewise(a, b, [](float x, float y) { return x * y; });
}
FloatLanes maximum(const FloatLanes& a, const FloatLanes& b) {
  return lanewise(a, b, [](float x, float y) { return x > y ? x : y; });
}
FloatLanes multiply_add(const FloatLanes& a, const FloatLanes& b, const FloatLanes& c) {
  FloatLanes v;
  for (int i = 0; i < FloatLanes::width; ++i) v.lane[i] = std::fma(a.lane[i], b.lane[i], c.lane[i]);
  return v;
}

// power * 2^n, n being the low bits of `shifted`.
FloatLanes scale_by_power_of_two(const FloatLanes& power, const FloatLanes& shifted) {
  return lanewise(power, shifted, [](float x, float n) {
    std::uint32_t bits, exponent;
    std::memcpy(&bits, &x, 4);
    std::memcpy(&exponent, &n, 4);
    bits += exponent << 23;
    std::memcpy(&x, &bits, 4);
    return x;
  });
}

FloatLanes zero_unless_at_least(const FloatLanes& v, const FloatLanes& x, const FloatLanes& bound) {
  FloatLanes kept;
  for (int i = 0; i < FloatLanes::width; ++i) kept.lane[i] = x.lane[i] >= bound.lane[i] ? v.lane[i] : 0.0f;
  return kept;
}

template <class Operation>
float reduce(FloatLanes v, Operation operation) {
  for (int half = FloatLanes::width / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) v.lane[i] = operation(v.lane[i], v.lane[i + half]);
  return v.lane[0];
}
float reduce_add(const FloatLanes& v) {
  return reduce(v, [](float x, float y) { return x + y; });
}
float reduce_maximum(const FloatLanes& v) {
  return reduce(v, [](float x, float y) { return x > y ? x : y; });
}
float first_lane(const FloatLanes& v) { return v.lane[0]; }

struct PairLanes {
  static constexpr int width = 16, depth = 2;
  std::int32_t lane[width];  // the two int16 of a pair, or a sum

  static PairLanes load(const std::int16_t* from) {
    PairLanes v;
    std::memcpy(v.lane, from, sizeof v.lane);
    return v;
  }
  static PairLanes load(const std::int8_t* from) {
    std::int16_t wide[2 * width];
    for (int i = 0; i < 2 * width; ++i) wide[i] = from[i];
    return load(wide);
  }
  static PairLanes broadcast(Pair value) {
    PairLanes v;
    for (std::int32_t& lane : v.lane) std::memcpy(&lane, &value, sizeof lane);
    return v;
  }
  void store(void* to) const { std::memcpy(to, lane, sizeof lane); }
};

PairLanes multiply_add(const PairLanes& a, const PairLanes& b, const PairLanes& sum) {
  Pair x[PairLanes::width], y[PairLanes::width];
  std::memcpy(x, a.lane, sizeof x);
  std::memcpy(y, b.lane, sizeof y);
  PairLanes v;
  for (int i = 0; i < PairLanes::width; ++i)
    v.lane[i] = sum.lane[i] + x[i].first * y[i].first + x[i].second * y[i].second;
  return v;
}

struct Portable {
  struct Floats {
    using Element = float;
    using Wide = FloatLanes;
    using Narrow = FloatLanes;
    static constexpr int kWideRows = 4;
    static constexpr int kDirectRows = 4;
  };
  struct Pairs {
    using Element = std::int16_t;
    using Wide = PairLanes;
    using Narrow = PairLanes;
    static constexpr int kWideRows = 4;
    static constexpr int kDirectRows = 4;
  };
};

}  // namespace

const AttentionKernels attention_portable = make_kernels<Portable>();

}  // namespace sevenb
