// The paged KV cache: where keys and values live, and the batch description that says which pages are whose.
//
// Inside a block every (layer, KV head) owns one run of keys followed by one run of values, both cut into panels
// of 16 columns so that kernels read memory in order and never add across lanes:
//   keys    [padded_size / 16][head_dim][16 positions]
//   values  [padded_dim / 16][block_size][16 dimensions]
// where padded_size and padded_dim round up to whole panels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace sevenb {

constexpr int kPanel = 16;
constexpr int kSmallestBlock = 4, kLargestBlock = 256;

// How an element is stored. A narrower type needs a value here, a row in `element_bytes`, a writer in rope.cpp and
// a reader in attention_template.h.
enum class KVType { f16, f32 };

// "f16" or "f32"; throws std::invalid_argument otherwise.
KVType kv_type(const std::string& name);
std::size_t element_bytes(KVType type);

struct KVShape {
  int layers;
  int kv_heads;
  int head_dim;
  int block_size;  // a power of two from kSmallestBlock to kLargestBlock
  KVType type;

  // Throws std::invalid_argument when a field is out of range.
  void check() const;
  int padded_dim() const { return (head_dim + kPanel - 1) / kPanel * kPanel; }
  int padded_size() const { return (block_size + kPanel - 1) / kPanel * kPanel; }
  std::size_t key_elements() const { return static_cast<std::size_t>(padded_size()) * head_dim; }
  std::size_t head_elements() const { return key_elements() + static_cast<std::size_t>(block_size) * padded_dim(); }
  std::size_t block_bytes() const { return head_elements() * layers * kv_heads * element_bytes(type); }
};

// One allocation of `blocks` blocks. Pages that were never written take no memory.
class KVCache {
 public:
  // Throws std::invalid_argument for a bad shape, std::bad_alloc when the system refuses the room.
  KVCache(const KVShape& shape, std::int64_t blocks);
  ~KVCache();
  KVCache(const KVCache&) = delete;
  KVCache& operator=(const KVCache&) = delete;

  const KVShape& shape() const { return shape_; }
  std::int64_t blocks() const { return blocks_; }
  std::size_t bytes() const { return block_bytes_ * static_cast<std::size_t>(blocks_); }

  std::byte* keys(std::int64_t block, int layer, int head) const {
    return memory_ + block_bytes_ * block + head_bytes_ * (static_cast<std::size_t>(layer) * shape_.kv_heads + head);
  }
  std::byte* values(std::int64_t block, int layer, int head) const { return keys(block, layer, head) + key_bytes_; }

  // A whole block over all layers, `shape().block_bytes()` long. Throws std::invalid_argument for a block that does not
  // exist.
  std::byte* block(std::int64_t index) const;

  // Copies a whole block over all layers. Throws std::invalid_argument for a block that does not exist.
  void copy_block(std::int64_t source, std::int64_t target);

 private:
  KVShape shape_;
  std::int64_t blocks_;
  std::size_t key_bytes_, head_bytes_, block_bytes_;
  std::byte* memory_;
};

// The integers and angles of a `Batch` of sevenb/backend/protocol.py, checked and copied once a step.
struct PagedBatch {
  int tokens = 0;
  int sequences = 0;
  int table_width = 0;
  int rotary_half = 0;
  std::vector<std::int32_t> positions;        // [tokens]
  std::vector<std::int32_t> query_starts;     // [sequences + 1]
  std::vector<std::int32_t> context_lengths;  // [sequences]
  std::vector<std::int32_t> block_tables;     // [sequences, table_width]
  std::vector<float> cos, sin;                // [tokens, rotary_half]
  std::vector<std::int32_t> sequence_of;      // [tokens], filled by `check`

  // Throws std::invalid_argument unless the parts fit together.
  void check();
  // Throws std::invalid_argument unless every position has a block that `cache` holds, and `layer` exists.
  void check_against(const KVCache& cache, int layer) const;

  const std::int32_t* table(int sequence) const {
    return block_tables.data() + static_cast<std::size_t>(sequence) * table_width;
  }
  int first_position(int sequence) const {
    return context_lengths[sequence] - (query_starts[sequence + 1] - query_starts[sequence]);
  }
};

}  // namespace sevenb
