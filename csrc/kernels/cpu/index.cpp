#include "kernels/cpu/index.h"

#include <algorithm>
#include <cstring>

#include "base/message.h"
#include "base/parallel.h"

namespace chainrule::cpu {

namespace {

constexpr int64_t kGrain = 16384;  // elements

// Calls f with a value of an unsigned type of that size: copies need no more than bits.
template <class F>
void by_size(size_t item, F&& f) {
    switch (item) {
        case 1:
            return f(uint8_t{});
        case 4:
            return f(uint32_t{});
        default:
            return f(uint64_t{});
    }
}

template <class T>
T& at(char* p) {
    return *reinterpret_cast<T*>(p);
}
template <class T>
const T& at(const char* p) {
    return *reinterpret_cast<const T*>(p);
}

template <class T>
T sum_of(T a, T b) {
    if constexpr (std::is_same_v<T, bool>) return a || b;
    else return static_cast<T>(a + b);
}

int64_t row_grain(const Blocks& b) {
    return std::max<int64_t>(1, kGrain / std::max<int64_t>(1, b.num_inner));
}

}  // namespace

void fail_index(int64_t index, int64_t dim, int64_t size, ErrorKind kind) {
    fail(kind, "index ", index, " is out of bounds for dimension ", dim, " with size ", size,
         size ? note("Valid are 0 to ", size - 1, ".") : note("That dimension is empty."));
}

void gather_blocks(char* to, const char* from, const Blocks& b, size_t item) {
    by_size(item, [&](auto zero) {
        using T = decltype(zero);
        T* out = reinterpret_cast<T*>(to);
        parallel_for(0, b.rows(), row_grain(b), [&](int64_t lo, int64_t hi) {
            int64_t o = lo / b.count, n = lo % b.count;
            size_t bytes = static_cast<size_t>(b.num_inner) * sizeof(T);
            for (int64_t row = lo; row < hi; ++row) {
                const char* source = from + b.outer[o] + b.at[n];
                T* target = out + row * b.num_inner;
                if (b.num_inner == 1) {
                    *target = at<T>(source);
                } else if (!b.inner) {
                    std::memcpy(target, source, bytes);
                } else {
                    for (int64_t i = 0; i < b.num_inner; ++i)
                        target[i] = at<T>(source + b.inner[i]);
                }
                if (++n == b.count) {
                    n = 0;
                    ++o;
                }
            }
        });
    });
}

void gather_rows(char* to, const char* from, const int64_t* index, int64_t count, int64_t size,
                 int64_t stride, int64_t bytes, bool negatives, int64_t dim) {
    auto run = [&](auto copy) {
        int64_t grain = std::max<int64_t>(1, 65536 / std::max<int64_t>(4, bytes));
        // By value: bytes written through char* might else be taken for these numbers.
        parallel_for(0, count, grain, [=](int64_t lo, int64_t hi) {
            for (int64_t n = lo; n < hi; ++n) {
                int64_t v = index[n];
                if (negatives && v < 0) v += size;
                if (__builtin_expect(static_cast<uint64_t>(v) >= static_cast<uint64_t>(size), 0)) {
                    fail_index(index[n], dim, size);
                }
                copy(to + n * bytes, from + v * stride);
            }
        });
    };
    switch (bytes) {
        case 1:
            return run([](char* t, const char* f) { *t = *f; });
        case 4:
            return run([](char* t, const char* f) { std::memcpy(t, f, 4); });
        case 8:
            return run([](char* t, const char* f) { std::memcpy(t, f, 8); });
        default:
            return run(
                [bytes](char* t, const char* f) { std::memcpy(t, f, static_cast<size_t>(bytes)); });
    }
}

void scatter_blocks(char* to, const char* from, const Blocks& b, size_t item, bool one_value) {
    by_size(item, [&](auto zero) {
        using T = decltype(zero);
        const T* in = reinterpret_cast<const T*>(from);
        const T value = b.rows() && b.num_inner ? in[0] : T{};
        int64_t row = 0;
        for (int64_t o = 0; o < b.num_outer; ++o) {
            for (int64_t n = 0; n < b.count; ++n, ++row) {
                char* target = to + b.outer[o] + b.at[n];
                const T* source = in + row * b.num_inner;
                if (!b.inner) {
                    T* t = reinterpret_cast<T*>(target);
                    if (one_value) std::fill_n(t, b.num_inner, value);
                    else std::memcpy(t, source, static_cast<size_t>(b.num_inner) * sizeof(T));
                } else {
                    for (int64_t i = 0; i < b.num_inner; ++i) {
                        at<T>(target + b.inner[i]) = one_value ? value : source[i];
                    }
                }
            }
        }
    });
}

void add_blocks(DType dtype, char* to, const char* from, const Blocks& b) {
    dispatch(dtype, [&](auto zero) {
        using T = decltype(zero);
        const T* in = reinterpret_cast<const T*>(from);
        // Threads share the inner elements, so that each place is summed by one of them.
        int64_t grain = std::max<int64_t>(64, kGrain / std::max<int64_t>(1, b.rows()));
        parallel_for(0, b.num_inner, grain, [&](int64_t lo, int64_t hi) {
            int64_t row = 0;
            for (int64_t o = 0; o < b.num_outer; ++o) {
                for (int64_t n = 0; n < b.count; ++n, ++row) {
                    char* target = to + b.outer[o] + b.at[n];
                    const T* source = in + row * b.num_inner;
                    if (!b.inner) {
                        T* t = reinterpret_cast<T*>(target);
                        for (int64_t i = lo; i < hi; ++i) t[i] = sum_of(t[i], source[i]);
                    } else {
                        for (int64_t i = lo; i < hi; ++i) {
                            T& t = at<T>(target + b.inner[i]);
                            t = sum_of(t, source[i]);
                        }
                    }
                }
            }
        });
    });
}

namespace {

// Calls row(index, data, plain) at the start of each run of the last dimension in [lo, hi).
template <class Row>
void walk_rows(const Places& p, const char* index, char* data, char* plain, int64_t lo, int64_t hi,
               Row&& row) {
    constexpr int kMost = 64;
    int64_t position[kMost];
    int outer = p.ndim - 1;
    int64_t rest = lo;
    for (int d = outer; d-- > 0;) {
        position[d] = rest % p.sizes[d];
        rest /= p.sizes[d];
        index += position[d] * p.index_strides[d];
        data += position[d] * p.data_strides[d];
        plain += position[d] * p.plain_strides[d];
    }
    for (int64_t r = lo; r < hi; ++r) {
        row(index, data, plain);
        for (int d = outer; d-- > 0;) {
            index += p.index_strides[d];
            data += p.data_strides[d];
            plain += p.plain_strides[d];
            if (++position[d] < p.sizes[d]) break;
            index -= p.sizes[d] * p.index_strides[d];
            data -= p.sizes[d] * p.data_strides[d];
            plain -= p.sizes[d] * p.plain_strides[d];
            position[d] = 0;
        }
    }
}

// Calls f(place in data, place in plain) for every position.
template <class F>
void for_places(const Places& p, const char* index, char* data, char* plain, F&& f) {
    int64_t total = p.total();
    if (total == 0) return;
    int last = p.ndim - 1;
    int64_t inner = p.sizes[last], rows = total / inner;
    int64_t si = p.index_strides[last], sd = p.data_strides[last], sp = p.plain_strides[last];
    auto run = [&](int64_t lo, int64_t hi) {
        walk_rows(p, index, data, plain, lo, hi, [&](const char* i, char* d, char* v) {
            for (int64_t k = 0; k < inner; ++k) {
                int64_t where = at<int64_t>(i + k * si);
                if (__builtin_expect(static_cast<uint64_t>(where) >= static_cast<uint64_t>(p.size),
                                     0)) {
                    fail_index(where, p.dim, p.size, ErrorKind::Runtime);  // as torch's gather
                }
                f(d + k * sd + where * p.step, v + k * sp);
            }
        });
    };
    if (p.separate_rows) parallel_for(0, rows, std::max<int64_t>(1, kGrain / inner), run);
    else run(0, rows);
}

}  // namespace

void gather_places(char* plain, const char* data, const char* index, const Places& places,
                   size_t item) {
    by_size(item, [&](auto zero) {
        using T = decltype(zero);
        for_places(places, index, const_cast<char*>(data), plain,
                   [](const char* d, char* v) { at<T>(v) = at<T>(d); });
    });
}

void scatter_places(DType dtype, char* data, const char* plain, const char* index,
                    const Places& places, Put put) {
    if (put == Put::Add) {
        dispatch(dtype, [&](auto zero) {
            using T = decltype(zero);
            for_places(places, index, data, const_cast<char*>(plain),
                       [](char* d, const char* v) { at<T>(d) = sum_of(at<T>(d), at<T>(v)); });
        });
        return;
    }
    by_size(item_size(dtype), [&](auto zero) {
        using T = decltype(zero);
        for_places(places, index, data, const_cast<char*>(plain),
                   [](char* d, const char* v) { at<T>(d) = at<T>(v); });
    });
}

int64_t count_nonzero(DType dtype, const char* data, int64_t n) {
    return dispatch(dtype, [&](auto zero) -> int64_t {
        using T = decltype(zero);
        const T* values = reinterpret_cast<const T*>(data);
        int64_t count = 0;
        for (int64_t i = 0; i < n; ++i) count += values[i] != T{};
        return count;
    });
}

void find_nonzero(DType dtype, const char* data, int64_t n, int64_t* out) {
    dispatch(dtype, [&](auto zero) {
        using T = decltype(zero);
        const T* values = reinterpret_cast<const T*>(data);
        for (int64_t i = 0; i < n; ++i) {
            if (values[i] != T{}) *out++ = i;
        }
    });
}

}  // namespace chainrule::cpu
