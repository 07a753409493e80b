// Norm, quantisation and SiLU for the instruction set of the including translation unit.
#pragma once

#include "activations.h"
#include "exp.h"
#include "kernels.h"
#include "row_vectors.h"

namespace sevenb {
namespace {

// The eight lanes in a fixed order.
inline float sum(F32x8 v) {
  float lane[8];
  store(lane, v);
  return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

void rms_norm(const float* x, const float* weight, float epsilon, int columns, float* out) {
  F32x8 squares[4] = {broadcast(0.0f), broadcast(0.0f), broadcast(0.0f), broadcast(0.0f)};
  for (int c = 0; c < columns; c += 32)
    for (int i = 0; i < 4; ++i) {
      const F32x8 v = load(x + c + 8 * i);
      squares[i] = fma(v, v, squares[i]);
    }
  const float mean = sum((squares[0] + squares[1]) + (squares[2] + squares[3])) / static_cast<float>(columns);
  const F32x8 factor = broadcast(1.0f / __builtin_sqrtf(mean + epsilon));
  for (int c = 0; c < columns; c += 8) store(out + c, load(x + c) * factor * load(weight + c));
}

// Values in −127…127, or in −16319…16319, which two planes of bytes can hold.
template <int Planes>
constexpr float largest_value = Planes == 2 ? 16319.0f : 127.0f;

// Blocks whose largest activation is below this count as zero: its reciprocal would overflow.
constexpr float smallest_activation = 1e-30f;

template <int Planes>
inline void quantise_block(const float* x, ActivationBlock<Planes>& block) {
  F32x8 v[4];
  for (int i = 0; i < 4; ++i) v[i] = load(x + 8 * i);
  const float most = largest(max(max(abs(v[0]), abs(v[1])), max(abs(v[2]), abs(v[3]))));
  const bool zero = !(most >= smallest_activation);
  const F32x8 factor = broadcast(zero ? 0.0f : largest_value<Planes> / most);

  I32x8 value[4];
  for (int i = 0; i < 4; ++i) value[i] = round_to_int(v[i] * factor);
  std::int32_t sums[2];
  hold(value, block, sums);
  const float first = static_cast<float>(sums[0]), second = static_cast<float>(sums[1]);
  block.scale = zero ? 0.0f : most / largest_value<Planes>;
  block.scaled_sums[0] = block.scale * (first + second);
  block.scaled_sums[1] = block.scale * first;
  block.scaled_sums[2] = block.scale * second;
}

void quantise(const float* x, int columns, Precision precision, void* blocks, int stride) {
  for (int b = 0; b < columns / block_columns; ++b) {
    const float* values = x + static_cast<std::size_t>(b) * block_columns;
    const std::size_t index = static_cast<std::size_t>(b) * stride;
    if (precision == Precision::int16)
      quantise_block(values, static_cast<ActivationBlock<2>*>(blocks)[index]);
    else
      quantise_block(values, static_cast<ActivationBlock<1>*>(blocks)[index]);
  }
}

void silu_multiply(float* gate, const float* up, int count) {
  const F32x8 one = broadcast(1.0f);
  for (int i = 0; i < count; i += 8) {
    const F32x8 g = load(gate + i);
    store(gate + i, g / (one + exp(broadcast(0.0f) - g)) * load(up + i));
  }
}

}  // namespace
}  // namespace sevenb
