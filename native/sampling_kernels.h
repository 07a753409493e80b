// What the sampler asks of an instruction set: passes over logits, bitwise equal everywhere.
#pragma once

#include "cpu.h"

namespace sevenb {

// Logits per run; a row's runs are ranked by their maxima so that few of its logits need to be looked at twice.
constexpr int kRun = 64;

struct SamplingKernels {
  // maxima[i] = the largest of logits [i * kRun, (i + 1) * kRun); NaN counts as minus infinity.
  void (*run_maxima)(const float* logits, int count, float* maxima);
  // Sum of exp((logit - peak) * sharpness) in float64, in 16 interleaved partial sums; NaN counts as minus infinity
  // and terms below 2^-96 as zero. `peak` is finite and not below any logit.
  double (*sum_exponentials)(const float* logits, int count, float peak, double sharpness);
  // The terms of that sum, one by one.
  void (*exponentials)(const float* logits, int count, float peak, double sharpness, double* weights);
};

extern const SamplingKernels sampling_portable;
#if defined(__x86_64__)
extern const SamplingKernels sampling_avx2;
extern const SamplingKernels sampling_avx512;
#endif

const SamplingKernels& sampling_kernels(Isa isa);

}  // namespace sevenb
