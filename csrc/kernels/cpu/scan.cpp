#include "kernels/cpu/scan.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "base/interpreter_lock.h"
#include "base/parallel.h"

namespace chainrule::cpu {

namespace {

constexpr int64_t kColumns = 256;  // inner positions that are scanned together
constexpr int64_t kGrain = 16384;

template <class T>
using ScanAcc = std::conditional_t<std::is_floating_point_v<T>, double, uint64_t>;

template <class T, bool Product>
void scan_piece(const T* in, T* out, int64_t n, int64_t step, int64_t cols) {
    using Acc = ScanAcc<T>;
    Acc acc[kColumns];
    std::fill_n(acc, cols, Acc(Product ? 1 : 0));
    for (int64_t i = 0; i < n; ++i, in += step, out += step) {
        for (int64_t j = 0; j < cols; ++j) {
            if constexpr (Product) acc[j] *= static_cast<Acc>(in[j]);
            else acc[j] += static_cast<Acc>(in[j]);
            out[j] = static_cast<T>(acc[j]);
        }
    }
}

template <class T, bool Product>
void scan_all(const T* in, T* out, int64_t outer, int64_t n, int64_t inner, bool backward) {
    const int64_t pieces = (inner + kColumns - 1) / kColumns;
    const int64_t each = n * std::min(inner, kColumns);
    Unlocked unlocked(outer * n * inner >= kUnlockedFrom);
    parallel_for(0, outer * pieces, std::max<int64_t>(1, kGrain / each),
                 [&](int64_t begin, int64_t end) {
                     for (int64_t t = begin; t < end; ++t) {
                         const int64_t first = t % pieces * kColumns;
                         const int64_t cols = std::min(kColumns, inner - first);
                         int64_t at = t / pieces * n * inner + first;
                         if (backward) at += (n - 1) * inner;
                         scan_piece<T, Product>(in + at, out + at, n, backward ? -inner : inner,
                                                cols);
                     }
                 });
}

template <class T>
bool is_nan(T x) {
    return x != x;
}

template <class T>
void median_all(const T* in, T* values, int64_t* indices, int64_t outer, int64_t n,
                int64_t inner) {
    struct Item {
        T value;
        int64_t index;
        bool operator<(const Item& other) const {
            return value < other.value || (value == other.value && index < other.index);
        }
    };
    std::vector<Item> items(static_cast<size_t>(n));
    Unlocked unlocked(outer * n * inner >= kUnlockedFrom);
    for (int64_t t = 0; t < outer * inner; ++t) {
        const T* x = in + t / inner * n * inner + t % inner;
        int64_t nan = -1;
        for (int64_t i = 0; i < n && nan < 0; ++i) {
            items[static_cast<size_t>(i)] = {x[i * inner], i};
            if (is_nan(x[i * inner])) nan = i;
        }
        Item found{x[std::max<int64_t>(nan, 0) * inner], nan};
        if (nan < 0) {
            auto middle = items.begin() + (n - 1) / 2;
            std::nth_element(items.begin(), middle, items.end());
            found = *middle;
        }
        values[t] = found.value;
        indices[t] = found.index;
    }
}

}  // namespace

void scan(DType dtype, const void* in, void* out, int64_t outer, int64_t n, int64_t inner,
          bool product, bool backward) {
    if (outer * n * inner == 0) return;
    dispatch(dtype, [&](auto zero) {
        using T = decltype(zero);
        if constexpr (!std::is_same_v<T, bool>) {
            const T* from = static_cast<const T*>(in);
            T* to = static_cast<T*>(out);
            if (product) scan_all<T, true>(from, to, outer, n, inner, backward);
            else scan_all<T, false>(from, to, outer, n, inner, backward);
        }
    });
}

void median(DType dtype, const void* in, void* values, int64_t* indices, int64_t outer, int64_t n,
            int64_t inner) {
    dispatch(dtype, [&](auto zero) {
        using T = decltype(zero);
        median_all(static_cast<const T*>(in), static_cast<T*>(values), indices, outer, n, inner);
    });
}

}  // namespace chainrule::cpu
