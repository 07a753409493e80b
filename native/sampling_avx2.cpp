// The sampler's passes on AVX2.
#include <immintrin.h>

#include "sampling_template.h"

namespace sevenb {
namespace {

struct Floats {
  __m256 low, high;

  static Floats load(const float* from) { return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)}; }
  static Floats broadcast(float value) { return {_mm256_set1_ps(value), _mm256_set1_ps(value)}; }
};

inline Floats maximum(Floats a, Floats b) { return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)}; }
inline float reduce_maximum(Floats a) {
  const __m256 eight = _mm256_max_ps(a.low, a.high);
  __m128 v = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  v = _mm_max_ps(v, _mm_movehl_ps(v, v));
  return _mm_cvtss_f32(_mm_max_ss(v, _mm_movehdup_ps(v)));
}
inline bool any_at_least(Floats a, float bound) {
  const __m256 b = _mm256_set1_ps(bound);
  return _mm256_movemask_ps(
      _mm256_or_ps(_mm256_cmp_ps(a.low, b, _CMP_GE_OQ), _mm256_cmp_ps(a.high, b, _CMP_GE_OQ)));
}

struct Doubles {
  __m256d part[4];

  static Doubles load(const float* from) {
    Doubles v;
    for (int i = 0; i < 4; ++i) v.part[i] = _mm256_cvtps_pd(_mm_loadu_ps(from + 4 * i));
    return v;
  }
  static Doubles broadcast(double value) {
    const __m256d v = _mm256_set1_pd(value);
    return {{v, v, v, v}};
  }
  void store(double* to) const {
    for (int i = 0; i < 4; ++i) _mm256_storeu_pd(to + 4 * i, part[i]);
  }
};

inline Doubles add(Doubles a, Doubles b) {
  for (int i = 0; i < 4; ++i) a.part[i] = _mm256_add_pd(a.part[i], b.part[i]);
  return a;
}
inline Doubles subtract(Doubles a, Doubles b) {
  for (int i = 0; i < 4; ++i) a.part[i] = _mm256_sub_pd(a.part[i], b.part[i]);
  return a;
}
inline Doubles multiply(Doubles a, Doubles b) {
  for (int i = 0; i < 4; ++i) a.part[i] = _mm256_mul_pd(a.part[i], b.part[i]);
  return a;
}
inline Doubles scale_by_power_of_two(Doubles power, Doubles shifted) {
  for (int i = 0; i < 4; ++i) {
    const __m256i exponent = _mm256_slli_epi64(_mm256_castpd_si256(shifted.part[i]), 52);
    power.part[i] = _mm256_castsi256_pd(_mm256_add_epi64(_mm256_castpd_si256(power.part[i]), exponent));
  }
  return power;
}
inline Doubles zero_unless_at_least(Doubles v, Doubles x, Doubles bound) {
  for (int i = 0; i < 4; ++i)
    v.part[i] = _mm256_and_pd(v.part[i], _mm256_cmp_pd(x.part[i], bound.part[i], _CMP_GE_OQ));
  return v;
}

struct Avx2 {
  using Floats = sevenb::Floats;
  using Doubles = sevenb::Doubles;
};

}  // namespace

const SamplingKernels sampling_avx2 = make_kernels<Avx2>();

}  // namespace sevenb
