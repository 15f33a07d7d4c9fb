#pragma once

#include <cstdint>

namespace chainrule {

// C = alpha * A B + beta * C for A of m x k and B of k x n, any strides, in one thread.
// Element (i, j) of A is a[i * a_row + j * a_col], likewise B; C is c[i * ldc + j].
// C is not read where beta is 0, and k may be 0. C must not overlap A or B.
template <class T>
using SmallGemm = void (*)(int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t a_row,
                           int64_t a_col, const T* b, int64_t b_row, int64_t b_col, T beta, T* c,
                           int64_t ldc);

// Our own matrix product, one table for each instruction set. It is meant for small matrices,
// where a BLAS call costs more than the arithmetic, and for integers, which no BLAS knows
// (these wrap around, hence unsigned).
struct SmallGemmTable {
    SmallGemm<float> f32;
    SmallGemm<double> f64;
    SmallGemm<uint64_t> i64;
};

namespace isa_base {
extern const SmallGemmTable small_gemm_table;
}
#ifndef CHAINRULE_ONLY_BASE_ISA
namespace isa_avx2 {
extern const SmallGemmTable small_gemm_table;
}
namespace isa_avx512 {
extern const SmallGemmTable small_gemm_table;
}
#endif

}  // namespace chainrule
