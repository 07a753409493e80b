// The attention kernels, written once over vector types and compiled for each instruction set.
//
// An instruction set supplies `Floats` and `Pairs` as attention_multiply.h wants them, and for the vectors of `Floats`
// what attention_softmax.h, attention_float.h and attention_integers.h call: load, store, add, multiply_add, ...
#pragma once

#include "attention_float.h"
#include "attention_integers.h"

namespace sevenb {
namespace {

template <class Isa>
void attend(const Partition& task, const Softmax& state) {
  switch (task.shape->type) {
    case KVType::f16: return attend_floats<Isa, std::uint16_t>(task, state);
    case KVType::f32: return attend_floats<Isa, float>(task, state);
    case KVType::int8: return attend_integers<Isa, std::int8_t>(task, state);
    case KVType::k16v8: return attend_integers<Isa, std::int16_t>(task, state);
  }
}

template <class Isa>
constexpr AttentionKernels make_kernels() {
  return {attend<Isa>, merge<Isa>, quantize_queries<Isa>, turn<Isa>};
}

}  // namespace
}  // namespace sevenb
