// Products of packed row groups with activations, for the instruction set of the including translation unit.
//
// Weights are read once: a block of eight rows by 32 columns is unpacked into registers and meets all tokens of a
// tile before the next one is loaded, so one loop serves a single token, a handful and a whole prompt.
#pragma once

#include "kernels.h"
#include "matmul_formats.h"

namespace sevenb {
namespace {

// With 32 registers two row groups share each activation load.
#if defined(__AVX512VL__)
constexpr int groups_at_once = 2;
#else
constexpr int groups_at_once = 1;
#endif

constexpr int prefetch_ahead = 2048;

inline void write_rows(F32x8 sum, const Output& out, int token, int row, int rows) {
  float* target = out.data + static_cast<std::size_t>(token) * out.stride + (row - out.first_row);
  if (row + group_rows <= rows) {
    if (out.bias) sum = sum + load(out.bias + row);
    if (out.add) sum = load(target) + sum;
    store(target, sum);
    return;
  }
  float lanes[group_rows];
  store(lanes, sum);
  for (int lane = 0; row + lane < rows; ++lane) {
    float value = lanes[lane];
    if (out.bias) value = value + out.bias[row + lane];
    target[lane] = out.add ? target[lane] + value : value;
  }
}

// `Groups` row groups from `first` on, with the tokens of a tile. Width: the number of tokens, or 0 for `tokens`.
template <WeightType T, int Planes, int Groups, int Width>
inline void multiply_tile(const PackedMatrix& matrix, int first, const ActivationBlock<Planes>* x, int tokens,
                          const Output& out) {
  using L = Layout<T>;
  using F = Format<T>;
  const int width = Width ? Width : tokens;
  const std::size_t group_bytes = matrix.group_bytes();
  const int records = matrix.columns() / L::columns;
  const std::uint8_t* record = matrix.group(first);

  F32x8 sums[(Width ? Width : tile_tokens) * Groups];
  for (int i = 0; i < width * Groups; ++i) sums[i] = broadcast(0.0f);

  for (int r = 0; r < records; ++r, record += L::bytes) {
    for (int b = 0; b < L::blocks; ++b, x += width) {
      typename F::Block block[Groups];
      for (int g = 0; g < Groups; ++g) {
        F::load(record + g * group_bytes, b, block[g]);
        if constexpr (Width == 1)
          for (int line = 0; line < L::block_bytes; line += 64)
            prefetch(record + g * group_bytes + L::header + b * L::block_bytes + line + prefetch_ahead);
      }
      for (int t = 0; t < width; ++t)
        for (int g = 0; g < Groups; ++g)
          sums[t * Groups + g] = F::accumulate(block[g], x[t], sums[t * Groups + g]);
    }
  }
  for (int t = 0; t < width; ++t)
    for (int g = 0; g < Groups; ++g)
      write_rows(sums[t * Groups + g], out, t, (first + g) * group_rows, matrix.rows());
}

template <WeightType T, int Planes>
void multiply_quantised(const PackedMatrix& matrix, int first, int end, const ActivationTile& tile, const Output& out) {
  const auto* x = static_cast<const ActivationBlock<Planes>*>(tile.blocks);
  if (tile.tokens == 1) {
    for (; first < end; ++first) multiply_tile<T, Planes, 1, 1>(matrix, first, x, 1, out);
    return;
  }
  if constexpr (groups_at_once == 2)
    for (; first + 2 <= end; first += 2) multiply_tile<T, Planes, 2, 0>(matrix, first, x, tile.tokens, out);
  for (; first < end; ++first) multiply_tile<T, Planes, 1, 0>(matrix, first, x, tile.tokens, out);
}

// -- plain numbers -------------------------------------------------------------------------------------------

template <WeightType T>
SEVENB_INLINE F32x8 load_numbers(const std::uint8_t* numbers) {
  if constexpr (T == WeightType::f16) return load_f16(numbers);
  if constexpr (T == WeightType::bf16) return load_bf16(numbers);
  return load(reinterpret_cast<const float*>(numbers));
}

// Four partial sums a row, columns dealt out in turn, so that four chains of additions run side by side.
template <WeightType T, int Width>
inline void multiply_floats_tile(const PackedMatrix& matrix, int group, const ActivationTile& tile, int token,
                                 const Output& out) {
  constexpr int column_bytes = Layout<T>::bytes / block_columns;
  const float* x = tile.floats + static_cast<std::size_t>(token) * tile.columns;
  const std::uint8_t* weights = matrix.group(group);
  F32x8 sums[Width][4];
  for (int t = 0; t < Width; ++t)
    for (int i = 0; i < 4; ++i) sums[t][i] = broadcast(0.0f);
  for (int c = 0; c < tile.columns; c += 4, weights += 4 * column_bytes) {
    if constexpr (Width == 1) prefetch(weights + prefetch_ahead);
    for (int i = 0; i < 4; ++i) {
      const F32x8 w = load_numbers<T>(weights + i * column_bytes);
      for (int t = 0; t < Width; ++t)
        sums[t][i] = fma(w, broadcast(x[static_cast<std::size_t>(t) * tile.columns + c + i]), sums[t][i]);
    }
  }
  for (int t = 0; t < Width; ++t)
    write_rows((sums[t][0] + sums[t][1]) + (sums[t][2] + sums[t][3]), out, token + t, group * group_rows,
               matrix.rows());
}

template <WeightType T>
void multiply_floats(const PackedMatrix& matrix, int first, int end, const ActivationTile& tile,
                     const Output& out) {
  for (int group = first; group < end; ++group) {
    int token = 0;
    for (; token + 2 <= tile.tokens; token += 2) multiply_floats_tile<T, 2>(matrix, group, tile, token, out);
    for (; token < tile.tokens; ++token) multiply_floats_tile<T, 1>(matrix, group, tile, token, out);
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
