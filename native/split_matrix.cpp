#include "split_matrix.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "half.h"
#include "weight_memory.h"

namespace sevenb {
namespace {

WeightType split_type(int type) {
  if (SplitMatrix::splits(type)) return static_cast<WeightType>(type);
  throw std::invalid_argument("matrices of weight type " + std::to_string(type) + " do not split");
}

int coarse_type(WeightType type) {
  return with_split_type(type, [](auto tag) { return static_cast<int>(RestLayout<decltype(tag)::type>::coarse); });
}

float half_at(const std::uint8_t* halves, int lane) {
  std::uint16_t half;
  std::memcpy(&half, halves + 2 * lane, 2);
  return half_to_float(half);
}

// The square of a row's scale for each 32 columns of a group, in Q6_K the mean of two: f(block, lane, square).
template <class F>
void for_squares(const std::uint8_t* group, WeightType type, int columns, F f) {
  if (type == WeightType::q8_0) {
    using L = Layout<WeightType::q8_0_coarse>;
    for (int block = 0; block < columns / L::columns; ++block, group += L::bytes)
      for (int lane = 0; lane < group_rows; ++lane) {
        const float scale = half_at(group, lane);
        f(block, lane, scale * scale);
      }
    return;
  }
  using L = Layout<WeightType::q6_k_coarse>;
  for (int record = 0; record < columns / L::columns; ++record, group += L::bytes) {
    const auto* sub_scales = reinterpret_cast<const std::int8_t*>(group + half_row);
    for (int lane = 0; lane < group_rows; ++lane) {
      const float scale = half_at(group, lane), half_square = 0.5f * scale * scale;
      for (int b = 0; b < L::blocks; ++b) {
        const int first = sub_scales[2 * b * group_rows + lane], second = sub_scales[(2 * b + 1) * group_rows + lane];
        f(record * L::blocks + b, lane, half_square * static_cast<float>(first * first + second * second));
      }
    }
  }
}

void mean_squares_of(const std::uint8_t* group, WeightType type, int columns, int pieces, float* out) {
  constexpr int piece_blocks = SplitMatrix::piece_columns / block_columns;
  std::vector<float> sums(static_cast<std::size_t>(pieces) * group_rows);
  for_squares(group, type, columns,
              [&](int block, int lane, float square) { sums[block / piece_blocks * group_rows + lane] += square; });
  for (int piece = 0; piece < pieces; ++piece) {
    const float* first = &sums[piece * group_rows];
    const int blocks = std::min(piece_blocks, columns / block_columns - piece * piece_blocks);
    out[piece] = *std::max_element(first, first + group_rows) / static_cast<float>(blocks);
  }
}

}  // namespace

bool SplitMatrix::splits(int type) {
  return type == static_cast<int>(WeightType::q8_0) || type == static_cast<int>(WeightType::q6_k);
}

SplitMatrix::SplitMatrix(int type, std::int64_t rows, std::int64_t columns, const std::uint8_t* file,
                         std::size_t file_bytes, ThreadPool& pool)
    : type_(split_type(type)),
      coarse_(coarse_type(type_), rows, columns, file, file_bytes, Precision::int8, pool),
      squares_(static_cast<std::size_t>(coarse_.groups()) * pieces()) {
  struct Geometry {
    int columns, file_bytes, bytes;
  };
  const Geometry record = with_split_type(type_, [](auto tag) {
    using L = RestLayout<decltype(tag)::type>;
    return Geometry{L::columns, L::file_bytes, L::bytes};
  });
  const int records = coarse_.columns() / record.columns;
  const std::size_t row_bytes = static_cast<std::size_t>(records) * record.file_bytes;
  rest_group_bytes_ = static_cast<std::size_t>(records) * record.bytes;
  rest_ = allocate_weights(groups() * rest_group_bytes_);

  constexpr int groups_per_chunk = 16;
  pool.run((groups() + groups_per_chunk - 1) / groups_per_chunk, [&](int chunk, int) {
    const int end = std::min((chunk + 1) * groups_per_chunk, groups());
    for (int group = chunk * groups_per_chunk; group < end; ++group) {
      const int first = group * group_rows;
      pack_rest_group(type_, file + first * row_bytes, row_bytes, std::min(group_rows, coarse_.rows() - first), records,
                      rest_.get() + group * rest_group_bytes_);
      mean_squares_of(coarse_.group(group), type_, coarse_.columns(), pieces(),
                      &squares_[static_cast<std::size_t>(group) * pieces()]);
    }
  });
}

void SplitMatrix::dequantise_row(int row, float* out) const {
  const int columns = with_split_type(type_, [](auto tag) { return RestLayout<decltype(tag)::type>::columns; });
  const int group = row / group_rows;
  unpack_split_lane(type_, coarse_.group(group), rest(group), row % group_rows, coarse_.columns() / columns, out);
}

}  // namespace sevenb
