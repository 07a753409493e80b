// What the ops of one backend share: threads, kernels and scratch memory.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>

#include "kernels.h"
#include "thread_pool.h"

namespace sevenb {

// Memory that grows to the largest size ever asked for and is never given back.
class Scratch {
 public:
  // At least `bytes` bytes, with whatever was left in them; what an earlier call returned is void.
  void* reserve(std::size_t bytes) {
    if (bytes > size_) {
      size_ = (bytes + 63) / 64 * 64;
      memory_.reset();
      memory_.reset(std::aligned_alloc(64, size_));
      if (!memory_) {
        size_ = 0;
        throw std::bad_alloc();
      }
    }
    return memory_.get();
  }

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  std::unique_ptr<void, Free> memory_;
  std::size_t size_ = 0;
};

// Activations of all tokens of a step in every precision that the matrices at hand want.
class ActivationBuffer {
 public:
  // Makes room. Only precisions asked for here may be read or written until the next call.
  void reserve(int tokens, int columns, bool int8, bool int16, bool float32);

  int tiles() const { return (tokens_ + tile_tokens - 1) / tile_tokens; }
  int tokens() const { return tokens_; }
  int columns() const { return columns_; }
  bool has(Precision precision) const { return has_[static_cast<int>(precision)]; }

  float* floats(int token) { return floats_ + static_cast<std::size_t>(token) * columns_; }
  // The block of (token, column block); the token's next block lies tile_width() blocks further.
  void* block(Precision precision, int token, int block);
  ActivationTile tile(Precision precision, int tile);

 private:
  int tokens_ = 0;
  int columns_ = 0;
  bool has_[3] = {};
  Scratch memory_[3];
  void* blocks_[2] = {};
  float* floats_ = nullptr;
};

struct Workspace {
  Workspace(ThreadPool& pool, Isa isa) : pool(pool), isa(isa), kernels(kernels_for(isa)) {}

  ThreadPool& pool;
  const Isa isa;
  const Kernels& kernels;

  std::mutex turn;  // one op at a time
  ActivationBuffer inputs;
  ActivationBuffer gated;  // between the two halves of the MLP
  Scratch normed;          // one row a worker
  Scratch tiles;           // gate and up of one chunk a worker
};

}  // namespace sevenb
