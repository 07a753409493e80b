// Attention on AVX2, FMA and F16C: 16 floats are two registers, 8 floats one.
#include <immintrin.h>

#include "attention_template.h"

namespace sevenb {
namespace {

struct Eight {
  static constexpr int width = 8, depth = 1;
  __m256 v;

  static Eight load(const float* from) { return {_mm256_loadu_ps(from)}; }
  static Eight load(const std::uint16_t* from) {
    return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)))};
  }
  static Eight from_integers(const void* from) {
    return {_mm256_cvtepi32_ps(_mm256_loadu_si256(static_cast<const __m256i*>(from)))};
  }
  static Eight broadcast(float value) { return {_mm256_set1_ps(value)}; }
  void store(float* to) const { _mm256_storeu_ps(to, v); }
  template <int Distance>
  Eight exchanged() const {
    if constexpr (Distance == 4) return {_mm256_permute2f128_ps(v, v, 1)};
    return {_mm256_permute_ps(v, Distance == 1 ? 0xb1 : 0x4e)};
  }
};

inline Eight add(Eight a, Eight b) { return {_mm256_add_ps(a.v, b.v)}; }
inline Eight subtract(Eight a, Eight b) { return {_mm256_sub_ps(a.v, b.v)}; }
inline Eight multiply(Eight a, Eight b) { return {_mm256_mul_ps(a.v, b.v)}; }
inline Eight maximum(Eight a, Eight b) { return {_mm256_max_ps(a.v, b.v)}; }
inline Eight multiply_add(Eight a, Eight b, Eight c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
inline Eight scale_by_power_of_two(Eight power, Eight shifted) {
  const __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(shifted.v), 23);
  return {_mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(power.v), exponent))};
}
inline Eight zero_unless_at_least(Eight v, Eight x, Eight bound) {
  return {_mm256_and_ps(v.v, _mm256_cmp_ps(x.v, bound.v, _CMP_GE_OQ))};
}

struct Sixteen {
  static constexpr int width = 16, depth = 1;
  Eight low, high;

  template <class Element>
  static Sixteen load(const Element* from) {
    return {Eight::load(from), Eight::load(from + 8)};
  }
  static Sixteen from_integers(const float* from) { return {Eight::from_integers(from), Eight::from_integers(from + 8)}; }
  static Sixteen broadcast(float value) { return {Eight::broadcast(value), Eight::broadcast(value)}; }
  void store(float* to) const {
    low.store(to);
    high.store(to + 8);
  }
  void store_rounded(Pair* to) const {
    const __m256i packed = _mm256_packs_epi32(_mm256_cvtps_epi32(low.v), _mm256_cvtps_epi32(high.v));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_permute4x64_epi64(packed, 0xd8));
  }
  // Lane i of the result is lane i ^ Distance.
  template <int Distance>
  Sixteen exchanged() const {
    if constexpr (Distance == 8) return {high, low};
    return {low.exchanged<Distance>(), high.exchanged<Distance>()};
  }
};

inline Sixteen add(Sixteen a, Sixteen b) { return {add(a.low, b.low), add(a.high, b.high)}; }
inline Sixteen subtract(Sixteen a, Sixteen b) { return {subtract(a.low, b.low), subtract(a.high, b.high)}; }
inline Sixteen multiply(Sixteen a, Sixteen b) { return {multiply(a.low, b.low), multiply(a.high, b.high)}; }
inline Sixteen maximum(Sixteen a, Sixteen b) { return {maximum(a.low, b.low), maximum(a.high, b.high)}; }
inline Sixteen multiply_add(Sixteen a, Sixteen b, Sixteen c) {
  return {multiply_add(a.low, b.low, c.low), multiply_add(a.high, b.high, c.high)};
}
inline Sixteen scale_by_power_of_two(Sixteen power, Sixteen shifted) {
  return {scale_by_power_of_two(power.low, shifted.low), scale_by_power_of_two(power.high, shifted.high)};
}
inline Sixteen zero_unless_at_least(Sixteen v, Sixteen x, Sixteen bound) {
  return {zero_unless_at_least(v.low, x.low, bound.low), zero_unless_at_least(v.high, x.high, bound.high)};
}

inline float reduce_add(Sixteen a) {
  const __m256 eight = _mm256_add_ps(a.low.v, a.high.v);
  __m128 v = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  v = _mm_add_ps(v, _mm_movehl_ps(v, v));
  return _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)));
}
inline float reduce_maximum(Sixteen a) {
  const __m256 eight = _mm256_max_ps(a.low.v, a.high.v);
  __m128 v = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  v = _mm_max_ps(v, _mm_movehl_ps(v, v));
  return _mm_cvtss_f32(_mm_max_ss(v, _mm_movehdup_ps(v)));
}
inline float first_lane(Sixteen a) { return _mm256_cvtss_f32(a.low.v); }

struct EightPairs {
  static constexpr int width = 8, depth = 2;
  __m256i v;

  static EightPairs load(const std::int16_t* from) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))};
  }
  static EightPairs load(const std::int8_t* from) {
    return {_mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)))};
  }
  static EightPairs broadcast(Pair value) {
    int bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    return {_mm256_set1_epi32(bits)};
  }
  void store(void* to) const { _mm256_storeu_si256(static_cast<__m256i*>(to), v); }
};

inline EightPairs multiply_add(EightPairs a, EightPairs b, EightPairs sum) {
  return {_mm256_add_epi32(_mm256_madd_epi16(a.v, b.v), sum.v)};
}

struct SixteenPairs {
  static constexpr int width = 16, depth = 2;
  EightPairs low, high;

  template <class Element>
  static SixteenPairs load(const Element* from) {
    return {EightPairs::load(from), EightPairs::load(from + 16)};
  }
  static SixteenPairs broadcast(Pair value) { return {EightPairs::broadcast(value), EightPairs::broadcast(value)}; }
  void store(void* to) const {
    low.store(to);
    high.store(static_cast<char*>(to) + 32);
  }
};

inline SixteenPairs multiply_add(SixteenPairs a, SixteenPairs b, SixteenPairs sum) {
  return {multiply_add(a.low, b.low, sum.low), multiply_add(a.high, b.high, sum.high)};
}

struct Avx2 {
  struct Floats {
    using Element = float;
    using Wide = Sixteen;
    using Narrow = Eight;
    static constexpr int kWideRows = 6;    // 12 accumulators, two registers of b, one broadcast
    static constexpr int kDirectRows = 8;  // 8 accumulators of one register
  };
  struct Pairs {
    using Element = std::int16_t;
    using Wide = SixteenPairs;
    using Narrow = EightPairs;
    static constexpr int kWideRows = 6;
    static constexpr int kDirectRows = 8;
  };
};

}  // namespace

const AttentionKernels attention_avx2 = make_kernels<Avx2>();

}  // namespace sevenb
