// e^x on the vectors of simd.h, the same to the last bit in every instruction set.
#pragma once

#include "simd.h"

namespace sevenb {
namespace {

// e^x for any x, within 2 ulp for x in [-87, 88] and clamped there: x = n ln 2 + r with |r| <= ln 2 / 2, e^r by its
// Taylor series to the seventh power.
SEVENB_INLINE F32x8 exp(F32x8 x) {
  x = min(max(x, broadcast(-87.0f)), broadcast(88.0f));
  const I32x8 n = round_to_int(x * broadcast(1.44269504f));
  const F32x8 whole = to_float(n);
  F32x8 r = fma(whole, broadcast(-0.693359375f), x);  // ln 2 in two parts, the first exact in few bits
  r = fma(whole, broadcast(2.12194440e-4f), r);
  F32x8 p = broadcast(1.0f / 5040.0f);
  p = fma(p, r, broadcast(1.0f / 720.0f));
  p = fma(p, r, broadcast(1.0f / 120.0f));
  p = fma(p, r, broadcast(1.0f / 24.0f));
  p = fma(p, r, broadcast(1.0f / 6.0f));
  p = fma(p, r, broadcast(0.5f));
  p = fma(p, r, broadcast(1.0f));
  p = fma(p, r, broadcast(1.0f));
  return p * power_of_two(n);
}

}  // namespace
}  // namespace sevenb
