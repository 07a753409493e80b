// Rotary position embedding and the write into the paged KV cache, in one pass over a step's tokens.
//
// Rotation after arXiv 2104.09864. Pairs are (2i, 2i+1) when interleaved and (i, i + rotary_dim/2) otherwise;
// dimensions past rotary_dim stay as they are. Some models norm each head of queries and keys before (Qwen3, after
// arXiv 2302.05442).
#pragma once

#include "kv_cache.h"
#include "thread_pool.h"

namespace sevenb {

// One layer's projections of a step's tokens. Strides count floats from one token to the next, so that q, k and v may
// be parts of one wider array.
struct RopeStore {
  float* query;  // [tokens, heads * head_dim], normed, rotated and divided in place
  std::ptrdiff_t query_stride;
  const float* key;  // [tokens, kv_heads * head_dim]
  std::ptrdiff_t key_stride;
  const float* value;  // [tokens, kv_heads * head_dim]
  std::ptrdiff_t value_stride;
  const float* key_bias;  // [kv_heads * head_dim], already part of `key`; null: none
  const float* key_balance;  // [kv_heads * head_dim], keys are stored times it, queries divided by it; null: 1
  const float* query_norm;  // [head_dim], the weight of an RMS norm over each head; null: none
  const float* key_norm;
  float norm_epsilon;
  int heads;
  bool interleaved;
  const PagedBatch* batch;
  KVCache* cache;
  int layer;
};

// Checks the batch against the cache, then does all tokens, over the pool when there are many.
// Throws std::invalid_argument.
void rope_store(ThreadPool& pool, const RopeStore& task);

}  // namespace sevenb
