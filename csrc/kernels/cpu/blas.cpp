#include "kernels/cpu/blas.h"

#include <dlfcn.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <utility>

#include "base/cpu_features.h"
#include "base/error.h"
#include "base/parallel.h"
#include "kernels/cpu/gemm_small.h"

namespace chainrule {

namespace {

// Our own product ------------------------------------------------------------------------------

const SmallGemmTable& choose_table() {
#ifndef CHAINRULE_ONLY_BASE_ISA
    switch (active_isa()) {
        case Isa::Avx512:
            return isa_avx512::small_gemm_table;
        case Isa::Avx2:
            return isa_avx2::small_gemm_table;
        case Isa::Base:
            break;
    }
#endif
    return isa_base::small_gemm_table;
}

const SmallGemmTable& table() {
    static const SmallGemmTable& chosen = choose_table();
    return chosen;
}

SmallGemm<float> own_gemm(const float*) { return table().f32; }
SmallGemm<double> own_gemm(const double*) { return table().f64; }
SmallGemm<uint64_t> own_gemm(const uint64_t*) { return table().i64; }

template <class T>
struct Product {
    int64_t m, n, k;
    T alpha;
    const T* a;
    int64_t a_row, a_col;
    const T* b;
    int64_t b_row, b_col;
    T beta;
    T* c;
    int64_t ldc;
};

template <class T>
void run_part(const Product<T>& x, int64_t row, int64_t rows, int64_t column, int64_t columns) {
    own_gemm(x.c)(rows, columns, x.k, x.alpha, x.a + row * x.a_row, x.a_row, x.a_col,
                  x.b + column * x.b_col, x.b_row, x.b_col, x.beta, x.c + row * x.ldc + column,
                  x.ldc);
}

// Multiplications that are worth a second thread: about 20 microseconds.
constexpr double kParallelWork = 1 << 20;
constexpr int64_t kRowUnit = 8, kColumnUnit = 64;  // whole tiles

template <class T>
void run_own(const Product<T>& x) {
    const double work =
        static_cast<double>(x.m) * static_cast<double>(x.n) * static_cast<double>(x.k);
    if (work < 2 * kParallelWork) return run_part(x, 0, x.m, 0, x.n);
    const bool by_rows = x.m >= x.n;
    const int64_t unit = by_rows ? kRowUnit : kColumnUnit;
    const int64_t length = by_rows ? x.m : x.n;
    const int64_t units = (length - 1) / unit + 1;
    const double work_per_unit = work / static_cast<double>(units);
    const int64_t grain = static_cast<int64_t>(kParallelWork / work_per_unit) + 1;
    parallel_for(0, units, grain, [&](int64_t first, int64_t last) {
        const int64_t lo = first * unit, hi = std::min(length, last * unit);
        if (by_rows) {
            run_part(x, lo, hi - lo, 0, x.n);
        } else {
            run_part(x, 0, x.m, lo, hi - lo);
        }
    });
}

// OpenBLAS -------------------------------------------------------------------------------------

using CblasS = void (*)(int, int, int, int, int, int, float, const float*, int, const float*, int,
                        float, float*, int);
using CblasD = void (*)(int, int, int, int, int, int, double, const double*, int, const double*,
                        int, double, double*, int);
constexpr int kRowMajor = 101, kNoTrans = 111, kTrans = 112;

#ifdef __APPLE__
constexpr const char* kLibraryFile = "libscipy_openblas.dylib";
#else
constexpr const char* kLibraryFile = "libscipy_openblas.so";
#endif

// Products may be called without the GIL: the members below `mutex` are written with it held, and
// are constant once `tried` is true.
struct Library {
    std::mutex mutex;
    std::atomic<bool> tried{false};
    void* handle = nullptr;
    CblasS sgemm = nullptr;
    CblasD dgemm = nullptr;
    void (*set_threads)(int) = nullptr;
    std::string path;  // set by the user, then the one that was tried last
    std::string (*finder)() = nullptr;
    std::string complaint;
};

Library& library() {
    static Library instance;
    return instance;
}

bool file_exists(const std::string& path) {
    struct stat info;
    return !path.empty() && stat(path.c_str(), &info) == 0;
}

// site-packages/chainrule/_C.so -> site-packages/scipy_openblas32/lib/libscipy_openblas.so
std::string path_beside_us() {
    Dl_info info;
    if (dladdr(reinterpret_cast<void*>(&library), &info) == 0 || info.dli_fname == nullptr) {
        return {};
    }
    std::string path = info.dli_fname;
    for (int level = 0; level < 2; ++level) {
        const size_t slash = path.rfind('/');
        if (slash == std::string::npos) return {};
        path.resize(slash);
    }
    return path + "/scipy_openblas32/lib/" + kLibraryFile;
}

std::string find_library(const Library& lib) {
    if (!lib.path.empty()) return lib.path;
    if (const char* named = std::getenv("CHAINRULE_BLAS"); named != nullptr && *named != '\0') {
        return named;
    }
    if (std::string beside = path_beside_us(); file_exists(beside)) return beside;
    return lib.finder != nullptr ? lib.finder() : std::string();
}

template <class Function>
bool look_up(void* handle, const char* name, Function& function) {
    function = reinterpret_cast<Function>(dlsym(handle, name));
    return function != nullptr;
}

void open_library(Library& lib) {
    if (lib.path.empty()) {
        lib.complaint = "it was not found";
        return;
    }
    void* handle = dlopen(lib.path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
        const char* reason = dlerror();
        lib.complaint = reason != nullptr ? reason : "it cannot be opened";
        return;
    }
    if (!look_up(handle, "scipy_cblas_sgemm", lib.sgemm) ||
        !look_up(handle, "scipy_cblas_dgemm", lib.dgemm) ||
        !look_up(handle, "scipy_openblas_set_num_threads", lib.set_threads)) {
        lib.complaint = lib.path + " is not the library of scipy-openblas32";
        dlclose(handle);
        return;
    }
    // Its threads spin against ours; one caller of gemm per thread of our pool serves better.
    lib.set_threads(1);
    lib.handle = handle;
}

bool load_library() {
    Library& lib = library();
    if (lib.tried) return lib.handle != nullptr;
    std::string path = find_library(lib);  // not locked: the finder may wait for the GIL
    std::lock_guard<std::mutex> guard(lib.mutex);
    if (!lib.tried) {
        lib.path = std::move(path);
        open_library(lib);
        lib.tried = true;
    }
    return lib.handle != nullptr;
}

void library_part(const Product<float>& x, int ta, int tb, int m, int n, const float* a, int lda,
                  const float* b, int ldb, float* c) {
    library().sgemm(kRowMajor, ta, tb, m, n, static_cast<int>(x.k), x.alpha, a, lda, b, ldb, x.beta,
                    c, static_cast<int>(x.ldc));
}

void library_part(const Product<double>& x, int ta, int tb, int m, int n, const double* a, int lda,
                  const double* b, int ldb, double* c) {
    library().dgemm(kRowMajor, ta, tb, m, n, static_cast<int>(x.k), x.alpha, a, lda, b, ldb, x.beta,
                    c, static_cast<int>(x.ldc));
}

// One part per thread, as each part packs the whole of the operand that is not split.
template <class T>
void run_library(const Product<T>& x, bool transpose_a, bool transpose_b, int64_t lda,
                 int64_t ldb) {
    const int ta = transpose_a ? kTrans : kNoTrans, tb = transpose_b ? kTrans : kNoTrans;
    const bool by_rows = x.m >= x.n;
    const int64_t length = by_rows ? x.m : x.n;
    constexpr int64_t kUnit = 48;  // divides by the tile heights and widths of its kernels
    const int64_t units = (length - 1) / kUnit + 1;
    const int64_t grain = (units - 1) / get_num_threads() + 1;
    parallel_for(0, units, grain, [&](int64_t first, int64_t last) {
        const int64_t lo = first * kUnit, size = std::min(length, last * kUnit) - lo;
        const int64_t row = by_rows ? lo : 0, column = by_rows ? 0 : lo;
        library_part(x, ta, tb, static_cast<int>(by_rows ? size : x.m),
                     static_cast<int>(by_rows ? x.n : size), x.a + row * x.a_row,
                     static_cast<int>(lda), x.b + column * x.b_col, static_cast<int>(ldb),
                     x.c + row * x.ldc + column);
    });
}

// Multiplications from which OpenBLAS beats our own product, which does not pack A.
constexpr double kLibraryWork = 1 << 28;

bool fits_int(int64_t value) { return value <= std::numeric_limits<int>::max(); }

// Checks and entry points ----------------------------------------------------------------------

bool is_transposed(char trans) {
    if (trans == 't' || trans == 'T') return true;
    check(trans == 'n' || trans == 'N', ErrorKind::Value, "gemm: trans must be 'n' or 't', got '",
          trans, "'");
    return false;
}

void check_leading(const char* name, int64_t leading, int64_t row) {
    check(leading >= std::max<int64_t>(1, row), ErrorKind::Value, "gemm: ", name, " = ", leading,
          " is shorter than a row of ", row, " elements");
}

template <class T>
Product<T> make_product(char transa, char transb, int64_t m, int64_t n, int64_t k, T alpha,
                        const T* a, int64_t lda, const T* b, int64_t ldb, T beta, T* c,
                        int64_t ldc) {
    const bool ta = is_transposed(transa), tb = is_transposed(transb);
    check(m >= 0 && n >= 0 && k >= 0, ErrorKind::Value, "gemm: negative size ", m, " x ", n, " x ",
          k);
    check_leading("lda", lda, ta ? m : k);
    check_leading("ldb", ldb, tb ? k : n);
    check_leading("ldc", ldc, n);
    if (alpha == T(0)) k = 0;
    return {m,    n, k,  alpha, a, ta ? 1 : lda, ta ? lda : 1, b, tb ? 1 : ldb, tb ? ldb : 1,
            beta, c, ldc};
}

template <class T>
void floating_gemm(char transa, char transb, int64_t m, int64_t n, int64_t k, T alpha, const T* a,
                   int64_t lda, const T* b, int64_t ldb, T beta, T* c, int64_t ldc) {
    const auto x = make_product(transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    if (m == 0 || n == 0) return;
    const double work = static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(x.k);
    const bool large = work >= kLibraryWork && std::min({m, n, k}) >= 64;
    if (large && fits_int(m) && fits_int(n) && fits_int(k) && fits_int(lda) && fits_int(ldb) &&
        fits_int(ldc) && load_library()) {
        return run_library(x, is_transposed(transa), is_transposed(transb), lda, ldb);
    }
    run_own(x);
}

}  // namespace

void gemm(char transa, char transb, int64_t m, int64_t n, int64_t k, float alpha, const float* a,
          int64_t lda, const float* b, int64_t ldb, float beta, float* c, int64_t ldc) {
    floating_gemm(transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

void gemm(char transa, char transb, int64_t m, int64_t n, int64_t k, double alpha, const double* a,
          int64_t lda, const double* b, int64_t ldb, double beta, double* c, int64_t ldc) {
    floating_gemm(transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

void gemm(char transa, char transb, int64_t m, int64_t n, int64_t k, int64_t alpha,
          const int64_t* a, int64_t lda, const int64_t* b, int64_t ldb, int64_t beta, int64_t* c,
          int64_t ldc) {
    // Unsigned arithmetic gives the same bits and may wrap.
    const auto x = make_product(transa, transb, m, n, k, static_cast<uint64_t>(alpha),
                                reinterpret_cast<const uint64_t*>(a), lda,
                                reinterpret_cast<const uint64_t*>(b), ldb,
                                static_cast<uint64_t>(beta), reinterpret_cast<uint64_t*>(c), ldc);
    if (m != 0 && n != 0) run_own(x);
}

template <class T>
void gemm_batched_strided(char transa, char transb, int64_t batch, int64_t m, int64_t n, int64_t k,
                          T alpha, const T* a, int64_t lda, int64_t stride_a, const T* b,
                          int64_t ldb, int64_t stride_b, T beta, T* c, int64_t ldc,
                          int64_t stride_c) {
    const double work = static_cast<double>(m) * static_cast<double>(n) *
                        static_cast<double>(std::max<int64_t>(k, 1));
    // Large products use the threads themselves, one after the other.
    const int64_t grain = work >= kLibraryWork
                              ? std::max<int64_t>(batch, 1)
                              : static_cast<int64_t>(kParallelWork / std::max(work, 1.0)) + 1;
    parallel_for(0, batch, grain, [&](int64_t first, int64_t last) {
        for (int64_t i = first; i < last; ++i) {
            gemm(transa, transb, m, n, k, alpha, a + i * stride_a, lda, b + i * stride_b, ldb, beta,
                 c + i * stride_c, ldc);
        }
    });
}

template void gemm_batched_strided(char, char, int64_t, int64_t, int64_t, int64_t, float,
                                   const float*, int64_t, int64_t, const float*, int64_t, int64_t,
                                   float, float*, int64_t, int64_t);
template void gemm_batched_strided(char, char, int64_t, int64_t, int64_t, int64_t, double,
                                   const double*, int64_t, int64_t, const double*, int64_t, int64_t,
                                   double, double*, int64_t, int64_t);
template void gemm_batched_strided(char, char, int64_t, int64_t, int64_t, int64_t, int64_t,
                                   const int64_t*, int64_t, int64_t, const int64_t*, int64_t,
                                   int64_t, int64_t, int64_t*, int64_t, int64_t);

void set_blas_library_path(const std::string& path) {
    Library& lib = library();
    std::lock_guard<std::mutex> guard(lib.mutex);
    check(lib.handle == nullptr, ErrorKind::Runtime, "the BLAS library ", lib.path,
          " is loaded already; set the path before the first large matrix product");
    lib.path = path;
    lib.tried = false;
}

void set_blas_library_finder(std::string (*finder)()) { library().finder = finder; }

bool blas_library_available() { return load_library(); }

void* blas_function(const char* name) {
    Library& lib = library();
    check(load_library(), ErrorKind::Runtime, "'", name,
          "' needs the library of the package "
          "scipy-openblas32 (",
          lib.complaint, "). Install it: pip install scipy-openblas32");
    void* function = dlsym(lib.handle, ("scipy_" + std::string(name)).c_str());
    check(function != nullptr, ErrorKind::Runtime, lib.path, " has no function '", name,
          "'. Install a newer one: pip install -U scipy-openblas32");
    return function;
}

std::string blas_library_info() {
    const Library& lib = library();
    if (lib.handle == nullptr) return "not loaded";
    const char* (*config)() = nullptr;
    if (!look_up(lib.handle, "scipy_openblas_get_config", config)) return lib.path;
    return config();
}

}  // namespace chainrule
