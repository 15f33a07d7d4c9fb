#include "kernels/cpu/scan.h"

#include <algorithm>
#include <vector>

#include "base/interpreter_lock.h"
#include "base/parallel.h"
#include "kernels/cpu/scan_loops.h"
#include "kernels/kernel.h"

namespace chainrule::cpu {

namespace {

constexpr int64_t kGrain = 16384;  // elements that are worth a thread

const ScanLoops& scan_loops() {
#ifdef CHAINRULE_ONLY_BASE_ISA
    return scan_kernels::isa_base::loops;
#else
    static const ScanLoops* const all[] = {&scan_kernels::isa_base::loops,
                                           &scan_kernels::isa_avx2::loops,
                                           &scan_kernels::isa_avx512::loops};
    return *all[g_active_isa];
#endif
}

template <class T>
bool is_nan(T x) {
    return x != x;
}

template <class T>
void median_all(const T* in, T* values, int64_t* indices, int64_t outer, int64_t n, int64_t inner) {
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

// The value alone: smaller items to move.
template <class T>
void median_value(const T* in, T* value, int64_t n) {
    std::vector<T> items(in, in + n);
    Unlocked unlocked(n >= kUnlockedFrom);
    auto found = std::find_if(items.begin(), items.end(), is_nan<T>);
    if (found == items.end()) {
        found = items.begin() + (n - 1) / 2;
        std::nth_element(items.begin(), found, items.end());
    }
    *value = *found;
}

}  // namespace

void scan(DType dtype, const void* in, void* out, int64_t outer, int64_t n, int64_t inner,
          bool product, bool backward) {
    if (outer * n * inner == 0) return;
    const ScanLoop& loop =
        (product ? scan_loops().product : scan_loops().sum)[static_cast<int>(dtype)];
    const int64_t item = static_cast<int64_t>(item_size(dtype));
    const char* from = static_cast<const char*>(in);
    char* to = static_cast<char*>(out);
    const int64_t start = backward ? (n - 1) * inner * item : 0;
    const int64_t step = backward ? -inner : inner;
    Unlocked unlocked(outer * n * inner >= kUnlockedFrom);
    if (inner < 8) {  // few neighbours: row after row
        const int64_t grain = std::max<int64_t>(8, kGrain / n);
        parallel_for(0, outer, grain, [&](int64_t begin, int64_t end) {
            for (int64_t j = 0; j < inner; ++j) {
                const int64_t at = start + (begin * n * inner + j) * item;
                loop.rows(from + at, to + at, end - begin, n * inner, n, step);
            }
        });
        return;
    }
    const int64_t pieces = (inner + kScanColumns - 1) / kScanColumns;
    const int64_t each = n * std::min(inner, kScanColumns);
    const int64_t grain = std::max<int64_t>(1, kGrain / each);
    parallel_for(0, outer * pieces, grain, [&](int64_t begin, int64_t end) {
        for (int64_t t = begin; t < end; ++t) {
            const int64_t first = t % pieces * kScanColumns;
            const int64_t at = start + (t / pieces * n * inner + first) * item;
            loop.columns(from + at, to + at, std::min(kScanColumns, inner - first), n, step);
        }
    });
}

void median(DType dtype, const void* in, void* values, int64_t* indices, int64_t outer, int64_t n,
            int64_t inner) {
    dispatch(dtype, [&](auto zero) {
        using T = decltype(zero);
        if (!indices && outer == 1 && inner == 1) {
            median_value(static_cast<const T*>(in), static_cast<T*>(values), n);
            return;
        }
        median_all(static_cast<const T*>(in), static_cast<T*>(values), indices, outer, n, inner);
    });
}

}  // namespace chainrule::cpu
