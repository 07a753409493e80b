// The vectors of row_vectors.h in plain C++: eight rows. Include row_vectors.h instead.
#pragma once

namespace sevenb {
namespace {

using RowFloats = F32x8;
using RowInts = I32x8;
using RowBytes = U8x32;

constexpr int lanes = 8;
template <bool Plain>
constexpr int tokens_at_once = 1;
constexpr bool words_at_int16 = false;

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
  for (int half = 0; half < 2; ++half) {
    sums[half] = 0;
    for (int c = 0; c < 16; ++c) sums[half] += plane.values[16 * half + c];
    plane.negated_sums[1 + half] = -sums[half];
  }
  plane.negated_sums[0] = -(sums[0] + sums[1]);
}

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

template <int First, int Count, int Shift, int Plane, int Planes, class Block, int Tokens>
SEVENB_INLINE void plane_dot(const Block& w, const ActivationBlock<Planes>* x, RowInts (&total)[Tokens]) {
  static_assert(Tokens == 1, "one token at a time");
  const ActivationPlane& plane = x->planes[Plane];
  I32x8 sum{};
  if constexpr (Shift >= 0) sum = shift_left<Shift>(broadcast(plane.negated_sums[sums_index<First, Count>]));
  for (int s = First; s < First + Count; ++s) {
    const I16x16 step = (I16x16)w.steps[s];
    if constexpr (Shift == as_signed)
      sum += step_dot((step << 8) >> 8, step >> 8, plane.values + 4 * s);
    else
      sum += step_dot(step & 255, (step >> 8) & 255, plane.values + 4 * s);
  }
  total[0] = sum;
}

SEVENB_INLINE RowBytes prepare_signed(RowBytes step) { return step; }

}  // namespace
}  // namespace sevenb
