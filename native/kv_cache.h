// The paged KV cache: where keys and values live, and the batch description that says which pages are whose.
//
// Inside a block every (layer, KV head) owns one run of keys followed by one run of values, both cut into panels
// of 16 columns so that kernels read memory in order and never add across lanes:
//   keys    [padded_size / 16][head_dim][16 positions]
//   values  [padded_dim / 16][block_size][16 dimensions]
// where padded_size and padded_dim round up to whole panels. In integers what is multiplied and added up lies in pairs, as
// integer dot products want it, and each position has a float32 scale (see kv_integers.h):
//   keys    [padded_size / 16][key_depth / 2][16 positions][2 channels], scales [padded_size]
//   values  [padded_dim / 16][block_size / 2][16 dimensions][2 positions], scales [block_size]
// and after all heads' runs come their centres: int8 [centre_depth] and a float32 scale each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace sevenb {

constexpr int kPanel = 16;
constexpr int kSmallestBlock = 4, kLargestBlock = 256;
constexpr int kMostHeadDim = 1024;

// How an element is stored. Another type needs a value here, its name and size in kv_cache.cpp, a writer in rope.cpp
// and a reader in attention_template.h.
enum class KVType { f16, f32, int8, k16v8 };

// "f16", "f32", "int8" or "k16v8" (keys of 16 bits, values of 8); throws std::invalid_argument otherwise.
KVType kv_type(const std::string& name);

struct KVShape {
  int layers;
  int kv_heads;
  int head_dim;
  int block_size;  // a power of two from kSmallestBlock to kLargestBlock
  KVType type;

  // Throws std::invalid_argument when a field is out of range.
  void check() const;
  bool integers() const { return type == KVType::int8 || type == KVType::k16v8; }
  int padded_dim() const { return (head_dim + kPanel - 1) / kPanel * kPanel; }
  int padded_size() const { return (block_size + kPanel - 1) / kPanel * kPanel; }
  // Channels that a stored key has room for: an even number of integers.
  int key_depth() const { return integers() ? (head_dim + 1) / 2 * 2 : head_dim; }
  // Bytes of a block's keys, or values, of one layer and head, without and with their scales.
  std::size_t key_element_bytes() const;
  std::size_t value_element_bytes() const;
  std::size_t key_bytes() const;
  std::size_t value_bytes() const;
  // Channels that a centre has room for: whole vectors.
  int centre_depth() const { return (head_dim + 2 * kPanel - 1) / (2 * kPanel) * (2 * kPanel); }
  std::size_t centre_bytes() const;
  std::size_t block_bytes() const;
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
  std::byte* centre(std::int64_t block, int layer, int head) const {
    const std::size_t heads = static_cast<std::size_t>(shape_.layers) * shape_.kv_heads;
    return keys(block, 0, 0) + head_bytes_ * heads +
           shape_.centre_bytes() * (static_cast<std::size_t>(layer) * shape_.kv_heads + head);
  }

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
  const float* cos_of(int token) const { return cos.data() + static_cast<std::size_t>(token) * rotary_half; }
  const float* sin_of(int token) const { return sin.data() + static_cast<std::size_t>(token) * rotary_half; }
  int first_position(int sequence) const {
    return context_lengths[sequence] - (query_starts[sequence + 1] - query_starts[sequence]);
  }
};

}  // namespace sevenb
