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
  __m256d low, high;

  static Doubles load(const float* from) {
    return {_mm256_cvtps_pd(_mm_loadu_ps(from)), _mm256_cvtps_pd(_mm_loadu_ps(from + 4))};
  }
  static Doubles broadcast(double value) { return {_mm256_set1_pd(value), _mm256_set1_pd(value)}; }
  void store(double* to) const {
    _mm256_storeu_pd(to, low);
    _mm256_storeu_pd(to + 4, high);
  }
};

inline Doubles add(Doubles a, Doubles b) { return {_mm256_add_pd(a.low, b.low), _mm256_add_pd(a.high, b.high)}; }
inline Doubles subtract(Doubles a, Doubles b) { return {_mm256_sub_pd(a.low, b.low), _mm256_sub_pd(a.high, b.high)}; }
inline Doubles multiply(Doubles a, Doubles b) { return {_mm256_mul_pd(a.low, b.low), _mm256_mul_pd(a.high, b.high)}; }

inline __m256d scale_by_power_of_two(__m256d power, __m256d shifted) {
  const __m256i exponent = _mm256_slli_epi64(_mm256_castpd_si256(shifted), 52);
  return _mm256_castsi256_pd(_mm256_add_epi64(_mm256_castpd_si256(power), exponent));
}
inline Doubles scale_by_power_of_two(Doubles power, Doubles shifted) {
  return {scale_by_power_of_two(power.low, shifted.low), scale_by_power_of_two(power.high, shifted.high)};
}
inline Doubles zero_unless_at_least(Doubles v, Doubles x, Doubles bound) {
  return {_mm256_and_pd(v.low, _mm256_cmp_pd(x.low, bound.low, _CMP_GE_OQ)),
          _mm256_and_pd(v.high, _mm256_cmp_pd(x.high, bound.high, _CMP_GE_OQ))};
}

struct Avx2 {
  using Floats = sevenb::Floats;
  using Doubles = sevenb::Doubles;
};

}  // namespace

const SamplingKernels sampling_avx2 = make_kernels<Avx2>();

}  // namespace sevenb
