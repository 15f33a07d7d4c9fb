#pragma once

#include <cstdint>

// Softmax, its logarithm and their gradients, compiled once per instruction set.
namespace chainrule::cpu {

// `in` is x, or the gradient g of the result `y`. Lines of n elements that lie `inner` apart; one
// call does `lines` neighbouring ones. With inner = 1 a line is a row, and rows follow each other.
template <class T>
using SoftmaxLoop = void (*)(const T* in, const T* y, T* out, int64_t lines, int64_t n,
                             int64_t inner);

enum class SoftmaxKind : uint8_t { Softmax, LogSoftmax, SoftmaxBackward, LogSoftmaxBackward };

struct SoftmaxLoops {
    SoftmaxLoop<float> f32_rows[4], f32_columns[4];
    SoftmaxLoop<double> f64_rows[4], f64_columns[4];
};

namespace softmax_kernels {
namespace isa_base {
extern const SoftmaxLoops loops;
}
namespace isa_avx2 {
extern const SoftmaxLoops loops;
}
namespace isa_avx512 {
extern const SoftmaxLoops loops;
}
}  // namespace softmax_kernels

// Those of the instruction set in use.
const SoftmaxLoops& softmax_loops();

}  // namespace chainrule::cpu
