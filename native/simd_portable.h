// The vectors of simd.h in plain C++ with the compiler's generic vectors. Include simd.h instead.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "half.h"

namespace sevenb {
namespace {

typedef float F32x8 __attribute__((vector_size(32)));
typedef std::int32_t I32x8 __attribute__((vector_size(32)));
typedef std::uint8_t U8x32 __attribute__((vector_size(32)));

template <class Vector, class Element>
SEVENB_INLINE Vector load_vector(const Element* from) {
  Vector v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

SEVENB_INLINE F32x8 load(const float* from) { return load_vector<F32x8>(from); }
SEVENB_INLINE void store(float* to, F32x8 v) { std::memcpy(to, &v, sizeof v); }
SEVENB_INLINE F32x8 broadcast(float x) { return F32x8{x, x, x, x, x, x, x, x}; }

SEVENB_INLINE F32x8 load_f16(const std::uint8_t* from) {
  F32x8 v;
  for (int i = 0; i < 8; ++i) {
    std::uint16_t half;
    std::memcpy(&half, from + 2 * i, 2);
    v[i] = half_to_float(half);
  }
  return v;
}

SEVENB_INLINE F32x8 load_bf16(const std::uint8_t* from) {
  F32x8 v;
  for (int i = 0; i < 8; ++i) {
    std::uint16_t value;
    std::memcpy(&value, from + 2 * i, 2);
    v[i] = bfloat16_to_float(value);
  }
  return v;
}

SEVENB_INLINE F32x8 fma(F32x8 a, F32x8 b, F32x8 c) {
  for (int i = 0; i < 8; ++i) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return c;
}

// As the x86 instructions have it: the second operand where the comparison is false, NaN included.
SEVENB_INLINE F32x8 max(F32x8 a, F32x8 b) {
  for (int i = 0; i < 8; ++i) b[i] = a[i] > b[i] ? a[i] : b[i];
  return b;
}

SEVENB_INLINE F32x8 min(F32x8 a, F32x8 b) {
  for (int i = 0; i < 8; ++i) b[i] = a[i] < b[i] ? a[i] : b[i];
  return b;
}

SEVENB_INLINE F32x8 abs(F32x8 a) {
  for (int i = 0; i < 8; ++i) a[i] = __builtin_fabsf(a[i]);
  return a;
}

// To the nearest integer, ties to even; the smallest integer for what does not fit.
SEVENB_INLINE I32x8 round_to_int(F32x8 a) {
  I32x8 v;
  for (int i = 0; i < 8; ++i)
    v[i] = a[i] >= -2147483648.0f && a[i] < 2147483648.0f ? static_cast<std::int32_t>(__builtin_rintf(a[i]))
                                                          : INT32_MIN;
  return v;
}

SEVENB_INLINE F32x8 to_float(I32x8 a) { return __builtin_convertvector(a, F32x8); }

// 2^n for n in [-126, 127].
SEVENB_INLINE F32x8 power_of_two(I32x8 n) {
  n = (n + 127) << 23;
  F32x8 v;
  std::memcpy(&v, &n, sizeof v);
  return v;
}

SEVENB_INLINE I32x8 add(I32x8 a, I32x8 b) { return a + b; }
SEVENB_INLINE I32x8 subtract(I32x8 a, I32x8 b) { return a - b; }
SEVENB_INLINE I32x8 multiply(I32x8 a, I32x8 b) { return a * b; }
template <int N>
SEVENB_INLINE I32x8 shift_left(I32x8 a) { return a << N; }
template <int N>
SEVENB_INLINE I32x8 shift_right(I32x8 a) { return a >> N; }  // arithmetic
SEVENB_INLINE I32x8 broadcast(std::int32_t x) { return I32x8{x, x, x, x, x, x, x, x}; }

SEVENB_INLINE I32x8 load_u8(const std::uint8_t* from) {
  I32x8 v;
  for (int i = 0; i < 8; ++i) v[i] = from[i];
  return v;
}

SEVENB_INLINE I32x8 load_i8(const std::uint8_t* from) {
  I32x8 v;
  for (int i = 0; i < 8; ++i) v[i] = static_cast<std::int8_t>(from[i]);
  return v;
}

// 32 numbers of −128…127 as bytes.
SEVENB_INLINE U8x32 pack_bytes(const I32x8* v) {
  U8x32 bytes;
  for (int i = 0; i < 32; ++i) bytes[i] = static_cast<std::uint8_t>(v[i / 8][i % 8]);
  return bytes;
}
SEVENB_INLINE void store_bytes(std::int8_t* to, U8x32 v) { std::memcpy(to, &v, sizeof v); }

SEVENB_INLINE float largest(F32x8 v) {
  float most = v[0];
  for (int i = 1; i < 8; ++i) most = v[i] > most ? v[i] : most;
  return most;
}

SEVENB_INLINE std::int32_t sum(I32x8 v) {
  std::int32_t total = 0;
  for (int i = 0; i < 8; ++i) total += v[i];
  return total;
}

SEVENB_INLINE U8x32 load_bytes(const std::uint8_t* from) { return load_vector<U8x32>(from); }
SEVENB_INLINE U8x32 bits_and(U8x32 a, std::uint8_t mask) { return a & mask; }
SEVENB_INLINE U8x32 bits_or(U8x32 a, U8x32 b) { return a | b; }
SEVENB_INLINE U8x32 bits_xor(U8x32 a, std::uint8_t mask) { return a ^ mask; }
// Bytes shifted; bits that cross into a neighbour byte are to be masked away by the caller.
template <int N>
SEVENB_INLINE U8x32 shift_bytes_left(U8x32 a) { return a << N; }
template <int N>
SEVENB_INLINE U8x32 shift_bytes_right(U8x32 a) { return a >> N; }

SEVENB_INLINE void prefetch(const void*) {}

}  // namespace
}  // namespace sevenb
