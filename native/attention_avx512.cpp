// Attention on AVX-512: 16 floats are one register.
#include <immintrin.h>

#include "attention_template.h"

namespace sevenb {
namespace {

struct Sixteen {
  static constexpr int width = 16, depth = 1;
  __m512 v;

  static Sixteen load(const float* from) { return {_mm512_loadu_ps(from)}; }
  static Sixteen load(const std::uint16_t* from) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)))};
  }
  static Sixteen from_integers(const void* from) { return {_mm512_cvtepi32_ps(_mm512_loadu_si512(from))}; }
  static Sixteen broadcast(float value) { return {_mm512_set1_ps(value)}; }
  void store(float* to) const { _mm512_storeu_ps(to, v); }
  void store_rounded(Pair* to) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(v)));
  }
  // Lane i of the result is lane i ^ Distance.
  template <int Distance>
  Sixteen exchanged() const {
    if constexpr (Distance == 8) return {_mm512_shuffle_f32x4(v, v, 0x4e)};
    if constexpr (Distance == 4) return {_mm512_shuffle_f32x4(v, v, 0xb1)};
    return {_mm512_permute_ps(v, Distance == 1 ? 0xb1 : 0x4e)};
  }
};

inline Sixteen add(Sixteen a, Sixteen b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Sixteen subtract(Sixteen a, Sixteen b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Sixteen multiply(Sixteen a, Sixteen b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Sixteen maximum(Sixteen a, Sixteen b) { return {_mm512_max_ps(a.v, b.v)}; }
inline Sixteen multiply_add(Sixteen a, Sixteen b, Sixteen c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline Sixteen scale_by_power_of_two(Sixteen power, Sixteen shifted) {
  const __m512i exponent = _mm512_slli_epi32(_mm512_castps_si512(shifted.v), 23);
  return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(power.v), exponent))};
}
inline Sixteen zero_unless_at_least(Sixteen v, Sixteen x, Sixteen bound) {
  return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x.v, bound.v, _CMP_GE_OQ), v.v)};
}

// The same tree as on AVX2: halves, quarters, pairs.
inline float reduce_add(Sixteen a) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  __m128 v = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  v = _mm_add_ps(v, _mm_movehl_ps(v, v));
  return _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)));
}
inline float reduce_maximum(Sixteen a) {
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  __m128 v = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  v = _mm_max_ps(v, _mm_movehl_ps(v, v));
  return _mm_cvtss_f32(_mm_max_ss(v, _mm_movehdup_ps(v)));
}
inline float first_lane(Sixteen a) { return _mm512_cvtss_f32(a.v); }

struct SixteenPairs {
  static constexpr int width = 16, depth = 2;
  __m512i v;

  static SixteenPairs load(const std::int16_t* from) { return {_mm512_loadu_si512(from)}; }
  static SixteenPairs load(const std::int8_t* from) {
    return {_mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)))};
  }
  static SixteenPairs broadcast(Pair value) {
    int bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    return {_mm512_set1_epi32(bits)};
  }
  void store(void* to) const { _mm512_storeu_si512(to, v); }
};

inline SixteenPairs multiply_add(SixteenPairs a, SixteenPairs b, SixteenPairs sum) {
  return {_mm512_dpwssd_epi32(sum.v, a.v, b.v)};
}

struct Avx512 {
  struct Floats {
    using Element = float;
    using Wide = Sixteen;
    using Narrow = Sixteen;
    static constexpr int kWideRows = 12;
    static constexpr int kDirectRows = 12;
  };
  struct Pairs {
    using Element = std::int16_t;
    using Wide = SixteenPairs;
    using Narrow = SixteenPairs;
    static constexpr int kWideRows = 12;
    static constexpr int kDirectRows = 12;
  };
};

}  // namespace

const AttentionKernels attention_avx512 = make_kernels<Avx512>();

}  // namespace sevenb
