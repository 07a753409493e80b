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

// Two or four steps as sums of products in the two 16-bit halves of each lane; only where so many sums are safe.
template <int First>
SEVENB_INLINE __m256i two_steps(const U8x32* steps, const std::int8_t* x) {
  return _mm256_add_epi16(_mm256_maddubs_epi16(steps[First], four_activations(x, First)),
                          _mm256_maddubs_epi16(steps[First + 1], four_activations(x, First + 1)));
}

template <int First>
SEVENB_INLINE __m256i four_steps(const U8x32* steps, const std::int8_t* x) {
  return _mm256_add_epi16(two_steps<First>(steps, x), two_steps<First + 2>(steps, x));
}

// Steps [First, First + 4) with each 16-bit sum times a 16-bit factor, which is the same for both halves of a lane.
template <int MaxWeight, int First>
SEVENB_INLINE I32x8 scaled_half_dot(const U8x32* steps, const std::int8_t* x, I32x8 factors) {
  static_assert(safe_sums(MaxWeight) >= 2, "weights too large for 16-bit sums");
  if constexpr (safe_sums(MaxWeight) >= 4)
    return _mm256_madd_epi16(four_steps<First>(steps, x), factors);
  else
    return add(_mm256_madd_epi16(two_steps<First>(steps, x), factors),
               _mm256_madd_epi16(two_steps<First + 2>(steps, x), factors));
}

template <int MaxWeight>
SEVENB_INLINE I32x8 dot(const U8x32* steps, const std::int8_t* x) {
  if constexpr (safe_sums(MaxWeight) >= 8) {
    return add_pairs(_mm256_add_epi16(four_steps<0>(steps, x), four_steps<4>(steps, x)));
  } else {
    const __m256i ones = _mm256_set1_epi16(1);
    return add(scaled_half_dot<MaxWeight, 0>(steps, x, ones), scaled_half_dot<MaxWeight, 4>(steps, x, ones));
  }
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

typedef std::int16_t I16x16 __attribute__((vector_size(32)));

// Activations `first` and `second` in the two 16-bit halves of every lane.
SEVENB_INLINE I16x16 two_activations(std::int8_t first, std::int8_t second) {
  return (I16x16)broadcast(static_cast<std::int32_t>(static_cast<std::uint16_t>(first)) | second * 65536);
}

// Sums of a lane's bytes 0 to 3, given as 16-bit numbers, with four activations; products of two fit into 16 bits.
SEVENB_INLINE I32x8 step_dot(I16x16 even_bytes, I16x16 odd_bytes, const std::int8_t* x) {
  const I32x8 sums =
      (I32x8)(even_bytes * two_activations(x[0], x[2]) + odd_bytes * two_activations(x[1], x[3]));
  return ((sums << 16) >> 16) + (sums >> 16);
}

template <int MaxWeight, int First>
SEVENB_INLINE I32x8 half_dot(const U8x32* steps, const std::int8_t* x) {
  static_assert(2 * 127 * MaxWeight < 32768, "weights too large for 16-bit sums");
  I32x8 total{};
  for (int s = First; s < First + 4; ++s) {
    const I16x16 step = (I16x16)steps[s];
    total += step_dot(step & 255, (step >> 8) & 255, x + 4 * s);
  }
  return total;
}

template <int MaxWeight>
SEVENB_INLINE I32x8 dot(const U8x32* steps, const std::int8_t* x) {
  return half_dot<MaxWeight, 0>(steps, x) + half_dot<MaxWeight, 4>(steps, x);
}

SEVENB_INLINE U8x32 prepare_signed(U8x32 step) { return step; }
SEVENB_INLINE I32x8 signed_dot(const U8x32* steps, const std::int8_t* x) {
  I32x8 total{};
  for (int s = 0; s < 8; ++s) {
    const I16x16 step = (I16x16)steps[s];
    total += step_dot((step << 8) >> 8, step >> 8, x + 4 * s);
  }
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

// With AVX2 vpmaddwd multiplies by a sub-scale and adds pairs at one stroke; elsewhere a lane is multiplied.
#if defined(__AVX2__) && !defined(__AVX512VNNI__)
SEVENB_INLINE I32x8 prepare_sub_scale(I32x8 scale) { return pairs(scale, scale); }
#else
SEVENB_INLINE I32x8 prepare_sub_scale(I32x8 scale) { return scale; }

template <int MaxWeight, int First>
SEVENB_INLINE I32x8 scaled_half_dot(const U8x32* steps, const std::int8_t* x, I32x8 scale) {
  return multiply(half_dot<MaxWeight, First>(steps, x), scale);
}
#endif

}  // namespace
}  // namespace sevenb
