#pragma once

#include <cstdint>

#include "base/dtype.h"

// Cumulative sums and products, and medians, along the middle one of three dense dimensions.
namespace chainrule::cpu {

// Floats are accumulated in double. `backward` goes from the last element to the first.
void scan(DType dtype, const void* in, void* out, int64_t outer, int64_t n, int64_t inner,
          bool product, bool backward);

// The lower median of n > 0 elements and its index, or the first NaN. `values` and `indices` hold
// outer * inner results; `indices` may be null for the median of everything (outer = inner = 1).
void median(DType dtype, const void* in, void* values, int64_t* indices, int64_t outer, int64_t n,
            int64_t inner);

}  // namespace chainrule::cpu
