// Vectors with one lane a row of weights, as wide as the instruction set has them, and their dot products with
// activations: what the matrix kernels are written in.
//
// RowFloats and RowInts hold `lanes` numbers of 32 bits; RowBytes holds four bytes of each row.
#pragma once

#include "activations.h"
#include "simd.h"
#include "weight_types.h"

namespace sevenb {
namespace {

// What a weight counts as: 2^Shift less than the unsigned byte it is held as, that byte, or a signed byte.
constexpr int as_held = -1;
constexpr int as_signed = -2;

// tokens_at_once<Plain>, of each instruction set: how many tokens a block of weights meets side by side, as registers
// allow. Weights that are not plain have offsets or signs, which take some.

// Which of a plane's sums belongs to `Count` steps from `First` on.
template <int First, int Count>
constexpr int sums_index = Count == 8 ? 0 : 1 + First / 4;

}  // namespace
}  // namespace sevenb

#if defined(__AVX512VNNI__)
#include "row_vectors_avx512.h"
#elif defined(__AVX2__)
#include "row_vectors_avx2.h"
#else
#include "row_vectors_portable.h"
#endif

namespace sevenb {
namespace {

constexpr int vectors_per_group = group_rows / lanes;

// Holds 32 values in a block and returns their sums in `sums`: columns 0…15 and 16…31.
template <int Planes>
SEVENB_INLINE void hold(I32x8* value, ActivationBlock<Planes>& block, std::int32_t* sums) {
  if constexpr (Planes == 2 && words_at_int16) {
    hold_words(value, block.words, sums);
  } else {
    std::int32_t high_sums[2] = {0, 0};
    if constexpr (Planes == 2) {
      I32x8 high[4];
      for (int i = 0; i < 4; ++i) {
        high[i] = shift_right<7>(add(value[i], broadcast(64)));
        value[i] = subtract(value[i], shift_left<7>(high[i]));
      }
      hold_bytes(pack_bytes(high), block.planes[0], high_sums);
    }
    hold_bytes(pack_bytes(value), block.planes[Planes - 1], sums);
    for (int half = 0; half < 2; ++half) sums[half] += 128 * high_sums[half];
  }
}

// `dot` where words_at_int16; defined nowhere else.
template <int First, int Count, int Shift, class Block, int Tokens>
void word_dot(const Block& w, const ActivationBlock<2>* x, RowInts (&total)[Tokens]);

// For each token i: total[i] = the products of steps [First, First + Count) of w with the activations x[i], exact.
template <int First, int Count, int Shift, int Planes, class Block, int Tokens>
SEVENB_INLINE void dot(const Block& w, const ActivationBlock<Planes>* x, RowInts (&total)[Tokens]) {
  if constexpr (Planes == 2 && words_at_int16) {
    word_dot<First, Count, Shift>(w, x, total);
  } else {
    plane_dot<First, Count, Shift, 0>(w, x, total);
    if constexpr (Planes == 2) {
      RowInts low[Tokens];
      plane_dot<First, Count, Shift, 1>(w, x, low);
      for (int i = 0; i < Tokens; ++i) total[i] = add(shift_left<7>(total[i]), low[i]);
    }
  }
}

}  // namespace
}  // namespace sevenb
