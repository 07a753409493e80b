// Attention over float32 and half-precision keys and values, in float32 throughout.
#pragma once

#include "attention_multiply.h"
#include "attention_softmax.h"

namespace sevenb {
namespace {

// Scores of one row -> exponentials, with their maximum and sum. Positions the row does not see become exact zeros, so
// neither `first` and `last` nor the neighbours that widened them leave a trace.
template <class Isa>
void exponentiate(const Partition& task, int row, const Softmax& state) {
  using Wide = typename Isa::Floats::Wide;
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
    const Wide weight = exp2_lanes<6>(subtract(Wide::load(scores + i), origin));
    weight.store(scores + i);
    sum = add(sum, weight);
  }
  state.maximum[row] = peak;
  state.total[row] = reduce_add(sum);
}

template <class Isa, class Element>
void attend_floats(const Partition& task, const Softmax& state) {
  using Floats = typename Isa::Floats;
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
    multiply_panel<Floats>(task, task.query, head_dim, keys, task.scores + i, kScoreStride);
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
    multiply_panel<Floats>(task, task.scores + task.first, kScoreStride, values, state.output + d, padded_dim);
  }
}

}  // namespace
}  // namespace sevenb
