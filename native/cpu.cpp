#include "cpu.h"

#include <stdexcept>

namespace sevenb {

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::avx512: return "avx512";
    case Isa::avx2: return "avx2";
    case Isa::portable: break;
  }
  return "portable";
}

bool isa_available(Isa isa) {
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  switch (isa) {
    case Isa::avx512:
      return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vnni");
    case Isa::avx2: return avx2;
    case Isa::portable: break;
  }
  return true;
#else
  return isa == Isa::portable;
#endif
}

Isa resolve_isa(const std::string& name) {
  if (name == "auto") {
    for (Isa isa : {Isa::avx512, Isa::avx2})
      if (isa_available(isa)) return isa;
    return Isa::portable;
  }
  for (Isa isa : {Isa::avx512, Isa::avx2, Isa::portable}) {
    if (name != isa_name(isa)) continue;
    if (!isa_available(isa)) throw std::invalid_argument("this processor has no " + name + "; use auto or portable");
    return isa;
  }
  throw std::invalid_argument("unknown instruction set " + name + "; use auto, avx512, avx2 or portable");
}

}  // namespace sevenb
