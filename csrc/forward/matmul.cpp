#include <algorithm>

#include "base/interpreter_lock.h"
#include "base/message.h"
#include "base/shape_hints.h"
#include "forward.h"
#include "kernels/cpu/blas.h"
#include "tensor/convert.h"
#include "tensor/origin.h"

// Matrix products. Transposed operands go to the kernel as they are; only matrices of which
// neither rows nor columns are contiguous are copied.
namespace chainrule::forward {

namespace {

struct Matrix {
    const TensorImpl* tensor;
    int64_t rows, cols;
    int64_t row_stride, col_stride;

    void transpose() {
        std::swap(rows, cols);
        std::swap(row_stride, col_stride);
    }
};

// How gemm is told where the elements of a matrix are.
struct Layout {
    char trans;
    int64_t leading;
};

bool find_layout(const Matrix& m, Layout* out) {
    const int64_t rows = m.rows, cols = m.cols;
    if ((m.col_stride == 1 || cols <= 1) &&
        (rows <= 1 || m.row_stride >= std::max<int64_t>(1, cols))) {
        *out = {'n', rows <= 1 ? std::max<int64_t>(1, cols) : m.row_stride};
        return true;
    }
    if ((m.row_stride == 1 || rows <= 1) &&
        (cols <= 1 || m.col_stride >= std::max<int64_t>(1, rows))) {
        *out = {'t', cols <= 1 ? std::max<int64_t>(1, rows) : m.col_stride};
        return true;
    }
    return false;
}

// The last two dimensions of t as a matrix; `keep` owns a copy if one is needed.
Matrix matrix_of(const Tensor& t, bool transposed, Layout* layout, Tensor* keep) {
    auto take = [&](const TensorImpl& x) {
        const int n = x.ndim;
        Matrix m{&x, x.sizes()[n - 2], x.sizes()[n - 1], x.strides()[n - 2], x.strides()[n - 1]};
        if (transposed) m.transpose();
        return m;
    };
    Matrix m = take(*t);
    if (find_layout(m, layout)) return m;
    *keep = make_contiguous(t);
    if (keep->get() == t.get()) *keep = clone_dense(*t);
    m = take(**keep);
    find_layout(m, layout);
    return m;
}

// All dimensions but the last as rows.
Matrix rows_of(const Tensor& t, Layout* layout, Tensor* keep) {
    auto take = [](const TensorImpl& x, Matrix* m) {
        const int n = x.ndim;
        const int64_t cols = x.sizes()[n - 1];
        int64_t rows = 1, step = n > 1 ? x.strides()[n - 2] : cols;
        bool even = true;
        for (int d = n - 2; d >= 0; --d) {
            // A size of 1 says nothing about the distance of rows.
            if (x.sizes()[d] != 1) {
                if (rows == 1) step = x.strides()[d];
                else even &= x.strides()[d] == step * rows;
            }
            rows *= x.sizes()[d];
        }
        *m = {&x, rows, cols, step, x.strides()[n - 1]};
        return even || rows == 0;
    };
    Matrix m{};
    if (take(*t, &m) && find_layout(m, layout)) return m;
    *keep = Tensor::empty_like(*t, t.dtype());
    copy_elements(**keep, *t);
    take(**keep, &m);
    find_layout(m, layout);
    return m;
}

// Multiplications from which a product takes tens of microseconds.
bool is_long(int64_t m, int64_t n, int64_t k) {
    return static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) >= 1 << 19;
}

// out = alpha * a b + beta * out, out (rows of a) x (columns of b) without gaps.
void multiply(const Matrix& a, Layout la, const Matrix& b, Layout lb, const Scalar& alpha,
              const Scalar& beta, TensorImpl& out) {
    Unlocked unlocked(is_long(a.rows, b.cols, a.cols));
    auto run = [&](auto zero) {
        using T = decltype(zero);
        gemm(la.trans, lb.trans, a.rows, b.cols, a.cols, alpha.as<T>(),
             reinterpret_cast<const T*>(a.tensor->data), la.leading,
             reinterpret_cast<const T*>(b.tensor->data), lb.leading, beta.as<T>(),
             reinterpret_cast<T*>(out.data), std::max<int64_t>(1, b.cols));
    };
    if (out.dtype == DType::Float32) run(float{});
    else if (out.dtype == DType::Float64) run(double{});
    else run(int64_t{});
}

const char* c_name(DType dtype) {  // as C++ compilers name it, which torch's messages show
    switch (dtype) {
        case DType::Float32:
            return "float";
        case DType::Float64:
            return "double";
        case DType::Int64:
            return "long int";
        case DType::Bool:
            return "bool";
        default:
            return dtype_name(dtype);
    }
}

void check_numeric(const Tensor& t, const char* kernel) {
    check(t.dtype() != DType::Bool && is_enabled(t.dtype()), ErrorKind::NotImplemented, "\"",
          kernel, "\" not implemented for '", dtype_title(t.dtype()), "'",
          note("Convert the tensors first, for example with .float()."));
}

constexpr const char* kConvert = "\n  Convert one of them, for example with .to(other.dtype).";

std::string note_dtypes(const char* name_a, const Tensor& a, const char* name_b, const Tensor& b) {
    return concat(note_dtype(name_a, *a), note_dtype(name_b, *b),
                  note("Convert one of them, for example with .float(), .double() or "
                       ".to(other.dtype)."));
}

void check_matrix_dtypes(const Tensor& a, const Tensor& b) {
    check(a.dtype() == b.dtype(), ErrorKind::Runtime,
          "expected m1 and m2 to have the same dtype, but got: ", c_name(a.dtype()),
          " != ", c_name(b.dtype()), note_dtypes("m1", a, "m2", b));
    check_numeric(a, "addmm_impl_cpu_");
}

std::string cannot_multiply(const Matrix& a, const Matrix& b) {
    return concat("mat1 and mat2 shapes cannot be multiplied (", a.rows, "x", a.cols, " and ",
                  b.rows, "x", b.cols, ")");
}

[[noreturn]] void refuse_shapes(const Matrix& a, const Matrix& b, const Tensor& mat1,
                                const Tensor& mat2) {
    fail(ErrorKind::Runtime, cannot_multiply(a, b), note_shape("mat1", *mat1),
         note_shape("mat2", *mat2),
         note("The columns of mat1 (", a.cols, ") must be as many as the rows of mat2 (", b.rows,
              ")."),
         hint_product(mat1.shape(), {b.rows, b.cols}, "mat1", "mat2"));
}

Tensor multiply_rows(const Tensor& self, const Tensor& mat2, bool transposed) {
    Tensor keep_a, keep_b;
    Layout la, lb;
    Matrix a = rows_of(self, &la, &keep_a), b = matrix_of(mat2, transposed, &lb, &keep_b);
    if (a.cols != b.rows) refuse_shapes(a, b, self, mat2);
    Dims shape = self.shape();
    shape[shape.size() - 1] = b.cols;
    Tensor out = Tensor::empty(shape, self.dtype());
    multiply(a, la, b, lb, 1, 0, *out);
    return out;
}

// Writes `from`, broadcast, into `out`; a bias per column goes row by row.
void broadcast_into(const Tensor& out, const Tensor& from) {
    const int64_t n = out.dim() ? out->sizes()[out.dim() - 1] : 1;
    if (from.dim() == 1 && from.contiguous() && from.numel() == n && from.dtype() == out.dtype()) {
        const size_t bytes = static_cast<size_t>(n) * item_size(out.dtype());
        const int64_t rows = n ? out.numel() / n : 0;
        for (int64_t i = 0; i < rows; ++i) {
            std::memcpy(out->data + static_cast<size_t>(i) * bytes, from->data, bytes);
        }
        return;
    }
    copy_elements(*out, *from);
}

void check_expandable(const Tensor& self, const Dims& target) {
    const size_t n = static_cast<size_t>(self.dim());
    check(n <= target.size(), ErrorKind::Runtime, "expand: the tensor of shape ",
          to_string(self.shape()), " has more dimensions than the result ", to_string(target));
    for (size_t i = 0; i < n; ++i) {
        const size_t d = target.size() - n + i;
        check(self->sizes()[i] == target[d] || self->sizes()[i] == 1, ErrorKind::Runtime,
              "The expanded size of the tensor (", target[d], ") must match the existing size (",
              self->sizes()[i], ") at non-singleton dimension ", d,
              ".  Target sizes: ", to_string(target), ".  Tensor sizes: ", to_string(self.shape()));
    }
}

bool is_zero(const Scalar& s) { return s.as_double() == 0; }

}  // namespace

Tensor mm_rows(const Tensor& self, const Tensor& mat2, bool transposed) {
    check(self.dim() >= 1 && mat2.dim() == 2, ErrorKind::Runtime,
          "_mm_rows: expects rows and a matrix, got ", self.dim(), "D and ", mat2.dim(), "D");
    check_matrix_dtypes(self, mat2);
    return multiply_rows(self, mat2, transposed);
}

Tensor mm(const Tensor& self, const Tensor& mat2) {
    check(self.dim() == 2, ErrorKind::Runtime, "self must be a matrix", note_shape("self", *self),
          note("torch.matmul, or @, takes tensors of any number of dimensions."));
    check(mat2.dim() == 2, ErrorKind::Runtime, "mat2 must be a matrix", note_shape("mat2", *mat2),
          note("torch.matmul, or @, takes tensors of any number of dimensions."));
    check_matrix_dtypes(self, mat2);
    return multiply_rows(self, mat2, false);
}

Tensor mm_cross(const Tensor& self, const Tensor& other) {
    check(self.dim() >= 1 && self.dim() == other.dim(), ErrorKind::Runtime,
          "_mm_cross: expects tensors of equally many dimensions, got ", self.dim(), "D and ",
          other.dim(), "D");
    check_matrix_dtypes(self, other);
    Tensor keep_a, keep_b;
    Layout la, lb;
    Matrix a = rows_of(self, &la, &keep_a), b = rows_of(other, &lb, &keep_b);
    check(a.rows == b.rows, ErrorKind::Runtime, "_mm_cross: ", a.rows, " and ", b.rows, " rows");
    a.transpose();
    la.trans = la.trans == 'n' ? 't' : 'n';
    Tensor out = Tensor::empty({a.rows, b.cols}, self.dtype());
    multiply(a, la, b, lb, 1, 0, *out);
    return out;
}

namespace {
Tensor multiply_vector(const Tensor& mat, const Tensor& vec, const Tensor& added,
                       const Scalar& beta, const Scalar& alpha) {
    check(mat.dim() == 2 && vec.dim() == 1, ErrorKind::Runtime,
          "vector + matrix @ vector expected, got ", added ? added.dim() : 1, ", ", mat.dim(), ", ",
          vec.dim(), "; matmul takes any number of dimensions");
    const int64_t m = mat->sizes()[0], k = mat->sizes()[1];
    check(k == vec.numel() &&
              (!added || added.dim() == 0 || added.numel() == m || added.numel() == 1),
          ErrorKind::Runtime, "size mismatch, got input (", added ? added.numel() : m, "), mat (",
          m, "x", k, "), vec (", vec.numel(), ")", note_shape("mat", *mat), note_shape("vec", *vec),
          k != vec.numel() && m == vec.numel()
              ? note("Did you mean mat.T, of shape ", to_string(Dims{k, m}), "?")
              : "");
    check(mat.dtype() == vec.dtype() && (!added || added.dtype() == vec.dtype()),
          ErrorKind::Runtime, "addmv input tensors must have the same dtype, but got ",
          dtype_title(added ? added.dtype() : vec.dtype()), ", ", dtype_title(mat.dtype()),
          ", and ", dtype_title(vec.dtype()), kConvert);
    check_numeric(mat, "addmv_impl_cpu");
    Tensor keep_a, keep_b;
    Layout la, lb;
    Matrix a = matrix_of(mat, false, &la, &keep_a);
    Matrix b = rows_of(vec, &lb, &keep_b);
    b.transpose();
    lb.trans = lb.trans == 'n' ? 't' : 'n';
    Tensor out = Tensor::empty({m}, mat.dtype());
    const bool read = added && !is_zero(beta);
    if (read) broadcast_into(out, added);
    multiply(a, la, b, lb, alpha, read ? beta : Scalar(0), *out);
    return out;
}
}  // namespace

Tensor mv(const Tensor& self, const Tensor& vec) {
    return multiply_vector(self, vec, Tensor(), 0, 1);
}

Tensor addmv(const Tensor& self, const Tensor& mat, const Tensor& vec, const Scalar& beta,
             const Scalar& alpha) {
    return multiply_vector(mat, vec, self, beta, alpha);
}

Tensor dot(const Tensor& self, const Tensor& tensor) {
    check(self.dim() == 1 && tensor.dim() == 1, ErrorKind::Runtime, "1D tensors expected, but got ",
          self.dim(), "D and ", tensor.dim(), "D tensors", note("Flatten them, or use matmul."));
    check(self.dtype() == tensor.dtype(), ErrorKind::Runtime,
          "dot : expected both vectors to have same dtype, but found ", dtype_title(self.dtype()),
          " and ", dtype_title(tensor.dtype()), kConvert);
    check(self.numel() == tensor.numel(), ErrorKind::Runtime,
          "inconsistent tensor size, expected tensor [", self.numel(), "] and src [",
          tensor.numel(), "] to have the same number of elements, but got ", self.numel(), " and ",
          tensor.numel(), " elements respectively", note_shape("tensor", *self),
          note_shape("src", *tensor));
    check_numeric(self, "dot");
    Tensor keep_a, keep_b;
    Layout la, lb;
    Matrix a = rows_of(self, &la, &keep_a), b = rows_of(tensor, &lb, &keep_b);
    b.transpose();
    lb.trans = lb.trans == 'n' ? 't' : 'n';
    Tensor out = Tensor::empty({}, self.dtype());
    multiply(a, la, b, lb, 1, 0, *out);
    return out;
}

namespace {

// The batch dimensions of a product, neighbours merged where both operands allow it.
struct Batch {
    Dims sizes, a, b;

    void add(int64_t size, int64_t stride_a, int64_t stride_b) {
        if (size == 1) return;
        const size_t last = sizes.size();
        if (last && a[last - 1] == stride_a * size && b[last - 1] == stride_b * size) {
            sizes[last - 1] *= size;
            a[last - 1] = stride_a;
            b[last - 1] = stride_b;
            return;
        }
        sizes.push_back(size);
        a.push_back(stride_a);
        b.push_back(stride_b);
    }
};

template <class T>
void run_batches(const Batch& batch, size_t dim, const Matrix& a, Layout la, const T* from_a,
                 const Matrix& b, Layout lb, const T* from_b, T alpha, T beta, T*& to) {
    const int64_t size = batch.sizes[dim];
    const int64_t m = a.rows, n = b.cols, area = m * n;
    if (dim + 1 == batch.sizes.size()) {
        gemm_batched_strided<T>(la.trans, lb.trans, size, m, n, a.cols, alpha, from_a, la.leading,
                                batch.a[dim], from_b, lb.leading, batch.b[dim], beta, to,
                                std::max<int64_t>(1, n), area);
        to += size * area;
        return;
    }
    for (int64_t i = 0; i < size; ++i) {
        run_batches(batch, dim + 1, a, la, from_a + i * batch.a[dim], b, lb,
                    from_b + i * batch.b[dim], alpha, beta, to);
    }
}

Dims batch_shape(const Tensor& t) { return Dims(t->sizes(), static_cast<size_t>(t.dim() - 2)); }

// out (batch dimensions, rows of a, columns of b) = alpha * a b + beta * out
void multiply_batches(const Tensor& self, const Tensor& mat2, bool ta, bool tb, const Scalar& alpha,
                      const Scalar& beta, const Tensor& out) {
    if (out.numel() == 0) return;
    Tensor keep_a, keep_b;
    Layout la, lb;
    Matrix a = matrix_of(self, ta, &la, &keep_a), b = matrix_of(mat2, tb, &lb, &keep_b);
    Batch batch;
    const int lead = static_cast<int>(out.dim()) - 2;
    auto stride = [&](const TensorImpl& t, int d) {
        const int own = d - (lead - (t.ndim - 2));
        return own < 0 || t.sizes()[own] == 1 ? int64_t{0} : t.strides()[own];
    };
    for (int d = 0; d < lead; ++d) {
        batch.add(out->sizes()[d], stride(*a.tensor, d), stride(*b.tensor, d));
    }
    if (batch.sizes.empty()) {
        batch.sizes.push_back(1);
        batch.a.push_back(0);
        batch.b.push_back(0);
    }
    Unlocked unlocked(is_long(out.numel(), a.cols, 1));
    auto run = [&](auto zero) {
        using T = decltype(zero);
        T* to = out.data<T>();
        run_batches<T>(batch, 0, a, la, reinterpret_cast<const T*>(a.tensor->data), b, lb,
                       reinterpret_cast<const T*>(b.tensor->data), alpha.as<T>(), beta.as<T>(), to);
    };
    if (out.dtype() == DType::Float32) run(float{});
    else if (out.dtype() == DType::Float64) run(double{});
    else run(int64_t{});
}

void check_batch_dtypes(const Tensor& a, const Tensor& b) {
    check(a.dtype() == b.dtype(), ErrorKind::Runtime, "expected scalar type ",
          dtype_title(a.dtype()), " but found ", dtype_title(b.dtype()), kConvert);
    check_numeric(a, "baddbmm_kernel");
}

std::string note_batches(const Tensor& a, const Tensor& b) {
    bool sizes_fit = a->sizes()[0] == b->sizes()[0];
    return concat(note_shape("batch1", *a), note_shape("batch2", *b),
                  sizes_fit ? hint_product(a.shape(), b.shape(), "batch1", "batch2")
                            : note("Both need equally many matrices; matmul broadcasts a batch of "
                                   "one."));
}

Dims check_bmm(const Tensor& a, const Tensor& b) {
    check(a.dim() == 3, ErrorKind::Runtime, "batch1 must be a 3D tensor", note_shape("batch1", *a),
          note("torch.matmul, or @, takes tensors of any number of dimensions."));
    check(b.dim() == 3, ErrorKind::Runtime, "batch2 must be a 3D tensor", note_shape("batch2", *b),
          note("torch.matmul, or @, takes tensors of any number of dimensions."));
    const int64_t *x = a->sizes(), *y = b->sizes();
    check(x[0] == y[0] && x[2] == y[1], ErrorKind::Runtime,
          "Expected size for first two dimensions of batch2 tensor to be: [", x[0], ", ", x[2],
          "] but got: [", y[0], ", ", y[1], "].", note_batches(a, b));
    check_batch_dtypes(a, b);
    return {x[0], x[1], y[2]};
}

}  // namespace

Tensor bmm(const Tensor& self, const Tensor& mat2) {
    Tensor out = Tensor::empty(check_bmm(self, mat2), self.dtype());
    multiply_batches(self, mat2, false, false, 1, 0, out);
    return out;
}

Tensor bmm_broadcast(const Tensor& self, const Tensor& mat2, bool transposed, bool transposed2) {
    check(self.dim() >= 2 && mat2.dim() >= 2, ErrorKind::Runtime, "_bmm: expects matrices, got ",
          self.dim(), "D and ", mat2.dim(), "D");
    Dims shape = broadcast_shapes(batch_shape(self), batch_shape(mat2));
    auto size = [](const Tensor& t, bool transposed_too, int i) {
        return t->sizes()[t.dim() - 2 + (transposed_too ? 1 - i : i)];
    };
    const int64_t m = size(self, transposed, 0), k = size(self, transposed, 1);
    const int64_t k2 = size(mat2, transposed2, 0), n = size(mat2, transposed2, 1);
    if (k != k2) {
        int64_t count = 1;
        for (int64_t s : shape) count *= s;
        fail(ErrorKind::Runtime, "Expected size for first two dimensions of batch2 tensor to be: [",
             count, ", ", k, "] but got: [", count, ", ", k2, "].", note_shape("batch1", *self),
             note_shape("batch2", *mat2));
    }
    check_batch_dtypes(self, mat2);
    shape.push_back(m);
    shape.push_back(n);
    Tensor out = Tensor::empty(shape, self.dtype());
    multiply_batches(self, mat2, transposed, transposed2, 1, 0, out);
    return out;
}

Tensor baddbmm(const Tensor& self, const Tensor& batch1, const Tensor& batch2, const Scalar& beta,
               const Scalar& alpha) {
    Dims shape = check_bmm(batch1, batch2);
    check_expandable(self, shape);
    check(self.dtype() == batch1.dtype(), ErrorKind::Runtime,
          "Input dtypes must be the same, got: input ", c_name(self.dtype()),
          ", batch1: ", c_name(batch1.dtype()), ", batch2: ", c_name(batch2.dtype()), kConvert);
    Tensor out = Tensor::empty(shape, batch1.dtype());
    const bool read = !is_zero(beta);
    if (read) broadcast_into(out, self);
    multiply_batches(batch1, batch2, false, false, alpha, read ? beta : Scalar(0), out);
    return out;
}

Tensor addmm(const Tensor& self, const Tensor& mat1, const Tensor& mat2, const Scalar& beta,
             const Scalar& alpha) {
    check(mat1.dim() == 2, ErrorKind::Runtime, "mat1 must be a matrix, got ", mat1.dim(),
          "-D tensor");
    check(mat2.dim() == 2, ErrorKind::Runtime, "mat2 must be a matrix, got ", mat2.dim(),
          "-D tensor");
    check(self.dtype() == mat2.dtype(), ErrorKind::Runtime,
          "self and mat2 must have the same dtype, but got ", dtype_title(self.dtype()), " and ",
          dtype_title(mat2.dtype()), kConvert);
    check(mat1.dtype() == mat2.dtype(), ErrorKind::Runtime,
          "mat1 and mat2 must have the same dtype, but got ", dtype_title(mat1.dtype()), " and ",
          dtype_title(mat2.dtype()), note_dtypes("mat1", mat1, "mat2", mat2));
    check_numeric(mat1, "addmm_impl_cpu_");
    Tensor keep_a, keep_b;
    Layout la, lb;
    Matrix a = matrix_of(mat1, false, &la, &keep_a), b = matrix_of(mat2, false, &lb, &keep_b);
    if (a.cols != b.rows) refuse_shapes(a, b, mat1, mat2);
    Dims shape = {a.rows, b.cols};
    check_expandable(self, shape);
    Tensor out = Tensor::empty(shape, mat1.dtype());
    const bool read = !is_zero(beta);
    if (read) broadcast_into(out, self);
    multiply(a, la, b, lb, alpha, read ? beta : Scalar(0), *out);
    return out;
}

Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias) {
    check(input.dim() >= 1, ErrorKind::Runtime,
          "both arguments to linear need to be at least 1D, but they are ", input.dim(), "D and ",
          weight.dim(), "D");
    check(weight.dim() <= 2, ErrorKind::Runtime,
          "t() expects a tensor with <= 2 dimensions, but self is ", weight.dim(),
          "D: the weight of linear has shape (out, in)");
    check(weight.dim() == 2, ErrorKind::Runtime, "mat2 must be a matrix, got ", weight.dim(),
          "-D tensor: the weight of linear has shape (out, in)");
    check(input.dtype() == weight.dtype(), ErrorKind::Runtime,
          bias ? concat("mat1 and mat2 must have the same dtype, but got ",
                        dtype_title(input.dtype()), " and ", dtype_title(weight.dtype()))
               : concat("expected m1 and m2 to have the same dtype, but got: ",
                        c_name(input.dtype()), " != ", c_name(weight.dtype())),
          note_running_module(), note_dtypes("input", input, "weight", weight));
    check_numeric(input, "addmm_impl_cpu_");
    Tensor keep_a, keep_b;
    Layout la, lb;
    Matrix a = rows_of(input, &la, &keep_a), b = matrix_of(weight, true, &lb, &keep_b);
    if (a.cols != b.rows) {
        fail(ErrorKind::Runtime, cannot_multiply(a, b), note_shape("input", *input),
             note_shape("weight", *weight),
             note("A linear layer with this weight takes ", b.rows,
                  " features in the last dimension of its input; there are ", a.cols, "."),
             note_running_module(), hint_features(input.shape(), b.rows));
    }
    Dims shape = input.shape();
    shape[shape.size() - 1] = b.cols;
    if (bias) {
        check(bias.dtype() == input.dtype(), ErrorKind::Runtime,
              "self and mat2 must have the same dtype, but got ", dtype_title(bias.dtype()),
              " and ", dtype_title(input.dtype()), kConvert);
        if (!(bias.dim() == 1 && bias.numel() == b.cols)) check_expandable(bias, {a.rows, b.cols});
    }
    Tensor out = Tensor::empty(shape, input.dtype());
    if (bias && bias.dim() == 2 && out.dim() != 2) {
        Tensor rows = Tensor::view_of(*out, {a.rows, b.cols}, {b.cols, 1}, out.offset());
        broadcast_into(rows, bias);
    } else if (bias) {
        broadcast_into(out, bias);
    }
    multiply(a, la, b, lb, 1, bias ? 1 : 0, *out);
    return out;
}

}  // namespace chainrule::forward
