#pragma once

#include "base/dims.h"
#include "tensor/tensor.h"

namespace chainrule {

inline constexpr int kMaxOperands = 6;

// Memory that a pointwise loop walks: where it starts and how it moves along each dimension of the
// loop's shape, in bytes. Operand 0 is written.
struct LoopOperand {
    char* data;
    Dims strides;
};

using StridedLoop = void (*)(char* const* data, const int64_t* strides, int64_t n,
                             const void* context);

// Byte strides with which `t` is walked over `shape`, to which it broadcasts.
Dims broadcast_strides(const TensorImpl& t, const Dims& shape);

// Runs `loop` over `shape`: merges dimensions, orders them by the output's strides, splits large
// work over threads and lets the interpreter go on meanwhile.
void run_strided(const Dims& shape, LoopOperand* operands, int count, StridedLoop loop,
                 const void* context);

}  // namespace chainrule
