#include "kv_integers.h"

#include <cfloat>

namespace sevenb {

void hadamard(float* values, int count, int block) {
  for (int half = 1; half < block; half *= 2)
    for (int start = 0; start < count; start += 2 * half)
      for (int i = start; i < start + half; ++i) {
        const float sum = values[i] + values[i + half];
        values[i + half] = values[i] - values[i + half];
        values[i] = sum;
      }
}

template <class Element>
float quantize(const float* values, int count, Element* to) {
  constexpr float kRange = element_range<Element>;
  float largest = 0.0f;
  for (int i = 0; i < count; ++i) {
    const float magnitude = values[i] < 0 ? -values[i] : values[i];
    largest = magnitude > largest ? magnitude : largest;
  }
  const Grid grid = grid_to(largest < FLT_MAX ? largest : FLT_MAX, kRange);
  for (int i = 0; i < count; ++i) {
    float steps = values[i] * grid.inverse;
    steps = steps < kRange ? steps : kRange;  // a NaN too
    steps = steps > -kRange ? steps : -kRange;
    constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23: no bits are left below one
    to[i] = static_cast<Element>(steps + kRounder - kRounder);
  }
  return grid.unit;
}

template float quantize(const float* values, int count, std::int8_t* to);
template float quantize(const float* values, int count, std::int16_t* to);

}  // namespace sevenb
