#pragma once

#include <cstring>
#include <type_traits>
#include <utility>

#include "kernels/cpu/math.h"
#include "kernels/kernel.h"

// Turns a scalar functor into a loop over strided memory. Included by translation units that are
// compiled once per instruction set; CHAINRULE_ISA names the set.
namespace chainrule::cpu {
inline namespace CHAINRULE_ISA {

namespace math {
// ~x of integers; of bool the logical not, which C++ spells differently.
static inline __attribute__((always_inline)) int64_t inverted_bits(int64_t x) { return ~x; }
static inline __attribute__((always_inline)) bool inverted_bits(bool x) { return !x; }

static inline __attribute__((always_inline)) float divide_towards_zero(float a, float b) {
    return trunc(a / b);
}
static inline __attribute__((always_inline)) double divide_towards_zero(double a, double b) {
    return trunc(a / b);
}
static inline __attribute__((always_inline)) int64_t divide_towards_zero(int64_t a, int64_t b) {
    // The two quotients that processors trap on: x / 0 and the overflow of INT64_MIN / -1.
    if (b == 0) return 0;
    return b == -1 ? static_cast<int64_t>(-static_cast<uint64_t>(a)) : a / b;
}
}  // namespace math

// Elements gathered at a time when an operand is not contiguous: one vectorised loop serves every
// layout, and a broadcast operand costs one fill per chunk.
inline constexpr int64_t kChunk = 256;

template <class F, class Out, class In, size_t... I>
inline __attribute__((always_inline)) void dense_loop(const F& f, Out* out, const In* const* inputs,
                                                      int64_t n, std::index_sequence<I...>) {
    const In* in[] = {inputs[I]..., nullptr};
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<Out>(f(in[I][i]...));
}

// Formulas that call sin, cos or tan: the vectorised ones are right up to `trig_limit`, so a chunk
// with a larger angle is evaluated with those of the C library.
template <class F, class Out, class In, size_t... I>
    requires requires { &F::template with<math::ExactTrig>; }
inline __attribute__((always_inline)) void dense_loop(const F& f, Out* out, const In* const* inputs,
                                                      int64_t n, std::index_sequence<I...>) {
    for (int64_t start = 0; start < n; start += kChunk) {
        const int64_t count = n - start < kChunk ? n - start : kChunk;
        const In* in[] = {inputs[I] + start..., nullptr};
        Out* to = out + start;
        if ((math::any_beyond_trig(in[I], count) || ...)) [[unlikely]] {
            for (int64_t i = 0; i < count; ++i) {
                to[i] = static_cast<Out>(f.template with<math::ExactTrig>(in[I][i]...));
            }
        } else {
#pragma GCC ivdep
            for (int64_t i = 0; i < count; ++i) to[i] = static_cast<Out>(f(in[I][i]...));
        }
    }
}

template <class T>
inline void gather(T* to, const char* from, int64_t stride, int64_t n) {
    if (stride == 0) {
        T value;
        std::memcpy(&value, from, sizeof(T));
        for (int64_t i = 0; i < n; ++i) to[i] = value;
    } else {
        for (int64_t i = 0; i < n; ++i) std::memcpy(&to[i], from + i * stride, sizeof(T));
    }
}

// F is constructed from the parameters and called with N values of type In.
template <class F, class Out, class In, int N>
void pointwise_loop(char* const* data, const int64_t* strides, int64_t n,
                    const KernelParam* params) {
    const F f(params);
    constexpr auto indices = std::make_index_sequence<N>();
    bool dense = strides[0] == sizeof(Out);
    for (int k = 1; k <= N; ++k) dense &= strides[k] == sizeof(In);
    if (dense) {
        const In* in[N + 1];
        for (int k = 0; k < N; ++k) in[k] = reinterpret_cast<const In*>(data[k + 1]);
        dense_loop<F, Out, In>(f, reinterpret_cast<Out*>(data[0]), in, n, indices);
        return;
    }
    In buffer[N + 1][kChunk];
    Out result[kChunk];
    bool out_dense = strides[0] == sizeof(Out);
    for (int64_t start = 0; start < n; start += kChunk) {
        int64_t count = n - start < kChunk ? n - start : kChunk;
        const In* in[N + 1];
        for (int k = 0; k < N; ++k) {
            const char* from = data[k + 1] + start * strides[k + 1];
            if (strides[k + 1] == sizeof(In)) {
                in[k] = reinterpret_cast<const In*>(from);
            } else {
                if (strides[k + 1] != 0 || start == 0) {
                    gather(buffer[k], from, strides[k + 1], count);
                }
                in[k] = buffer[k];
            }
        }
        char* to = data[0] + start * strides[0];
        dense_loop<F, Out, In>(f, out_dense ? reinterpret_cast<Out*>(to) : result, in, count,
                               indices);
        if (!out_dense) {
            for (int64_t i = 0; i < count; ++i) {
                std::memcpy(to + i * strides[0], &result[i], sizeof(Out));
            }
        }
    }
}

// Output type of the loop for inputs of type T: the same, or bool for predicates.
template <template <class> class F, int N, bool Predicate, class... T>
constexpr LoopTable make_loop_table() {
    LoopTable table{};
    ((table.by_dtype[static_cast<int>(dtype_of<T>)] =
          pointwise_loop<F<T>, std::conditional_t<Predicate, bool, T>, T, N>),
     ...);
    return table;
}

}  // namespace CHAINRULE_ISA
}  // namespace chainrule::cpu
