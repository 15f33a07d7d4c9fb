#pragma once

#include <cstdint>
#include <string>

namespace chainrule {

// C = alpha * op(A) op(B) + beta * C on row-major matrices: op(A) is m x k, op(B) is k x n, C is
// m x n. trans is 'n' (as stored) or 't' (transposed); ld* is the distance between stored rows.
// C is not read where beta is 0, A and B are not read where alpha or k is 0, and C must not
// overlap them. Large products use up to get_num_threads() threads.
// Throws Error(Value) for another trans or a leading dimension shorter than its row.
void gemm(char transa, char transb, int64_t m, int64_t n, int64_t k, float alpha, const float* a,
          int64_t lda, const float* b, int64_t ldb, float beta, float* c, int64_t ldc);
void gemm(char transa, char transb, int64_t m, int64_t n, int64_t k, double alpha, const double* a,
          int64_t lda, const double* b, int64_t ldb, double beta, double* c, int64_t ldc);
// Integers wrap around, as in torch.
void gemm(char transa, char transb, int64_t m, int64_t n, int64_t k, int64_t alpha,
          const int64_t* a, int64_t lda, const int64_t* b, int64_t ldb, int64_t beta, int64_t* c,
          int64_t ldc);

// `batch` products; matrix i starts at a + i * stride_a and so on. A stride of 0 repeats a matrix
// (not allowed for C).
template <class T>
void gemm_batched_strided(char transa, char transb, int64_t batch, int64_t m, int64_t n, int64_t k,
                          T alpha, const T* a, int64_t lda, int64_t stride_a, const T* b,
                          int64_t ldb, int64_t stride_b, T beta, T* c, int64_t ldc,
                          int64_t stride_c);

// The OpenBLAS library of the package scipy-openblas32, loaded at first need. It is looked for at
// the path set here, or that the environment variable CHAINRULE_BLAS names, or beside the package
// that holds this code, or where the finder says (empty: not found). Matrix products do without it,
// large ones somewhat slower. Setting a path after the library was loaded throws Error(Runtime).
void set_blas_library_path(const std::string& path);
void set_blas_library_finder(std::string (*finder)());

// Whether the library can be loaded; loads it.
bool blas_library_available();

// A function of the library by its BLAS, LAPACK or CBLAS name ("cblas_sgemm", "dgesv_"); the
// library's prefix is added. Integers are 32-bit. It runs in the calling thread.
// Throws Error(Runtime) if the library or the function is missing.
void* blas_function(const char* name);

// Version and processor kernel of the loaded library, or "not loaded".
std::string blas_library_info();

}  // namespace chainrule
