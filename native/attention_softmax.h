// Exponentials of attention and the merge of two softmax states, over a vector type of 16 floats.
#pragma once

#include "attention_kernels.h"

namespace sevenb {
namespace {

// 2^x for x <= 0, exactly 1 at 0 and exactly 0 below -125; relative minimax on [-1/2, 1/2]. Degree 6 is good to 1 ulp or
// so, degree 4 to 3e-6.
template <int Degree, class V>
inline V exp2_lanes(V x) {
  static_assert(Degree == 4 || Degree == 6);
  const V shifted = add(x, V::broadcast(12582912.0f));  // 1.5 * 2^23: the integer part lands in the low bits
  const V fraction = subtract(x, subtract(shifted, V::broadcast(12582912.0f)));
  V power;
  if constexpr (Degree == 6) {
    power = V::broadcast(0x1.470b4ap-13f);
    power = multiply_add(power, fraction, V::broadcast(0x1.5f7276p-10f));
    power = multiply_add(power, fraction, V::broadcast(0x1.3b270ep-7f));
    power = multiply_add(power, fraction, V::broadcast(0x1.c6ae72p-5f));
    power = multiply_add(power, fraction, V::broadcast(0x1.ebfbe2p-3f));
    power = multiply_add(power, fraction, V::broadcast(0x1.62e432p-1f));
  } else {
    power = V::broadcast(0x1.3a02ccp-7f);
    power = multiply_add(power, fraction, V::broadcast(0x1.c9fc46p-5f));
    power = multiply_add(power, fraction, V::broadcast(0x1.ec0378p-3f));
    power = multiply_add(power, fraction, V::broadcast(0x1.62e12cp-1f));
  }
  power = multiply_add(power, fraction, V::broadcast(1.0f));
  return zero_unless_at_least(scale_by_power_of_two(power, shifted), x, V::broadcast(-125.0f));
}

template <class Isa>
void merge(const Softmax& state, const Softmax& part, int rows, int padded_dim) {
  using Wide = typename Isa::Floats::Wide;
  for (int row = 0; row < rows; ++row) {
    const float peak = part.maximum[row] > state.maximum[row] ? part.maximum[row] : state.maximum[row];
    const Wide keep = exp2_lanes<6>(Wide::broadcast(state.maximum[row] - peak));
    const Wide take = exp2_lanes<6>(Wide::broadcast(part.maximum[row] - peak));
    state.maximum[row] = peak;
    float* total = state.total + row;
    *total = first_lane(multiply_add(Wide::broadcast(part.total[row]), take, multiply(Wide::broadcast(*total), keep)));
    for (int d = row * padded_dim; d < (row + 1) * padded_dim; d += kPanel)
      multiply_add(Wide::load(part.output + d), take, multiply(Wide::load(state.output + d), keep))
          .store(state.output + d);
  }
}

}  // namespace
}  // namespace sevenb
