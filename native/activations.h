// Activations in the forms that the matrix kernels read.
#pragma once

#include <cstddef>
#include <cstdint>

#include "weight_types.h"

namespace sevenb {

// 32 signed bytes, and their sums as the dot products want them.
struct ActivationPlane {
  std::int8_t values[block_columns];
  // Minus the sum of all values, of values 0…15 and of values 16…31; where products are summed in 16 bits, each is two
  // such numbers (native/row_vectors_avx2.h).
  std::int32_t negated_sums[3];
};

// An activation is held in one plane for 8 bits or in two for 15 bits (value = 128 high + low).
// One scale serves 32 columns, whatever the weight type.
template <int Planes>
struct ActivationBlock {
  ActivationPlane planes[Planes];  // high plane first
  float scale;                     // activation = scale × value
  float scaled_sums[3];            // scale × sum of all values, of values 0…15 and of values 16…31
};

// Tokens are cut into tiles; in a tile, blocks lie [block of 32 columns][token].
constexpr int tile_tokens = 64;

constexpr int tile_width(int tokens, int tile) {
  const int left = tokens - tile * tile_tokens;
  return left < tile_tokens ? left : tile_tokens;
}

// Which form of its activations a matrix multiplication reads.
enum class Precision { int8, int16, float32 };

// The activations of one tile in one precision: `blocks` (ActivationBlock<1 or 2>*) or `floats` (row-major).
struct ActivationTile {
  int tokens;
  int columns;
  Precision precision;
  const void* blocks;
  const float* floats;
};

// Index of (token, column block) in the array of a whole step's blocks, tile after tile.
inline std::size_t block_index(int tokens, int columns, int token, int block) {
  const int tile = token / tile_tokens;
  return static_cast<std::size_t>(tile) * tile_tokens * (columns / block_columns) +
         static_cast<std::size_t>(block) * tile_width(tokens, tile) + token % tile_tokens;
}

inline std::size_t activation_block_bytes(Precision precision) {
  return precision == Precision::int16 ? sizeof(ActivationBlock<2>) : sizeof(ActivationBlock<1>);
}

}  // namespace sevenb
