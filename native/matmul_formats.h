// How each weight type's 32 columns of eight rows are unpacked, and how they meet 32 activations.
//
// A `Format` has a `Block` (what stays in registers while tokens pass by), `load` and `accumulate`. The sequence of
// float operations in `accumulate` is the same whatever the instruction set and the number of tokens: that is what
// makes results equal to the last bit.
#pragma once

#include "activations.h"
#include "integer_dot.h"
#include "weight_types.h"

namespace sevenb {
namespace {

// -- planes ------------------------------------------------------------------------------------------------

SEVENB_INLINE void unpack_nibbles(const std::uint8_t* plane, U8x32* steps) {
  for (int i = 0; i < 4; ++i) {
    const U8x32 both = load_bytes(plane + 32 * i);
    steps[i] = bits_and(both, 0x0f);
    steps[i + 4] = bits_and(shift_bytes_right<4>(both), 0x0f);
  }
}

// Moves bit `From` of each byte to bit `To`.
template <int From, int To, int Mask>
SEVENB_INLINE U8x32 move_bits(U8x32 bytes) {
  if constexpr (From < To)
    return bits_and(shift_bytes_left<To - From>(bytes), Mask << To);
  else if constexpr (From > To)
    return bits_and(shift_bytes_right<From - To>(bytes), Mask << To);
  else
    return bits_and(bytes, Mask << To);
}

// Adds the bit plane at bit `To` of each step.
template <int To>
SEVENB_INLINE void add_bits(const std::uint8_t* plane, U8x32* steps) {
  const U8x32 bits = load_bytes(plane);
  steps[0] = bits_or(steps[0], move_bits<0, To, 1>(bits));
  steps[1] = bits_or(steps[1], move_bits<1, To, 1>(bits));
  steps[2] = bits_or(steps[2], move_bits<2, To, 1>(bits));
  steps[3] = bits_or(steps[3], move_bits<3, To, 1>(bits));
  steps[4] = bits_or(steps[4], move_bits<4, To, 1>(bits));
  steps[5] = bits_or(steps[5], move_bits<5, To, 1>(bits));
  steps[6] = bits_or(steps[6], move_bits<6, To, 1>(bits));
  steps[7] = bits_or(steps[7], move_bits<7, To, 1>(bits));
}

// The pair plane at bits `To` and `To` + 1 of each step.
template <int To>
SEVENB_INLINE void unpack_pairs(const std::uint8_t* plane, U8x32* steps) {
  for (int i = 0; i < 2; ++i) {
    const U8x32 four = load_bytes(plane + 32 * i);
    steps[4 * i] = move_bits<0, To, 3>(four);
    steps[4 * i + 1] = move_bits<2, To, 3>(four);
    steps[4 * i + 2] = move_bits<4, To, 3>(four);
    steps[4 * i + 3] = move_bits<6, To, 3>(four);
  }
}

SEVENB_INLINE F32x8 negated(F32x8 a) { return broadcast(0.0f) - a; }

// -- weight = scale × q + offset, q unsigned ---------------------------------------------------------------

template <int MaxWeight>
struct OffsetFormat {
  struct Block {
    U8x32 steps[8];
    F32x8 scale, offset;
  };

  template <int Planes>
  static SEVENB_INLINE F32x8 accumulate(const Block& w, const ActivationBlock<Planes>& x, F32x8 sum) {
    I32x8 total = dot<MaxWeight>(w.steps, x.values[0]);
    if constexpr (Planes == 2) total = add(shift_left<7>(total), dot<MaxWeight>(w.steps, x.values[1]));
    sum = fma(to_float(total), w.scale * broadcast(x.scale), sum);
    return fma(w.offset, broadcast(x.scaled_sum), sum);
  }
};

template <WeightType T>
struct Format;

template <>
struct Format<WeightType::q4_0> : OffsetFormat<15> {
  static SEVENB_INLINE void load(const std::uint8_t* record, int, Block& w) {
    w.scale = load_f16(record);
    w.offset = w.scale * broadcast(-8.0f);
    unpack_nibbles(record + half_row, w.steps);
  }
};

template <>
struct Format<WeightType::q4_1> : OffsetFormat<15> {
  static SEVENB_INLINE void load(const std::uint8_t* record, int, Block& w) {
    w.scale = load_f16(record);
    w.offset = load_f16(record + half_row);
    unpack_nibbles(record + 2 * half_row, w.steps);
  }
};

template <>
struct Format<WeightType::q5_0> : OffsetFormat<31> {
  static SEVENB_INLINE void load(const std::uint8_t* record, int, Block& w) {
    w.scale = load_f16(record);
    w.offset = w.scale * broadcast(-16.0f);
    unpack_nibbles(record + half_row, w.steps);
    add_bits<4>(record + half_row + nibble_plane, w.steps);
  }
};

template <>
struct Format<WeightType::q5_1> : OffsetFormat<31> {
  static SEVENB_INLINE void load(const std::uint8_t* record, int, Block& w) {
    w.scale = load_f16(record);
    w.offset = load_f16(record + half_row);
    unpack_nibbles(record + 2 * half_row, w.steps);
    add_bits<4>(record + 2 * half_row + nibble_plane, w.steps);
  }
};

// Q4_K and Q5_K: both products with the sub-scales are exact in float32.
template <WeightType T, int MaxWeight>
struct KFormat : OffsetFormat<MaxWeight> {
  static SEVENB_INLINE void load(const std::uint8_t* record, int b, typename OffsetFormat<MaxWeight>::Block& w) {
    using L = Layout<T>;
    const std::uint8_t* scales = record + 2 * half_row + b * group_rows;
    w.scale = load_f16(record) * to_float(load_u8(scales));
    w.offset = negated(load_f16(record + half_row) * to_float(load_u8(scales + L::blocks * group_rows)));
    const std::uint8_t* planes = record + L::header + b * L::block_bytes;
    unpack_nibbles(planes, w.steps);
    if constexpr (T == WeightType::q5_k) add_bits<4>(planes + nibble_plane, w.steps);
  }
};

template <>
struct Format<WeightType::q4_k> : KFormat<WeightType::q4_k, 15> {};
template <>
struct Format<WeightType::q5_k> : KFormat<WeightType::q5_k, 31> {};

// -- weight = scale × q, q signed ---------------------------------------------------------------------------

template <>
struct Format<WeightType::q8_0> {
  struct Block {
    U8x32 steps[8];
    F32x8 scale;
  };

  static SEVENB_INLINE void load(const std::uint8_t* record, int, Block& w) {
    w.scale = load_f16(record);
    for (int s = 0; s < 8; ++s) w.steps[s] = prepare_signed(load_bytes(record + half_row + 32 * s));
  }

  template <int Planes>
  static SEVENB_INLINE F32x8 accumulate(const Block& w, const ActivationBlock<Planes>& x, F32x8 sum) {
    I32x8 total = signed_dot(w.steps, x.values[0]);
    if constexpr (Planes == 2) total = add(shift_left<7>(total), signed_dot(w.steps, x.values[1]));
    return fma(to_float(correct_signed(total, x.sum)), w.scale * broadcast(x.scale), sum);
  }
};

// -- weight = d × sub-scale × (q − Bias), a signed sub-scale for 16 columns ---------------------------------

template <int MaxWeight, int Bias>
struct SubScaledFormat {
  struct Block {
    U8x32 steps[8];
    I32x8 sub_scale[2];
    I32x8 bias;  // pairs of −Bias × sub-scale
    F32x8 scale;
  };

  static SEVENB_INLINE void load_scales(const std::uint8_t* record, int b, Block& w) {
    const I32x8 first = load_i8(record + half_row + 2 * b * group_rows);
    const I32x8 second = load_i8(record + half_row + (2 * b + 1) * group_rows);
    w.scale = load_f16(record);
    w.sub_scale[0] = prepare_sub_scale(first);
    w.sub_scale[1] = prepare_sub_scale(second);
    w.bias = pairs(multiply(first, broadcast(-Bias)), multiply(second, broadcast(-Bias)));
  }

  template <int Planes>
  static SEVENB_INLINE I32x8 plane_total(const Block& w, const ActivationBlock<Planes>& x, int plane) {
    const I32x8 unbiased = add(scaled_half_dot<MaxWeight, 0>(w.steps, x.values[plane], w.sub_scale[0]),
                               scaled_half_dot<MaxWeight, 4>(w.steps, x.values[plane], w.sub_scale[1]));
    return add(unbiased, pairs_dot(w.bias, x.half_sums[plane]));
  }

  template <int Planes>
  static SEVENB_INLINE F32x8 accumulate(const Block& w, const ActivationBlock<Planes>& x, F32x8 sum) {
    I32x8 total = plane_total(w, x, 0);
    if constexpr (Planes == 2) total = add(shift_left<7>(total), plane_total(w, x, 1));
    return fma(to_float(total), w.scale * broadcast(x.scale), sum);
  }
};

template <>
struct Format<WeightType::q6_k> : SubScaledFormat<63, 32> {
  static SEVENB_INLINE void load(const std::uint8_t* record, int b, Block& w) {
    using L = Layout<WeightType::q6_k>;
    load_scales(record, b, w);
    const std::uint8_t* planes = record + L::header + b * L::block_bytes;
    U8x32 high[8];
    unpack_nibbles(planes, w.steps);
    unpack_pairs<4>(planes + nibble_plane, high);
    for (int s = 0; s < 8; ++s) w.steps[s] = bits_or(w.steps[s], high[s]);
  }
};

template <>
struct Format<WeightType::q3_k> : SubScaledFormat<7, 4> {
  static SEVENB_INLINE void load(const std::uint8_t* record, int b, Block& w) {
    using L = Layout<WeightType::q3_k>;
    load_scales(record, b, w);
    const std::uint8_t* planes = record + L::header + b * L::block_bytes;
    unpack_pairs<0>(planes, w.steps);
    add_bits<2>(planes + pair_plane, w.steps);
  }
};

// -- weight = d × sub-scale × q − dmin × sub-minimum, both for 16 columns -----------------------------------

template <>
struct Format<WeightType::q2_k> {
  struct Block {
    U8x32 steps[8];
    I32x8 sub_scale[2];
    I32x8 minima;  // pairs
    F32x8 scale, minimum_scale;
  };

  static SEVENB_INLINE void load(const std::uint8_t* record, int b, Block& w) {
    using L = Layout<WeightType::q2_k>;
    const I32x8 first = load_u8(record + 2 * half_row + 2 * b * group_rows);
    const I32x8 second = load_u8(record + 2 * half_row + (2 * b + 1) * group_rows);
    const I32x8 first_minimum = shift_right<4>(first), second_minimum = shift_right<4>(second);
    w.scale = load_f16(record);
    w.minimum_scale = negated(load_f16(record + half_row));
    w.sub_scale[0] = prepare_sub_scale(subtract(first, shift_left<4>(first_minimum)));
    w.sub_scale[1] = prepare_sub_scale(subtract(second, shift_left<4>(second_minimum)));
    w.minima = pairs(first_minimum, second_minimum);
    unpack_pairs<0>(record + L::header + b * L::block_bytes, w.steps);
  }

  template <int Planes>
  static SEVENB_INLINE I32x8 plane_total(const Block& w, const ActivationBlock<Planes>& x, int plane) {
    return add(scaled_half_dot<3, 0>(w.steps, x.values[plane], w.sub_scale[0]),
               scaled_half_dot<3, 4>(w.steps, x.values[plane], w.sub_scale[1]));
  }

  template <int Planes>
  static SEVENB_INLINE F32x8 accumulate(const Block& w, const ActivationBlock<Planes>& x, F32x8 sum) {
    I32x8 total = plane_total(w, x, 0);
    I32x8 minima = pairs_dot(w.minima, x.half_sums[0]);
    if constexpr (Planes == 2) {
      total = add(shift_left<7>(total), plane_total(w, x, 1));
      minima = add(shift_left<7>(minima), pairs_dot(w.minima, x.half_sums[1]));
    }
    sum = fma(to_float(total), w.scale * broadcast(x.scale), sum);
    return fma(to_float(minima), w.minimum_scale * broadcast(x.scale), sum);
  }
};

}  // namespace
}  // namespace sevenb
