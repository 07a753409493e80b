// The kernels for AVX2, FMA and F16C.
#include "matmul_kernels.h"
#include "vector_kernels.h"

namespace sevenb {

const Kernels avx2_kernels = {multiply, multiply_split, rms_norm, quantise, silu_multiply};

}  // namespace sevenb
