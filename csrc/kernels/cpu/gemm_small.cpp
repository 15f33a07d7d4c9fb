// Compiled once per instruction set; CHAINRULE_ISA names the namespace.
#include "kernels/cpu/gemm_small.h"

#ifndef CHAINRULE_ISA
#define CHAINRULE_ISA isa_base
#endif

// Vectors wider than the registers never cross a call: all functions on them are inlined.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

#if defined(__clang__)
#define CHAINRULE_UNROLL _Pragma("clang loop unroll(full)")
#else
#define CHAINRULE_UNROLL _Pragma("GCC unroll 16")
#endif
#define CHAINRULE_INLINE inline __attribute__((always_inline))

namespace chainrule::CHAINRULE_ISA {

namespace {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
constexpr int kTileRows = 8;  // 32 registers
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
constexpr int kTileRows = 4;
#else
constexpr int kVectorBytes = 16;
constexpr int kTileRows = 4;
#endif

constexpr int64_t kDepth = 128;          // columns of A and rows of B handled at a time
constexpr int64_t kPackElements = 8192;  // of B, copied into a buffer on the stack

template <class T, int Width>
struct VectorOf {
    typedef T type __attribute__((vector_size(Width * sizeof(T))));
};
template <class T>
struct VectorOf<T, 1> {
    using type = T;
};
template <class T, int Width>
using Vector = typename VectorOf<T, Width>::type;

template <class V, class T>
CHAINRULE_INLINE V load(const T* from) {
    V value;
    __builtin_memcpy(&value, from, sizeof value);
    return value;
}

template <class V, class T>
CHAINRULE_INLINE void store(T* to, const V& value) {
    __builtin_memcpy(to, &value, sizeof value);
}

template <class T>
struct Operands {
    int64_t k;
    T alpha;
    const T* a;
    int64_t a_row, a_col;
    const T* b;  // rows of contiguous elements
    int64_t ldb;
    T beta;
    T* c;
    int64_t ldc;
};

// Rows x (Vectors * Width) elements of C held in registers. The column offsets of the vectors may
// overlap: that is how widths that are no multiple of Width are done without a scalar rest.
template <class T, int Width, int Rows, int Vectors>
CHAINRULE_INLINE void tile(const Operands<T>& x, int64_t row, const int64_t (&columns)[Vectors]) {
    using V = Vector<T, Width>;
    V sums[Rows][Vectors] = {};
    const T* a = x.a + row * x.a_row;
    const T* b = x.b;
    for (int64_t p = 0; p < x.k; ++p) {
        V right[Vectors];
        CHAINRULE_UNROLL
        for (int v = 0; v < Vectors; ++v) right[v] = load<V>(b + columns[v]);
        CHAINRULE_UNROLL
        for (int i = 0; i < Rows; ++i) {
            const T left = a[i * x.a_row];
            CHAINRULE_UNROLL
            for (int v = 0; v < Vectors; ++v) sums[i][v] += left * right[v];
        }
        a += x.a_col;
        b += x.ldb;
    }
    CHAINRULE_UNROLL
    for (int i = 0; i < Rows; ++i) {
        T* c = x.c + (row + i) * x.ldc;
        V results[Vectors];
        CHAINRULE_UNROLL
        for (int v = 0; v < Vectors; ++v) {
            results[v] = x.alpha * sums[i][v];
            if (x.beta != T(0)) results[v] += x.beta * load<V>(c + columns[v]);
        }
        CHAINRULE_UNROLL
        for (int v = 0; v < Vectors; ++v) store(c + columns[v], results[v]);
    }
}

template <class T, int Width, int Vectors>
void all_rows(const Operands<T>& x, int64_t m, const int64_t (&columns)[Vectors]) {
    int64_t row = 0;
    if constexpr (kTileRows == 8) {
        for (; row + 8 <= m; row += 8) tile<T, Width, 8>(x, row, columns);
    }
    for (; row + 4 <= m; row += 4) tile<T, Width, 4>(x, row, columns);
    if (row + 2 <= m) {
        tile<T, Width, 2>(x, row, columns);
        row += 2;
    }
    if (row < m) tile<T, Width, 1>(x, row, columns);
}

// n >= Width. The last vector may overlap the one before it, always within one tile.
template <class T, int Width>
void all_columns(const Operands<T>& x, int64_t m, int64_t n) {
    int64_t j = 0;
    if (m == 1) {  // a single row has too few sums to hide the latency of the adder
        for (; j + 5 * Width <= n || j + 4 * Width == n; j += 4 * Width) {
            tile<T, Width, 1>(x, 0, {j, j + Width, j + 2 * Width, j + 3 * Width});
        }
        if (j == n) return;
    }
    for (; n - j >= 3 * Width; j += 2 * Width) all_rows<T, Width>(x, m, {j, j + Width});
    if (n - j > 2 * Width) {
        all_rows<T, Width>(x, m, {j});
        j += Width;
    }
    if (n - j == Width) {
        all_rows<T, Width>(x, m, {j});
    } else {
        all_rows<T, Width>(x, m, {j, n - Width});
    }
}

template <class T, int Width>
void widest_columns(const Operands<T>& x, int64_t m, int64_t n) {
    if constexpr (Width > 1) {
        if (n < Width) return widest_columns<T, Width / 2>(x, m, n);
    }
    all_columns<T, Width>(x, m, n);
}

// Copies k x n elements of B, a contiguous column each, into rows.
template <class T>
void pack_transposed(const T* b, int64_t b_col, int64_t k, int64_t n, T* to) {
    using V = Vector<T, 4>;
    int64_t j = 0;
    for (; j + 4 <= n; j += 4) {
        const T* from = b + j * b_col;
        int64_t p = 0;
        for (; p + 4 <= k; p += 4) {
            const V r0 = load<V>(from + p), r1 = load<V>(from + b_col + p);
            const V r2 = load<V>(from + 2 * b_col + p), r3 = load<V>(from + 3 * b_col + p);
            const V low01 = __builtin_shufflevector(r0, r1, 0, 4, 1, 5);
            const V high01 = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
            const V low23 = __builtin_shufflevector(r2, r3, 0, 4, 1, 5);
            const V high23 = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
            T* rows = to + p * n + j;
            store(rows, __builtin_shufflevector(low01, low23, 0, 1, 4, 5));
            store(rows + n, __builtin_shufflevector(low01, low23, 2, 3, 6, 7));
            store(rows + 2 * n, __builtin_shufflevector(high01, high23, 0, 1, 4, 5));
            store(rows + 3 * n, __builtin_shufflevector(high01, high23, 2, 3, 6, 7));
        }
        for (; p < k; ++p) {
            for (int i = 0; i < 4; ++i) to[p * n + j + i] = from[i * b_col + p];
        }
    }
    for (; j < n; ++j) {
        for (int64_t p = 0; p < k; ++p) to[p * n + j] = b[j * b_col + p];
    }
}

template <class T>
void pack(const T* b, int64_t b_row, int64_t b_col, int64_t k, int64_t n, T* to) {
    if (b_row == 1) return pack_transposed(b, b_col, k, n, to);
    for (int64_t p = 0; p < k; ++p) {
        for (int64_t j = 0; j < n; ++j) to[p * n + j] = b[p * b_row + j * b_col];
    }
}

// Rows dot products at once of contiguous rows with one contiguous vector.
template <class T, int Rows>
CHAINRULE_INLINE void dot_rows(const T* rows, int64_t stride, const T* vector, int64_t k, T alpha,
                               T beta, T* out, int64_t out_stride) {
    constexpr int kWidth = (kVectorBytes < 32 ? kVectorBytes : 32) / sizeof(T);
    using V = Vector<T, kWidth>;
    V sums[Rows] = {};
    int64_t p = 0;
    for (; p + kWidth <= k; p += kWidth) {
        const V right = load<V>(vector + p);
        CHAINRULE_UNROLL
        for (int i = 0; i < Rows; ++i) sums[i] += load<V>(rows + i * stride + p) * right;
    }
    T totals[Rows];
    CHAINRULE_UNROLL
    for (int i = 0; i < Rows; ++i) {
        totals[i] = sums[i][0];
        CHAINRULE_UNROLL
        for (int lane = 1; lane < kWidth; ++lane) totals[i] += sums[i][lane];
    }
    for (; p < k; ++p) {
        CHAINRULE_UNROLL
        for (int i = 0; i < Rows; ++i) totals[i] += rows[i * stride + p] * vector[p];
    }
    CHAINRULE_UNROLL
    for (int i = 0; i < Rows; ++i) {
        T* to = out + i * out_stride;
        *to = beta == T(0) ? alpha * totals[i] : alpha * totals[i] + beta * *to;
    }
}

template <class T>
void dots(int64_t count, const T* rows, int64_t stride, const T* vector, int64_t k, T alpha, T beta,
          T* out, int64_t out_stride) {
    int64_t i = 0;
    for (; i + 4 <= count; i += 4) {
        dot_rows<T, 4>(rows + i * stride, stride, vector, k, alpha, beta, out + i * out_stride,
                       out_stride);
    }
    for (; i < count; ++i) {
        dot_rows<T, 1>(rows + i * stride, stride, vector, k, alpha, beta, out + i * out_stride,
                       out_stride);
    }
}

// One block of at most kDepth columns and kBlockRows rows of A.
template <class T>
void block(int64_t m, int64_t n, Operands<T> x, int64_t b_row, int64_t b_col) {
    constexpr int kWidth = kVectorBytes / sizeof(T);
    alignas(64) T packed[kPackElements];
    // B row by row fits the tiles as it is, unless it is so large that its rows lie far apart.
    if (b_col == 1 && (m < 2 * kTileRows || x.k * n <= kPackElements)) {
        x.ldb = b_row;
        widest_columns<T, kWidth>(x, m, n);
        return;
    }
    // Panels as wide as the buffer allows, whole tiles of two vectors.
    const int64_t fits = kPackElements / (x.k > 0 ? x.k : 1);
    const int64_t step = n <= fits ? n : fits - fits % (2 * kWidth);
    const T* b = x.b;
    T* c = x.c;
    x.b = packed;
    for (int64_t j = 0; j < n; j += step) {
        const int64_t width = n - j < step ? n - j : step;
        pack(b + j * b_col, b_row, b_col, x.k, width, packed);
        x.ldb = width;
        x.c = c + j;
        widest_columns<T, kWidth>(x, m, width);
    }
}

template <class T>
void gemm(int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t a_row, int64_t a_col,
          const T* b, int64_t b_row, int64_t b_col, T beta, T* c, int64_t ldc) {
    if (m <= 0 || n <= 0) return;
    if (m == 1 && a_col == 1 && b_row == 1 && b_col != 1) {
        return dots(n, b, b_col, a, k, alpha, beta, c, int64_t{1});
    }
    if (n == 1 && b_row == 1 && a_col == 1) return dots(m, a, a_row, b, k, alpha, beta, c, ldc);
    if (n == 1 && a_row == 1 && ldc == 1 && m > 1) {  // a column of C is a row of its transpose
        return gemm<T>(1, m, k, alpha, b, 0, b_row, a, a_col, 1, beta, c, m);
    }
    constexpr int64_t kBlockRows = 1024 / sizeof(T);  // of A, 128 KiB: stay in the second cache
    Operands<T> x{0, alpha, a, a_row, a_col, b, 0, beta, c, ldc};
    int64_t p = 0;
    do {
        x.k = k - p < kDepth ? k - p : kDepth;
        x.b = b + p * b_row;
        for (int64_t i = 0; i < m; i += kBlockRows) {
            x.a = a + i * a_row + p * a_col;
            x.c = c + i * ldc;
            block<T>(m - i < kBlockRows ? m - i : kBlockRows, n, x, b_row, b_col);
        }
        x.beta = T(1);
        p += kDepth;
    } while (p < k);
}

}  // namespace

extern const SmallGemmTable small_gemm_table;
const SmallGemmTable small_gemm_table = {gemm<float>, gemm<double>, gemm<uint64_t>};

}  // namespace chainrule::CHAINRULE_ISA
