// The kernels for AVX-512 with VNNI.
#include "matmul_kernels.h"
#include "vector_kernels.h"

namespace sevenb {

const Kernels avx512_kernels = {multiply, multiply_split, rms_norm, quantise, silu_multiply};

}  // namespace sevenb
