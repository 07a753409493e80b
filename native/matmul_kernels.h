// Products of packed row groups with activations, for the instruction set of the including translation unit.
//
// Weights are read once: a block of 8 or 16 rows by 32 columns is unpacked into registers and meets all tokens of a
// tile before the next one is loaded, so one loop serves a single token, a handful and a whole prompt.
#pragma once

#include "kernels.h"
#include "matmul_formats.h"

namespace sevenb {
namespace {

constexpr int prefetch_ahead = 2048;

inline void write_rows(RowFloats sum, const Output& out, int token, int row, int rows) {
  float* target = out.data + static_cast<std::size_t>(token) * out.stride + (row - out.first_row);
  if (row + lanes <= rows) {
    if (out.bias) sum = sum + load_rows(out.bias + row);
    if (out.add) sum = load_rows(target) + sum;
    store(target, sum);
    return;
  }
  float values[lanes];
  store(values, sum);
  for (int lane = 0; row + lane < rows; ++lane) {
    float value = values[lane];
    if (out.bias) value = value + out.bias[row + lane];
    target[lane] = out.add ? target[lane] + value : value;
  }
}

// A block of weights with all tokens of a tile, `Tokens` at a time and the last ones fewer.
template <class F, int Tokens, int Planes>
SEVENB_INLINE void accumulate_tile(const typename F::Block& w, const ActivationBlock<Planes>* x, int tokens,
                                   RowFloats* sums) {
  int t = 0;
  for (; t + Tokens <= tokens; t += Tokens) F::template accumulate<Tokens>(w, x + t, sums + t);
  if constexpr (Tokens > 1) accumulate_tile<F, Tokens / 2>(w, x + t, tokens - t, sums + t);
}

// Where the blocks of a row group are loaded from: its records, one after the other.
template <WeightType T>
struct Records {
  using F = Format<T>;
  using L = Layout<T>;
  static constexpr int blocks = L::blocks, columns = L::columns;
  const std::uint8_t* record;

  SEVENB_INLINE void load(int b, int vector, typename F::Block& w) const { F::load(record, b, vector, w); }
  SEVENB_INLINE void ask_ahead(int b) const {
    constexpr int bytes = L::bytes / L::blocks;  // asked for with each block
    for (int line = 0; line < bytes; line += 64) prefetch(record + prefetch_ahead + b * bytes + line);
  }
  SEVENB_INLINE void next() { record += L::bytes; }
};

// The same of a matrix in two halves.
template <WeightType T>
struct SplitRecords {
  using F = SplitFormat<T>;
  using Rest = RestLayout<T>;
  using Coarse = Records<Rest::coarse>;
  static constexpr int blocks = Rest::blocks, columns = Rest::columns;
  Coarse coarse;
  const std::uint8_t* rest;

  SEVENB_INLINE void load(int b, int vector, typename F::Block& w) const { F::load(coarse.record, rest, b, vector, w); }
  SEVENB_INLINE void ask_ahead(int b) const {
    coarse.ask_ahead(b);
    for (int line = 0; line < Rest::block_bytes; line += 64)
      prefetch(rest + prefetch_ahead + b * Rest::block_bytes + line);
  }
  SEVENB_INLINE void next() {
    coarse.next();
    rest += Rest::bytes;
  }
};

// A row group of `all_columns` columns with the tokens of a tile. Width: the number of tokens, or 0 for `tokens`. Groups
// are read one by one, as they lie in memory: two side by side cost it up to half of its speed.
template <class R, int Planes, int Width>
inline void multiply_tile(R at, int all_columns, int group, int rows, const ActivationBlock<Planes>* x, int tokens,
                          const Output& out) {
  using F = typename R::F;
  constexpr int tokens_at_once = Width == 1 ? 1 : (F::tokens + Planes - 1) / Planes;
  const int width = Width ? Width : tokens;

  RowFloats sums[(Width ? Width : tile_tokens) * vectors_per_group];  // [vector][token]
  for (int i = 0; i < width * vectors_per_group; ++i) sums[i] = all_rows(0.0f);

  for (int column = 0; column < all_columns; column += R::columns, at.next()) {
    for (int b = 0; b < R::blocks; ++b, x += width) {
      at.ask_ahead(b);
      for (int v = 0; v < vectors_per_group; ++v) {
        typename F::Block block;
        at.load(b, v, block);
        accumulate_tile<F, tokens_at_once>(block, x, width, sums + v * width);
      }
    }
  }
  for (int v = 0; v < vectors_per_group; ++v)
    for (int t = 0; t < width; ++t) write_rows(sums[v * width + t], out, t, group * group_rows + v * lanes, rows);
}

// Row groups [first, end), whose records are records_of(group).
template <int Planes, class Matrix, class RecordsOf>
void multiply_groups(const Matrix& matrix, int first, int end, const ActivationTile& tile, const Output& out,
                     RecordsOf records_of) {
  using R = decltype(records_of(first));
  const auto* x = static_cast<const ActivationBlock<Planes>*>(tile.blocks);
  for (; first < end; ++first)
    if (tile.tokens == 1)
      multiply_tile<R, Planes, 1>(records_of(first), matrix.columns(), first, matrix.rows(), x, 1, out);
    else
      multiply_tile<R, Planes, 0>(records_of(first), matrix.columns(), first, matrix.rows(), x, tile.tokens, out);
}

template <WeightType T, int Planes>
void multiply_quantised(const PackedMatrix& matrix, int first, int end, const ActivationTile& tile, const Output& out) {
  multiply_groups<Planes>(matrix, first, end, tile, out, [&](int group) { return Records<T>{matrix.group(group)}; });
}

// Both halves of a matrix with activations of 16 bits.
void multiply_split(const SplitMatrix& matrix, int first, int end, const ActivationTile& tile, const Output& out) {
  with_split_type(matrix.type(), [&](auto tag) {
    using R = SplitRecords<decltype(tag)::type>;
    multiply_groups<2>(matrix, first, end, tile, out,
                       [&](int group) { return R{{matrix.coarse().group(group)}, matrix.rest(group)}; });
  });
}

// -- plain numbers -------------------------------------------------------------------------------------------

template <WeightType T>
SEVENB_INLINE RowFloats load_numbers(const std::uint8_t* numbers) {
  if constexpr (T == WeightType::f16) return load_rows_f16(numbers);
  if constexpr (T == WeightType::bf16) return load_rows_bf16(numbers);
  return load_rows(reinterpret_cast<const float*>(numbers));
}

// Four partial sums a row, columns dealt out in turn, so that four chains of additions run side by side.
template <WeightType T, int Width>
inline void multiply_floats_tile(const PackedMatrix& matrix, int group, int vector, const ActivationTile& tile,
                                 int token, const Output& out) {
  constexpr int number_bytes = Layout<T>::bytes / block_columns / group_rows;
  constexpr int column_bytes = number_bytes * group_rows;
  const float* x = tile.floats + static_cast<std::size_t>(token) * tile.columns;
  const std::uint8_t* weights = matrix.group(group) + vector * lanes * number_bytes;
  RowFloats sums[Width][4];
  for (int t = 0; t < Width; ++t)
    for (int i = 0; i < 4; ++i) sums[t][i] = all_rows(0.0f);
  for (int c = 0; c < tile.columns; c += 4, weights += 4 * column_bytes) {
    if constexpr (Width == 1)
      for (int line = 0; line < 4 * column_bytes; line += 64) prefetch(weights + line + prefetch_ahead);
    for (int i = 0; i < 4; ++i) {
      const RowFloats w = load_numbers<T>(weights + i * column_bytes);
      for (int t = 0; t < Width; ++t)
        sums[t][i] = fma(w, all_rows(x[static_cast<std::size_t>(t) * tile.columns + c + i]), sums[t][i]);
    }
  }
  for (int t = 0; t < Width; ++t)
    write_rows((sums[t][0] + sums[t][1]) + (sums[t][2] + sums[t][3]), out, token + t,
               group * group_rows + vector * lanes, matrix.rows());
}

template <WeightType T>
void multiply_floats(const PackedMatrix& matrix, int first, int end, const ActivationTile& tile,
                     const Output& out) {
  for (int group = first; group < end; ++group)
    for (int vector = 0; vector < vectors_per_group; ++vector) {
      int token = 0;
      for (; token + 2 <= tile.tokens; token += 2) multiply_floats_tile<T, 2>(matrix, group, vector, tile, token, out);
      for (; token < tile.tokens; ++token) multiply_floats_tile<T, 1>(matrix, group, vector, tile, token, out);
    }
}

void multiply(const PackedMatrix& matrix, int first, int end, const ActivationTile& tile, const Output& out) {
  with_type(matrix.type(), [&](auto tag) {
    constexpr WeightType type = decltype(tag)::type;
    if constexpr (is_float(type))
      multiply_floats<type>(matrix, first, end, tile, out);
    else if (tile.precision == Precision::int16)
      multiply_quantised<type, 2>(matrix, first, end, tile, out);
    else
      multiply_quantised<type, 1>(matrix, first, end, tile, out);
  });
}

}  // namespace
}  // namespace sevenb
