// Chunks dealt out so that each thread walks through memory: a range each, and who is done helps the others.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "thread_pool.h"

namespace sevenb {

// The chunks of a range that nobody has taken yet. Its owner takes them from the front, others from the back.
class alignas(64) ChunkRange {
 public:
  void fill(int first, int end) { bounds_.store(pack(first, end), std::memory_order_relaxed); }

  // The next chunk, or -1 when none is left.
  int take_first() {
    return take([](int first, int end) { return pack(first + 1, end); }, [](int first, int) { return first; });
  }
  int take_last() {
    return take([](int first, int end) { return pack(first, end - 1); }, [](int, int end) { return end - 1; });
  }

 private:
  static std::uint64_t pack(int first, int end) {
    return static_cast<std::uint64_t>(first) << 32 | static_cast<std::uint32_t>(end);
  }

  template <class Rest, class Taken>
  int take(Rest rest, Taken taken) {
    std::uint64_t bounds = bounds_.load(std::memory_order_relaxed);
    while (true) {
      const int first = static_cast<int>(bounds >> 32), end = static_cast<int>(bounds & 0xffffffffu);
      if (first >= end) return -1;
      if (bounds_.compare_exchange_weak(bounds, rest(first, end), std::memory_order_relaxed)) return taken(first, end);
    }
  }

  std::atomic<std::uint64_t> bounds_{0};
};

// As ThreadPool::run, but neighbouring chunks mostly go to one thread, in their order: what it asked of memory ahead of
// time is then what it needs next, and threads seldom write to the same counter.
template <class F>
void run_in_ranges(ThreadPool& pool, int chunks, F&& f) {
  const int workers = std::min(pool.size(), chunks);
  std::vector<ChunkRange> ranges(workers);
  for (int i = 0; i < workers; ++i)
    ranges[i].fill(static_cast<int>(std::int64_t{chunks} * i / workers),
                   static_cast<int>(std::int64_t{chunks} * (i + 1) / workers));
  pool.run(workers, [&](int own, int worker) {
    for (int chunk; (chunk = ranges[own].take_first()) >= 0;) f(chunk, worker);
    for (int other = 1; other < workers; ++other)
      for (int chunk; (chunk = ranges[(own + other) % workers].take_last()) >= 0;) f(chunk, worker);
  });
}

}  // namespace sevenb
