#include "kv_cache.h"

#include <sys/mman.h>

#include <cstring>
#include <limits>
#include <new>
#include <stdexcept>

namespace sevenb {

KVType kv_type(const std::string& name) {
  if (name == "f16") return KVType::f16;
  if (name == "f32") return KVType::f32;
  if (name == "int8") return KVType::int8;
  if (name == "k16v8") return KVType::k16v8;
  throw std::invalid_argument("unknown KV cache type " + name + "; use f16, k16v8, int8 or f32");
}

namespace {

struct ElementBytes {
  std::size_t key, value;
};

ElementBytes element_bytes(KVType type) {
  switch (type) {
    case KVType::int8: return {1, 1};
    case KVType::k16v8: return {2, 1};
    case KVType::f16: return {2, 2};
    case KVType::f32: break;
  }
  return {4, 4};
}

}  // namespace

std::size_t KVShape::key_element_bytes() const {
  return element_bytes(type).key * static_cast<std::size_t>(padded_size()) * key_depth();
}
std::size_t KVShape::value_element_bytes() const {
  return element_bytes(type).value * static_cast<std::size_t>(block_size) * padded_dim();
}
std::size_t KVShape::key_bytes() const { return key_element_bytes() + (integers() ? sizeof(float) * padded_size() : 0); }
std::size_t KVShape::value_bytes() const { return value_element_bytes() + (integers() ? sizeof(float) * block_size : 0); }
std::size_t KVShape::centre_bytes() const { return integers() ? centre_depth() + sizeof(float) : 0; }
std::size_t KVShape::block_bytes() const {
  constexpr std::size_t kCacheLine = 64;
  const std::size_t bytes = (key_bytes() + value_bytes() + centre_bytes()) * layers * kv_heads;
  return (bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
}

void KVShape::check() const {
  const bool power_of_two = block_size > 0 && (block_size & (block_size - 1)) == 0;
  if (!power_of_two || block_size < kSmallestBlock || block_size > kLargestBlock)
    throw std::invalid_argument("block_size is " + std::to_string(block_size) +
                                "; it must be a power of two from 4 to 256");
  if (layers < 1 || kv_heads < 1 || head_dim < 1 || head_dim > kMostHeadDim)
    throw std::invalid_argument("a KV cache needs layers, kv_heads and a head_dim of at most " + std::to_string(kMostHeadDim));
}

KVCache::KVCache(const KVShape& shape, std::int64_t blocks) : shape_(shape), blocks_(blocks) {
  shape.check();
  if (blocks < 1) throw std::invalid_argument("a KV cache needs at least one block");
  key_bytes_ = shape.key_bytes();
  head_bytes_ = shape.key_bytes() + shape.value_bytes();
  block_bytes_ = shape.block_bytes();
  if (static_cast<std::uint64_t>(blocks) > std::numeric_limits<std::ptrdiff_t>::max() / block_bytes_)
    throw std::bad_alloc();
  void* memory = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
  madvise(memory, bytes(), MADV_HUGEPAGE);  // a long context touches thousands of small pages otherwise
#endif
  memory_ = static_cast<std::byte*>(memory);
}

KVCache::~KVCache() { munmap(memory_, bytes()); }

std::byte* KVCache::block(std::int64_t index) const {
  if (index < 0 || index >= blocks_)
    throw std::invalid_argument("block " + std::to_string(index) + " is not one of the cache's " +
                                std::to_string(blocks_));
  return keys(index, 0, 0);
}

void KVCache::copy_block(std::int64_t source, std::int64_t target) {
  const std::byte* from = block(source);
  std::byte* to = block(target);
  if (source != target) std::memcpy(to, from, block_bytes_);
}

void PagedBatch::check() {
  if (query_starts.size() != static_cast<std::size_t>(sequences) + 1 || query_starts.front() != 0 ||
      query_starts.back() != tokens)
    throw std::invalid_argument("query_starts must lead from 0 to the number of tokens");
  if (positions.size() != static_cast<std::size_t>(tokens) ||
      context_lengths.size() != static_cast<std::size_t>(sequences) || cos.size() != sin.size() ||
      cos.size() != static_cast<std::size_t>(tokens) * rotary_half ||
      block_tables.size() != static_cast<std::size_t>(sequences) * table_width)
    throw std::invalid_argument("the arrays of a batch differ in length");
  sequence_of.resize(tokens);
  for (int s = 0; s < sequences; ++s) {
    if (query_starts[s + 1] < query_starts[s]) throw std::invalid_argument("query_starts must not fall");
    if (first_position(s) < 0) throw std::invalid_argument("a context is shorter than its new tokens");
    for (int t = query_starts[s]; t < query_starts[s + 1]; ++t) {
      if (positions[t] != first_position(s) + t - query_starts[s])
        throw std::invalid_argument("positions must count up to the end of each context");
      sequence_of[t] = s;
    }
  }
}

void PagedBatch::check_against(const KVCache& cache, int layer) const {
  if (layer < 0 || layer >= cache.shape().layers) throw std::invalid_argument("the cache has no such layer");
  const int block_size = cache.shape().block_size;
  for (int s = 0; s < sequences; ++s) {
    const int needed = (context_lengths[s] + block_size - 1) / block_size;
    if (needed > table_width) throw std::invalid_argument("a block table is shorter than its context");
    for (int i = 0; i < needed; ++i)
      if (table(s)[i] < 0 || table(s)[i] >= cache.blocks())
        throw std::invalid_argument("block " + std::to_string(table(s)[i]) + " is not one of the cache's " +
                                    std::to_string(cache.blocks()));
  }
}

}  // namespace sevenb
