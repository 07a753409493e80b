// From a packed group back to float32 rows, by the file formats' own formulas (source: ggml-quants.c).
#include <cstring>

#include "half.h"
#include "packed_matrix.h"

namespace sevenb {
namespace {

using Bytes = const std::uint8_t*;

float half_at(Bytes halves, int lane) {
  std::uint16_t half;
  std::memcpy(&half, halves + 2 * lane, 2);
  return half_to_float(half);
}

// Byte of the plane that holds column `c`'s lane in line `line`.
int plane_byte(int line, int lane, int c) { return line * step_bytes + lane * 4 + c % 4; }

int nibble(Bytes plane, int lane, int c) {
  const int step = c / 4;
  return (plane[plane_byte(step % 4, lane, c)] >> (step / 4 * 4)) & 15;
}

int pair(Bytes plane, int lane, int c) {
  const int step = c / 4;
  return (plane[plane_byte(step / 4, lane, c)] >> (step % 4 * 2)) & 3;
}

int bit(Bytes plane, int lane, int c) { return (plane[plane_byte(0, lane, c)] >> (c / 4)) & 1; }

// unpack_block(tag, record, b, lane, out): 32 weights of block `b` of a record.

void unpack_block(TypeTag<WeightType::q4_0>, Bytes record, int, int lane, float* out) {
  const float d = half_at(record, lane);
  for (int c = 0; c < block_columns; ++c) out[c] = d * static_cast<float>(nibble(record + half_row, lane, c) - 8);
}

void unpack_block(TypeTag<WeightType::q4_1>, Bytes record, int, int lane, float* out) {
  const float d = half_at(record, lane), m = half_at(record + half_row, lane);
  for (int c = 0; c < block_columns; ++c)
    out[c] = d * static_cast<float>(nibble(record + 2 * half_row, lane, c)) + m;
}

void unpack_block(TypeTag<WeightType::q4_z>, Bytes record, int, int lane, float* out) {
  const float d = half_at(record, lane), z = half_at(record + half_row, lane);
  for (int c = 0; c < block_columns; ++c)
    out[c] = d * (static_cast<float>(nibble(record + 2 * half_row, lane, c)) - z);
}

int five_bits(Bytes planes, int lane, int c) {
  return nibble(planes, lane, c) | bit(planes + nibble_plane, lane, c) << 4;
}

void unpack_block(TypeTag<WeightType::q5_0>, Bytes record, int, int lane, float* out) {
  const float d = half_at(record, lane);
  for (int c = 0; c < block_columns; ++c) out[c] = d * static_cast<float>(five_bits(record + half_row, lane, c) - 16);
}

void unpack_block(TypeTag<WeightType::q5_1>, Bytes record, int, int lane, float* out) {
  const float d = half_at(record, lane), m = half_at(record + half_row, lane);
  for (int c = 0; c < block_columns; ++c)
    out[c] = d * static_cast<float>(five_bits(record + 2 * half_row, lane, c)) + m;
}

void unpack_block(TypeTag<WeightType::q8_0>, Bytes record, int, int lane, float* out) {
  const float d = half_at(record, lane);
  for (int c = 0; c < block_columns; ++c)
    out[c] = d * static_cast<float>(static_cast<std::int8_t>(record[half_row + plane_byte(c / 4, lane, c)]));
}

void unpack_block(TypeTag<WeightType::q8_0_coarse>, Bytes record, int, int lane, float* out) {
  const float d = half_at(record, lane);
  for (int c = 0; c < block_columns; ++c)
    out[c] = d * (static_cast<float>(16 * (nibble(record + half_row, lane, c) - 8)) + 7.5f);
}

template <class Tag>
void unpack_k_block(Tag, Bytes record, int b, int lane, float* out) {
  using L = Layout<Tag::type>;
  Bytes scales = record + 2 * half_row + b * group_rows, minima = scales + L::blocks * group_rows;
  const float d = half_at(record, lane) * static_cast<float>(scales[lane]);
  const float m = half_at(record + half_row, lane) * static_cast<float>(minima[lane]);
  Bytes planes = record + L::header + b * L::block_bytes;
  for (int c = 0; c < block_columns; ++c) {
    const int q = Tag::type == WeightType::q5_k ? five_bits(planes, lane, c) : nibble(planes, lane, c);
    out[c] = d * static_cast<float>(q) - m;
  }
}

void unpack_block(TypeTag<WeightType::q4_k> tag, Bytes record, int b, int lane, float* out) {
  unpack_k_block(tag, record, b, lane, out);
}

void unpack_block(TypeTag<WeightType::q5_k> tag, Bytes record, int b, int lane, float* out) {
  unpack_k_block(tag, record, b, lane, out);
}

// The signed sub-scale of column `c` of block `b`.
float sub_scale(Bytes record, int b, int lane, int c) {
  return static_cast<float>(static_cast<std::int8_t>(record[half_row + (2 * b + c / 16) * group_rows + lane]));
}

void unpack_block(TypeTag<WeightType::q6_k>, Bytes record, int b, int lane, float* out) {
  using L = Layout<WeightType::q6_k>;
  const float d = half_at(record, lane);
  Bytes planes = record + L::header + b * L::block_bytes;
  for (int c = 0; c < block_columns; ++c) {
    const int q = nibble(planes, lane, c) | pair(planes + nibble_plane, lane, c) << 4;
    out[c] = d * sub_scale(record, b, lane, c) * static_cast<float>(q - 32);
  }
}

int three_bits(Bytes planes, int lane, int c) { return pair(planes, lane, c) | bit(planes + pair_plane, lane, c) << 2; }

void unpack_block(TypeTag<WeightType::q6_k_coarse>, Bytes record, int b, int lane, float* out) {
  using L = Layout<WeightType::q6_k_coarse>;
  Bytes planes = record + L::header + b * L::block_bytes;
  for (int c = 0; c < block_columns; ++c)
    out[c] = half_at(record, lane) * sub_scale(record, b, lane, c) *
             (static_cast<float>(8 * (three_bits(planes, lane, c) - 4)) + 3.5f);
}

void unpack_block(TypeTag<WeightType::q3_k>, Bytes record, int b, int lane, float* out) {
  using L = Layout<WeightType::q3_k>;
  const float d = half_at(record, lane);
  Bytes planes = record + L::header + b * L::block_bytes;
  for (int c = 0; c < block_columns; ++c) {
    out[c] = d * sub_scale(record, b, lane, c) * static_cast<float>(three_bits(planes, lane, c) - 4);
  }
}

void unpack_block(TypeTag<WeightType::q2_k>, Bytes record, int b, int lane, float* out) {
  using L = Layout<WeightType::q2_k>;
  const float d = half_at(record, lane), dmin = half_at(record + half_row, lane);
  Bytes planes = record + L::header + b * L::block_bytes;
  for (int c = 0; c < block_columns; ++c) {
    const int packed = record[2 * half_row + (2 * b + c / 16) * group_rows + lane];
    out[c] = d * static_cast<float>(packed & 15) * static_cast<float>(pair(planes, lane, c)) -
             dmin * static_cast<float>(packed >> 4);
  }
}

template <class Number>
Number number_at(Bytes record, int lane, int c) {
  Number number;
  std::memcpy(&number, record + (c * group_rows + lane) * sizeof(Number), sizeof(Number));
  return number;
}

void unpack_block(TypeTag<WeightType::f32>, Bytes record, int, int lane, float* out) {
  for (int c = 0; c < block_columns; ++c) out[c] = number_at<float>(record, lane, c);
}

void unpack_block(TypeTag<WeightType::f16>, Bytes record, int, int lane, float* out) {
  for (int c = 0; c < block_columns; ++c) out[c] = half_to_float(number_at<std::uint16_t>(record, lane, c));
}

void unpack_block(TypeTag<WeightType::bf16>, Bytes record, int, int lane, float* out) {
  for (int c = 0; c < block_columns; ++c) out[c] = bfloat16_to_float(number_at<std::uint16_t>(record, lane, c));
}

}  // namespace

void unpack_lane(WeightType type, const std::uint8_t* group, int lane, int records, float* out) {
  with_type(type, [&](auto tag) {
    using L = Layout<decltype(tag)::type>;
    for (int r = 0; r < records; ++r)
      for (int b = 0; b < L::blocks; ++b)
        unpack_block(tag, group + static_cast<std::size_t>(r) * L::bytes, b, lane,
                     out + (r * L::blocks + b) * block_columns);
  });
}

void unpack_split_lane(WeightType type, const std::uint8_t* coarse, const std::uint8_t* rest, int lane, int records,
                       float* out) {
  if (type == WeightType::q8_0) {
    using L = Layout<WeightType::q8_0_coarse>;
    for (int r = 0; r < records; ++r, coarse += L::bytes, rest += RestLayout<WeightType::q8_0>::bytes)
      for (int c = 0; c < L::columns; ++c) {
        const int q = 16 * nibble(coarse + half_row, lane, c) + nibble(rest, lane, c) - 128;
        *out++ = half_at(coarse, lane) * static_cast<float>(q);
      }
    return;
  }
  using L = Layout<WeightType::q6_k_coarse>;
  for (int r = 0; r < records; ++r, coarse += L::bytes)
    for (int b = 0; b < L::blocks; ++b, rest += RestLayout<WeightType::q6_k>::block_bytes) {
      Bytes planes = coarse + L::header + b * L::block_bytes;
      for (int c = 0; c < block_columns; ++c) {
        const int q = 8 * three_bits(planes, lane, c) + three_bits(rest, lane, c) - 32;
        *out++ = half_at(coarse, lane) * sub_scale(coarse, b, lane, c) * static_cast<float>(q);
      }
    }
}

}  // namespace sevenb
