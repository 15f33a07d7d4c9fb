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

// Elements gathered at a time when an operand is not contiguous: one vectorised loop serves every
// layout, and a broadcast operand costs one fill per chunk.
inline constexpr int64_t kChunk = 256;

template <class F, class Out, class In, size_t... I>
inline __attribute__((always_inline)) void dense_loop(const F& f, Out* out,
                                                      const In* const* inputs, int64_t n,
                                                      std::index_sequence<I...>) {
    const In* in[] = {inputs[I]..., nullptr};
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<Out>(f(in[I][i]...));
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
