// Vectors of eight floats and integers in the instruction set that this translation unit is compiled for.
//
// Everything lives in an unnamed namespace: each translation unit has its own copy, so the linker can never put
// code for one instruction set in the place of another's. For the same reason kernels avoid inline functions of
// the standard library.
#pragma once

// Kernels are fast because their operands stay in registers: no call may come in between.
#define SEVENB_INLINE inline __attribute__((always_inline))

#if defined(__AVX2__)
#include "simd_avx2.h"
#else
#include "simd_portable.h"
#endif
