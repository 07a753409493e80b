// Which instruction sets this processor has, and what we call them.
#pragma once

#include <string>

namespace sevenb {

enum class Isa { portable, avx2, avx512 };

// "portable", "avx2" or "avx512".
const char* isa_name(Isa isa);

// True when kernels for `isa` were built and this processor (and its operating system) can run them.
bool isa_available(Isa isa);

// The instruction set that `name` asks for; "auto" is the best there is.
// Throws std::invalid_argument when the name is unknown or the processor lacks it.
Isa resolve_isa(const std::string& name);

}  // namespace sevenb
