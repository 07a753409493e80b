// Memory for packed weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace sevenb {

// Memory of which nothing is set, aligned for every kernel; throws std::bad_alloc. Matrices that are packed one after
// the other lie side by side in one slab of huge pages, which lives as long as any of them.
std::shared_ptr<std::uint8_t> allocate_weights(std::size_t bytes);

}  // namespace sevenb
