// The weight types of model files and how each is laid out once packed (file formats: ggml's ggml-common.h).
//
// A packed matrix is a sequence of *row groups* of 16 rows, padded with rows of zero scale. A group is a sequence of
// *records* along the columns, each as wide as the type's block in the file. In a record come first the scales of the
// 16 rows, then the weights of each 32 columns in byte planes. In a plane, columns are taken four at a time ("step" 0
// to 7 of a 32-column block), and a step is 64 bytes: four bytes of row 0, four of row 1, …; so that a 32-bit vector
// lane holds one row, and no sum across lanes is ever needed. A step is one vector of AVX-512 or two of AVX2.
//
//   nibble plane  256 bytes  line i of 4: low nibbles step i, high nibbles step i + 4
//   pair plane    128 bytes  line i of 2: bits 2s and 2s + 1 of each byte are step 4i + s
//   bit plane      64 bytes  bit s of each byte is step s
//   byte plane    512 bytes  line s of 8 is step s
#pragma once

#include <cstddef>

namespace sevenb {

// GGML's numbers, and from 1000 on our own.
enum class WeightType {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q2_k = 10,
  q3_k = 11,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  bf16 = 30,
  q4_z = 1004,
  // The upper halves of a split_matrix.h.
  q8_0_coarse = 2008,
  q6_k_coarse = 2014,
};

constexpr int group_rows = 16;
constexpr int block_columns = 32;

constexpr int step_bytes = 4 * group_rows;
constexpr int nibble_plane = 4 * step_bytes;
constexpr int pair_plane = 2 * step_bytes;
constexpr int bit_plane = step_bytes;
constexpr int byte_plane = 8 * step_bytes;
constexpr int half_row = 2 * group_rows;  // one half-precision number for each row of a group
constexpr int byte_rows = 16 * group_rows;     // sixteen bytes for each row: the sub-scales of 256 columns

// file_bytes: one row's block in the file. blocks: 32-column blocks in a record. header: bytes of scales at the
// record's start. block_bytes: bytes of weights that each 32-column block of the record takes after the header.
template <int FileBytes, int Blocks, int Header, int BlockBytes>
struct RecordLayout {
  static constexpr int file_bytes = FileBytes;
  static constexpr int blocks = Blocks;
  static constexpr int columns = Blocks * block_columns;
  static constexpr int header = Header;
  static constexpr int block_bytes = BlockBytes;
  static constexpr int bytes = Header + Blocks * BlockBytes;
};

template <WeightType T>
struct Layout;

// d | planes
template <> struct Layout<WeightType::q4_0> : RecordLayout<18, 1, half_row, nibble_plane> {};
template <> struct Layout<WeightType::q5_0> : RecordLayout<22, 1, half_row, nibble_plane + bit_plane> {};
template <> struct Layout<WeightType::q8_0> : RecordLayout<34, 1, half_row, byte_plane> {};
// d | m | planes
template <> struct Layout<WeightType::q4_1> : RecordLayout<20, 1, 2 * half_row, nibble_plane> {};
template <> struct Layout<WeightType::q5_1> : RecordLayout<24, 1, 2 * half_row, nibble_plane + bit_plane> {};
// d | z | planes
template <> struct Layout<WeightType::q4_z> : RecordLayout<20, 1, 2 * half_row, nibble_plane> {};
// d | dmin | eight sub-scales × 16 rows | eight sub-minima × 16 rows | planes
template <> struct Layout<WeightType::q4_k> : RecordLayout<144, 8, 2 * half_row + byte_rows, nibble_plane> {};
template <> struct Layout<WeightType::q5_k> : RecordLayout<176, 8, 2 * half_row + byte_rows, nibble_plane + bit_plane> {};
// d | sixteen signed sub-scales × 16 rows | planes
template <> struct Layout<WeightType::q6_k> : RecordLayout<210, 8, half_row + byte_rows, nibble_plane + pair_plane> {};
template <> struct Layout<WeightType::q3_k> : RecordLayout<110, 8, half_row + byte_rows, pair_plane + bit_plane> {};
// d | dmin | sixteen (sub-scale, sub-minimum << 4) × 16 rows | planes
template <> struct Layout<WeightType::q2_k> : RecordLayout<84, 8, 2 * half_row + byte_rows, pair_plane> {};
// scales as those of the whole | planes of the upper half of each weight's bits
template <> struct Layout<WeightType::q8_0_coarse> : RecordLayout<34, 1, half_row, nibble_plane> {};
template <> struct Layout<WeightType::q6_k_coarse> : RecordLayout<210, 8, half_row + byte_rows, pair_plane + bit_plane> {};
// plain numbers: [column][row]
template <> struct Layout<WeightType::f32> : RecordLayout<128, 1, 0, 4 * byte_plane> {};
template <> struct Layout<WeightType::f16> : RecordLayout<64, 1, 0, 2 * byte_plane> {};
template <> struct Layout<WeightType::bf16> : RecordLayout<64, 1, 0, 2 * byte_plane> {};

// What the upper half of a type's weights lacks: the lower half's planes alone.
template <WeightType T>
struct RestLayout;
template <> struct RestLayout<WeightType::q8_0> : RecordLayout<34, 1, 0, nibble_plane> {
  static constexpr WeightType coarse = WeightType::q8_0_coarse;
};
template <> struct RestLayout<WeightType::q6_k> : RecordLayout<210, 8, 0, pair_plane + bit_plane> {
  static constexpr WeightType coarse = WeightType::q6_k_coarse;
};

template <WeightType T>
struct TypeTag {
  static constexpr WeightType type = T;
};

// Calls f(TypeTag<T>{}) for the run-time type `type`, which must be one of those above.
template <class F>
inline auto with_type(WeightType type, F&& f) {
  switch (type) {
    case WeightType::f32: return f(TypeTag<WeightType::f32>{});
    case WeightType::f16: return f(TypeTag<WeightType::f16>{});
    case WeightType::q4_0: return f(TypeTag<WeightType::q4_0>{});
    case WeightType::q4_1: return f(TypeTag<WeightType::q4_1>{});
    case WeightType::q5_0: return f(TypeTag<WeightType::q5_0>{});
    case WeightType::q5_1: return f(TypeTag<WeightType::q5_1>{});
    case WeightType::q8_0: return f(TypeTag<WeightType::q8_0>{});
    case WeightType::q2_k: return f(TypeTag<WeightType::q2_k>{});
    case WeightType::q3_k: return f(TypeTag<WeightType::q3_k>{});
    case WeightType::q4_k: return f(TypeTag<WeightType::q4_k>{});
    case WeightType::q5_k: return f(TypeTag<WeightType::q5_k>{});
    case WeightType::q6_k: return f(TypeTag<WeightType::q6_k>{});
    case WeightType::q4_z: return f(TypeTag<WeightType::q4_z>{});
    case WeightType::q8_0_coarse: return f(TypeTag<WeightType::q8_0_coarse>{});
    case WeightType::q6_k_coarse: return f(TypeTag<WeightType::q6_k_coarse>{});
    case WeightType::bf16: break;
  }
  return f(TypeTag<WeightType::bf16>{});
}

// The same for a type that splits, of which there are two.
template <class F>
inline auto with_split_type(WeightType type, F&& f) {
  return type == WeightType::q8_0 ? f(TypeTag<WeightType::q8_0>{}) : f(TypeTag<WeightType::q6_k>{});
}

constexpr bool is_float(WeightType type) {
  return type == WeightType::f32 || type == WeightType::f16 || type == WeightType::bf16;
}

}  // namespace sevenb
