// The table of kernels of one instruction set.
#pragma once

#include "activations.h"
#include "cpu.h"
#include "packed_matrix.h"
#include "split_matrix.h"

namespace sevenb {

// Where products go: data[token * stride + row - first_row] = product (+ bias[row]) (+ what was there).
struct Output {
  float* data;
  std::size_t stride;
  int first_row;
  const float* bias;  // or null
  bool add;           // to what is there: a residual stream
};

struct Kernels {
  // Products of row groups [first, end) with the activations of a tile.
  void (*multiply)(const PackedMatrix& matrix, int first, int end, const ActivationTile& tile, const Output& out);
  // The same of both halves of a matrix with activations of 16 bits, to the bits of the whole matrix.
  void (*multiply_split)(const SplitMatrix& matrix, int first, int end, const ActivationTile& tile, const Output& out);
  // out = x / sqrt(mean(x²) + epsilon) × weight; `columns` is a multiple of 32.
  void (*rms_norm)(const float* x, const float* weight, float epsilon, int columns, float* out);
  // Quantises `columns` values of one token into blocks that lie `stride` blocks apart.
  void (*quantise)(const float* x, int columns, Precision precision, void* blocks, int stride);
  // gate = silu(gate) × up, `count` is a multiple of 8.
  void (*silu_multiply)(float* gate, const float* up, int count);
};

const Kernels& kernels_for(Isa isa);

extern const Kernels portable_kernels;
extern const Kernels avx2_kernels;
extern const Kernels avx512_kernels;

}  // namespace sevenb
