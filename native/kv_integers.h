// How the KV caches of integers round, int8 and k16v8: the one place that decides what becomes of keys, values and the queries that meet them.
//
// - A key loses its centre, is turned by a Hadamard transform over the head (in blocks of the largest power of two that
//   divides it) and rounded with one scale, to -127..127 in int8, to -1023..1023 in k16v8: more would take bits from the
//   query. The transform is orthogonal up to a factor, so a query turned likewise has the same scores, while an outlier
//   channel no longer sets the scale of all others (QuaRot, arXiv 2404.00456).
// - Pairs of channels come multiplied by powers of two that make them alike in size (sevenb/model/key_balance.py).
// - The centre of 256 positions is what the key's bias is at the first of them, in the slower half of the rotations,
//   where it hardly moves meanwhile: Qwen2.5 has biases there that dwarf all else. A vector that all keys share shifts
//   all scores of a query alike, so no precision is owed to it but one product a query, added to the maximum.
// - A value is turned too, and rounded to -127..127 with one scale; the output is turned back.
// - A query row is rounded to 16 bits with one scale a head; exponentials times the values' scales likewise, a partition.
#pragma once

#include <cstdint>

namespace sevenb {

// Two neighbours of a dot product.
struct Pair {
  std::int16_t first, second;
};
static_assert(sizeof(Pair) == 4);

constexpr int kCentreSpan = 256;  // positions that share a centre, stored in the block of the first of them

// The largest integer that an element stores.
template <class Element>
constexpr int element_range = 127;
template <>
inline constexpr int element_range<std::int16_t> = 1023;

constexpr float kWeightRange = 32767.0f;  // times 127 times the 256 positions of a partition: below 2^31

// The largest 16-bit integers whose dot product with `depth` elements of a key fits an int32.
constexpr float query_range(int depth, int key_range) {
  const int fits = 2147483647 / key_range / depth;
  return fits < 32767 ? static_cast<float>(fits) : 32767.0f;
}

// Keys and queries are turned in blocks of this size, whose transform multiplies squared lengths by it.
constexpr int hadamard_block(int head_dim) { return head_dim & -head_dim; }

// A grid of `range` steps to either side of zero: multiply by `inverse` and round; multiply by `unit` to come back.
struct Grid {
  float inverse, unit;
};

// The grid that reaches `largest`, a magnitude. What is next to nothing becomes nothing.
inline Grid grid_to(float largest, float range) {
  if (!(largest > 0x1p-100f)) return {0.0f, 0.0f};
  return {range / largest, largest / range};
}

// In place, in blocks of `block`, a power of two that divides `count`.
void hadamard(float* values, int count, int block);

// Rounds to integers of `element_range`, ties to even, and returns the unit: finite whatever comes in, and within half a unit of each finite
// value.
template <class Element>
float quantize(const float* values, int count, Element* to);

}  // namespace sevenb
