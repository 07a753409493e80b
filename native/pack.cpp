// From a GGUF file's rows to packed groups, a word of all 16 rows at a time (file formats: ggml-common.h).
#include <cstring>

#include "packed_matrix.h"

namespace sevenb {
namespace {

using Bytes = std::uint8_t*;
using File = const std::uint8_t*;

// One 32-bit word of each row: as it lies in a plane of the packed group, where it is one step of 32 columns.
typedef std::uint32_t Line __attribute__((vector_size(step_bytes)));
typedef std::uint8_t ByteLine __attribute__((vector_size(group_rows)));

constexpr std::uint32_t low_nibbles = 0x0f0f0f0fu;
constexpr std::uint32_t low_pairs = 0x03030303u;
constexpr std::uint32_t low_bits = 0x01010101u;

// The same record of each row of a group, as it lies in the file.
struct Records {
  File row[group_rows];
};

// What stands for the rows that the last group of a matrix lacks: a record of zero scale, whatever its type.
constexpr std::uint8_t no_record[256] = {};

// Words 0 to Count - 1 of each row's record, from its byte `offset` on.
template <int Count>
struct Words {
  Words(const Records& records, int offset) {
    for (int lane = 0; lane < group_rows; ++lane)
      for (int i = 0; i < Count; ++i) std::memcpy(&words_[i][lane], records.row[lane] + offset + 4 * i, 4);
  }

  Line operator[](int index) const {
    Line line;
    std::memcpy(&line, words_[index], sizeof line);
    return line;
  }

 private:
  std::uint32_t words_[Count][group_rows];
};

void put_line(Bytes plane, int index, Line line) { std::memcpy(plane + index * step_bytes, &line, sizeof line); }

template <int Count>
void put_lines(Bytes plane, const Words<Count>& words) {
  for (int i = 0; i < Count; ++i) put_line(plane, i, words[i]);
}

// put_nibbles, put_pairs, put_bits: the plane of eight steps, where step(s) has its nibbles, pairs or bits lowest in
// each byte and anything above.

template <class Step>
void put_nibbles(Bytes plane, Step step) {
  for (int i = 0; i < 4; ++i) put_line(plane, i, (step(i) & low_nibbles) | (step(i + 4) & low_nibbles) << 4);
}

template <class Step>
void put_pairs(Bytes plane, Step step) {
  for (int i = 0; i < 2; ++i) {
    Line packed = {};
    for (int s = 0; s < 4; ++s) packed |= (step(4 * i + s) & low_pairs) << (2 * s);
    put_line(plane, i, packed);
  }
}

template <class Step>
void put_bits(Bytes plane, Step step) {
  Line packed = {};
  for (int s = 0; s < 8; ++s) packed |= (step(s) & low_bits) << s;
  put_line(plane, 0, packed);
}

// The bit plane of fifth bits that lie together: bit k of a row's word belongs to weight k.
void put_fifth_bits(Bytes plane, Line fifth_bits) {
  // The product takes bit i of four to bit 0 of byte i.
  put_bits(plane, [&](int s) { return ((fifth_bits >> (4 * s)) & 15u) * 0x00204081u; });
}

void put_halves(Bytes halves, const Records& records, int offset) {
  for (int lane = 0; lane < group_rows; ++lane) std::memcpy(halves + 2 * lane, records.row[lane] + offset, 2);
}

// The four bytes of each row's word: those of all rows that come first, then those that come second, …
void put_bytes(Bytes bytes, Line line) {
  for (int i = 0; i < 4; ++i) {
    const ByteLine column = __builtin_convertvector(line >> (8 * i), ByteLine);
    std::memcpy(bytes + i * group_rows, &column, sizeof column);
  }
}

// pack_record(tag, records, out): one record of 16 rows.

void pack_record(TypeTag<WeightType::q4_0>, const Records& records, Bytes out) {
  put_halves(out, records, 0);
  put_lines(out + half_row, Words<4>(records, 2));  // the file has the plane's order
}

void pack_record(TypeTag<WeightType::q4_1>, const Records& records, Bytes out) {
  put_halves(out, records, 0);
  put_halves(out + half_row, records, 2);
  put_lines(out + 2 * half_row, Words<4>(records, 4));
}

// The same with a zero point in the minimum's place.
void pack_record(TypeTag<WeightType::q4_z>, const Records& records, Bytes out) {
  pack_record(TypeTag<WeightType::q4_1>{}, records, out);
}

void pack_record(TypeTag<WeightType::q5_0>, const Records& records, Bytes out) {
  put_halves(out, records, 0);
  put_lines(out + half_row, Words<4>(records, 6));
  put_fifth_bits(out + half_row + nibble_plane, Words<1>(records, 2)[0]);
}

void pack_record(TypeTag<WeightType::q5_1>, const Records& records, Bytes out) {
  put_halves(out, records, 0);
  put_halves(out + half_row, records, 2);
  put_lines(out + 2 * half_row, Words<4>(records, 8));
  put_fifth_bits(out + 2 * half_row + nibble_plane, Words<1>(records, 4)[0]);
}

void pack_record(TypeTag<WeightType::q8_0>, const Records& records, Bytes out) {
  put_halves(out, records, 0);
  put_lines(out + half_row, Words<8>(records, 2));
}

// The halves of Q8_0: the upper and the lower nibble of q + 128.
void put_q8_nibbles(const Records& records, int shift, Bytes plane) {
  const Words<8> words(records, 2);
  put_nibbles(plane, [&](int s) { return (words[s] ^ 0x80808080u) >> shift; });
}

void pack_record(TypeTag<WeightType::q8_0_coarse>, const Records& records, Bytes out) {
  put_halves(out, records, 0);
  put_q8_nibbles(records, 4, out + half_row);
}

void pack_rest(TypeTag<WeightType::q8_0>, const Records& records, Bytes out) { put_q8_nibbles(records, 0, out); }

// Q4_K and Q5_K: d, dmin, 12 bytes of 6-bit sub-scales and sub-minima. Their first eight bytes are four scales and four
// minima, above which are the two high bits of four more each; the low bits of those are the nibbles of the last four.
void put_k_scales(const Records& records, Bytes out) {
  put_halves(out, records, 0);
  put_halves(out + half_row, records, 2);
  const Words<3> packed(records, 4);
  constexpr std::uint32_t six_bits = 0x3f3f3f3fu;
  const Line rest = packed[2];
  Bytes scales = out + 2 * half_row, minima = scales + 8 * group_rows;
  put_bytes(scales, packed[0] & six_bits);
  put_bytes(scales + 4 * group_rows, (rest & low_nibbles) | ((packed[0] >> 6) & low_pairs) << 4);
  put_bytes(minima, packed[1] & six_bits);
  put_bytes(minima + 4 * group_rows, ((rest >> 4) & low_nibbles) | ((packed[1] >> 6) & low_pairs) << 4);
}

// Q4_K: scales, 128 bytes of nibbles.
void pack_record(TypeTag<WeightType::q4_k>, const Records& records, Bytes out) {
  using L = Layout<WeightType::q4_k>;
  put_k_scales(records, out);
  const Words<32> nibbles(records, 16);
  for (int b = 0; b < L::blocks; ++b)
    put_nibbles(out + L::header + b * L::block_bytes, [&](int s) { return nibbles[b / 2 * 8 + s] >> (b % 2 * 4); });
}

// Q5_K: scales, 32 bytes of fifth bits, 128 bytes of nibbles.
void pack_record(TypeTag<WeightType::q5_k>, const Records& records, Bytes out) {
  using L = Layout<WeightType::q5_k>;
  put_k_scales(records, out);
  const Words<8> fifth_bits(records, 16);
  const Words<32> nibbles(records, 48);
  for (int b = 0; b < L::blocks; ++b) {
    Bytes planes = out + L::header + b * L::block_bytes;
    put_nibbles(planes, [&](int s) { return nibbles[b / 2 * 8 + s] >> (b % 2 * 4); });
    put_bits(planes + nibble_plane, [&](int s) { return fifth_bits[s] >> b; });
  }
}

// Q6_K: 128 bytes of nibbles, 64 of bit pairs, 16 signed sub-scales, d.
struct Q6Record {
  explicit Q6Record(const Records& records) : nibbles(records, 0), pairs(records, 128) {}

  // Of block `b`, with anything above.
  Line low_nibble(int b, int s) const { return nibbles[b / 4 * 16 + b % 2 * 8 + s] >> (b % 4 / 2 * 4); }
  Line high_pair(int b, int s) const { return pairs[b / 4 * 8 + s] >> (2 * (b % 4)); }
  Line six_bits(int b, int s) const { return (low_nibble(b, s) & low_nibbles) | (high_pair(b, s) & low_pairs) << 4; }

  Words<32> nibbles;
  Words<16> pairs;
};

void put_q6_scales(const Records& records, Bytes out) {
  put_halves(out, records, 208);
  const Words<4> scales(records, 192);
  for (int i = 0; i < 4; ++i) put_bytes(out + half_row + 4 * i * group_rows, scales[i]);
}

void pack_record(TypeTag<WeightType::q6_k>, const Records& records, Bytes out) {
  using L = Layout<WeightType::q6_k>;
  put_q6_scales(records, out);
  const Q6Record record(records);
  for (int b = 0; b < L::blocks; ++b) {
    Bytes planes = out + L::header + b * L::block_bytes;
    put_nibbles(planes, [&](int s) { return record.low_nibble(b, s); });
    put_pairs(planes + nibble_plane, [&](int s) { return record.high_pair(b, s); });
  }
}

// The halves of Q6_K: the upper and the lower three bits of q + 32.
void put_q6_half(const Records& records, int shift, Bytes planes) {
  using Rest = RestLayout<WeightType::q6_k>;
  const Q6Record record(records);
  for (int b = 0; b < Rest::blocks; ++b, planes += Rest::block_bytes) {
    put_pairs(planes, [&](int s) { return record.six_bits(b, s) >> shift; });
    put_bits(planes + pair_plane, [&](int s) { return record.six_bits(b, s) >> (shift + 2); });
  }
}

void pack_record(TypeTag<WeightType::q6_k_coarse>, const Records& records, Bytes out) {
  put_q6_scales(records, out);
  put_q6_half(records, 3, out + Layout<WeightType::q6_k_coarse>::header);
}

void pack_rest(TypeTag<WeightType::q6_k>, const Records& records, Bytes out) { put_q6_half(records, 0, out); }

// Q3_K: 32 bytes of third bits, 64 of bit pairs, 12 of 6-bit sub-scales (biased by 32), d. The nibbles of the first
// eight bytes of scales are the low bits of all 16, the pairs of the last four bytes their high bits.
void pack_record(TypeTag<WeightType::q3_k>, const Records& records, Bytes out) {
  using L = Layout<WeightType::q3_k>;
  put_halves(out, records, 108);
  const Words<3> packed(records, 96);
  for (int i = 0; i < 4; ++i) {
    const Line low = (packed[i % 2] >> (i / 2 * 4)) & low_nibbles, high = (packed[2] >> (2 * i)) & low_pairs;
    const Line biased = low | high << 4;
    // Less 32, byte by byte: the highest bit keeps bytes from borrowing of each other.
    put_bytes(out + half_row + 4 * i * group_rows, ((biased | 0x80808080u) - 0x20202020u) ^ 0x80808080u);
  }
  const Words<8> third_bits(records, 0);
  const Words<16> pairs(records, 32);
  for (int b = 0; b < L::blocks; ++b) {
    Bytes planes = out + L::header + b * L::block_bytes;
    put_pairs(planes, [&](int s) { return pairs[b / 4 * 8 + s] >> (b % 4 * 2); });
    put_bits(planes + pair_plane, [&](int s) { return third_bits[s] >> b; });
  }
}

// Q2_K: 16 bytes of 4-bit sub-scales and minima, 64 of bit pairs, d, dmin.
void pack_record(TypeTag<WeightType::q2_k>, const Records& records, Bytes out) {
  using L = Layout<WeightType::q2_k>;
  put_halves(out, records, 80);
  put_halves(out + half_row, records, 82);
  const Words<4> scales(records, 0);
  for (int i = 0; i < 4; ++i) put_bytes(out + 2 * half_row + 4 * i * group_rows, scales[i]);
  const Words<16> pairs(records, 16);
  for (int b = 0; b < L::blocks; ++b)
    put_pairs(out + L::header + b * L::block_bytes, [&](int s) { return pairs[b / 4 * 8 + s] >> (b % 4 * 2); });
}

template <int Width>
void put_numbers(const Records& records, Bytes out) {
  for (int c = 0; c < block_columns; ++c)
    for (int lane = 0; lane < group_rows; ++lane)
      std::memcpy(out + (c * group_rows + lane) * Width, records.row[lane] + c * Width, Width);
}

void pack_record(TypeTag<WeightType::f32>, const Records& records, Bytes out) { put_numbers<4>(records, out); }
void pack_record(TypeTag<WeightType::f16>, const Records& records, Bytes out) { put_numbers<2>(records, out); }
void pack_record(TypeTag<WeightType::bf16>, const Records& records, Bytes out) { put_numbers<2>(records, out); }

// put(records, out) for each record of a group's rows.
template <class L, class Put>
void for_records(const std::uint8_t* file, std::size_t row_bytes, int rows, int records, Bytes group, Put put) {
  static_assert(L::file_bytes <= sizeof no_record);
  for (int r = 0; r < records; ++r) {
    Records at;
    for (int lane = 0; lane < group_rows; ++lane)
      at.row[lane] = lane < rows ? file + lane * row_bytes + static_cast<std::size_t>(r) * L::file_bytes : no_record;
    put(at, group + static_cast<std::size_t>(r) * L::bytes);
  }
}

}  // namespace

void pack_group(WeightType type, const std::uint8_t* file, std::size_t row_bytes, int rows, int records,
                std::uint8_t* group) {
  with_type(type, [&](auto tag) {
    for_records<Layout<decltype(tag)::type>>(file, row_bytes, rows, records, group,
                                             [&](const Records& at, Bytes out) { pack_record(tag, at, out); });
  });
}

void pack_rest_group(WeightType type, const std::uint8_t* file, std::size_t row_bytes, int rows, int records,
                     std::uint8_t* group) {
  with_split_type(type, [&](auto tag) {
    for_records<RestLayout<decltype(tag)::type>>(file, row_bytes, rows, records, group,
                                                 [&](const Records& at, Bytes out) { pack_rest(tag, at, out); });
  });
}

}  // namespace sevenb
