#include "workspace.h"

namespace sevenb {

void ActivationBuffer::reserve(int tokens, int columns, bool int8, bool int16, bool float32) {
  tokens_ = tokens;
  columns_ = columns;
  has_[0] = int8;
  has_[1] = int16;
  has_[2] = float32;
  const std::size_t blocks = static_cast<std::size_t>(tokens) * (columns / block_columns);
  for (Precision precision : {Precision::int8, Precision::int16}) {
    const int index = static_cast<int>(precision);
    if (has_[index]) blocks_[index] = memory_[index].reserve(blocks * activation_block_bytes(precision));
  }
  if (float32) floats_ = static_cast<float*>(memory_[2].reserve(blocks * block_columns * sizeof(float)));
}

void* ActivationBuffer::block(Precision precision, int token, int block) {
  return static_cast<char*>(blocks_[static_cast<int>(precision)]) +
         block_index(tokens_, columns_, token, block) * activation_block_bytes(precision);
}

ActivationTile ActivationBuffer::tile(Precision precision, int tile) {
  const int token = tile * tile_tokens, width = tile_width(tokens_, tile);
  if (precision == Precision::float32) return {width, columns_, precision, nullptr, floats(token)};
  return {width, columns_, precision, block(precision, token, 0), nullptr};
}

}  // namespace sevenb
