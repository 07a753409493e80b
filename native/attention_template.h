// The attention kernels, written once over a vector type and compiled for each instruction set.
//
// An instruction set supplies `Wide` (16 floats) and `Narrow` (any divisor of 16) with load, store, broadcast,
// multiply_add, ..., and how many rows of `Wide` accumulators its registers hold. Everything here has internal
// linkage: code compiled for a wide instruction set must never be shared with a baseline object file.
#pragma once

#include "attention_kernels.h"

namespace sevenb {
namespace {

// 2^x for x <= 0 within 1 ulp or so, exactly 1 at 0 and exactly 0 below -125: degree 6, relative minimax on
// [-1/2, 1/2].
template <class V>
inline V exp2_lanes(V x) {
  const V shifted = add(x, V::broadcast(12582912.0f));  // 1.5 * 2^23: the integer part lands in the low bits
  const V fraction = subtract(x, subtract(shifted, V::broadcast(12582912.0f)));
  V power = V::broadcast(0x1.470b4ap-13f);
  power = multiply_add(power, fraction, V::broadcast(0x1.5f7276p-10f));
  power = multiply_add(power, fraction, V::broadcast(0x1.3b270ep-7f));
  power = multiply_add(power, fraction, V::broadcast(0x1.c6ae72p-5f));
  power = multiply_add(power, fraction, V::broadcast(0x1.ebfbe2p-3f));
  power = multiply_add(power, fraction, V::broadcast(0x1.62e432p-1f));
  power = multiply_add(power, fraction, V::broadcast(1.0f));
  return zero_unless_at_least(scale_by_power_of_two(power, shifted), x, V::broadcast(-125.0f));
}

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

// c[Rows, 16] = a[Rows, k] x b[k, 16], each element one chain of fused multiply-adds in ascending k.
template <class V, int Rows, class Element>
inline void multiply(const float* a, int a_stride, const Runs<Element>& b, float* c, int c_stride) {
  for (int column = 0; column < kPanel; column += V::width) {
    V sum[Rows];
    for (int r = 0; r < Rows; ++r) sum[r] = V::broadcast(0.0f);
    const float* left = a;
    for (int run = 0; run < b.count; ++run) {
      const Element* right = b.start[run] + column;
      for (int k = 0; k < b.length[run]; ++k, right += kPanel, ++left) {
        const V row = V::load(right);
#pragma GCC unroll 16
        for (int r = 0; r < Rows; ++r) sum[r] = multiply_add(V::broadcast(left[r * a_stride]), row, sum[r]);
      }
    }
    for (int r = 0; r < Rows; ++r) sum[r].store(c + r * c_stride + column);
  }
}

template <class Isa, int Rows, class Element>
void multiply_rows(const float* a, int a_stride, const Runs<Element>& b, float* c, int c_stride) {
  if constexpr (Rows <= Isa::kWideRows)
    multiply<typename Isa::Wide, Rows>(a, a_stride, b, c, c_stride);
  else
    multiply<typename Isa::Narrow, Rows>(a, a_stride, b, c, c_stride);
}

constexpr int kMostRows = 12;

// `multiply` for any number of rows, in groups as large as the registers hold.
template <class Isa, class Element>
void multiply_all(int rows, const float* a, int a_stride, const Runs<Element>& b, float* c, int c_stride) {
  constexpr int kGroup = Isa::kWideRows;
  // Up to kDirectRows rows go together, so that each element of b is converted once.
  while (rows > 0) {
    const int group = rows <= Isa::kDirectRows ? rows : kGroup;
    switch (group) {
#define SEVENB_ROWS(n) \
  case n: multiply_rows<Isa, n>(a, a_stride, b, c, c_stride); break;
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
    static_assert(kGroup <= kMostRows && Isa::kDirectRows <= kMostRows);
    rows -= group;
    a += group * a_stride;
    c += group * c_stride;
  }
}

// The same rows as float32 in one run, so that many query rows share the conversion.
template <class Isa, class Element>
Runs<float> convert(const Runs<Element>& b, float* buffer) {
  using Wide = typename Isa::Wide;
  float* to = buffer;
  for (int run = 0; run < b.count; ++run)
    for (int k = 0; k < b.length[run]; ++k, to += kPanel) Wide::load(b.start[run] + k * kPanel).store(to);
  Runs<float> converted;
  converted.append(buffer, static_cast<int>((to - buffer) / kPanel));
  return converted;
}

template <class Isa, class Element>
void multiply_panel(const Partition& task, const float* a, int a_stride, const Runs<Element>& b, float* c,
                    int c_stride) {
  if (sizeof(Element) == sizeof(float) || task.rows <= Isa::kDirectRows)
    multiply_all<Isa>(task.rows, a, a_stride, b, c, c_stride);
  else
    multiply_all<Isa>(task.rows, a, a_stride, convert<Isa>(b, task.panel), c, c_stride);
}

// Scores of one row -> exponentials, with their maximum and sum. Positions the row does not see become exact zeros, so
// neither `first` and `last` nor the neighbours that widened them leave a trace.
template <class Isa>
void exponentiate(const Partition& task, int row, const Softmax& state) {
  using Wide = typename Isa::Wide;
  const int start = task.first / kPanel * kPanel, end = (task.last + kPanel - 1) / kPanel * kPanel;
  float* scores = task.scores + row * kScoreStride;
  const int to = task.to[row] > start ? task.to[row] : start;
  const int from = task.from[row] < to ? task.from[row] : to;
  const float masked = -__builtin_inff();
  for (int i = start; i < from; ++i) scores[i] = masked;
  for (int i = to; i < end; ++i) scores[i] = masked;

  Wide largest = Wide::broadcast(kNoMaximum);
  for (int i = start; i < end; i += kPanel) largest = maximum(Wide::load(scores + i), largest);
  const float peak = reduce_maximum(largest);
  const Wide origin = Wide::broadcast(peak);
  Wide sum = Wide::broadcast(0.0f);
  for (int i = start; i < end; i += kPanel) {
    const Wide weight = exp2_lanes(subtract(Wide::load(scores + i), origin));
    weight.store(scores + i);
    sum = add(sum, weight);
  }
  state.maximum[row] = peak;
  state.total[row] = reduce_add(sum);
}

// Asks for `count` elements ahead of their use, since blocks lie scattered, beyond what the hardware foresees. Into the
// second-level cache: aiming at the first costs more than it gains on Zen.
template <class Element>
inline void prefetch(const Element* from, int count) {
  for (int i = 0; i < count; i += 64 / static_cast<int>(sizeof(Element))) __builtin_prefetch(from + i, 0, 2);
}

template <class Isa, class Element>
void attend_elements(const Partition& task, const Softmax& state) {
  const int head_dim = task.shape->head_dim, padded_dim = task.shape->padded_dim();
  const int block_size = task.shape->block_size;
  // A panel writes 16 scores; past a block smaller than that they are overwritten by the next block's or masked.
  const int step = block_size < kPanel ? block_size : kPanel;
  for (int i = task.first / step * step; i < task.last; i += step) {
    const auto panel_at = [&](const void* const* blocks, int position) {
      return static_cast<const Element*>(blocks[position / block_size]) + position % block_size * head_dim;
    };
    if (i + step < task.last) prefetch(panel_at(task.keys, i + step), kPanel * head_dim);
    prefetch(panel_at(task.values, i), kPanel * head_dim);
    Runs<Element> keys;
    keys.append(panel_at(task.keys, i), head_dim);
    multiply_panel<Isa>(task, task.query, head_dim, keys, task.scores + i, kScoreStride);
  }
  for (int row = 0; row < task.rows; ++row) exponentiate<Isa>(task, row, state);
  for (int d = 0; d < padded_dim; d += kPanel) {
    Runs<Element> values;
    for (int i = task.first, next; i < task.last; i = next) {
      next = (i / block_size + 1) * block_size;
      if (next > task.last) next = task.last;
      values.append(static_cast<const Element*>(task.values[i / block_size]) + d * block_size + i % block_size * kPanel,
                    next - i);
    }
    multiply_panel<Isa>(task, task.scores + task.first, kScoreStride, values, state.output + d, padded_dim);
  }
}

template <class Isa>
void attend(const Partition& task, const Softmax& state) {
  switch (task.shape->type) {
    case KVType::f16: return attend_elements<Isa, std::uint16_t>(task, state);
    case KVType::f32: return attend_elements<Isa, float>(task, state);
  }
}

template <class Isa>
void merge(const Softmax& state, const Softmax& part, int rows, int padded_dim) {
  using Wide = typename Isa::Wide;
  for (int row = 0; row < rows; ++row) {
    const float peak = part.maximum[row] > state.maximum[row] ? part.maximum[row] : state.maximum[row];
    const Wide keep = exp2_lanes(Wide::broadcast(state.maximum[row] - peak));
    const Wide take = exp2_lanes(Wide::broadcast(part.maximum[row] - peak));
    state.maximum[row] = peak;
    float* total = state.total + row;
    *total = first_lane(multiply_add(Wide::broadcast(part.total[row]), take, multiply(Wide::broadcast(*total), keep)));
    for (int d = row * padded_dim; d < (row + 1) * padded_dim; d += kPanel)
      multiply_add(Wide::load(part.output + d), take, multiply(Wide::load(state.output + d), keep))
          .store(state.output + d);
  }
}

template <class Isa>
constexpr AttentionKernels make_kernels() {
  return {attend<Isa>, merge<Isa>};
}

}  // namespace
}  // namespace sevenb
