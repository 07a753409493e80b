// From a GGUF file's rows to packed groups, four weights at a time in 32-bit words (file formats: ggml-common.h).
#include <cstring>

#include "packed_matrix.h"

namespace sevenb {
namespace {

using Bytes = std::uint8_t*;
using File = const std::uint8_t*;

constexpr std::uint32_t low_nibbles = 0x0f0f0f0fu;
constexpr std::uint32_t low_pairs = 0x03030303u;
constexpr std::uint32_t low_bits = 0x01010101u;

std::uint32_t word(File bytes, int index) {
  std::uint32_t value;
  std::memcpy(&value, bytes + 4 * index, 4);
  return value;
}

void put_word(Bytes bytes, int index, std::uint32_t value) { std::memcpy(bytes + 4 * index, &value, 4); }

void copy_half(Bytes halves, int lane, File half) { std::memcpy(halves + 2 * lane, half, 2); }

// The 32 weights of one row's block as eight words of four bytes: word s is step s.
struct Steps {
  std::uint32_t word[8];
};

void put_nibbles(Bytes plane, int lane, const Steps& steps) {
  for (int i = 0; i < 4; ++i)
    put_word(plane, i * group_rows + lane,
             (steps.word[i] & low_nibbles) | (steps.word[i + 4] & low_nibbles) << 4);
}

void put_pairs(Bytes plane, int lane, const Steps& steps, int shift) {
  for (int i = 0; i < 2; ++i) {
    std::uint32_t packed = 0;
    for (int s = 0; s < 4; ++s) packed |= ((steps.word[4 * i + s] >> shift) & low_pairs) << (2 * s);
    put_word(plane, i * group_rows + lane, packed);
  }
}

void put_bits(Bytes plane, int lane, const Steps& steps, int shift) {
  std::uint32_t packed = 0;
  for (int s = 0; s < 8; ++s) packed |= ((steps.word[s] >> shift) & low_bits) << s;
  put_word(plane, lane, packed);
}

// Four bits of a word, one to each byte: bit i to bit 0 of byte i.
std::uint32_t spread_bits(std::uint32_t bits) { return ((bits & 15u) * 0x00204081u) & low_bits; }

// 16 bytes whose low nibbles are weights 0 to 15 and whose high nibbles are weights 16 to 31.
Steps steps_of_nibbles(File nibbles) {
  Steps steps;
  for (int i = 0; i < 4; ++i) {
    steps.word[i] = word(nibbles, i) & low_nibbles;
    steps.word[i + 4] = (word(nibbles, i) >> 4) & low_nibbles;
  }
  return steps;
}

// Fifth bits: bit k of the word `high` belongs to weight k.
void add_fifth_bits(Steps& steps, std::uint32_t high) {
  for (int s = 0; s < 8; ++s) steps.word[s] |= spread_bits(high >> (4 * s)) << 4;
}

// The 6-bit sub-scale and sub-minimum number `index` of a Q4_K or Q5_K block's 12 bytes.
void read_scale_and_minimum(File packed, int index, std::uint8_t& scale, std::uint8_t& minimum) {
  if (index < 4) {
    scale = packed[index] & 63;
    minimum = packed[index + 4] & 63;
  } else {
    scale = (packed[index + 4] & 15) | (packed[index - 4] >> 6) << 4;
    minimum = (packed[index + 4] >> 4) | (packed[index] >> 6) << 4;
  }
}

// pack_lane(tag, block, lane, record): one row's block of the file into its lane of a record.

void pack_lane(TypeTag<WeightType::q4_0>, File block, int lane, Bytes record) {
  copy_half(record, lane, block);
  put_nibbles(record + half_row, lane, steps_of_nibbles(block + 2));
}

void pack_lane(TypeTag<WeightType::q4_1>, File block, int lane, Bytes record) {
  copy_half(record, lane, block);
  copy_half(record + half_row, lane, block + 2);
  put_nibbles(record + 2 * half_row, lane, steps_of_nibbles(block + 4));
}

void pack_lane(TypeTag<WeightType::q5_0>, File block, int lane, Bytes record) {
  copy_half(record, lane, block);
  Steps steps = steps_of_nibbles(block + 6);
  put_nibbles(record + half_row, lane, steps);
  add_fifth_bits(steps, word(block + 2, 0));
  put_bits(record + half_row + nibble_plane, lane, steps, 4);
}

void pack_lane(TypeTag<WeightType::q5_1>, File block, int lane, Bytes record) {
  copy_half(record, lane, block);
  copy_half(record + half_row, lane, block + 2);
  Steps steps = steps_of_nibbles(block + 8);
  put_nibbles(record + 2 * half_row, lane, steps);
  add_fifth_bits(steps, word(block + 4, 0));
  put_bits(record + 2 * half_row + nibble_plane, lane, steps, 4);
}

void pack_lane(TypeTag<WeightType::q8_0>, File block, int lane, Bytes record) {
  copy_half(record, lane, block);
  for (int s = 0; s < 8; ++s) put_word(record + half_row, s * group_rows + lane, word(block + 2, s));
}

// Q4_K and Q5_K: d, dmin, 12 bytes of sub-scales and minima, (Q5_K: 32 bytes of fifth bits,) 128 bytes of nibbles.
template <WeightType T>
void pack_k_lane(File block, int lane, Bytes record, File fifth_bits, File nibbles) {
  using L = Layout<T>;
  copy_half(record, lane, block);
  copy_half(record + half_row, lane, block + 2);
  Bytes scales = record + 2 * half_row;
  Bytes minima = scales + L::blocks * group_rows;
  for (int b = 0; b < L::blocks; ++b) {
    read_scale_and_minimum(block + 4, b, scales[b * group_rows + lane], minima[b * group_rows + lane]);
    Steps steps;
    for (int s = 0; s < 8; ++s) {
      steps.word[s] = (word(nibbles + b / 2 * 32, s) >> (b % 2 * 4)) & low_nibbles;
      if (fifth_bits) steps.word[s] |= ((word(fifth_bits, s) >> b) & low_bits) << 4;
    }
    Bytes planes = record + L::header + b * L::block_bytes;
    put_nibbles(planes, lane, steps);
    if (fifth_bits) put_bits(planes + nibble_plane, lane, steps, 4);
  }
}

void pack_lane(TypeTag<WeightType::q4_k>, File block, int lane, Bytes record) {
  pack_k_lane<WeightType::q4_k>(block, lane, record, nullptr, block + 16);
}

void pack_lane(TypeTag<WeightType::q5_k>, File block, int lane, Bytes record) {
  pack_k_lane<WeightType::q5_k>(block, lane, record, block + 16, block + 48);
}

// Q6_K: 128 bytes of nibbles, 64 of bit pairs, 16 signed sub-scales, d.
void pack_lane(TypeTag<WeightType::q6_k>, File block, int lane, Bytes record) {
  using L = Layout<WeightType::q6_k>;
  copy_half(record, lane, block + 208);
  for (int i = 0; i < 16; ++i) record[half_row + i * group_rows + lane] = block[192 + i];
  for (int b = 0; b < L::blocks; ++b) {
    const int half = b / 4, quarter = b % 4;
    Steps steps;
    for (int s = 0; s < 8; ++s) {
      const std::uint32_t low = word(block + half * 64 + quarter % 2 * 32, s) >> (quarter / 2 * 4);
      const std::uint32_t high = word(block + 128 + half * 32, s) >> (2 * quarter);
      steps.word[s] = (low & low_nibbles) | (high & low_pairs) << 4;
    }
    Bytes planes = record + L::header + b * L::block_bytes;
    put_nibbles(planes, lane, steps);
    put_pairs(planes + nibble_plane, lane, steps, 4);
  }
}

// Q3_K: 32 bytes of third bits, 64 of bit pairs, 12 of 6-bit sub-scales (biased by 32), d.
void pack_lane(TypeTag<WeightType::q3_k>, File block, int lane, Bytes record) {
  using L = Layout<WeightType::q3_k>;
  copy_half(record, lane, block + 108);
  for (int i = 0; i < 16; ++i) {
    const int low = (block[96 + i % 8] >> (i / 8 * 4)) & 15;
    const int high = (block[104 + i % 4] >> (i / 4 * 2)) & 3;
    record[half_row + i * group_rows + lane] = static_cast<std::uint8_t>((low | high << 4) - 32);
  }
  for (int b = 0; b < L::blocks; ++b) {
    const int half = b / 4, quarter = b % 4;
    Steps steps;
    for (int s = 0; s < 8; ++s) {
      const std::uint32_t low = word(block + 32 + half * 32, s) >> (2 * quarter);
      const std::uint32_t high = word(block, s) >> b;
      steps.word[s] = (low & low_pairs) | (high & low_bits) << 2;
    }
    Bytes planes = record + L::header + b * L::block_bytes;
    put_pairs(planes, lane, steps, 0);
    put_bits(planes + pair_plane, lane, steps, 2);
  }
}

// Q2_K: 16 bytes of 4-bit sub-scales and minima, 64 of bit pairs, d, dmin.
void pack_lane(TypeTag<WeightType::q2_k>, File block, int lane, Bytes record) {
  using L = Layout<WeightType::q2_k>;
  copy_half(record, lane, block + 80);
  copy_half(record + half_row, lane, block + 82);
  for (int i = 0; i < 16; ++i) record[2 * half_row + i * group_rows + lane] = block[i];
  for (int b = 0; b < L::blocks; ++b) {
    Steps steps;
    for (int s = 0; s < 8; ++s) steps.word[s] = (word(block + 16 + b / 4 * 32, s) >> (2 * (b % 4))) & low_pairs;
    put_pairs(record + L::header + b * L::block_bytes, lane, steps, 0);
  }
}

template <int Width>
void pack_numbers(File block, int lane, Bytes record) {
  for (int c = 0; c < block_columns; ++c)
    std::memcpy(record + (c * group_rows + lane) * Width, block + c * Width, Width);
}

void pack_lane(TypeTag<WeightType::f32>, File block, int lane, Bytes record) { pack_numbers<4>(block, lane, record); }
void pack_lane(TypeTag<WeightType::f16>, File block, int lane, Bytes record) { pack_numbers<2>(block, lane, record); }
void pack_lane(TypeTag<WeightType::bf16>, File block, int lane, Bytes record) { pack_numbers<2>(block, lane, record); }

}  // namespace

void pack_group(WeightType type, const std::uint8_t* file, std::size_t row_bytes, int rows, int records,
                std::uint8_t* group) {
  with_type(type, [&](auto tag) {
    using L = Layout<decltype(tag)::type>;
    for (int r = 0; r < records; ++r)
      for (int lane = 0; lane < rows; ++lane)
        pack_lane(tag, file + lane * row_bytes + static_cast<std::size_t>(r) * L::file_bytes, lane,
                  group + static_cast<std::size_t>(r) * L::bytes);
  });
}

}  // namespace sevenb
