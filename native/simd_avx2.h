// The vectors of simd.h with AVX2, FMA and F16C (and what AVX-512 adds to them). Include simd.h instead.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace sevenb {
namespace {

using F32x8 = __m256;
using I32x8 = __m256i;
using U8x32 = __m256i;

SEVENB_INLINE __m256i load_256(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }
SEVENB_INLINE __m128i load_128(const void* from) { return _mm_loadu_si128(static_cast<const __m128i*>(from)); }
SEVENB_INLINE __m128i load_64(const void* from) { return _mm_loadl_epi64(static_cast<const __m128i*>(from)); }

SEVENB_INLINE F32x8 load(const float* from) { return _mm256_loadu_ps(from); }
SEVENB_INLINE void store(float* to, F32x8 v) { _mm256_storeu_ps(to, v); }
SEVENB_INLINE F32x8 broadcast(float x) { return _mm256_set1_ps(x); }
SEVENB_INLINE F32x8 load_f16(const std::uint8_t* from) { return _mm256_cvtph_ps(load_128(from)); }
SEVENB_INLINE F32x8 load_bf16(const std::uint8_t* from) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_128(from)), 16));
}
SEVENB_INLINE F32x8 fma(F32x8 a, F32x8 b, F32x8 c) { return _mm256_fmadd_ps(a, b, c); }
SEVENB_INLINE F32x8 max(F32x8 a, F32x8 b) { return _mm256_max_ps(a, b); }
SEVENB_INLINE F32x8 min(F32x8 a, F32x8 b) { return _mm256_min_ps(a, b); }
SEVENB_INLINE F32x8 abs(F32x8 a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
SEVENB_INLINE I32x8 round_to_int(F32x8 a) { return _mm256_cvtps_epi32(a); }
SEVENB_INLINE F32x8 to_float(I32x8 a) { return _mm256_cvtepi32_ps(a); }
SEVENB_INLINE F32x8 power_of_two(I32x8 n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}

SEVENB_INLINE I32x8 add(I32x8 a, I32x8 b) { return _mm256_add_epi32(a, b); }
SEVENB_INLINE I32x8 subtract(I32x8 a, I32x8 b) { return _mm256_sub_epi32(a, b); }
SEVENB_INLINE I32x8 multiply(I32x8 a, I32x8 b) { return _mm256_mullo_epi32(a, b); }
template <int N>
SEVENB_INLINE I32x8 shift_left(I32x8 a) { return _mm256_slli_epi32(a, N); }
template <int N>
SEVENB_INLINE I32x8 shift_right(I32x8 a) { return _mm256_srai_epi32(a, N); }
SEVENB_INLINE I32x8 broadcast(std::int32_t x) { return _mm256_set1_epi32(x); }
SEVENB_INLINE I32x8 load_u8(const std::uint8_t* from) { return _mm256_cvtepu8_epi32(load_64(from)); }
SEVENB_INLINE I32x8 load_i8(const std::uint8_t* from) { return _mm256_cvtepi8_epi32(load_64(from)); }

// 32 numbers of −128…127 as bytes.
SEVENB_INLINE U8x32 pack_bytes(const I32x8* v) {
  const __m256i words = _mm256_packs_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3]));
  return _mm256_permutevar8x32_epi32(words, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}
SEVENB_INLINE void store_bytes(std::int8_t* to, U8x32 v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), v);
}

SEVENB_INLINE float largest(F32x8 v) {
  __m128 half = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  half = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

SEVENB_INLINE std::int32_t sum(I32x8 v) {
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1));
  return _mm_cvtsi128_si32(half);
}

SEVENB_INLINE U8x32 load_bytes(const std::uint8_t* from) { return load_256(from); }
SEVENB_INLINE U8x32 bits_and(U8x32 a, std::uint8_t mask) {
  return _mm256_and_si256(a, _mm256_set1_epi8(static_cast<char>(mask)));
}
SEVENB_INLINE U8x32 bits_or(U8x32 a, U8x32 b) { return _mm256_or_si256(a, b); }
SEVENB_INLINE U8x32 bits_xor(U8x32 a, std::uint8_t mask) {
  return _mm256_xor_si256(a, _mm256_set1_epi8(static_cast<char>(mask)));
}
template <int N>
SEVENB_INLINE U8x32 shift_bytes_left(U8x32 a) { return _mm256_slli_epi16(a, N); }
template <int N>
SEVENB_INLINE U8x32 shift_bytes_right(U8x32 a) { return _mm256_srli_epi16(a, N); }

SEVENB_INLINE void prefetch(const void* address) { _mm_prefetch(static_cast<const char*>(address), _MM_HINT_T0); }

}  // namespace
}  // namespace sevenb
