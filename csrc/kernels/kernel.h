#pragma once

#include <cstdint>
#include <type_traits>

#include "base/cpu_features.h"
#include "base/dtype.h"

// The interface between tensors and loops: pointers, strides in bytes, a count.
namespace chainrule {

// A number argument of a kernel (alpha, a bound, …) in both forms.
struct KernelParam {
    double d;
    int64_t i;
    template <class T>
    __attribute__((always_inline)) T as() const {
        if constexpr (std::is_floating_point_v<T>) return static_cast<T>(d);
        else return static_cast<T>(i);
    }
};

// One strided run of a pointwise operator: data[0] is written, the others are read.
using PointwiseLoop = void (*)(char* const* data, const int64_t* strides, int64_t n,
                               const KernelParam* params);

// The loops of one formula, one per dtype (null: not defined for it).
struct LoopTable {
    PointwiseLoop by_dtype[kNumDTypes];
};

// Index of the instruction set in use; set once at load by select_kernels().
extern int g_active_isa;
void select_kernels();

// The same formula compiled for several instruction sets.
struct Kernel {
    const LoopTable* by_isa[3];
    PointwiseLoop get(DType dtype) const {
        return by_isa[g_active_isa]->by_dtype[static_cast<int>(dtype)];
    }
};

}  // namespace chainrule
