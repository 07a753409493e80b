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

// 32 numbers of 15 bits, columns 0, 2, 1 and 3 of every four, and minus the sums of all, of the first and of the last 16.
struct ActivationWords {
  std::int16_t values[block_columns];
  std::int32_t negated_sums[3];
};

// One scale serves 32 columns, whatever the weight type.
struct ActivationScales {
  float scale;           // activation = scale × value
  float scaled_sums[3];  // scale × sum of all values, of values 0…15 and of values 16…31
};

template <int Planes>
struct ActivationBlock;

template <>
struct ActivationBlock<1> : ActivationScales {
  ActivationPlane planes[1];
};

// 15 bits are held in two planes (value = 128 high + low, the high plane first), or in words where the instruction set
// multiplies those as fast.
template <>
struct ActivationBlock<2> : ActivationScales {
  union {
    ActivationPlane planes[2];
    ActivationWords words;
  };
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
