#pragma once

#include <cstdint>

#include "base/dtype.h"

// Folding of dimensions. A fold keeps an accumulator per result; the loops below are compiled once
// per instruction set, and `reduce` (reduce.cpp) leads them over any layout, in several threads.
namespace chainrule::cpu {

enum class FoldOp : uint8_t {
    Sum,  // bool gives int64
    Mean,
    NanSum,  // NaN counts as 0
    Prod,
    Count,  // of elements that are not zero, as int64
    Any,
    All,
    Max,  // NaN wins
    Min,
    ArgMax,  // the value and as the second result its first index
    ArgMin,
    NormZero,  // number of elements that are not zero, as the dtype
    NormOne,
    NormTwo,
    NormAny,  // (sum |x|^p)^(1/p)
    MaxAbs,
    MinAbs,
    Var,  // and the mean as the second result
    LogSumExp,
};
inline constexpr int kNumFoldOps = 19;

struct FoldParams {
    double p = 2;           // of NormAny
    double correction = 1;  // of Var
    bool root = false;      // of Var: the standard deviation
    int64_t count = 0;      // elements per result
};

// Results go to `out` and, for folds with two, to `second`; null: not wanted. Steps in bytes.
struct FoldTarget {
    char* out;
    int64_t out_step;
    char* second;
    int64_t second_step;
};

// The loops of one fold for one dtype. `acc` points to accumulators of `acc_bytes` each, `start`
// is the index of the first element along the folded dimensions, strides are in bytes.
struct Fold {
    int acc_bytes;
    bool positional;  // results depend on where elements stand
    void (*init)(void* acc, int64_t n);
    // Folds n elements into one accumulator.
    void (*run)(const char* in, int64_t stride, int64_t n, int64_t start, void* acc,
                const FoldParams& params);
    // Folds each of `cols` neighbouring columns into its accumulator.
    void (*columns)(const char* in, int64_t row_stride, int64_t rows, int64_t cols, int64_t start,
                    void* acc, const FoldParams& params);
    // acc[i] becomes the fold of acc[i] and other[i], whose elements come later.
    void (*combine)(void* acc, const void* other, int64_t n);
    void (*finish)(const void* acc, int64_t n, const FoldTarget& to, const FoldParams& params);
    // Short rows without gaps, one result each.
    void (*rows)(const char* in, int64_t row_stride, int64_t rows, int64_t n, const FoldTarget& to,
                 const FoldParams& params);
};
inline constexpr int kMaxAccBytes = 24;

// Columns that the loops take at a time; callers never pass more.
inline constexpr int64_t kMaxColumns = 512;

// Fold tables of the instruction sets; null where a dtype has no such fold.
struct FoldTable {
    const Fold* by_dtype[kNumDTypes];
};
namespace reduce_kernels {
namespace isa_base {
extern const FoldTable folds[kNumFoldOps];
}
namespace isa_avx2 {
extern const FoldTable folds[kNumFoldOps];
}
namespace isa_avx512 {
extern const FoldTable folds[kNumFoldOps];
}
}  // namespace reduce_kernels

// Of the instruction set in use.
const Fold* find_fold(FoldOp op, DType dtype);

// A dimension of the input: its size and how the input and the results move along it, in bytes.
// Results stand still along folded dimensions.
struct ReduceDim {
    int64_t size;
    int64_t in;
    int64_t out;
    int64_t second;
    bool folded;
};

// Folds `in` over the folded dimensions among `dims` (row-major order, no empty one unless it is
// folded). `dims` is worked on in place. Indices that folds report count along the folded
// dimensions in row-major order; folds with indices take one folded dimension, or a dense input.
void reduce(const Fold& fold, const char* in, int64_t item, ReduceDim* dims, int ndim,
            const FoldTarget& to, FoldParams params);

}  // namespace chainrule::cpu
