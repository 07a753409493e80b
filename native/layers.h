// A decoder's layers, from the embedding to the last hidden state, without a way back to Python in between: on a small
// model that way takes a tenth of a decode step, in which memory rests.
#pragma once

#include <vector>

#include "kv_cache.h"
#include "packed_matrix.h"
#include "workspace.h"

namespace sevenb {

// One layer's weights. Vectors that the model lacks are null; what they mean: rope.h.
struct LayerWeights {
  const float* attention_norm;  // [H]
  const PackedMatrix* query;    // [heads * head_dim, H]
  const PackedMatrix* key;      // [kv_heads * head_dim, H]
  const PackedMatrix* value;
  const float* query_bias;
  const float* key_bias;
  const float* value_bias;
  const float* key_balance;
  const float* query_norm;
  const float* key_norm;
  const PackedMatrix* output;  // [H, heads * head_dim]
  const float* mlp_norm;
  const PackedMatrix* gate;  // [I, H]
  const PackedMatrix* up;
  const PackedMatrix* down;  // [H, I]
};

// What all layers share.
struct LayerSpec {
  int heads;
  bool interleaved;      // RoPE pairs, see rope.h
  int window;            // of attention; 0: the whole past
  float softmax_scale;
  float norm_epsilon;
};

// hidden [batch.tokens, H] goes through all layers, in place; keys and values are stored on the way. The same, bit for
// bit, as `project`, `rope_store`, `paged_attention`, `project` and `gated_mlp_add` one by one.
// Throws std::invalid_argument when batch and cache do not fit together.
void run_layers(Workspace& workspace, const std::vector<LayerWeights>& layers, const LayerSpec& spec,
                const PagedBatch& batch, KVCache& cache, float* hidden);

}  // namespace sevenb
