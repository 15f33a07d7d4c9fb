#include <type_traits>

#include "kernels/cpu/scan_loops.h"

// Compiled once per instruction set. Floats are accumulated in double, integers wrap around.
namespace chainrule::cpu::scan_kernels::CHAINRULE_ISA {

namespace {

template <class T>
using Acc = std::conditional_t<std::is_floating_point_v<T>, double, uint64_t>;

template <class T, bool Product>
inline __attribute__((always_inline)) void take(Acc<T>& acc, T x) {
    if constexpr (Product) acc *= static_cast<Acc<T>>(x);
    else acc += static_cast<Acc<T>>(x);
}

template <class T, bool Product, int Group>
inline __attribute__((always_inline)) void scan_group(const T* in, T* out, int64_t row_step,
                                                      int64_t n, int64_t step) {
    Acc<T> acc[Group];
    for (int k = 0; k < Group; ++k) acc[k] = Product;
    for (int64_t i = 0; i < n; ++i, in += step, out += step) {
        for (int k = 0; k < Group; ++k) {
            take<T, Product>(acc[k], in[k * row_step]);
            out[k * row_step] = static_cast<T>(acc[k]);
        }
    }
}

// Rows side by side: each addition waits for the one before it in its row only.
template <class T, bool Product>
void rows(const void* input, void* output, int64_t count, int64_t row_step, int64_t n,
          int64_t step) {
    const T* in = static_cast<const T*>(input);
    T* out = static_cast<T*>(output);
    int64_t r = 0;
    for (; r + 8 <= count; r += 8) {
        scan_group<T, Product, 8>(in + r * row_step, out + r * row_step, row_step, n, step);
    }
    for (; r < count; ++r) {
        scan_group<T, Product, 1>(in + r * row_step, out + r * row_step, row_step, n, step);
    }
}

template <class T, bool Product>
void columns(const void* input, void* output, int64_t cols, int64_t n, int64_t step) {
    const T* in = static_cast<const T*>(input);
    T* out = static_cast<T*>(output);
    Acc<T> acc[kScanColumns];
    for (int64_t j = 0; j < cols; ++j) acc[j] = Product;
    for (int64_t i = 0; i < n; ++i, in += step, out += step) {
#pragma GCC ivdep
        for (int64_t j = 0; j < cols; ++j) {
            take<T, Product>(acc[j], in[j]);
            out[j] = static_cast<T>(acc[j]);
        }
    }
}

template <class T>
constexpr void add(ScanLoops& table) {
    constexpr int at = static_cast<int>(dtype_of<T>);
    table.sum[at] = {rows<T, false>, columns<T, false>};
    table.product[at] = {rows<T, true>, columns<T, true>};
}

constexpr ScanLoops make_loops() {
    ScanLoops table{};
    add<float>(table);
    add<double>(table);
    add<int64_t>(table);
    return table;
}

}  // namespace

extern constinit const ScanLoops loops = make_loops();

}  // namespace chainrule::cpu::scan_kernels::CHAINRULE_ISA
