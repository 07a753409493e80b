// A pool of threads that hands out small chunks, spins briefly and then sleeps.
//
// A neighbour that takes a core away slows down the chunk that runs there and nothing else, no thread spins on a core
// that the caller needs, and an idle pool costs nothing. Which thread runs a chunk never matters to its result.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace sevenb {

class ThreadPool {
 public:
  // `threads` counts the caller of `run`, who works too; at least one.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls f(chunk, worker) once for each chunk in [0, chunks), 0 <= worker < size(), and returns when all are done.
  // `f` must not throw and must not call `run`. Callers on several threads take turns.
  template <class F>
  void run(int chunks, F&& f) {
    if (chunks <= 0) return;
    using Body = std::remove_reference_t<F>;
    dispatch(chunks, [](void* body, int chunk, int worker) { (*static_cast<Body*>(body))(chunk, worker); },
             const_cast<void*>(static_cast<const void*>(&f)));
  }

 private:
  using Task = void (*)(void* body, int chunk, int worker);

  void dispatch(int chunks, Task task, void* body);
  void work(int worker);        // the life of one thread
  void run_chunks(int worker);  // claims and runs chunks until none are left
  bool has_chunks() const { return (ticket_.load(std::memory_order_seq_cst) & 0xffffffffu) != 0; }

  std::mutex turn_;  // one `run` at a time

  // The job. Written only while no chunk is unfinished, read only by those who hold a claimed chunk.
  Task task_ = nullptr;
  void* body_ = nullptr;
  int chunks_ = 0;

  // Job number in the upper half, unclaimed chunks in the lower: a claim is one compare-and-swap, and a thread
  // that comes late can never claim from a job that is over.
  alignas(64) std::atomic<std::uint64_t> ticket_{0};
  alignas(64) std::atomic<int> unfinished_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<int> caller_processor_{-1};
  std::atomic<bool> caller_sleeps_{false};
  std::atomic<bool> stop_{false};

  std::mutex mutex_;
  std::condition_variable work_arrived_;
  std::condition_variable work_done_;
  std::vector<std::thread> workers_;
};

}  // namespace sevenb
