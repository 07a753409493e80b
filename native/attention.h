// Paged causal attention: any mix of prefill chunks and decode tokens, grouped query heads, sliding window.
//
// A query's result depends on its own sequence alone. Its context is cut into partitions aligned to absolute
// positions; each is attended on its own and the results are merged in ascending order, for decode and prefill
// alike, so neither chunking nor neighbours nor threads change a bit. (Online softmax: arXiv 1805.02867; split
// contexts: FlashDecoding, 2023.)
#pragma once

#include "attention_kernels.h"
#include "kv_cache.h"
#include "thread_pool.h"

namespace sevenb {

struct AttentionTask {
  const float* query;  // [tokens, heads * head_dim]
  float* output;       // [tokens, heads * head_dim]
  int heads;
  int window;  // position p sees (p - window, p]; 0: the whole past
  float scale;
  const PagedBatch* batch;
  const KVCache* cache;
  int layer;
};

// Throws std::invalid_argument when the parts do not fit together.
void paged_attention(ThreadPool& pool, const AttentionKernels& kernels, const AttentionTask& task);

}  // namespace sevenb
