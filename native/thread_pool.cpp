#include "thread_pool.h"

#include <chrono>

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if defined(__linux__)
#include <sched.h>
#endif

namespace sevenb {
namespace {

// Longer than the gap between two ops of a decode step, far shorter than a time slice.
constexpr auto spin_time = std::chrono::microseconds(60);

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// The logical processor that the calling thread runs on; -1 where the system does not say.
int processor() {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

// Spins until `ready()` or until the time is up; returns what `ready()` said last.
template <class Ready>
bool spin_until(Ready ready) {
  const auto deadline = std::chrono::steady_clock::now() + spin_time;
  do {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return ready();
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  for (int worker = 1; worker < threads; ++worker) workers_.emplace_back([this, worker] { work(worker); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_.store(true);
  }
  work_arrived_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::dispatch(int chunks, Task task, void* body) {
  std::lock_guard<std::mutex> turn(turn_);
  if (chunks == 1 || workers_.empty()) {
    for (int chunk = 0; chunk < chunks; ++chunk) task(body, chunk, 0);
    return;
  }
  caller_processor_.store(processor(), std::memory_order_relaxed);
  task_ = task;
  body_ = body;
  chunks_ = chunks;
  unfinished_.store(chunks, std::memory_order_relaxed);
  const std::uint64_t job = (ticket_.load(std::memory_order_relaxed) >> 32) + 1;
  ticket_.store(job << 32 | static_cast<std::uint32_t>(chunks), std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst) > 0) {
    std::lock_guard<std::mutex> lock(mutex_);
    work_arrived_.notify_all();
  }

  run_chunks(0);

  const auto finished = [this] { return unfinished_.load(std::memory_order_seq_cst) == 0; };
  if (spin_until(finished)) return;
  std::unique_lock<std::mutex> lock(mutex_);
  caller_sleeps_.store(true, std::memory_order_seq_cst);
  work_done_.wait(lock, finished);
  caller_sleeps_.store(false, std::memory_order_relaxed);
}

void ThreadPool::run_chunks(int worker) {
  std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
  while (const std::uint32_t left = static_cast<std::uint32_t>(ticket)) {
    if (!ticket_.compare_exchange_weak(ticket, ticket - 1, std::memory_order_acq_rel, std::memory_order_acquire))
      continue;
    task_(body_, chunks_ - static_cast<int>(left), worker);
    if (unfinished_.fetch_sub(1, std::memory_order_seq_cst) == 1 && caller_sleeps_.load(std::memory_order_seq_cst)) {
      std::lock_guard<std::mutex> lock(mutex_);
      work_done_.notify_one();
    }
    ticket = ticket_.load(std::memory_order_acquire);
  }
}

void ThreadPool::work(int worker) {
  const auto awake = [this] { return has_chunks() || stop_.load(std::memory_order_relaxed); };
  while (true) {
    // A busy system may put a worker on the caller's own core: to spin there would only hold the caller up.
    const int here = processor();
    const bool in_the_way = here >= 0 && here == caller_processor_.load(std::memory_order_relaxed);
    if (in_the_way || !spin_until(awake)) {
      std::unique_lock<std::mutex> lock(mutex_);
      sleepers_.fetch_add(1, std::memory_order_seq_cst);
      work_arrived_.wait(lock, awake);
      sleepers_.fetch_sub(1, std::memory_order_relaxed);
    }
    if (stop_.load(std::memory_order_relaxed)) return;
    run_chunks(worker);
  }
}

}  // namespace sevenb
