#include "kernels.h"

namespace sevenb {

const Kernels& kernels_for(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::avx512) return avx512_kernels;
  if (isa == Isa::avx2) return avx2_kernels;
#endif
  (void)isa;
  return portable_kernels;
}

}  // namespace sevenb
