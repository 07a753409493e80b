// The vectors of row_vectors.h with AVX2: eight rows. Include row_vectors.h instead.
//
// Products are summed in the two 16-bit halves of each lane: columns 0 and 1 of every four in the low half, 2 and 3 in
// the high one. Sums may wrap around on the way, as long as what they come to in the end fits: 16 columns of weights
// in −16…15 or 0…15, eight of −32…31 (times 127 and added in pairs). That is why 5-bit and 6-bit weights count as
// signed, and why the sum of an activation is kept for both halves.
#pragma once

namespace sevenb {
namespace {

using RowFloats = F32x8;
using RowInts = I32x8;
using RowBytes = U8x32;

constexpr int lanes = 8;
template <bool Plain>
constexpr int tokens_at_once = Plain ? 4 : 2;
constexpr bool words_at_int16 = true;

SEVENB_INLINE RowFloats all_rows(float x) { return broadcast(x); }
SEVENB_INLINE RowInts all_rows(std::int32_t x) { return broadcast(x); }
SEVENB_INLINE RowFloats load_rows(const float* from) { return load(from); }
SEVENB_INLINE RowFloats load_rows_f16(const std::uint8_t* from) { return load_f16(from); }
SEVENB_INLINE RowFloats load_rows_bf16(const std::uint8_t* from) { return load_bf16(from); }
SEVENB_INLINE RowInts load_rows_u8(const std::uint8_t* from) { return load_u8(from); }
SEVENB_INLINE RowInts load_rows_i8(const std::uint8_t* from) { return load_i8(from); }
SEVENB_INLINE RowBytes load_row_bytes(const std::uint8_t* from) { return load_bytes(from); }

// Holds 32 bytes in a plane; their sums of columns 0…15 and 16…31 go into `sums`.
SEVENB_INLINE void hold_bytes(U8x32 bytes, ActivationPlane& plane, std::int32_t* sums) {
  store_bytes(plane.values, bytes);
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes);
  __m256i halves = _mm256_add_epi16(pairs, _mm256_shuffle_epi32(pairs, 0x4e));
  halves = _mm256_add_epi16(halves, _mm256_shuffle_epi32(halves, 0xb1));
  const __m256i negated = _mm256_sub_epi16(_mm256_setzero_si256(), halves);
  const __m128i first = _mm256_castsi256_si128(negated), second = _mm256_extracti128_si256(negated, 1);
  plane.negated_sums[0] = _mm_cvtsi128_si32(_mm_add_epi16(first, second));
  plane.negated_sums[1] = _mm_cvtsi128_si32(first);
  plane.negated_sums[2] = _mm_cvtsi128_si32(second);
  const __m256i totals = _mm256_madd_epi16(halves, _mm256_set1_epi16(1));
  sums[0] = _mm_cvtsi128_si32(_mm256_castsi256_si128(totals));
  sums[1] = _mm_cvtsi128_si32(_mm256_extracti128_si256(totals, 1));
}

SEVENB_INLINE __m256i four_activations(const ActivationPlane& plane, int step) {
  return _mm256_set1_epi32(*reinterpret_cast<const int __attribute__((may_alias))*>(plane.values + 4 * step));
}

// Keeps the compiler from working on all steps of one token before the next token: neighbouring instructions should
// not wait for each other.
SEVENB_INLINE void in_order(__m256i& v) { asm("" : "+x"(v)); }

template <int First, int Count, int Shift, int Plane, int Planes, class Block, int Tokens>
SEVENB_INLINE void plane_dot(const Block& w, const ActivationBlock<Planes>* x, RowInts (&total)[Tokens]) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sums[Tokens];
#pragma GCC unroll 8
  for (int i = 0; i < Tokens; ++i) {
    sums[i] = _mm256_setzero_si256();
    if constexpr (Shift >= 0)
      sums[i] = _mm256_slli_epi16(broadcast(x[i].planes[Plane].negated_sums[sums_index<First, Count>]), Shift);
  }
#pragma GCC unroll 8
  for (int s = First; s < First + Count; ++s) {
    const __m256i step = w.steps[s];
    const __m256i magnitude = _mm256_abs_epi8(step);
#pragma GCC unroll 8
    for (int i = 0; i < Tokens; ++i) {
      const __m256i four = four_activations(x[i].planes[Plane], s);
      if constexpr (Shift == as_signed)  // vpmaddubsw wants unsigned weights: their sign goes over to the activations
        sums[i] = add(sums[i], _mm256_madd_epi16(_mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(four, step)), ones));
      else
        sums[i] = _mm256_add_epi16(sums[i], _mm256_maddubs_epi16(step, four));
      in_order(sums[i]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < Tokens; ++i) total[i] = Shift == as_signed ? sums[i] : _mm256_madd_epi16(sums[i], ones);
}

// -- activations of 15 bits: words meet weights widened to words ------------------------------------------------

SEVENB_INLINE void hold_words(const I32x8* value, ActivationWords& words, std::int32_t* sums) {
  for (int half = 0; half < 2; ++half) {
    const I32x8 first = value[2 * half], second = value[2 * half + 1];
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packs_epi32(first, second), 0xd8);
    const __m256i shuffled = _mm256_shufflehi_epi16(_mm256_shufflelo_epi16(packed, 0xd8), 0xd8);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(words.values + 16 * half), shuffled);
    sums[half] = sum(add(first, second));
    words.negated_sums[1 + half] = -sums[half];
  }
  words.negated_sums[0] = -(sums[0] + sums[1]);
}

SEVENB_INLINE __m256i two_words(const ActivationWords& words, int pair) {
  return _mm256_set1_epi32(*reinterpret_cast<const int __attribute__((may_alias))*>(words.values + 2 * pair));
}

template <int First, int Count, int Shift, class Block, int Tokens>
SEVENB_INLINE void word_dot(const Block& w, const ActivationBlock<2>* x, RowInts (&total)[Tokens]) {
  __m256i sums[Tokens];
#pragma GCC unroll 8
  for (int i = 0; i < Tokens; ++i) {
    sums[i] = _mm256_setzero_si256();
    if constexpr (Shift >= 0) sums[i] = shift_left<Shift>(broadcast(x[i].words.negated_sums[sums_index<First, Count>]));
  }
#pragma GCC unroll 8
  for (int s = First; s < First + Count; ++s) {
    const __m256i step = w.steps[s];
    const __m256i even = Shift == as_signed ? _mm256_srai_epi16(_mm256_slli_epi16(step, 8), 8)
                                            : _mm256_and_si256(step, _mm256_set1_epi16(255));
    const __m256i odd = Shift == as_signed ? _mm256_srai_epi16(step, 8) : _mm256_srli_epi16(step, 8);
#pragma GCC unroll 8
    for (int i = 0; i < Tokens; ++i) {
      sums[i] = add(sums[i], _mm256_madd_epi16(even, two_words(x[i].words, 2 * s)));
      sums[i] = add(sums[i], _mm256_madd_epi16(odd, two_words(x[i].words, 2 * s + 1)));
      in_order(sums[i]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < Tokens; ++i) total[i] = sums[i];
}

SEVENB_INLINE RowBytes prepare_signed(RowBytes step) { return step; }

}  // namespace
}  // namespace sevenb
