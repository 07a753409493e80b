// Attention over keys and values of integers: both products in integers, the softmax between them in float32.
//
// A query row and a row of probabilities are 16-bit integers with one scale a row, so a pair of products fits an int32,
// as does the sum over a whole key or partition (see kv_integers.h): integer sums are the same in any order.
#pragma once

#include "attention_multiply.h"
#include "attention_softmax.h"
#include "kv_integers.h"

namespace sevenb {
namespace {

// The scales of the partition's positions [first, last), gathered from their blocks.
inline void gather_scales(const Partition& task, const void* const* blocks, std::size_t offset, float* scales) {
  const int block_size = task.shape->block_size;
  for (int i = task.first / block_size * block_size; i < task.last; i += block_size)
    __builtin_memcpy(scales + i, static_cast<const char*>(blocks[i / block_size]) + offset, block_size * sizeof(float));
}

// Asks for the scales of the partition after this one.
inline void prefetch_scales(const Partition& task, const void* const* blocks, std::size_t offset) {
  const int block_size = task.shape->block_size;
  for (int i = kPartition; i < task.ahead; i += block_size)
    prefetch(reinterpret_cast<const float*>(static_cast<const char*>(blocks[i / block_size]) + offset), block_size);
}

// The product of one query row and the keys' centre, in their units.
template <class Isa>
float centre_product(const Partition& task, int row) {
  using Narrow = typename Isa::Pairs::Narrow;
  const Pair* query = task.query_pairs + row * task.query_stride;
  Narrow sum = Narrow::broadcast(Pair{});
  for (int k = 0; k < task.query_stride; k += Narrow::width)
    sum = multiply_add(Narrow::load(&query[k].first), Narrow::load(task.centre + 2 * k), sum);
  std::int32_t lanes[Narrow::width], product = 0;
  sum.store(lanes);
  for (const std::int32_t lane : lanes) product += lane;
  return static_cast<float>(product);
}

// Rows that go through the steps of a softmax together, so that one row's reductions hide behind another's arithmetic.
constexpr int kSoftmaxRows = 8;

// The panels [start, end) of a partition that any row sees.
struct Panels {
  int start, end;
};

// Integer scores of one row -> scores in units of the query, minus infinity where the row does not see. Returns the
// largest.
template <class Wide>
float scale_scores(const Partition& task, int row, Panels panels) {
  float* scores = task.scores + row * kScoreStride;
  const int from = task.from[row], to = task.to[row];
  Wide largest = Wide::broadcast(kNoMaximum);
  for (int i = panels.start; i < panels.end; i += kPanel) {
    Wide score = multiply(Wide::from_integers(scores + i), Wide::load(task.scales + i));
    score.store(scores + i);
    if (i < from || i + kPanel > to) {
      for (int j = i; j < i + kPanel; ++j)
        if (j < from || j >= to) scores[j] = -__builtin_inff();
      score = Wide::load(scores + i);
    }
    largest = maximum(score, largest);
  }
  return reduce_maximum(largest);
}

// Scores -> exponentials times the scales of the values, exact zeros where the row does not see. Returns the largest.
template <class Wide>
float exponentiate_scores(const Partition& task, int row, Panels panels, float peak, float* total) {
  float* scores = task.scores + row * kScoreStride;
  const Wide unit = Wide::broadcast(task.query_units[row]), origin = Wide::broadcast(-peak);
  Wide sum = Wide::broadcast(0.0f), largest = sum;
  for (int i = panels.start; i < panels.end; i += kPanel) {
    const Wide exponential = exp2_lanes<4>(multiply_add(Wide::load(scores + i), unit, origin));
    const Wide weight = multiply(exponential, Wide::load(task.scales + kPartition + i));
    weight.store(scores + i);
    sum = add(sum, exponential);
    largest = maximum(weight, largest);
  }
  *total = reduce_add(sum);
  return reduce_maximum(largest);
}

// Integer scores of rows [first, last) -> their 16-bit weights and the weights' units.
template <class Isa>
void weigh(const Partition& task, int first, int last, const Softmax& state) {
  using Wide = typename Isa::Floats::Wide;
  const Panels panels{task.first / kPanel * kPanel, (task.last + kPanel - 1) / kPanel * kPanel};
  float peaks[kSoftmaxRows], largest[kSoftmaxRows];
  for (int row = first; row < last; ++row)
    peaks[row - first] = scale_scores<Wide>(task, row, panels) * task.query_units[row];
  for (int row = first; row < last; ++row)
    largest[row - first] = exponentiate_scores<Wide>(task, row, panels, peaks[row - first], state.total + row);
  for (int row = first; row < last; ++row) {
    Pair* weights = task.weights + row * kWeightStride;
    if (task.from[row] >= task.to[row]) {
      for (int i = panels.start / 2; i < panels.end / 2; ++i) weights[i] = {0, 0};
      state.maximum[row] = kNoMaximum;
      state.total[row] = task.weight_units[row] = 0.0f;
      continue;
    }
    const Grid grid = grid_to(largest[row - first], kWeightRange);
    const Wide factor = Wide::broadcast(grid.inverse);
    for (int i = panels.start; i < panels.end; i += kPanel)
      multiply(Wide::load(task.scores + row * kScoreStride + i), factor).store_rounded(weights + i / 2);
    task.weight_units[row] = grid.unit;
    state.maximum[row] = peaks[row - first] + task.centre_unit * task.query_units[row] * centre_product<Isa>(task, row);
  }
}

// `hadamard` of kv_integers.h for a row of whole vectors.
template <class Wide>
void hadamard_lanes(float* row, int count, int block) {
  static constexpr float kSigns[4][kPanel] = {
      {1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1},
      {1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1},
      {1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1, -1, -1, -1, -1},
      {1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1},
  };
  for (int i = 0; i < count; i += kPanel) {
    Wide v = Wide::load(row + i);
    if (block > 1) v = multiply_add(v, Wide::load(kSigns[0]), v.template exchanged<1>());
    if (block > 2) v = multiply_add(v, Wide::load(kSigns[1]), v.template exchanged<2>());
    if (block > 4) v = multiply_add(v, Wide::load(kSigns[2]), v.template exchanged<4>());
    if (block > 8) v = multiply_add(v, Wide::load(kSigns[3]), v.template exchanged<8>());
    v.store(row + i);
  }
  for (int half = kPanel; half < block; half *= 2)
    for (int start = 0; start < count; start += 2 * half)
      for (int i = start; i < start + half; i += kPanel) {
        const Wide a = Wide::load(row + i), b = Wide::load(row + i + half);
        add(a, b).store(row + i);
        subtract(a, b).store(row + i + half);
      }
}

template <class Isa>
void turn(float* rows, int count, int padded_dim, int block) {
  for (int r = 0; r < count; ++r) hadamard_lanes<typename Isa::Floats::Wide>(rows + r * padded_dim, padded_dim, block);
}

template <class Isa>
void quantize_queries(const float* query, int rows, int head_dim, float range, Pair* pairs, int stride, float* units,
                      float* row) {
  using Wide = typename Isa::Floats::Wide;
  const int padded_dim = (head_dim + kPanel - 1) / kPanel * kPanel;
  for (int i = head_dim; i < 2 * stride; ++i) row[i] = 0.0f;
  for (int r = 0; r < rows; ++r, query += head_dim, pairs += stride) {
    for (int i = 0; i < head_dim; ++i) row[i] = query[i];
    hadamard_lanes<Wide>(row, padded_dim, hadamard_block(head_dim));
    Wide largest = Wide::broadcast(0.0f);
    for (int i = 0; i < padded_dim; i += kPanel) {
      const Wide v = Wide::load(row + i);
      largest = maximum(maximum(v, subtract(Wide::broadcast(0.0f), v)), largest);
    }
    const Grid grid = grid_to(reduce_maximum(largest), range);
    units[r] = grid.unit;
    for (int i = 0; i < 2 * stride; i += kPanel)
      multiply(Wide::load(row + i), Wide::broadcast(grid.inverse)).store_rounded(pairs + i / 2);
  }
}

// How long before their use keys are asked for: one token's products with a panel take less time than memory does.
constexpr int kPanelsAhead = 2;

template <class Isa, class KeyElement>
void attend_integers(const Partition& task, const Softmax& state) {
  using Pairs = typename Isa::Pairs;
  using Wide = typename Isa::Floats::Wide;
  const KVShape& shape = *task.shape;
  const int depth = shape.key_depth(), padded_dim = shape.padded_dim(), block_size = shape.block_size;
  gather_scales(task, task.keys, shape.key_element_bytes(), task.scales);
  gather_scales(task, task.values, shape.value_element_bytes(), task.scales + kPartition);
  // A panel writes 16 scores; past a block smaller than that they are overwritten by the next block's or masked.
  const int step = block_size < kPanel ? block_size : kPanel;
  for (int i = task.first / step * step; i < task.last; i += step) {
    const auto keys_at = [&](int position) {
      return static_cast<const KeyElement*>(task.keys[position / block_size]) + position % block_size * depth;
    };
    if (i + kPanelsAhead * step < task.ahead) prefetch(keys_at(i + kPanelsAhead * step), kPanel * depth);
    prefetch(static_cast<const std::int8_t*>(task.values[i / block_size]) + i % block_size * padded_dim,
             step * padded_dim);
    Runs<KeyElement> keys;
    keys.append(keys_at(i), depth / 2);
    multiply_panel<Pairs>(task, task.query_pairs, task.query_stride, keys, task.scores + i, kScoreStride);
  }
  prefetch_scales(task, task.keys, shape.key_element_bytes());
  prefetch_scales(task, task.values, shape.value_element_bytes());
  for (int row = 0; row < task.rows; row += kSoftmaxRows)
    weigh<Isa>(task, row, row + kSoftmaxRows < task.rows ? row + kSoftmaxRows : task.rows, state);
  const int first = task.first / 2 * 2;  // a pair is multiplied whole, the weight of an unseen half being zero
  for (int d = 0; d < padded_dim; d += kPanel) {
    Runs<std::int8_t> values;
    for (int i = first, next; i < task.last; i = next) {
      next = (i / block_size + 1) * block_size;
      if (next > task.last) next = (task.last + 1) / 2 * 2;
      values.append(static_cast<const std::int8_t*>(task.values[i / block_size]) + d * block_size +
                        i % block_size * kPanel,
                    (next - i) / 2);
    }
    multiply_panel<Pairs>(task, task.weights + first / 2, kWeightStride, values, state.output + d, padded_dim);
  }
  for (int row = 0; row < task.rows; ++row) {
    const Wide unit = Wide::broadcast(task.weight_units[row]);
    for (int d = row * padded_dim; d < (row + 1) * padded_dim; d += kPanel)
      multiply(Wide::from_integers(state.output + d), unit).store(state.output + d);
  }
}

}  // namespace
}  // namespace sevenb
