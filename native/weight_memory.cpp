#include "weight_memory.h"

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace sevenb {
namespace {

constexpr std::size_t cache_line = 64;
constexpr std::size_t huge_page = std::size_t{2} << 20;
constexpr std::size_t slab_bytes = std::size_t{64} << 20;  // of addresses: memory is taken a page at a time

constexpr std::size_t round_up(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

// Huge pages spare a decode step tens of thousands of TLB misses, and loading as many page faults.
class Slab {
 public:
  explicit Slab(std::size_t bytes)
      : size_(round_up(bytes, huge_page)), memory_(static_cast<std::uint8_t*>(std::aligned_alloc(huge_page, size_))) {
    if (!memory_) throw std::bad_alloc();
#if defined(__linux__)
    madvise(memory_, size_, MADV_HUGEPAGE);
#endif
  }

  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  ~Slab() { std::free(memory_); }

  // The next `bytes` of it, null where it has not as many left.
  std::uint8_t* take(std::size_t bytes) {
    if (bytes > size_ - used_) return nullptr;
    std::uint8_t* start = memory_ + used_;
    used_ += bytes;
    return start;
  }

 private:
  std::size_t size_;
  std::uint8_t* memory_;
  std::size_t used_ = 0;
};

}  // namespace

std::shared_ptr<std::uint8_t> allocate_weights(std::size_t bytes) {
  static std::mutex mutex;
  static std::weak_ptr<Slab> latest;
  const std::lock_guard<std::mutex> lock(mutex);
  const std::size_t wanted = round_up(bytes, cache_line);
  std::shared_ptr<Slab> slab = latest.lock();
  std::uint8_t* start = slab ? slab->take(wanted) : nullptr;
  if (!start) {
    slab = std::make_shared<Slab>(std::max(wanted, slab_bytes));
    start = slab->take(wanted);
    latest = slab;
  }
  return {slab, start};
}

}  // namespace sevenb
