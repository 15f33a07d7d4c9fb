#pragma once

#include <cstdint>

#include "base/dtype.h"

// The loops of scan.cpp, compiled once per instruction set.
namespace chainrule::cpu {

inline constexpr int64_t kScanColumns = 256;  // neighbouring positions that are scanned together

struct ScanLoop {
    // `rows` runs of n elements that are `step` elements apart; runs begin `row_step` apart.
    void (*rows)(const void* in, void* out, int64_t rows, int64_t row_step, int64_t n,
                 int64_t step);
    // Up to kScanColumns neighbouring runs.
    void (*columns)(const void* in, void* out, int64_t cols, int64_t n, int64_t step);
};

struct ScanLoops {
    ScanLoop sum[kNumDTypes];
    ScanLoop product[kNumDTypes];
};

namespace scan_kernels {
namespace isa_base {
extern const ScanLoops loops;
}
namespace isa_avx2 {
extern const ScanLoops loops;
}
namespace isa_avx512 {
extern const ScanLoops loops;
}
}  // namespace scan_kernels

}  // namespace chainrule::cpu
