#include "packed_matrix.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

#include "weight_memory.h"

namespace sevenb {
namespace {

bool is_known(int type) {
  for (WeightType known : {WeightType::f32, WeightType::f16, WeightType::q4_0, WeightType::q4_1, WeightType::q5_0,
                           WeightType::q5_1, WeightType::q8_0, WeightType::q2_k, WeightType::q3_k, WeightType::q4_k,
                           WeightType::q5_k, WeightType::q6_k, WeightType::bf16, WeightType::q4_z,
                           WeightType::q8_0_coarse, WeightType::q6_k_coarse})
    if (type == static_cast<int>(known)) return true;
  return false;
}

}  // namespace

PackedMatrix::PackedMatrix(int type, std::int64_t rows, std::int64_t columns, const std::uint8_t* file,
                           std::size_t file_bytes, Precision precision, ThreadPool& pool) {
  if (!is_known(type)) throw std::invalid_argument("unknown weight type " + std::to_string(type));
  if (rows <= 0 || columns <= 0 || rows > std::numeric_limits<int>::max() - group_rows ||
      columns > std::numeric_limits<int>::max() - 256)
    throw std::invalid_argument("a matrix needs between 1 and 2^31 rows and columns");
  type_ = static_cast<WeightType>(type);
  precision_ = is_float(type_) ? Precision::float32 : precision;
  rows_ = static_cast<int>(rows);
  columns_ = static_cast<int>(columns);
  struct Geometry {
    int columns, file_bytes, bytes;
  };
  const Geometry record = with_type(type_, [](auto tag) {
    using L = Layout<decltype(tag)::type>;
    return Geometry{L::columns, L::file_bytes, L::bytes};
  });
  if (columns_ % record.columns != 0)
    throw std::invalid_argument("rows of this weight type must be multiples of " + std::to_string(record.columns) +
                                " long, not " + std::to_string(columns_));
  const int records = columns_ / record.columns;
  const std::size_t row_bytes = static_cast<std::size_t>(records) * record.file_bytes;
  if (row_bytes * rows_ != file_bytes)
    throw std::invalid_argument("the matrix needs " + std::to_string(row_bytes * rows_) + " bytes, not " +
                                std::to_string(file_bytes));
  group_bytes_ = static_cast<std::size_t>(records) * record.bytes;
  data_ = allocate_weights(bytes());

  const int groups_per_chunk = static_cast<int>(1 + (std::size_t{1} << 18) / group_bytes_);
  const int chunks = (groups() + groups_per_chunk - 1) / groups_per_chunk;
  pool.run(chunks, [&](int chunk, int) {
    const int end = std::min((chunk + 1) * groups_per_chunk, groups());
    for (int index = chunk * groups_per_chunk; index < end; ++index) {
      const int first = index * group_rows;
      pack_group(type_, file + first * row_bytes, row_bytes, std::min(group_rows, rows_ - first), records,
                 data_.get() + index * group_bytes_);
    }
  });
}

void PackedMatrix::dequantise_row(int row, float* out) const {
  const int columns = with_type(type_, [](auto tag) { return Layout<decltype(tag)::type>::columns; });
  unpack_lane(type_, group(row / group_rows), row % group_rows, columns_ / columns, out);
}

}  // namespace sevenb
