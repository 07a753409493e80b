#include "layers.h"

#include <memory>

#include "attention.h"
#include "linear.h"
#include "rope.h"

namespace sevenb {
namespace {

// The projections of a step's tokens, one array after the other, and what attention makes of them.
class Projected {
 public:
  Projected(const LayerWeights& layer, int tokens)
      : query_rows_(layer.query->rows()), key_rows_(layer.key->rows()), tokens_(tokens) {
    floats_.reset(new float[2 * static_cast<std::size_t>(query_rows_ + key_rows_) * tokens]);
  }

  float* query() { return floats_.get(); }
  float* attended() { return query() + static_cast<std::size_t>(query_rows_) * tokens_; }
  float* key() { return attended() + static_cast<std::size_t>(query_rows_) * tokens_; }
  float* value() { return key() + static_cast<std::size_t>(key_rows_) * tokens_; }

 private:
  int query_rows_, key_rows_, tokens_;
  std::unique_ptr<float[]> floats_;  // unset: every op writes all of its outputs
};

RopeStore rope_task(const LayerWeights& weights, const LayerSpec& spec, Projected& projected, const PagedBatch& batch,
                    KVCache& cache, int layer) {
  RopeStore task{};
  task.query = projected.query();
  task.query_stride = weights.query->rows();
  task.key = projected.key();
  task.value = projected.value();
  task.key_stride = task.value_stride = weights.key->rows();
  task.key_bias = weights.key_bias;
  task.key_balance = weights.key_balance;
  task.query_norm = weights.query_norm;
  task.key_norm = weights.key_norm;
  task.norm_epsilon = spec.norm_epsilon;
  task.heads = spec.heads;
  task.interleaved = spec.interleaved;
  task.batch = &batch;
  task.cache = &cache;
  task.layer = layer;
  return task;
}

AttentionTask attention_task(const LayerSpec& spec, Projected& projected, const PagedBatch& batch,
                             const KVCache& cache, int layer) {
  AttentionTask task{};
  task.query = projected.query();
  task.output = projected.attended();
  task.heads = spec.heads;
  task.window = spec.window;
  task.scale = spec.softmax_scale;
  task.batch = &batch;
  task.cache = &cache;
  task.layer = layer;
  return task;
}

}  // namespace

void run_layers(Workspace& workspace, const std::vector<LayerWeights>& layers, const LayerSpec& spec,
                const PagedBatch& batch, KVCache& cache, float* hidden) {
  const AttentionKernels& attention = attention_kernels(workspace.isa);
  const int tokens = batch.tokens;
  Projected projected(layers.front(), tokens);
  for (int index = 0; index < static_cast<int>(layers.size()); ++index) {
    const LayerWeights& layer = layers[index];
    project(workspace, hidden, nullptr, tokens, {layer.attention_norm, spec.norm_epsilon},
            {{layer.query, layer.query_bias, projected.query(), false},
             {layer.key, layer.key_bias, projected.key(), false},
             {layer.value, layer.value_bias, projected.value(), false}});
    rope_store(workspace.pool, rope_task(layer, spec, projected, batch, cache, index));
    paged_attention(workspace.pool, attention, attention_task(spec, projected, batch, cache, index));
    project(workspace, projected.attended(), nullptr, tokens, {nullptr, 0.0f}, {{layer.output, nullptr, hidden, true}});
    gated_mlp_add(workspace, hidden, tokens, {layer.mlp_norm, spec.norm_epsilon}, *layer.gate, *layer.up, *layer.down);
  }
}

}  // namespace sevenb
