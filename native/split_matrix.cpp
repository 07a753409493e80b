#include "split_matrix.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
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

// f(block, scale) for each scale of a row group, of which Q6_K has two for each row of a block.
template <class F>
void for_scales(const std::uint8_t* group, WeightType type, int columns, F f) {
  if (type == WeightType::q8_0) {
    using L = Layout<WeightType::q8_0_coarse>;
    for (int block = 0; block < columns / L::columns; ++block, group += L::bytes)
      for (int lane = 0; lane < group_rows; ++lane) f(block, half_at(group, lane));
    return;
  }
  using L = Layout<WeightType::q6_k_coarse>;
  for (int record = 0; record < columns / L::columns; ++record, group += L::bytes) {
    const auto* sub_scales = reinterpret_cast<const std::int8_t*>(group + half_row);
    for (int lane = 0; lane < group_rows; ++lane) {
      const float scale = half_at(group, lane);
      for (int i = 0; i < 2 * L::blocks; ++i)
        f(record * L::blocks + i / 2, scale * static_cast<float>(sub_scales[i * group_rows + lane]));
    }
  }
}

// Whether the lower halves of a row's weights have the mean that random ones would have, but for chance. A quarter of
// them tells; constant ones are far from it.
bool looks_random(const std::uint8_t* row, WeightType type, int columns) {
  std::int64_t sum = 0;
  int count = 0;
  if (type == WeightType::q8_0) {
    using L = Layout<WeightType::q8_0_coarse>;
    for (int block = 0; block < columns / L::columns; block += 4, count += L::columns)
      for (int i = 0; i < L::columns; ++i) sum += row[block * L::file_bytes + 2 + i] & 15;
    return std::fabs(static_cast<double>(sum) / count - 7.5) < 2.5;
  }
  using L = Layout<WeightType::q6_k_coarse>;
  constexpr int sampled = 32;  // bytes of two weights, of a record's 128
  for (int record = 0; record < columns / L::columns; ++record, count += 2 * sampled)
    for (int i = 0; i < sampled; ++i) {
      const int both = row[record * L::file_bytes + i];
      sum += (both & 7) + (both >> 4 & 7);
    }
  return std::fabs(static_cast<double>(sum) / count - 3.5) < 1.0;
}

}  // namespace

bool SplitMatrix::splits(int type) {
  return type == static_cast<int>(WeightType::q8_0) || type == static_cast<int>(WeightType::q6_k);
}

SplitMatrix::SplitMatrix(int type, std::int64_t rows, std::int64_t columns, const std::uint8_t* file,
                         std::size_t file_bytes, ThreadPool& pool)
    : type_(split_type(type)),
      coarse_(coarse_type(type_), rows, columns, file, file_bytes, Precision::int8, pool),
      squares_(static_cast<std::size_t>(coarse_.groups()) * (coarse_.columns() / block_columns)) {
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
      const int first = group * group_rows, end_row = std::min(first + group_rows, coarse_.rows());
      pack_rest_group(type_, file + first * row_bytes, row_bytes, end_row - first, records,
                      rest_.get() + group * rest_group_bytes_);
      for_scales(coarse_.group(group), type_, coarse_.columns(), [&](int block, float scale) {
        float& square = squares_[static_cast<std::size_t>(block) * groups() + group];
        square = std::max(square, scale * scale);
      });
      for (int row = first; row < end_row; ++row)
        if (!looks_random(file + row * row_bytes, type_, coarse_.columns()))
          squares_[group] = std::numeric_limits<float>::infinity();
    }
  });
}

void SplitMatrix::dequantise_row(int row, float* out) const {
  const int columns = with_split_type(type_, [](auto tag) { return RestLayout<decltype(tag)::type>::columns; });
  const int group = row / group_rows;
  unpack_split_lane(type_, coarse_.group(group), rest(group), row % group_rows, coarse_.columns() / columns, out);
}

}  // namespace sevenb
