// An output head in two halves, so that most of its tokens need only the first.
//
// A head has a row for each of 150,000 tokens, and next to none of them can be chosen. The upper half of each weight's
// bits says which: what the lower half adds to a logit is a sum of hundreds of products with remainders that are as
// good as random, and so stays within a few of its standard deviations (head.h).
#pragma once

#include <vector>

#include "packed_matrix.h"

namespace sevenb {

class SplitMatrix {
 public:
  // Whether matrices of this type can be split.
  static bool splits(int type);

  // As PackedMatrix; throws std::invalid_argument also for a type that does not split.
  SplitMatrix(int type, std::int64_t rows, std::int64_t columns, const std::uint8_t* file, std::size_t file_bytes,
              ThreadPool& pool);

  WeightType type() const { return type_; }
  // The upper half of the weights' bits, with the middle of what the lower half may be: a matrix of its own.
  const PackedMatrix& coarse() const { return coarse_; }
  // The lower half of a row group: planes without scales.
  const std::uint8_t* rest(int group) const { return rest_.get() + group * rest_group_bytes_; }

  int rows() const { return coarse_.rows(); }
  int columns() const { return coarse_.columns(); }
  int groups() const { return coarse_.groups(); }
  std::size_t bytes() const {
    return coarse_.bytes() + groups() * rest_group_bytes_ + squares_.size() * sizeof(float);
  }

  // Of block `block` of all row groups' columns, the square of the largest scale: [groups]. Infinite in groups with a row
  // whose lower half is not as good as random, for want of a bound.
  const float* squares(int block) const { return &squares_[static_cast<std::size_t>(block) * groups()]; }
  // In units of a scale: the variance of a weight's rest, and the largest weight.
  float rest_variance() const { return type_ == WeightType::q8_0 ? (16 * 16 - 1) / 12.0f : (8 * 8 - 1) / 12.0f; }
  float largest_weight() const { return type_ == WeightType::q8_0 ? 128.0f : 32.0f; }

  // One row as float32, exactly the values that the file's formula gives.
  void dequantise_row(int row, float* out) const;

 private:
  WeightType type_;
  PackedMatrix coarse_;
  std::size_t rest_group_bytes_;
  std::shared_ptr<std::uint8_t> rest_;
  std::vector<float> squares_;  // [columns / block_columns][groups]
};

}  // namespace sevenb
