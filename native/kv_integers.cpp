#include "kv_integers.h"

#include <cfloat>

namespace sevenb {
namespace {

// Loops over so many neighbours become vectors of the baseline, which compilers do not find by themselves here.
constexpr int kLanes = 4;

float largest_magnitude(const float* values, int count) {
  float largest[kLanes] = {};
  int i = 0;
  const auto note = [&largest](int lane, float value) {
    const float magnitude = __builtin_fabsf(value);
    largest[lane] = magnitude > largest[lane] ? magnitude : largest[lane];
  };
  for (; i + kLanes <= count; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) note(lane, values[i + lane]);
  for (int lane = 0; i < count; ++i, ++lane) note(lane, values[i]);
  for (int lane = 1; lane < kLanes; ++lane) note(0, largest[lane]);
  return largest[0];
}

}  // namespace

void hadamard(float* values, int count, int block) {
  for (int half = 1; half < block && half < kLanes; half *= 2)
    for (int start = 0; start < count; start += 2 * half)
      for (int i = start; i < start + half; ++i) {
        const float sum = values[i] + values[i + half];
        values[i + half] = values[i] - values[i + half];
        values[i] = sum;
      }
  for (int half = kLanes; half < block; half *= 2)
    for (int start = 0; start < count; start += 2 * half)
      for (int i = start; i < start + half; i += kLanes) {
        float sum[kLanes], difference[kLanes];
        for (int lane = 0; lane < kLanes; ++lane) {
          sum[lane] = values[i + lane] + values[i + half + lane];
          difference[lane] = values[i + lane] - values[i + half + lane];
        }
        for (int lane = 0; lane < kLanes; ++lane) {
          values[i + lane] = sum[lane];
          values[i + half + lane] = difference[lane];
        }
      }
}

template <class Element>
float quantize(const float* values, int count, Element* to) {
  constexpr float kRange = element_range<Element>;
  const float largest = largest_magnitude(values, count);
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
