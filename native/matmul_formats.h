// How each weight type's 32 columns of a vector of rows are unpacked, and how they meet 32 activations.
//
// A `Format` has a `Block` (what stays in registers while tokens pass by), `load` and `accumulate`. The sequence of
// float operations in `accumulate` is the same whatever the instruction set and the number of tokens: that is what
// makes results equal to the last bit.
#pragma once

#include "row_vectors.h"

namespace sevenb {
namespace {

// -- planes: pointers are to the first vector's bytes ---------------------------------------------------------

SEVENB_INLINE void unpack_nibbles(const std::uint8_t* plane, RowBytes* steps) {
  for (int i = 0; i < 4; ++i) {
    const RowBytes both = load_row_bytes(plane + step_bytes * i);
    steps[i] = bits_and(both, 0x0f);
    steps[i + 4] = bits_and(shift_bytes_right<4>(both), 0x0f);
  }
}

// Moves the bits `Mask` << `From` of each byte to bit `To`.
template <int From, int To, int Mask>
SEVENB_INLINE RowBytes move_bits(RowBytes bytes) {
  if constexpr (From < To)
    return bits_and(shift_bytes_left<To - From>(bytes), Mask << To);
  else if constexpr (From > To)
    return bits_and(shift_bytes_right<From - To>(bytes), Mask << To);
  else
    return bits_and(bytes, Mask << To);
}

// Adds the bit plane at bit `To` of each step.
template <int To>
SEVENB_INLINE void add_bits(const std::uint8_t* plane, RowBytes* steps) {
  const RowBytes bits = load_row_bytes(plane);
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
SEVENB_INLINE void unpack_pairs(const std::uint8_t* plane, RowBytes* steps) {
  for (int i = 0; i < 2; ++i) {
    const RowBytes four = load_row_bytes(plane + step_bytes * i);
    steps[4 * i] = move_bits<0, To, 3>(four);
    steps[4 * i + 1] = move_bits<2, To, 3>(four);
    steps[4 * i + 2] = move_bits<4, To, 3>(four);
    steps[4 * i + 3] = move_bits<6, To, 3>(four);
  }
}

SEVENB_INLINE void unpack_three_bits(const std::uint8_t* planes, RowBytes* steps) {
  unpack_pairs<0>(planes, steps);
  add_bits<2>(planes + pair_plane, steps);
}

SEVENB_INLINE RowFloats negated(RowFloats a) { return all_rows(0.0f) - a; }

// -- weight = scale × (q − 2^Shift) + offset ----------------------------------------------------------------

template <int Shift, bool HasOffset>
struct BlockFormat {
  static constexpr int tokens = tokens_at_once<!HasOffset && Shift != as_signed>;

  struct Block {
    RowBytes steps[8];
    RowFloats scale, offset;
  };

  template <int Tokens, int Planes>
  static SEVENB_INLINE void accumulate(const Block& w, const ActivationBlock<Planes>* x, RowFloats* sums) {
    RowInts total[Tokens];
    dot<0, 8, Shift>(w, x, total);
    for (int i = 0; i < Tokens; ++i) {
      sums[i] = fma(to_float(total[i]), w.scale * all_rows(x[i].scale), sums[i]);
      if constexpr (HasOffset) sums[i] = fma(w.offset, all_rows(x[i].scaled_sums[0]), sums[i]);
    }
  }
};

template <WeightType T>
struct Format;

// `load`: block `b` of a record, rows lanes × `vector` to lanes × (vector + 1) of the group.

template <>
struct Format<WeightType::q4_0> : BlockFormat<3, false> {
  static SEVENB_INLINE void load(const std::uint8_t* record, int, int vector, Block& w) {
    w.scale = load_rows_f16(record + 2 * lanes * vector);
    unpack_nibbles(record + half_row + 4 * lanes * vector, w.steps);
  }
};

template <>
struct Format<WeightType::q4_1> : BlockFormat<as_held, true> {
  static SEVENB_INLINE void load(const std::uint8_t* record, int, int vector, Block& w) {
    w.scale = load_rows_f16(record + 2 * lanes * vector);
    w.offset = load_rows_f16(record + half_row + 2 * lanes * vector);
    unpack_nibbles(record + 2 * half_row + 4 * lanes * vector, w.steps);
  }
};

template <>
struct Format<WeightType::q4_z> : BlockFormat<as_held, true> {
  static SEVENB_INLINE void load(const std::uint8_t* record, int b, int vector, Block& w) {
    Format<WeightType::q4_1>::load(record, b, vector, w);
    w.offset = negated(w.scale * w.offset);  // scale × zero point, exact in float32
  }
};

template <>
struct Format<WeightType::q5_0> : BlockFormat<4, false> {
  static SEVENB_INLINE void load(const std::uint8_t* record, int, int vector, Block& w) {
    const std::uint8_t* planes = record + half_row + 4 * lanes * vector;
    w.scale = load_rows_f16(record + 2 * lanes * vector);
    unpack_nibbles(planes, w.steps);
    add_bits<4>(planes + nibble_plane, w.steps);
  }
};

template <>
struct Format<WeightType::q5_1> : BlockFormat<4, true> {
  static SEVENB_INLINE void load(const std::uint8_t* record, int, int vector, Block& w) {
    const std::uint8_t* planes = record + 2 * half_row + 4 * lanes * vector;
    w.scale = load_rows_f16(record + 2 * lanes * vector);
    w.offset = fma(w.scale, all_rows(16.0f), load_rows_f16(record + half_row + 2 * lanes * vector));
    unpack_nibbles(planes, w.steps);
    add_bits<4>(planes + nibble_plane, w.steps);
  }
};

// Q4_K and Q5_K: both products with the sub-scales are exact in float32.
template <WeightType T, int Shift>
struct KFormat : BlockFormat<Shift, true> {
  static SEVENB_INLINE void load(const std::uint8_t* record, int b, int vector,
                                 typename BlockFormat<Shift, true>::Block& w) {
    using L = Layout<T>;
    const std::uint8_t* halves = record + 2 * lanes * vector;
    const std::uint8_t* scales = record + 2 * half_row + b * group_rows + lanes * vector;
    const std::uint8_t* planes = record + L::header + b * L::block_bytes + 4 * lanes * vector;
    w.scale = load_rows_f16(halves) * to_float(load_rows_u8(scales));
    w.offset = negated(load_rows_f16(halves + half_row) * to_float(load_rows_u8(scales + L::blocks * group_rows)));
    unpack_nibbles(planes, w.steps);
    if constexpr (T == WeightType::q5_k) {
      w.offset = fma(w.scale, all_rows(16.0f), w.offset);
      add_bits<4>(planes + nibble_plane, w.steps);
    }
  }
};

template <>
struct Format<WeightType::q4_k> : KFormat<WeightType::q4_k, as_held> {};
template <>
struct Format<WeightType::q5_k> : KFormat<WeightType::q5_k, 4> {};

template <>
struct Format<WeightType::q8_0> : BlockFormat<as_signed, false> {
  static SEVENB_INLINE void load(const std::uint8_t* record, int, int vector, Block& w) {
    const std::uint8_t* plane = record + half_row + 4 * lanes * vector;
    w.scale = load_rows_f16(record + 2 * lanes * vector);
    for (int s = 0; s < 8; ++s) w.steps[s] = prepare_signed(load_row_bytes(plane + step_bytes * s));
  }
};

// The upper half of Q8_0's q = 16 n + l − 128, where l is a half of its range for want of better: 16 (n − 8) + 7.5.
template <>
struct Format<WeightType::q8_0_coarse> : BlockFormat<3, true> {
  static SEVENB_INLINE void load(const std::uint8_t* record, int, int vector, Block& w) {
    const RowFloats scale = load_rows_f16(record + 2 * lanes * vector);
    w.scale = scale * all_rows(16.0f);
    w.offset = scale * all_rows(7.5f);
    unpack_nibbles(record + half_row + 4 * lanes * vector, w.steps);
  }
};

// -- weight = scale × (q − 2^Shift) + offset, both for 16 columns ---------------------------------------------

template <int Shift, bool HasOffset>
struct HalfBlockFormat {
  static constexpr int tokens = (tokens_at_once<true> + 1) / 2;  // each takes two sums

  struct Block {
    RowBytes steps[8];
    RowFloats scale[2], offset[2];
  };

  template <int Tokens, int Planes>
  static SEVENB_INLINE void accumulate(const Block& w, const ActivationBlock<Planes>* x, RowFloats* sums) {
    RowInts first[Tokens], second[Tokens];
    dot<0, 4, Shift>(w, x, first);
    dot<4, 4, Shift>(w, x, second);
    for (int i = 0; i < Tokens; ++i) {
      const RowFloats total = fma(to_float(first[i]), w.scale[0], to_float(second[i]) * w.scale[1]);
      sums[i] = fma(total, all_rows(x[i].scale), sums[i]);
      if constexpr (HasOffset) {
        sums[i] = fma(w.offset[0], all_rows(x[i].scaled_sums[1]), sums[i]);
        sums[i] = fma(w.offset[1], all_rows(x[i].scaled_sums[2]), sums[i]);
      }
    }
  }
};

// Q6_K and Q3_K: the products with the signed sub-scales are exact in float32.
template <WeightType T, int Shift, bool HasOffset = false>
struct SignedKFormat : HalfBlockFormat<Shift, HasOffset> {
  using Block = typename HalfBlockFormat<Shift, HasOffset>::Block;

  static SEVENB_INLINE const std::uint8_t* planes(const std::uint8_t* record, int b, int vector) {
    return record + Layout<T>::header + b * Layout<T>::block_bytes + 4 * lanes * vector;
  }

  static SEVENB_INLINE void load_scales(const std::uint8_t* record, int b, int vector, Block& w) {
    const std::uint8_t* sub_scales = record + half_row + 2 * b * group_rows + lanes * vector;
    const RowFloats scale = load_rows_f16(record + 2 * lanes * vector);
    for (int half = 0; half < 2; ++half)
      w.scale[half] = scale * to_float(load_rows_i8(sub_scales + half * group_rows));
  }
};

template <>
struct Format<WeightType::q6_k> : SignedKFormat<WeightType::q6_k, 5> {
  static SEVENB_INLINE void load(const std::uint8_t* record, int b, int vector, Block& w) {
    RowBytes high[8];
    load_scales(record, b, vector, w);
    unpack_nibbles(planes(record, b, vector), w.steps);
    unpack_pairs<4>(planes(record, b, vector) + nibble_plane, high);
    for (int s = 0; s < 8; ++s) w.steps[s] = bits_or(w.steps[s], high[s]);
  }
};

template <>
struct Format<WeightType::q3_k> : SignedKFormat<WeightType::q3_k, 2> {
  static SEVENB_INLINE void load(const std::uint8_t* record, int b, int vector, Block& w) {
    load_scales(record, b, vector, w);
    unpack_three_bits(planes(record, b, vector), w.steps);
  }
};

// The upper half of Q6_K's q = 8 n + l − 32: 8 (n − 4) + 3.5.
template <>
struct Format<WeightType::q6_k_coarse> : SignedKFormat<WeightType::q6_k_coarse, 2, true> {
  static SEVENB_INLINE void load(const std::uint8_t* record, int b, int vector, Block& w) {
    load_scales(record, b, vector, w);
    for (int half = 0; half < 2; ++half) {
      w.offset[half] = w.scale[half] * all_rows(3.5f);
      w.scale[half] = w.scale[half] * all_rows(8.0f);
    }
    unpack_three_bits(planes(record, b, vector), w.steps);
  }
};

template <>
struct Format<WeightType::q2_k> : HalfBlockFormat<as_held, true> {
  static SEVENB_INLINE void load(const std::uint8_t* record, int b, int vector, Block& w) {
    using L = Layout<WeightType::q2_k>;
    const std::uint8_t* halves = record + 2 * lanes * vector;
    const std::uint8_t* sub_scales = record + 2 * half_row + 2 * b * group_rows + lanes * vector;
    const RowFloats scale = load_rows_f16(halves), minimum = negated(load_rows_f16(halves + half_row));
    for (int half = 0; half < 2; ++half) {
      const RowInts both = load_rows_u8(sub_scales + half * group_rows);
      const RowInts high = shift_right<4>(both);
      w.scale[half] = scale * to_float(subtract(both, shift_left<4>(high)));
      w.offset[half] = minimum * to_float(high);
    }
    unpack_pairs<0>(record + L::header + b * L::block_bytes + 4 * lanes * vector, w.steps);
  }
};

// -- both halves of a split_matrix.h, which make the whole again ----------------------------------------------

template <WeightType T>
struct SplitFormat;

template <>
struct SplitFormat<WeightType::q8_0> : Format<WeightType::q8_0> {
  static SEVENB_INLINE void load(const std::uint8_t* coarse, const std::uint8_t* rest, int, int vector, Block& w) {
    RowBytes low[8];
    w.scale = load_rows_f16(coarse + 2 * lanes * vector);
    unpack_nibbles(coarse + half_row + 4 * lanes * vector, w.steps);
    unpack_nibbles(rest + 4 * lanes * vector, low);
    for (int s = 0; s < 8; ++s) {
      const RowBytes biased = bits_or(shift_bytes_left<4>(w.steps[s]), low[s]);
      w.steps[s] = prepare_signed(bits_xor(biased, 0x80));
    }
  }
};

template <>
struct SplitFormat<WeightType::q6_k> : Format<WeightType::q6_k> {
  static SEVENB_INLINE void load(const std::uint8_t* coarse, const std::uint8_t* rest, int b, int vector, Block& w) {
    using Rest = RestLayout<WeightType::q6_k>;
    RowBytes low[8];
    load_scales(coarse, b, vector, w);
    unpack_three_bits(Format<WeightType::q6_k_coarse>::planes(coarse, b, vector), w.steps);
    unpack_three_bits(rest + b * Rest::block_bytes + 4 * lanes * vector, low);
    for (int s = 0; s < 8; ++s) w.steps[s] = bits_or(shift_bytes_left<3>(w.steps[s]), low[s]);
  }
};

}  // namespace
}  // namespace sevenb
