// The sampler's passes over a row, written once over vector types and compiled for each instruction set.
//
// An instruction set supplies `Floats` of 16 lanes and `Doubles` of 8. Everything has internal linkage, for the reason
// given in attention_template.h. Products and sums are rounded apart: float64 work is short, and plain C++ can do
// the same quickly on any processor.
#pragma once

#include "sampling_kernels.h"

namespace sevenb {
namespace {

constexpr int kLanes = 16, kHalf = kLanes / 2;
constexpr double kLog2E = 1.4426950408889634;
constexpr double kSmallestExponent = -96.0;

// 2^x for x <= 0, within 1 ulp or so; zero below kSmallestExponent. Degree 11, relative minimax on [-1/2, 1/2].
template <class V>
inline V exp2_lanes(V x) {
  constexpr double kShift = 6755399441055744.0;  // 1.5 * 2^52: the integer part lands in the low bits
  constexpr double kCoefficients[] = {7.0725704128144235096e-9,  1.0180647659234138888e-7, 1.3215442675329822143e-6,
                                      1.5252727385193868197e-5,  1.540353044157213033e-4,  1.3333558153439964747e-3,
                                      9.6181291076070023796e-3,  5.5504108664790394552e-2, 2.4022650695910098007e-1,
                                      6.9314718055994569675e-1,  1.0};
  const V shifted = add(x, V::broadcast(kShift));
  const V fraction = subtract(x, subtract(shifted, V::broadcast(kShift)));
  V power = V::broadcast(4.078071929588336665e-10);
  for (double coefficient : kCoefficients) power = add(multiply(power, fraction), V::broadcast(coefficient));
  return zero_unless_at_least(scale_by_power_of_two(power, shifted), x, V::broadcast(kSmallestExponent));
}

template <class Isa>
void run_maxima(const float* logits, int count, float* maxima) {
  using Floats = typename Isa::Floats;
  const float lowest = -__builtin_inff();
  for (int start = 0; start < count; start += kRun) {
    const int end = start + kRun < count ? start + kRun : count;
    Floats largest = Floats::broadcast(lowest);
    int i = start;
    for (; i + kLanes <= end; i += kLanes) largest = maximum(Floats::load(logits + i), largest);
    float peak = reduce_maximum(largest);
    for (; i < end; ++i) peak = logits[i] > peak ? logits[i] : peak;
    *maxima++ = peak;
  }
}

// exp((logit - peak) * sharpness), 8 logits at a time: more would not fit into AVX2's registers.
template <class Doubles>
struct Exponential {
  Doubles peak, scale;

  Exponential(float peak_, double sharpness)
      : peak(Doubles::broadcast(peak_)), scale(Doubles::broadcast(sharpness * kLog2E)) {}
  Doubles operator()(const float* logits) const {
    return exp2_lanes(multiply(subtract(Doubles::load(logits), peak), scale));
  }
};

// Logits past the end count as minus infinity.
inline void copy_tail(const float* logits, int count, float (&tail)[kLanes]) {
  for (int lane = 0; lane < kLanes; ++lane) tail[lane] = lane < count ? logits[lane] : -__builtin_inff();
}

template <class Isa>
void exponentials(const float* logits, int count, float peak, double sharpness, double* weights) {
  const Exponential<typename Isa::Doubles> exponential(peak, sharpness);
  int i = 0;
  for (; i + kHalf <= count; i += kHalf) exponential(logits + i).store(weights + i);
  float tail[kLanes];
  double last[kHalf];
  copy_tail(logits + i, count - i, tail);
  exponential(tail).store(last);
  for (int lane = 0; i + lane < count; ++lane) weights[i + lane] = last[lane];
}

template <class Isa>
double sum_exponentials(const float* logits, int count, float peak, double sharpness) {
  using Doubles = typename Isa::Doubles;
  using Floats = typename Isa::Floats;
  const Exponential<Doubles> exponential(peak, sharpness);
  // Well below the smallest exponent: lanes that this lets pass are zeroed exactly, those it stops would be too.
  const float bound = static_cast<float>(peak - 68.0 / sharpness);
  Doubles even = Doubles::broadcast(0.0), odd = even;
  const auto add_terms = [&](const float* from) {
    even = add(even, exponential(from));
    odd = add(odd, exponential(from + kHalf));
  };
  int i = 0;
  for (; i + kLanes <= count; i += kLanes)
    if (any_at_least(Floats::load(logits + i), bound)) add_terms(logits + i);
  if (i < count) {
    float tail[kLanes];
    copy_tail(logits + i, count - i, tail);
    add_terms(tail);
  }
  double lanes[kLanes];
  even.store(lanes);
  odd.store(lanes + kHalf);
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  return lanes[0];
}

template <class Isa>
constexpr SamplingKernels make_kernels() {
  return {run_maxima<Isa>, sum_exponentials<Isa>, exponentials<Isa>};
}

}  // namespace
}  // namespace sevenb
