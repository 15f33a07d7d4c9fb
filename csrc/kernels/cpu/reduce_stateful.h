#pragma once

#include "kernels/cpu/reduce_ops.h"

// Folds whose accumulator is more than a number: arguments of extremes, variance, logarithms of
// sums of exponentials. Each works on blocks that stay in the first-level cache. Included by
// translation units that are compiled once per instruction set.
namespace chainrule::cpu::reduce_kernels::CHAINRULE_ISA {

inline constexpr int64_t kPiece = 2048;

// What the folds below share: finishing rows one by one.
template <class Derived, class In, class Acc>
struct Stateful {
    static void init(void* acc, int64_t n) {
        for (int64_t i = 0; i < n; ++i) static_cast<Acc*>(acc)[i] = Acc{};
    }
    static void combine(void* acc, const void* other, int64_t n) {
        Acc* a = static_cast<Acc*>(acc);
        const Acc* b = static_cast<const Acc*>(other);
        for (int64_t i = 0; i < n; ++i) Derived::merge(a[i], b[i]);
    }
    static void rows(const char* in, int64_t row_stride, int64_t rows, int64_t n,
                     const FoldTarget& to, const FoldParams& params) {
        int64_t r = 0;
        if (n > 0 && n <= kShortRow) {
            for (; r + 4 <= rows; r += kTogether) {
                turned(in + r * row_stride, row_stride, rows - r < kTogether ? rows - r : kTogether,
                       n, at(to, r), params);
            }
        }
        for (; r < rows; ++r) {
            Acc acc{};
            Derived::run(in + r * row_stride, sizeof(In), n, 0, &acc, params);
            Derived::finish(&acc, 1, at(to, r), params);
        }
    }

private:
    static constexpr int64_t kShortRow = 32, kTogether = 64;

    static FoldTarget at(const FoldTarget& to, int64_t r) {
        return {to.out ? to.out + r * to.out_step : nullptr, to.out_step,
                to.second ? to.second + r * to.second_step : nullptr, to.second_step};
    }

    // Short rows are turned into columns, which fill vectors better.
    static void turned(const char* in, int64_t row_stride, int64_t rows, int64_t n,
                       const FoldTarget& to, const FoldParams& params) {
        In buffer[kShortRow * kTogether];
        for (int64_t k = 0; k < rows; ++k) {
            const In* x = reinterpret_cast<const In*>(in + k * row_stride);
            for (int64_t i = 0; i < n; ++i) buffer[i * rows + k] = x[i];
        }
        Acc acc[kTogether];
        Derived::columns(reinterpret_cast<const char*>(buffer),
                         rows * static_cast<int64_t>(sizeof(In)), n, rows, 0, acc, params);
        Derived::finish(acc, rows, to, params);
    }
};

template <class T>
struct Found {
    MemoryOf<T> value{};
    int64_t index = -1;  // nothing seen yet
};

template <class T, bool Largest>
struct Arg : Stateful<Arg<T, Largest>, MemoryOf<T>, Found<T>> {
    using In = MemoryOf<T>;
    using Op = Extreme<T, Largest>;
    using Index = std::conditional_t<sizeof(T) == 8, int64_t, int32_t>;  // as wide as a lane

    static bool better(In a, In b) { return (Largest ? a > b : a < b) | ((a != a) & (b == b)); }

    static void merge(Found<T>& a, const Found<T>& b) {
        if (b.index >= 0 && (a.index < 0 || better(b.value, a.value))) a = b;
    }

    static int64_t find(const In* x, int64_t n, In value) {
        auto equal = [value](In a) { return (a == value) | ((a != a) & (value != value)); };
        int64_t i = 0;
        for (; i + 64 <= n; i += 64) {
            WordOfSize<T> any = 0;
            for (int j = 0; j < 64; ++j) any |= equal(x[i + j]);
            if (any) break;
        }
        while (!equal(x[i])) ++i;
        return i;
    }

    static void run(const char* in, int64_t stride, int64_t n, int64_t start, void* acc,
                    const FoldParams& params) {
        Found<T>& best = *static_cast<Found<T>*>(acc);
        if (n <= 16) {
            for (int64_t i = 0; i < n; ++i) {
                merge(best, {*reinterpret_cast<const In*>(in + i * stride), start + i});
            }
            return;
        }
        const In* where = nullptr;  // the best piece is searched when all are known
        int64_t where_n = 0, where_start = 0;
        const bool dense = stride == static_cast<int64_t>(sizeof(In));
        for_dense_pieces<In>(in, stride, n, kPiece, [&](const In* x, int64_t count, int64_t at) {
            const In value = fold_dense<Op>(x, count, params);
            if (best.index >= 0 && !better(value, best.value)) return;
            best.value = value;
            best.index = start + at;
            if (dense) {
                where = x;
                where_n = count;
                where_start = start + at;
            } else {
                best.index += find(x, count, value);
            }
        });
        if (where) best.index = where_start + find(where, where_n, best.value);
    }

    static void columns(const char* in, int64_t row_stride, int64_t rows, int64_t cols,
                        int64_t start, void* acc, const FoldParams&) {
        Found<T>* best = static_cast<Found<T>*>(acc);
        constexpr int64_t most = 1 << 30;  // what Index can count
        In value[kMaxColumns];
        Index index[kMaxColumns];
        for (int64_t first = 0; first < rows; first += most) {
            const int64_t count = rows - first < most ? rows - first : most;
            const char* from = in + first * row_stride;
            std::memcpy(value, from, static_cast<size_t>(cols) * sizeof(In));
            for (int64_t j = 0; j < cols; ++j) index[j] = 0;
            for (int64_t i = 1; i < count; ++i) {
                const In* x = reinterpret_cast<const In*>(from + i * row_stride);
                const Index here = static_cast<Index>(i);
#pragma GCC ivdep
                for (int64_t j = 0; j < cols; ++j) {
                    const bool take = better(x[j], value[j]);
                    value[j] = take ? x[j] : value[j];
                    index[j] = take ? here : index[j];
                }
            }
            for (int64_t j = 0; j < cols; ++j) {
                merge(best[j], Found<T>{value[j], start + first + index[j]});
            }
        }
    }

    static void finish(const void* acc, int64_t n, const FoldTarget& to, const FoldParams&) {
        const Found<T>* best = static_cast<const Found<T>*>(acc);
        for (int64_t i = 0; i < n; ++i) {
            if (to.out) *reinterpret_cast<In*>(to.out + i * to.out_step) = best[i].value;
            if (to.second) {
                *reinterpret_cast<int64_t*>(to.second + i * to.second_step) = best[i].index;
            }
        }
    }

    static constexpr Fold fold = {sizeof(Found<T>), true,         Arg::init, run,
                                  columns,          Arg::combine, finish,    Arg::rows};
};
template <class T>
using ArgMax = Arg<T, true>;
template <class T>
using ArgMin = Arg<T, false>;

// Count, mean and sum of squared differences from it; blocks are merged with Chan's formula
// (Chan, Golub, LeVeque 1983). A block is shifted by its rounded mean, the rest is corrected.
struct Moments {
    double count = 0;
    double mean = 0;
    double squares = 0;
};

template <class T>
struct Var : Stateful<Var<T>, T, Moments> {
    static void merge(Moments& a, const Moments& b) {
        if (b.count == 0) return;
        const double total = a.count + b.count, delta = b.mean - a.mean;
        a.squares += b.squares + delta * delta * (a.count * b.count / total);
        a.mean += delta * (b.count / total);
        a.count = total;
    }

    static Moments block(double n, T shift, double sum, double squares) {
        const double d = sum / n;
        const double rest = squares - n * d * d;
        return {n, static_cast<double>(shift) + d, rest < 0 ? 0.0 : rest};
    }

    static void run(const char* in, int64_t stride, int64_t n, int64_t, void* acc,
                    const FoldParams& params) {
        Moments& total = *static_cast<Moments*>(acc);
        for_dense_pieces<T>(in, stride, n, kPiece, [&](const T* x, int64_t count, int64_t) {
            const double of = static_cast<double>(count);
            FoldParams shifted;
            const T shift = static_cast<T>(fold_dense<Sum<T>>(x, count, params) / of);
            shifted.p = static_cast<double>(shift);
            merge(total, block(of, shift, fold_dense<Shifted<T>>(x, count, shifted),
                               fold_dense<ShiftedSquare<T>>(x, count, shifted)));
        });
    }

    static void columns(const char* in, int64_t row_stride, int64_t rows, int64_t cols, int64_t,
                        void* acc, const FoldParams& params) {
        Moments* total = static_cast<Moments*>(acc);
        T shift[kMaxColumns], sum[kMaxColumns], squares[kMaxColumns];
        for (int64_t first = 0; first < rows; first += kBlockRows) {
            const int64_t count = rows - first < kBlockRows ? rows - first : kBlockRows;
            const char* from = in + first * row_stride;
            const T of = static_cast<T>(count);
            for (int64_t j = 0; j < cols; ++j) shift[j] = 0;
            fold_columns<Sum<T>>(from, row_stride, count, cols, shift, params);
            for (int64_t j = 0; j < cols; ++j) {
                shift[j] /= of;
                sum[j] = squares[j] = 0;
            }
            for (int64_t i = 0; i < count; ++i) {
                const T* x = reinterpret_cast<const T*>(from + i * row_stride);
#pragma GCC ivdep
                for (int64_t j = 0; j < cols; ++j) {
                    const T d = x[j] - shift[j];
                    sum[j] += d;
                    squares[j] += d * d;
                }
            }
            for (int64_t j = 0; j < cols; ++j) {
                merge(total[j],
                      block(static_cast<double>(count), shift[j], static_cast<double>(sum[j]),
                            static_cast<double>(squares[j])));
            }
        }
    }

    static void finish(const void* acc, int64_t n, const FoldTarget& to, const FoldParams& params) {
        const Moments* m = static_cast<const Moments*>(acc);
        for (int64_t i = 0; i < n; ++i) {
            double freedom = m[i].count - params.correction;
            double value = m[i].count == 0 ? std::numeric_limits<double>::quiet_NaN()
                                           : m[i].squares / (freedom > 0 ? freedom : 0);
            if (params.root) value = std::sqrt(value);
            *reinterpret_cast<T*>(to.out + i * to.out_step) = static_cast<T>(value);
            if (to.second) {
                const double mean = m[i].count == 0 ? value : m[i].mean;
                *reinterpret_cast<T*>(to.second + i * to.second_step) = static_cast<T>(mean);
            }
        }
    }

    static constexpr Fold fold = {sizeof(Moments), false,        Var::init, run,
                                  columns,         Var::combine, finish,    Var::rows};
};

// The largest element and the sum of exp(x - largest).
struct Exponentials {
    double largest = -std::numeric_limits<double>::infinity();
    double sum = 0;
};

template <class T>
struct LogSumExp : Stateful<LogSumExp<T>, T, Exponentials> {
    static constexpr double infinity = std::numeric_limits<double>::infinity();

    static void merge(Exponentials& a, const Exponentials& b) {
        if (b.largest == -infinity) return;
        if (a.largest == -infinity || b.largest != b.largest) {
            a = b;
        } else if (b.largest > a.largest) {
            a.sum = b.sum + a.sum * math::exp(a.largest - b.largest);
            a.largest = b.largest;
        } else if (a.largest != infinity) {
            a.sum += b.sum * math::exp(b.largest - a.largest);
        }
    }

    static void run(const char* in, int64_t stride, int64_t n, int64_t, void* acc,
                    const FoldParams& params) {
        Exponentials& total = *static_cast<Exponentials*>(acc);
        for_dense_pieces<T>(in, stride, n, kPiece, [&](const T* x, int64_t count, int64_t) {
            Exponentials here;
            here.largest = static_cast<double>(fold_dense<Max<T>>(x, count, params));
            here.sum = 1;
            if (std::isfinite(here.largest)) {
                FoldParams shifted;
                shifted.p = here.largest;
                here.sum = fold_dense<ShiftedExp<T>>(x, count, shifted);
            }
            merge(total, here);
        });
    }

    static void columns(const char* in, int64_t row_stride, int64_t rows, int64_t cols, int64_t,
                        void* acc, const FoldParams& params) {
        Exponentials* total = static_cast<Exponentials*>(acc);
        T largest[kMaxColumns], shift[kMaxColumns], sum[kMaxColumns];
        for (int64_t first = 0; first < rows; first += kBlockRows) {
            const int64_t count = rows - first < kBlockRows ? rows - first : kBlockRows;
            const char* from = in + first * row_stride;
            for (int64_t j = 0; j < cols; ++j) largest[j] = -std::numeric_limits<T>::infinity();
            fold_columns<Max<T>>(from, row_stride, count, cols, largest, params);
            for (int64_t j = 0; j < cols; ++j) {
                shift[j] = std::isfinite(largest[j]) ? largest[j] : T(0);
                sum[j] = 0;
            }
            for (int64_t i = 0; i < count; ++i) {
                const T* x = reinterpret_cast<const T*>(from + i * row_stride);
#pragma GCC ivdep
                for (int64_t j = 0; j < cols; ++j) sum[j] += math::exp(x[j] - shift[j]);
            }
            for (int64_t j = 0; j < cols; ++j) {
                const double l = static_cast<double>(largest[j]);
                merge(total[j], {l, std::isfinite(l) ? static_cast<double>(sum[j]) : 1.0});
            }
        }
    }

    static void finish(const void* acc, int64_t n, const FoldTarget& to, const FoldParams&) {
        const Exponentials* e = static_cast<const Exponentials*>(acc);
        for (int64_t i = 0; i < n; ++i) {
            *reinterpret_cast<T*>(to.out + i * to.out_step) =
                static_cast<T>(e[i].largest + std::log(e[i].sum));
        }
    }

    static constexpr Fold fold = {sizeof(Exponentials), false,  LogSumExp::init, run, columns,
                                  LogSumExp::combine,   finish, LogSumExp::rows};
};

}  // namespace chainrule::cpu::reduce_kernels::CHAINRULE_ISA
