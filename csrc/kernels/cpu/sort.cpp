#include "kernels/cpu/sort.h"

#include <algorithm>
#include <vector>

#include "base/parallel.h"

namespace chainrule::cpu {

namespace {

template <class T>
struct Entry {
    T value;
    int64_t index;
};

// a before b in ascending order, NaN last.
template <class T>
bool below(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) return a < b || (b != b && a == a);
    else return a < b;
}

}  // namespace

void sort_lines(DType dtype, const SortLines& lines, int64_t keep, bool descending, char* values,
                int64_t* indices) {
    dispatch(dtype, [&](auto zero) {
        using T = decltype(zero);
        int64_t grain = std::max<int64_t>(1, 4096 / std::max<int64_t>(1, lines.size));
        parallel_for(0, lines.count, grain, [&](int64_t lo, int64_t hi) {
            std::vector<Entry<T>> line(static_cast<size_t>(lines.size));
            auto before = [&](const Entry<T>& a, const Entry<T>& b) {
                if (descending ? below(b.value, a.value) : below(a.value, b.value)) return true;
                if (descending ? below(a.value, b.value) : below(b.value, a.value)) return false;
                return a.index < b.index;
            };
            for (int64_t l = lo; l < hi; ++l) {
                const T* from = reinterpret_cast<const T*>(lines.data) + lines.starts[l];
                for (int64_t i = 0; i < lines.size; ++i) {
                    line[static_cast<size_t>(i)] = {from[i * lines.step], i};
                }
                // The index breaks ties, so a sort that is not stable by itself does.
                if (keep < lines.size) {
                    std::partial_sort(line.begin(), line.begin() + keep, line.end(), before);
                } else {
                    std::sort(line.begin(), line.end(), before);
                }
                T* out = reinterpret_cast<T*>(values) + l * keep;
                for (int64_t i = 0; i < keep; ++i) {
                    out[i] = line[static_cast<size_t>(i)].value;
                    indices[l * keep + i] = line[static_cast<size_t>(i)].index;
                }
            }
        });
    });
}

void search_lines(DType dtype, const char* sorted, const int64_t* order, int64_t lines,
                  int64_t size, const char* values, int64_t n, bool right, int64_t* out) {
    dispatch(dtype, [&](auto zero) {
        using T = decltype(zero);
        const T* all = reinterpret_cast<const T*>(sorted);
        const T* wanted = reinterpret_cast<const T*>(values);
        int64_t each = lines > 0 ? n / lines : 0;
        parallel_for(0, n, 2048, [&](int64_t lo, int64_t hi) {
            for (int64_t i = lo; i < hi; ++i) {
                int64_t start = lines == 1 ? 0 : i / each * size;
                const T* line = all + start;
                const int64_t* places = order ? order + start : nullptr;
                int64_t first = 0, count = size;
                while (count > 0) {
                    int64_t half = count / 2, middle = first + half;
                    T element = line[places ? places[middle] : middle];
                    bool on = right ? !below(wanted[i], element) : below(element, wanted[i]);
                    if (on) {
                        first = middle + 1;
                        count -= half + 1;
                    } else {
                        count = half;
                    }
                }
                out[i] = first;
            }
        });
    });
}

}  // namespace chainrule::cpu
