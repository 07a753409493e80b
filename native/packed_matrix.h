// A weight matrix laid out for the kernels: 16 rows interleaved, the file's own scales, nothing rounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "activations.h"
#include "thread_pool.h"
#include "weight_types.h"

namespace sevenb {

class PackedMatrix {
 public:
  // Packs `rows` rows of `columns` weights that lie in `file` as they do in a GGUF file. `precision` is that of the
  // activations this matrix is multiplied by; plain numbers always meet float32.
  // Throws std::invalid_argument when the type is unknown, when `columns` is no multiple of the type's block (at
  // least 32) or when `file_bytes` is not what the shape needs; std::bad_alloc when memory is short.
  PackedMatrix(int type, std::int64_t rows, std::int64_t columns, const std::uint8_t* file, std::size_t file_bytes,
               Precision precision, ThreadPool& pool);

  WeightType type() const { return type_; }
  Precision precision() const { return precision_; }
  int rows() const { return rows_; }
  int columns() const { return columns_; }
  int groups() const { return (rows_ + group_rows - 1) / group_rows; }
  std::size_t group_bytes() const { return group_bytes_; }
  std::size_t bytes() const { return groups() * group_bytes_; }
  const std::uint8_t* group(int index) const { return data_.get() + index * group_bytes_; }

  // One row as float32, exactly the values that the file's formula gives.
  void dequantise_row(int row, float* out) const;

 private:
  WeightType type_;
  Precision precision_;
  int rows_;
  int columns_;
  std::size_t group_bytes_;
  std::shared_ptr<std::uint8_t> data_;
};

// Packs rows of one group: `rows` <= 16 rows that lie `row_bytes` apart in `file`, into `group`. Rows that are missing
// get zero scales.
void pack_group(WeightType type, const std::uint8_t* file, std::size_t row_bytes, int rows, int records,
                std::uint8_t* group);

// Lane `lane` of a packed group as float32.
void unpack_lane(WeightType type, const std::uint8_t* group, int lane, int records, float* out);

// The same for the lower half of a type that splits (split_matrix.h).
void pack_rest_group(WeightType type, const std::uint8_t* file, std::size_t row_bytes, int rows, int records,
                     std::uint8_t* group);

// A row of a group in two halves as float32, exactly the values of the `type` that was split.
void unpack_split_lane(WeightType type, const std::uint8_t* coarse, const std::uint8_t* rest, int lane, int records,
                       float* out);

}  // namespace sevenb
