// The sampler's passes on AVX-512.
#include <immintrin.h>

#include "sampling_template.h"

namespace sevenb {
namespace {

struct Floats {
  __m512 v;

  static Floats load(const float* from) { return {_mm512_loadu_ps(from)}; }
  static Floats broadcast(float value) { return {_mm512_set1_ps(value)}; }
};

inline Floats maximum(Floats a, Floats b) { return {_mm512_max_ps(a.v, b.v)}; }
inline float reduce_maximum(Floats a) { return _mm512_reduce_max_ps(a.v); }
inline bool any_at_least(Floats a, float bound) {
  return _mm512_cmp_ps_mask(a.v, _mm512_set1_ps(bound), _CMP_GE_OQ) != 0;
}

struct Doubles {
  __m512d v;

  static Doubles load(const float* from) { return {_mm512_cvtps_pd(_mm256_loadu_ps(from))}; }
  static Doubles broadcast(double value) { return {_mm512_set1_pd(value)}; }
  void store(double* to) const { _mm512_storeu_pd(to, v); }
};

inline Doubles add(Doubles a, Doubles b) { return {_mm512_add_pd(a.v, b.v)}; }
inline Doubles subtract(Doubles a, Doubles b) { return {_mm512_sub_pd(a.v, b.v)}; }
inline Doubles multiply(Doubles a, Doubles b) { return {_mm512_mul_pd(a.v, b.v)}; }
inline Doubles scale_by_power_of_two(Doubles power, Doubles shifted) {
  const __m512i exponent = _mm512_slli_epi64(_mm512_castpd_si512(shifted.v), 52);
  return {_mm512_castsi512_pd(_mm512_add_epi64(_mm512_castpd_si512(power.v), exponent))};
}
inline Doubles zero_unless_at_least(Doubles v, Doubles x, Doubles bound) {
  return {_mm512_maskz_mov_pd(_mm512_cmp_pd_mask(x.v, bound.v, _CMP_GE_OQ), v.v)};
}

struct Avx512 {
  using Floats = sevenb::Floats;
  using Doubles = sevenb::Doubles;
};

}  // namespace

const SamplingKernels sampling_avx512 = make_kernels<Avx512>();

}  // namespace sevenb
