// Half-precision and bfloat16 numbers as float32, exactly, without special instructions.
#pragma once

#include <cstdint>
#include <cstring>

namespace sevenb {

inline float float_from_bits(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t magnitude = half & 0x7fffu;
  if (magnitude >= 0x7c00u)  // infinity and NaN
    return float_from_bits(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
  // Read as a float the exponent is too small by 127 - 15; the product is exact, subnormal halves included.
  const float scaled = float_from_bits(magnitude << 13) * float_from_bits((254u - 15u) << 23);
  std::uint32_t bits;
  std::memcpy(&bits, &scaled, sizeof bits);
  return float_from_bits(sign | bits);
}

inline float bfloat16_to_float(std::uint16_t value) { return float_from_bits(static_cast<std::uint32_t>(value) << 16); }

}  // namespace sevenb
