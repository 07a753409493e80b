// The kernels for plain C++.
#include "matmul_kernels.h"
#include "vector_kernels.h"

namespace sevenb {

const Kernels portable_kernels = {multiply, multiply_split, rms_norm, quantise, silu_multiply};

}  // namespace sevenb
