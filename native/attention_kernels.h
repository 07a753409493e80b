// What the attention driver asks of an instruction set: the attention of some query rows over one partition.
//
// Every kernel performs the same float operations in the same order for a row, whatever rows stand beside it, so the
// tables below give bitwise equal results.
#pragma once

#include <cstdint>

#include "cpu.h"
#include "kv_cache.h"
#include "kv_integers.h"

namespace sevenb {

// Softmax runs over fixed partitions of a context, aligned to absolute positions and merged in ascending order.
constexpr int kPartition = 256;
constexpr int kMostBlocks = kPartition / kSmallestBlock;  // in one partition

// Floats between two rows of scores, and pairs between two rows of weights: off a power of two, so that rows do not
// fight for the same cache sets.
constexpr int kScoreStride = kPartition + kPanel;
constexpr int kWeightStride = (kPartition + 2 * kPanel) / 2;

// The maximum of no scores: below every score, and finite, so that differences of maxima are never NaN.
constexpr float kNoMaximum = -1e30f;

// The softmax state of rows: maximum (in units of log2), sum of exponentials, and sum of exponentials times values.
struct Softmax {
  float* maximum;  // [rows]
  float* total;    // [rows]
  float* output;   // [rows, padded_dim]
};

// Query rows of one KV head against the positions of one partition.
struct Partition {
  const float* query;  // [rows, head_dim], times softmax scale and log2(e)
  int rows;
  const KVShape* shape;
  const void* const* keys;    // the head's keys in each block of this partition and the next, null where no row looks
  const void* const* values;  // its values, likewise
  const int* from;            // [rows] first visible position, counted from the partition's start
  const int* to;              // [rows] one past the last; from >= to when the row sees nothing here
  int first, last;            // union of the rows' ranges
  int ahead;                  // one past the last position that will be looked at next, or `last`
  float* scores;              // scratch [rows, kScoreStride]
  float* panel;               // scratch [max(head_dim, kPartition), kPanel]

  // For integers instead of `query`:
  const Pair* query_pairs;  // [rows, query_stride], turned and rounded
  int query_stride;
  const float* query_units;   // [rows]
  const std::int8_t* centre;  // [2 * query_stride], what all keys of the partition lack
  float centre_unit;
  Pair* weights;        // scratch [rows, kWeightStride]
  float* weight_units;  // scratch [rows]
  float* scales;        // scratch [2, kPartition]
};

struct AttentionKernels {
  // Writes the softmax state of every row over this partition alone.
  void (*attend)(const Partition& task, const Softmax& state);
  // state <- state merged with a later partition's `part`.
  void (*merge)(const Softmax& state, const Softmax& part, int rows, int padded_dim);
  // For integers: turns queries [rows, head_dim] and rounds them to within `range`: pairs [rows, stride], units [rows].
  // Works in `row`, which has room for 2 * stride floats.
  void (*quantize_queries)(const float* query, int rows, int head_dim, float range, Pair* pairs, int stride,
                           float* units, float* row);
  // For integers: turns rows [rows, padded_dim] of outputs back, up to the factor that is `hadamard_block`.
  void (*turn)(float* rows, int count, int padded_dim, int block);
};

extern const AttentionKernels attention_portable;
#if defined(__x86_64__)
extern const AttentionKernels attention_avx2;
extern const AttentionKernels attention_avx512;
#endif

const AttentionKernels& attention_kernels(Isa isa);

}  // namespace sevenb
