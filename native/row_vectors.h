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

// For each token i and vector v: total[i][v] = the products of steps [First, First + Count) of w[v] with the
// activations x[i], exact.
template <int First, int Count, int Shift, int Planes, class Block, int Vectors, int Tokens>
SEVENB_INLINE void dot(const Block (&w)[Vectors], const ActivationBlock<Planes>* x, RowInts (&total)[Tokens][Vectors]) {
  plane_dot<First, Count, Shift, 0>(w, x, total);
  if constexpr (Planes == 2) {
    RowInts low[Tokens][Vectors];
    plane_dot<First, Count, Shift, 1>(w, x, low);
    for (int i = 0; i < Tokens; ++i)
      for (int v = 0; v < Vectors; ++v) total[i][v] = add(shift_left<7>(total[i][v]), low[i][v]);
  }
}

}  // namespace
}  // namespace sevenb
