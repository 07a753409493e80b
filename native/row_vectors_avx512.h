// The vectors of row_vectors.h with AVX-512 and VNNI: 16 rows. Include row_vectors.h instead.
#pragma once

namespace sevenb {
namespace {

using RowFloats = __m512;
using RowInts = __m512i;
using RowBytes = __m512i;

constexpr int lanes = 16;
template <bool Plain>
constexpr int tokens_at_once = 8;
constexpr bool words_at_int16 = false;

SEVENB_INLINE RowFloats all_rows(float x) { return _mm512_set1_ps(x); }
SEVENB_INLINE RowInts all_rows(std::int32_t x) { return _mm512_set1_epi32(x); }
SEVENB_INLINE RowFloats load_rows(const float* from) { return _mm512_loadu_ps(from); }
SEVENB_INLINE RowFloats load_rows_f16(const std::uint8_t* from) { return _mm512_cvtph_ps(load_256(from)); }
SEVENB_INLINE RowFloats load_rows_bf16(const std::uint8_t* from) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load_256(from)), 16));
}
SEVENB_INLINE RowInts load_rows_u8(const std::uint8_t* from) { return _mm512_cvtepu8_epi32(load_128(from)); }
SEVENB_INLINE RowInts load_rows_i8(const std::uint8_t* from) { return _mm512_cvtepi8_epi32(load_128(from)); }
SEVENB_INLINE RowBytes load_row_bytes(const std::uint8_t* from) { return _mm512_loadu_si512(from); }
SEVENB_INLINE void store(float* to, RowFloats v) { _mm512_storeu_ps(to, v); }

SEVENB_INLINE RowFloats fma(RowFloats a, RowFloats b, RowFloats c) { return _mm512_fmadd_ps(a, b, c); }
SEVENB_INLINE RowFloats to_float(RowInts a) { return _mm512_cvtepi32_ps(a); }
SEVENB_INLINE RowInts add(RowInts a, RowInts b) { return _mm512_add_epi32(a, b); }
SEVENB_INLINE RowInts subtract(RowInts a, RowInts b) { return _mm512_sub_epi32(a, b); }
template <int N>
SEVENB_INLINE RowInts shift_left(RowInts a) { return _mm512_slli_epi32(a, N); }
template <int N>
SEVENB_INLINE RowInts shift_right(RowInts a) { return _mm512_srai_epi32(a, N); }

SEVENB_INLINE RowBytes bits_and(RowBytes a, std::uint8_t mask) {
  return _mm512_and_si512(a, _mm512_set1_epi8(static_cast<char>(mask)));
}
SEVENB_INLINE RowBytes bits_or(RowBytes a, RowBytes b) { return _mm512_or_si512(a, b); }
SEVENB_INLINE RowBytes bits_xor(RowBytes a, std::uint8_t mask) {
  return _mm512_xor_si512(a, _mm512_set1_epi8(static_cast<char>(mask)));
}
template <int N>
SEVENB_INLINE RowBytes shift_bytes_left(RowBytes a) { return _mm512_slli_epi16(a, N); }
template <int N>
SEVENB_INLINE RowBytes shift_bytes_right(RowBytes a) { return _mm512_srli_epi16(a, N); }

// Holds 32 bytes in a plane; their sums of columns 0…15 and 16…31 go into `sums`.
SEVENB_INLINE void hold_bytes(U8x32 bytes, ActivationPlane& plane, std::int32_t* sums) {
  store_bytes(plane.values, bytes);
  const __m256i fours = _mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_set1_epi8(1), bytes);
  __m256i halves = _mm256_add_epi32(fours, _mm256_shuffle_epi32(fours, 0x4e));
  halves = _mm256_add_epi32(halves, _mm256_shuffle_epi32(halves, 0xb1));
  sums[0] = _mm_cvtsi128_si32(_mm256_castsi256_si128(halves));
  sums[1] = _mm_cvtsi128_si32(_mm256_extracti128_si256(halves, 1));
  plane.negated_sums[0] = -(sums[0] + sums[1]);
  plane.negated_sums[1] = -sums[0];
  plane.negated_sums[2] = -sums[1];
}

SEVENB_INLINE RowInts four_activations(const ActivationPlane& plane, int step) {
  return _mm512_set1_epi32(*reinterpret_cast<const int __attribute__((may_alias))*>(plane.values + 4 * step));
}

template <int First, int Count, int Shift, int Plane, int Planes, class Block, int Tokens>
SEVENB_INLINE void plane_dot(const Block& w, const ActivationBlock<Planes>* x, RowInts (&total)[Tokens]) {
  for (int i = 0; i < Tokens; ++i) {
    const ActivationPlane& plane = x[i].planes[Plane];
    total[i] = _mm512_setzero_si512();
    if constexpr (Shift != as_held)
      total[i] = shift_left<Shift == as_signed ? 7 : Shift>(all_rows(plane.negated_sums[sums_index<First, Count>]));
#pragma GCC unroll 8
    for (int s = First; s < First + Count; ++s)
      total[i] = _mm512_dpbusd_epi32(total[i], w.steps[s], four_activations(plane, s));
  }
}

// Signed weights are held with 128 added.
SEVENB_INLINE RowBytes prepare_signed(RowBytes step) { return _mm512_xor_si512(step, _mm512_set1_epi8(-128)); }

}  // namespace
}  // namespace sevenb
