#pragma once

#include <cstring>
#include <limits>
#include <type_traits>

#include "kernels/cpu/math.h"
#include "kernels/cpu/reduce.h"

// Folds with one number as the accumulator, over lanes that compilers vectorise. Included by
// translation units that are compiled once per instruction set.
//
// An operator `Op` has the types In (what memory holds), Lane (what vectors hold), Acc (what
// blocks are joined in) and Out, and the functions load, join, widen, join_acc and result.
namespace chainrule::cpu::reduce_kernels::CHAINRULE_ISA {

// Rows after which lanes are joined into the accumulator: rounding errors grow with the rows of a
// block only, and lanes may be narrow integers.
inline constexpr int64_t kBlockRows = 64;
inline constexpr int64_t kGather = 1024;  // strided elements are copied together in such runs

template <class T>
using MemoryOf = std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>;
template <class T>
using WordOfSize = std::conditional_t<sizeof(T) == 1, uint8_t,
                                      std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>>;

#define CHAINRULE_LANE static inline __attribute__((always_inline))

// lanes[j] takes in column j of up to kBlockRows rows.
template <class Op>
CHAINRULE_LANE void fold_columns(const char* in, int64_t row_stride, int64_t rows, int64_t cols,
                                 typename Op::Lane* __restrict lanes, const FoldParams& params) {
    using In = typename Op::In;
    const Op op(params);
    int64_t i = 0;
    for (; i + 4 <= rows; i += 4) {
        auto* a = reinterpret_cast<const In*>(in + i * row_stride);
        auto* b = reinterpret_cast<const In*>(in + (i + 1) * row_stride);
        auto* c = reinterpret_cast<const In*>(in + (i + 2) * row_stride);
        auto* d = reinterpret_cast<const In*>(in + (i + 3) * row_stride);
#pragma GCC ivdep
        for (int64_t j = 0; j < cols; ++j) {
            lanes[j] = op.join(lanes[j], op.join(op.join(op.load(a[j]), op.load(b[j])),
                                                 op.join(op.load(c[j]), op.load(d[j]))));
        }
    }
    for (; i < rows; ++i) {
        auto* a = reinterpret_cast<const In*>(in + i * row_stride);
#pragma GCC ivdep
        for (int64_t j = 0; j < cols; ++j) lanes[j] = op.join(lanes[j], op.load(a[j]));
    }
}

template <class Op, int W>
CHAINRULE_LANE typename Op::Acc join_lanes(typename Op::Lane* lanes, const FoldParams& params) {
    const Op op(params);
    if constexpr (Op::narrow) {
        typename Op::Acc total = op.widen(lanes[0]);
        for (int j = 1; j < W; ++j) total = op.join_acc(total, op.widen(lanes[j]));
        return total;
    } else {
        for (int w = W / 2; w > 0; w /= 2) {
            for (int j = 0; j < w; ++j) lanes[j] = op.join(lanes[j], lanes[j + w]);
        }
        return op.widen(lanes[0]);
    }
}

// Blocks of rows of W neighbouring elements.
template <class Op, int W>
CHAINRULE_LANE typename Op::Acc fold_wide(const typename Op::In* x, int64_t n,
                                          const FoldParams& params) {
    const Op op(params);
    typename Op::Acc total = op.widen(op.identity());
    typename Op::Lane lanes[W];
    while (n > 0) {
        const int64_t rows = n / W < kBlockRows ? n / W : kBlockRows;
        for (int j = 0; j < W; ++j) lanes[j] = op.identity();
        fold_columns<Op>(reinterpret_cast<const char*>(x), W * sizeof(*x), rows, W, lanes, params);
        x += rows * W;
        n -= rows * W;
        if (n < W) {
            for (int64_t j = 0; j < n; ++j) lanes[j] = op.join(lanes[j], op.load(x[j]));
            n = 0;
        }
        total = op.join_acc(total, join_lanes<Op, W>(lanes, params));
        if (op.settled(total)) break;
    }
    return total;
}

template <class Op>
typename Op::Acc fold_dense(const typename Op::In* x, int64_t n, const FoldParams& params) {
    constexpr int small = 64 / sizeof(typename Op::Lane), large = 8 * small;
    if (n <= 8) {
        const Op op(params);
        typename Op::Lane total = op.identity();
        for (int64_t i = 0; i < n; ++i) total = op.join(total, op.load(x[i]));
        return op.widen(total);
    }
    if (n < 4 * large) return fold_wide<Op, small>(x, n, params);
    return fold_wide<Op, large>(x, n, params);
}

// Calls f(dense elements, count, index of the first) for pieces of a run.
template <class In, class F>
CHAINRULE_LANE void for_dense_pieces(const char* in, int64_t stride, int64_t n, int64_t piece,
                                     F&& f) {
    if (stride == static_cast<int64_t>(sizeof(In))) {
        for (int64_t i = 0; i < n; i += piece) {
            f(reinterpret_cast<const In*>(in) + i, n - i < piece ? n - i : piece, i);
        }
        return;
    }
    In buffer[kGather];
    for (int64_t i = 0; i < n; i += kGather) {
        const int64_t count = n - i < kGather ? n - i : kGather;
        for (int64_t j = 0; j < count; ++j) {
            buffer[j] = *reinterpret_cast<const In*>(in + (i + j) * stride);
        }
        f(static_cast<const In*>(buffer), count, i);
    }
}

// The loops of an operator as a Fold.
template <class Op>
struct Simple {
    using In = typename Op::In;
    using Lane = typename Op::Lane;
    using Acc = typename Op::Acc;
    using Out = typename Op::Out;

    static void init(void* acc, int64_t n) {
        const Op op{FoldParams{}};
        for (int64_t i = 0; i < n; ++i) static_cast<Acc*>(acc)[i] = op.widen(op.identity());
    }

    static void run(const char* in, int64_t stride, int64_t n, int64_t, void* acc,
                    const FoldParams& params) {
        const Op op(params);
        Acc& total = *static_cast<Acc*>(acc);
        for_dense_pieces<In>(in, stride, n, std::numeric_limits<int64_t>::max() / 2,
                             [&](const In* x, int64_t count, int64_t) {
                                 if (op.settled(total)) return;
                                 total = op.join_acc(total, fold_dense<Op>(x, count, params));
                             });
    }

    static void columns(const char* in, int64_t row_stride, int64_t rows, int64_t cols, int64_t,
                        void* acc, const FoldParams& params) {
        const Op op(params);
        Acc* total = static_cast<Acc*>(acc);
        Lane lanes[kMaxColumns];
        for (int64_t i = 0; i < rows; i += kBlockRows) {
            const int64_t block = rows - i < kBlockRows ? rows - i : kBlockRows;
            for (int64_t j = 0; j < cols; ++j) lanes[j] = op.identity();
            fold_columns<Op>(in + i * row_stride, row_stride, block, cols, lanes, params);
            for (int64_t j = 0; j < cols; ++j) total[j] = op.join_acc(total[j], op.widen(lanes[j]));
        }
    }

    static void combine(void* acc, const void* other, int64_t n) {
        const Op op{FoldParams{}};
        Acc* a = static_cast<Acc*>(acc);
        const Acc* b = static_cast<const Acc*>(other);
        for (int64_t i = 0; i < n; ++i) a[i] = op.join_acc(a[i], b[i]);
    }

    static void finish(const void* acc, int64_t n, const FoldTarget& to, const FoldParams& params) {
        const Op op(params);
        const Acc* a = static_cast<const Acc*>(acc);
        for (int64_t i = 0; i < n; ++i) {
            *reinterpret_cast<Out*>(to.out + i * to.out_step) = op.result(a[i], params);
        }
    }

    static void rows(const char* in, int64_t row_stride, int64_t rows, int64_t n,
                     const FoldTarget& to, const FoldParams& params) {
        const Op op(params);
        constexpr int group = 8;  // short rows are folded side by side: their additions overlap
        int64_t r = 0;
        if (n <= 32) {
            for (; r + group <= rows; r += group) {
                Lane lanes[group];
                for (int k = 0; k < group; ++k) lanes[k] = op.identity();
                const char* first = in + r * row_stride;
                for (int64_t i = 0; i < n; ++i) {
                    for (int k = 0; k < group; ++k) {
                        const In* x = reinterpret_cast<const In*>(first + k * row_stride);
                        lanes[k] = op.join(lanes[k], op.load(x[i]));
                    }
                }
                for (int k = 0; k < group; ++k) {
                    *reinterpret_cast<Out*>(to.out + (r + k) * to.out_step) =
                        op.result(op.widen(lanes[k]), params);
                }
            }
        }
        for (; r < rows; ++r) {
            const In* x = reinterpret_cast<const In*>(in + r * row_stride);
            *reinterpret_cast<Out*>(to.out + r * to.out_step) =
                op.result(fold_dense<Op>(x, n, params), params);
        }
    }

    static constexpr Fold fold = {sizeof(Acc), false, init, run, columns, combine, finish, rows};
};

}  // namespace chainrule::cpu::reduce_kernels::CHAINRULE_ISA
