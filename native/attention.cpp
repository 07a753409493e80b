#include "attention.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <vector>

namespace sevenb {

const AttentionKernels& attention_kernels(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::avx512) return attention_avx512;
  if (isa == Isa::avx2) return attention_avx2;
#endif
  (void)isa;
  return attention_portable;
}

namespace {

// Query rows (tokens x heads of a group) that share one conversion of K and V: enough to make it cheap, few enough for
// their scores to stay in the second-level cache.
constexpr int kTileRows = 48;
constexpr int kTileTokens = 12;  // a multiple of every kernel's row group, so no group is left half empty

constexpr int kUnitsPerThread = 8;

// Consecutive tokens of one sequence, with the positions they may look at.
struct Tile {
  int sequence;
  int first_token, tokens;
  int first_partition, partitions;
  int spans = 1;             // parts that threads may work on at the same time
  std::size_t partials = 0;  // offset of its stored partition states, when there are several spans
  int counter = 0;           // index of its countdowns, one a KV head
};

// A thread's share: some partitions of one tile and KV head.
struct Unit {
  int tile, head, span;
};

// Grow-only scratch, one a thread.
struct Workspace {
  std::vector<float> query, scores, panel, running, part;
  std::vector<int> from, to;
  std::vector<Pair> query_pairs, weights;  // these for integers
  std::vector<float> query_units, weight_units, scales;
};

template <class Element>
Element* grown(std::vector<Element>& buffer, std::size_t elements) {
  if (buffer.size() < elements) buffer.resize(elements);
  return buffer.data();
}

Softmax softmax_at(float* memory, int rows) { return {memory, memory + rows, memory + 2 * rows}; }

class Attention {
 public:
  Attention(const AttentionKernels& kernels, const AttentionTask& task, int threads)
      : kernels_(kernels), task_(task), batch_(*task.batch), shape_(task.cache->shape()) {
    group_ = task.heads / shape_.kv_heads;
    padded_dim_ = shape_.padded_dim();
    query_stride_ = shape_.centre_depth() / 2;
    turned_ = shape_.integers() ? hadamard_block(shape_.head_dim) : 1;
    plan(threads);
  }

  int units() const { return static_cast<int>(units_.size()); }

  void run(int index) {
    static thread_local Workspace workspace;
    const Unit unit = units_[index];
    const Tile& tile = tiles_[unit.tile];
    load(tile, unit.head, workspace);
    const auto edge = [&tile](std::int64_t span) {
      return tile.first_partition + static_cast<int>(tile.partitions * span / tile.spans);
    };
    const int first = edge(unit.span), last = edge(unit.span + 1);
    const int rows = tile.tokens * group_;
    if (tile.spans == 1) {
      const Softmax running = begin(rows, workspace);
      const Softmax part = softmax_at(grown(workspace.part, state_floats(rows)), rows);
      for (int partition = first; partition < last; ++partition) {
        attend(tile, unit.head, partition, last, part, workspace);
        kernels_.merge(running, part, rows, padded_dim_);
      }
      return finish(tile, unit.head, running);
    }
    for (int partition = first; partition < last; ++partition)
      attend(tile, unit.head, partition, last, stored(tile, unit.head, partition), workspace);
    // Whoever comes last merges, always in ascending order.
    if (countdowns_[tile.counter + unit.head].fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    const Softmax running = begin(rows, workspace);
    for (int p = 0; p < tile.partitions; ++p)
      kernels_.merge(running, stored(tile, unit.head, tile.first_partition + p), rows, padded_dim_);
    finish(tile, unit.head, running);
  }

 private:
  std::size_t state_floats(int rows) const { return static_cast<std::size_t>(rows) * (padded_dim_ + 2); }

  int visible_from(int position) const {
    return task_.window > 0 ? std::max(0, position - task_.window + 1) : 0;
  }

  void plan(int threads) {
    const int most_tokens = std::max(kTileTokens, kTileRows / group_ / kTileTokens * kTileTokens);
    std::int64_t partitions = 0;
    for (int s = 0; s < batch_.sequences; ++s) {
      for (int t = batch_.query_starts[s]; t < batch_.query_starts[s + 1]; t += most_tokens) {
        Tile tile{};
        tile.sequence = s;
        tile.first_token = t;
        tile.tokens = std::min(most_tokens, batch_.query_starts[s + 1] - t);
        tile.first_partition = visible_from(batch_.positions[t]) / kPartition;
        tile.partitions = batch_.positions[t + tile.tokens - 1] / kPartition + 1 - tile.first_partition;
        tile.spans = 1;
        partitions += tile.partitions;
        tiles_.push_back(tile);
      }
    }
    const std::int64_t per_span =
        std::max<std::int64_t>(1, partitions * shape_.kv_heads / (kUnitsPerThread * std::int64_t{threads}));
    std::size_t partials = 0;
    int counters = 0;
    for (int i = static_cast<int>(tiles_.size()) - 1; i >= 0; --i) {  // the longest contexts first
      Tile& tile = tiles_[i];
      tile.spans = threads > 1 ? static_cast<int>((tile.partitions + per_span - 1) / per_span) : 1;
      if (tile.spans > 1) {
        tile.partials = partials;
        partials += state_floats(tile.tokens * group_) * tile.partitions * shape_.kv_heads;
        tile.counter = counters;
        counters += shape_.kv_heads;
      }
      for (int head = 0; head < shape_.kv_heads; ++head)
        for (int span = 0; span < tile.spans; ++span) units_.push_back({i, head, span});
    }
    if (counters == 0) return;
    partials_.reset(new float[partials]);
    countdowns_.reset(new std::atomic<int>[counters]);
    for (const Tile& tile : tiles_)
      if (tile.spans > 1)
        for (int head = 0; head < shape_.kv_heads; ++head) countdowns_[tile.counter + head] = tile.spans;
  }

  Softmax stored(const Tile& tile, int head, int partition) const {
    const int rows = tile.tokens * group_;
    const std::size_t index = static_cast<std::size_t>(head) * tile.partitions + (partition - tile.first_partition);
    return softmax_at(partials_.get() + tile.partials + index * state_floats(rows), rows);
  }

  // The tile's queries as [rows, head_dim], scaled so that exponentials are powers of two.
  void load(const Tile& tile, int head, Workspace& workspace) const {
    const int dim = shape_.head_dim, rows = tile.tokens * group_;
    const float scale = static_cast<float>(task_.scale * 1.4426950408889634 / turned_);
    float* to = grown(workspace.query, static_cast<std::size_t>(rows) * dim);
    for (int t = 0; t < tile.tokens; ++t) {
      const std::size_t first_head = static_cast<std::size_t>(tile.first_token + t) * task_.heads + head * group_;
      const float* from = task_.query + first_head * dim;
      for (int i = 0; i < group_ * dim; ++i) *to++ = from[i] * scale;
    }
    grown(workspace.scores, static_cast<std::size_t>(rows) * kScoreStride);
    grown(workspace.panel, static_cast<std::size_t>(std::max(dim, kPartition)) * kPanel);
    workspace.from.resize(rows);
    workspace.to.resize(rows);
    if (!shape_.integers()) return;
    grown(workspace.weights, static_cast<std::size_t>(rows) * kWeightStride);
    grown(workspace.weight_units, rows);
    const int key_range =
        shape_.type == KVType::k16v8 ? element_range<std::int16_t> : element_range<std::int8_t>;
    kernels_.quantize_queries(workspace.query.data(), rows, dim, query_range(2 * query_stride_, key_range),
                              grown(workspace.query_pairs, static_cast<std::size_t>(rows) * query_stride_),
                              query_stride_, grown(workspace.query_units, rows),
                              grown(workspace.scales, std::max(2 * kPartition, 2 * query_stride_)));
  }

  Softmax begin(int rows, Workspace& workspace) const {
    const Softmax state = softmax_at(grown(workspace.running, state_floats(rows)), rows);
    std::fill_n(state.maximum, rows, kNoMaximum);
    std::fill_n(state.total, rows, 0.0f);
    std::fill_n(state.output, static_cast<std::size_t>(rows) * padded_dim_, 0.0f);
    return state;
  }

  // One partition of those up to `end`, which are attended to in turn.
  void attend(const Tile& tile, int head, int partition, int end, const Softmax& state, Workspace& workspace) const {
    const int start = partition * kPartition, rows = tile.tokens * group_;
    Partition work{};
    work.first = kPartition;
    for (int t = 0; t < tile.tokens; ++t) {
      const int position = batch_.positions[tile.first_token + t];
      const int from = std::clamp(visible_from(position) - start, 0, kPartition);
      const int to = std::clamp(position + 1 - start, 0, kPartition);
      std::fill_n(workspace.from.begin() + t * group_, group_, from);
      std::fill_n(workspace.to.begin() + t * group_, group_, to);
      if (from < to) {
        work.first = std::min(work.first, from);
        work.last = std::max(work.last, to);
      }
    }
    const int length = batch_.positions[tile.first_token + tile.tokens - 1] + 1;
    work.ahead = partition + 1 < end ? std::min(2 * kPartition, length - start) : work.last;
    const void* keys[2 * kMostBlocks] = {};
    const void* values[2 * kMostBlocks] = {};
    const std::int32_t* table = batch_.table(tile.sequence);
    for (int i = work.first / shape_.block_size; i * shape_.block_size < work.ahead; ++i) {
      const std::int32_t block = table[start / shape_.block_size + i];
      keys[i] = task_.cache->keys(block, task_.layer, head);
      values[i] = task_.cache->values(block, task_.layer, head);
    }
    work.query = workspace.query.data();
    work.rows = rows;
    work.shape = &shape_;
    work.keys = keys;
    work.values = values;
    work.from = workspace.from.data();
    work.to = workspace.to.data();
    work.scores = workspace.scores.data();
    work.panel = workspace.panel.data();
    if (shape_.integers()) {
      static_assert(kCentreSpan == kPartition);
      const std::byte* centre = task_.cache->centre(table[start / shape_.block_size], task_.layer, head);
      work.centre = reinterpret_cast<const std::int8_t*>(centre);
      std::memcpy(&work.centre_unit, centre + shape_.centre_depth(), sizeof work.centre_unit);
      work.query_pairs = workspace.query_pairs.data();
      work.query_stride = query_stride_;
      work.query_units = workspace.query_units.data();
      work.weights = workspace.weights.data();
      work.weight_units = workspace.weight_units.data();
      work.scales = workspace.scales.data();
    }
    kernels_.attend(work, state);
  }

  void finish(const Tile& tile, int head, const Softmax& state) const {
    const int dim = shape_.head_dim;
    const float gain = static_cast<float>(turned_);
    if (turned_ > 1) kernels_.turn(state.output, tile.tokens * group_, padded_dim_, turned_);
    for (int row = 0; row < tile.tokens * group_; ++row) {
      const std::size_t token = tile.first_token + row / group_;
      float* to = task_.output + (token * task_.heads + head * group_ + row % group_) * dim;
      const float* from = state.output + static_cast<std::size_t>(row) * padded_dim_;
      const float total = state.total[row] * gain;
      for (int d = 0; d < dim; ++d) to[d] = from[d] / total;
    }
  }

  const AttentionKernels& kernels_;
  const AttentionTask& task_;
  const PagedBatch& batch_;
  const KVShape& shape_;
  int group_;
  int padded_dim_;
  int query_stride_;  // pairs of a query row
  int turned_;        // by how much products grow when both sides are turned; 1: nothing is
  std::vector<Tile> tiles_;
  std::vector<Unit> units_;
  std::unique_ptr<float[]> partials_;
  std::unique_ptr<std::atomic<int>[]> countdowns_;
};

}  // namespace

void paged_attention(ThreadPool& pool, const AttentionKernels& kernels, const AttentionTask& task) {
  task.batch->check_against(*task.cache, task.layer);
  if (task.heads < 1 || task.heads % task.cache->shape().kv_heads != 0)
    throw std::invalid_argument("the query heads are not a multiple of the KV heads");
  if (task.window < 0) throw std::invalid_argument("a sliding window must be positive");
  Attention attention(kernels, task, pool.size());
  pool.run(attention.units(), [&](int unit, int) { attention.run(unit); });
}

}  // namespace sevenb
