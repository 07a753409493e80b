// The matrix products of attention, written once for floats and for integers.
//
// A family of numbers (`Isa::Floats`, `Isa::Pairs`) names a `Wide` vector of 16 lanes and a `Narrow` one of any divisor
// of 16, how many rows of `Wide` accumulators its registers hold (`kWideRows`), and how many rows at most may read the
// cache's own elements without a converted copy (`kDirectRows`). A lane is a float32, or a pair of int16 whose products
// are summed in an int32. Everything here has internal linkage: code compiled for a wide instruction set must never be
// shared with a baseline object file.
#pragma once

#include "attention_kernels.h"

namespace sevenb {
namespace {

// The rows of a right-hand matrix of 16 columns, in up to one run a block.
template <class Element>
struct Runs {
  const Element* start[kMostBlocks];
  int length[kMostBlocks];
  int count = 0;

  void append(const Element* from, int rows) {
    start[count] = from;
    length[count++] = rows;
  }
};

// c[Rows, 16] = a[Rows, k] x b[k, 16], each element one chain of multiply-adds in ascending k.
template <class V, int Rows, class Left, class Element, class Sum>
inline void multiply(const Left* a, int a_stride, const Runs<Element>& b, Sum* c, int c_stride) {
  for (int column = 0; column < kPanel; column += V::width) {
    V sum[Rows];
    for (int r = 0; r < Rows; ++r) sum[r] = V::broadcast(Left{});
    const Left* left = a;
    for (int run = 0; run < b.count; ++run) {
      const Element* right = b.start[run] + column * V::depth;
      for (int k = 0; k < b.length[run]; ++k, right += kPanel * V::depth, ++left) {
        const V row = V::load(right);
#pragma GCC unroll 16
        for (int r = 0; r < Rows; ++r) sum[r] = multiply_add(V::broadcast(left[r * a_stride]), row, sum[r]);
      }
    }
    for (int r = 0; r < Rows; ++r) sum[r].store(c + r * c_stride + column);
  }
}

template <class Numbers, int Rows, class Left, class Element, class Sum>
void multiply_rows(const Left* a, int a_stride, const Runs<Element>& b, Sum* c, int c_stride) {
  if constexpr (Rows <= Numbers::kWideRows)
    multiply<typename Numbers::Wide, Rows>(a, a_stride, b, c, c_stride);
  else
    multiply<typename Numbers::Narrow, Rows>(a, a_stride, b, c, c_stride);
}

constexpr int kMostRows = 12;

// `multiply` for any number of rows, in equal groups that the registers hold.
template <class Numbers, class Left, class Element, class Sum>
void multiply_all(int rows, const Left* a, int a_stride, const Runs<Element>& b, Sum* c, int c_stride) {
  static_assert(Numbers::kWideRows <= kMostRows && Numbers::kDirectRows <= kMostRows);
  // Up to kDirectRows rows go together, so that each element of b is converted once.
  const int most = rows <= Numbers::kDirectRows ? Numbers::kDirectRows : Numbers::kWideRows;
  for (int groups = (rows + most - 1) / most; groups > 0; --groups) {
    const int group = (rows + groups - 1) / groups;
    switch (group) {
#define SEVENB_ROWS(n) \
  case n: multiply_rows<Numbers, n>(a, a_stride, b, c, c_stride); break;
      SEVENB_ROWS(1)
      SEVENB_ROWS(2)
      SEVENB_ROWS(3)
      SEVENB_ROWS(4)
      SEVENB_ROWS(5)
      SEVENB_ROWS(6)
      SEVENB_ROWS(7)
      SEVENB_ROWS(8)
      SEVENB_ROWS(9)
      SEVENB_ROWS(10)
      SEVENB_ROWS(11)
      SEVENB_ROWS(12)
#undef SEVENB_ROWS
    }
    rows -= group;
    a += group * a_stride;
    c += group * c_stride;
  }
}

// The same rows in the elements that `Numbers` computes with, in one run, so that many query rows share the conversion.
template <class Numbers, class Element>
Runs<typename Numbers::Element> convert(const Runs<Element>& b, void* panel) {
  using Wide = typename Numbers::Wide;
  auto* buffer = static_cast<typename Numbers::Element*>(panel);
  auto* to = buffer;
  constexpr int kRow = kPanel * Wide::depth;
  for (int run = 0; run < b.count; ++run)
    for (int k = 0; k < b.length[run]; ++k, to += kRow) Wide::load(b.start[run] + k * kRow).store(to);
  Runs<typename Numbers::Element> converted;
  converted.append(buffer, static_cast<int>((to - buffer) / kRow));
  return converted;
}

template <class Numbers, class Left, class Element, class Sum>
void multiply_panel(const Partition& task, const Left* a, int a_stride, const Runs<Element>& b, Sum* c, int c_stride) {
  if (sizeof(Element) == sizeof(typename Numbers::Element) || task.rows <= Numbers::kDirectRows)
    multiply_all<Numbers>(task.rows, a, a_stride, b, c, c_stride);
  else
    multiply_all<Numbers>(task.rows, a, a_stride, convert<Numbers>(b, task.panel), c, c_stride);
}

// Asks for `count` elements ahead of their use, since blocks lie scattered, beyond what the hardware foresees. Into the
// second-level cache: aiming at the first costs more than it gains on Zen.
template <class Element>
inline void prefetch(const Element* from, int count) {
  for (int i = 0; i < count; i += 64 / static_cast<int>(sizeof(Element))) __builtin_prefetch(from + i, 0, 2);
}

}  // namespace
}  // namespace sevenb
