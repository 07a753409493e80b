// Dot products of eight rows' 32 weights with 32 activation bytes: one 32-bit lane a row, exact.
//
// The weights are `steps[s]`, s = 0…7, as in weight_types.h; step s meets activations 4s…4s + 3.
#pragma once

#include "simd.h"

namespace sevenb {
namespace {

#if defined(__AVX512VNNI__)

SEVENB_INLINE __m256i four_activations(const std::int8_t* x, int step) {
  return _mm256_set1_epi32(*reinterpret_cast<const int __attribute__((may_alias, aligned(1)))*>(x + 4 * step));
}

// Steps [First, First + 4) of weights in 0…MaxWeight.
template <int MaxWeight, int First>
SEVENB_INLINE I32x8 half_dot(const U8x32* steps, const std::int8_t* x) {
  __m256i a = _mm256_dpbusd_epi32(_mm256_setzero_si256(), steps[First], four_activations(x, First));
  a = _mm256_dpbusd_epi32(a, steps[First + 1], four_activations(x, First + 1));
  a = _mm256_dpbusd_epi32(a, steps[First + 2], four_activations(x, First + 2));
  return _mm256_dpbusd_epi32(a, steps[First + 3], four_activations(x, First + 3));
}

template <int MaxWeight>
SEVENB_INLINE I32x8 dot(const U8x32* steps, const std::int8_t* x) {
  return add(half_dot<MaxWeight, 0>(steps, x), half_dot<MaxWeight, 4>(steps, x));
}

// Signed weights are held with 128 added: the sum of the activations puts that right.
SEVENB_INLINE U8x32 prepare_signed(U8x32 step) { return _mm256_xor_si256(step, _mm256_set1_epi8(-128)); }
SEVENB_INLINE I32x8 signed_dot(const U8x32* steps, const std::int8_t* x) { return dot<255>(steps, x); }
SEVENB_INLINE I32x8 correct_signed(I32x8 total, std::int32_t activation_sum) {
  return subtract(total, shift_left<7>(broadcast(activation_sum)));
}

#elif defined(__AVX2__)

SEVENB_INLINE __m256i four_activations(const std::int8_t* x, int step) {
  return _mm256_set1_epi32(*reinterpret_cast<const int __attribute__((may_alias, aligned(1)))*>(x + 4 * step));
}

// How many sums of two products fit into 16 bits one after another.
constexpr int safe_sums(int max_weight) { return 32767 / (2 * 127 * max_weight); }

SEVENB_INLINE __m256i add_pairs(__m256i a) { return _mm256_madd_epi16(a, _mm256_set1_epi16(1)); }

// Steps [First, First + 4) as sums of two 16-bit halves a lane; only if four sums are safe.
template <int First>
SEVENB_INLINE __m256i half_dot_16(const U8x32* steps, const std::int8_t* x) {
  const __m256i a = _mm256_maddubs_epi16(steps[First], four_activations(x, First));
  const __m256i b = _mm256_maddubs_epi16(steps[First + 1], four_activations(x, First + 1));
  const __m256i c = _mm256_maddubs_epi16(steps[First + 2], four_activations(x, First + 2));
  const __m256i d = _mm256_maddubs_epi16(steps[First + 3], four_activations(x, First + 3));
  return _mm256_add_epi16(_mm256_add_epi16(a, b), _mm256_add_epi16(c, d));
}

template <int MaxWeight, int First>
SEVENB_INLINE I32x8 half_dot(const U8x32* steps, const std::int8_t* x) {
  static_assert(safe_sums(MaxWeight) >= 2, "weights too large for 16-bit sums");
  if constexpr (safe_sums(MaxWeight) >= 4) {
    return add_pairs(half_dot_16<First>(steps, x));
  } else {
    const __m256i a = _mm256_maddubs_epi16(steps[First], four_activations(x, First));
    const __m256i b = _mm256_maddubs_epi16(steps[First + 1], four_activations(x, First + 1));
    const __m256i c = _mm256_maddubs_epi16(steps[First + 2], four_activations(x, First + 2));
    const __m256i d = _mm256_maddubs_epi16(steps[First + 3], four_activations(x, First + 3));
    return add(add_pairs(_mm256_add_epi16(a, b)), add_pairs(_mm256_add_epi16(c, d)));
  }
}

template <int MaxWeight>
SEVENB_INLINE I32x8 dot(const U8x32* steps, const std::int8_t* x) {
  if constexpr (safe_sums(MaxWeight) >= 8)
    return add_pairs(_mm256_add_epi16(half_dot_16<0>(steps, x), half_dot_16<4>(steps, x)));
  else
    return add(half_dot<MaxWeight, 0>(steps, x), half_dot<MaxWeight, 4>(steps, x));
}

// vpmaddubsw wants unsigned weights: their sign goes over to the activations.
SEVENB_INLINE U8x32 prepare_signed(U8x32 step) { return step; }
SEVENB_INLINE I32x8 signed_dot(const U8x32* steps, const std::int8_t* x) {
  __m256i total = _mm256_setzero_si256();
  for (int s = 0; s < 8; ++s)
    total = add(total, add_pairs(_mm256_maddubs_epi16(_mm256_abs_epi8(steps[s]),
                                                      _mm256_sign_epi8(four_activations(x, s), steps[s]))));
  return total;
}
SEVENB_INLINE I32x8 correct_signed(I32x8 total, std::int32_t) { return total; }

#else

template <int MaxWeight, int First>
SEVENB_INLINE I32x8 half_dot(const U8x32* steps, const std::int8_t* x) {
  I32x8 total{};
  for (int s = First; s < First + 4; ++s)
    for (int lane = 0; lane < 8; ++lane)
      for (int i = 0; i < 4; ++i) total[lane] += steps[s][lane * 4 + i] * x[4 * s + i];
  return total;
}

template <int MaxWeight>
SEVENB_INLINE I32x8 dot(const U8x32* steps, const std::int8_t* x) {
  return half_dot<MaxWeight, 0>(steps, x) + half_dot<MaxWeight, 4>(steps, x);
}

SEVENB_INLINE U8x32 prepare_signed(U8x32 step) { return step; }
SEVENB_INLINE I32x8 signed_dot(const U8x32* steps, const std::int8_t* x) {
  I32x8 total{};
  for (int s = 0; s < 8; ++s)
    for (int lane = 0; lane < 8; ++lane)
      for (int i = 0; i < 4; ++i) total[lane] += static_cast<std::int8_t>(steps[s][lane * 4 + i]) * x[4 * s + i];
  return total;
}
SEVENB_INLINE I32x8 correct_signed(I32x8 total, std::int32_t) { return total; }

#endif

// -- weights with an integer sub-scale for each half of the block ----------------------------------------

// Two 16-bit numbers in each lane.
SEVENB_INLINE I32x8 pairs(I32x8 first, I32x8 second) {
#if defined(__AVX2__)
  return _mm256_blend_epi16(first, shift_left<16>(second), 0xaa);
#else
  return (first & 0xffff) | shift_left<16>(second);
#endif
}

// first × x[0] + second × x[1] in each lane.
SEVENB_INLINE I32x8 pairs_dot(I32x8 pairs, const std::int16_t* x) {
#if defined(__AVX2__)
  return _mm256_madd_epi16(pairs, _mm256_set1_epi32(static_cast<int>(static_cast<std::uint16_t>(x[0])) |
                                                    static_cast<int>(x[1]) * 65536));
#else
  return shift_right<16>(shift_left<16>(pairs)) * x[0] + shift_right<16>(pairs) * x[1];
#endif
}

// vpmaddwd multiplies by a sub-scale and adds pairs at one stroke; elsewhere a lane is multiplied.
#if defined(__AVX2__) && !defined(__AVX512VNNI__)
SEVENB_INLINE I32x8 prepare_sub_scale(I32x8 scale) { return pairs(scale, scale); }

template <int MaxWeight, int First>
SEVENB_INLINE I32x8 scaled_half_dot(const U8x32* steps, const std::int8_t* x, I32x8 scale) {
  if constexpr (safe_sums(MaxWeight) >= 4) {
    return _mm256_madd_epi16(half_dot_16<First>(steps, x), scale);
  } else {
    const __m256i a = _mm256_maddubs_epi16(steps[First], four_activations(x, First));
    const __m256i b = _mm256_maddubs_epi16(steps[First + 1], four_activations(x, First + 1));
    const __m256i c = _mm256_maddubs_epi16(steps[First + 2], four_activations(x, First + 2));
    const __m256i d = _mm256_maddubs_epi16(steps[First + 3], four_activations(x, First + 3));
    return add(_mm256_madd_epi16(_mm256_add_epi16(a, b), scale), _mm256_madd_epi16(_mm256_add_epi16(c, d), scale));
  }
}
#else
SEVENB_INLINE I32x8 prepare_sub_scale(I32x8 scale) { return scale; }

template <int MaxWeight, int First>
SEVENB_INLINE I32x8 scaled_half_dot(const U8x32* steps, const std::int8_t* x, I32x8 scale) {
  return multiply(half_dot<MaxWeight, First>(steps, x), scale);
}
#endif

}  // namespace
}  // namespace sevenb
