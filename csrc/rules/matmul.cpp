#include <algorithm>

#include "base/message.h"
#include "ops.h"

// Products made of other operators, and the gradients of products to a transposed factor.
namespace chainrule::composite {

Tensor mm_rows_grad_mat2(const Tensor& grad, const Tensor& self, bool transposed) {
    return transposed ? ops::_mm_cross(grad, self) : ops::_mm_cross(self, grad);
}

Tensor bmm_grad_self(const Tensor& grad, const Tensor& mat2, bool transposed, bool transposed2) {
    return transposed ? ops::_bmm(mat2, grad, transposed2, true)
                      : ops::_bmm(grad, mat2, false, !transposed2);
}

Tensor bmm_grad_mat2(const Tensor& grad, const Tensor& self, bool transposed, bool transposed2) {
    return transposed2 ? ops::_bmm(grad, self, true, transposed)
                       : ops::_bmm(self, grad, !transposed, false);
}

Tensor matmul(const Tensor& self, const Tensor& other) {
    const int64_t n = self.dim(), n2 = other.dim();
    if (n == 2 && n2 == 2) return ops::mm(self, other);
    check(n && n2, ErrorKind::Runtime,
          "both arguments to matmul need to be at least 1D, but they are ", n, "D and ", n2, "D",
          note("Multiply by a number with *."));
    if (n == 1 && n2 == 1) return ops::dot(self, other);
    if (n == 2 && n2 == 1) return ops::mv(self, other);
    if (n2 == 1) {
        const int64_t rows = self.numel() / std::max<int64_t>(1, self.size(-1));
        check(self.size(-1) == other.numel(), ErrorKind::Runtime, "size mismatch, got input (",
              rows, "), mat (", rows, "x", self.size(-1), "), vec (", other.numel(), ")");
        return ops::squeeze_dim(ops::_mm_rows(self, ops::unsqueeze(other, 1)), -1);
    }
    if (n2 == 2) return ops::_mm_rows(self, other);
    if (n == 1) return ops::squeeze_dim(ops::_bmm(ops::unsqueeze(self, 0), other), -2);
    if (n == 3 && n2 == 3 && self.size(0) == other.size(0)) return ops::bmm(self, other);
    return ops::_bmm(self, other);
}

Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias) {
    if (weight && weight.dim() == 1 && !bias) return matmul(input, weight);
    return ops::_linear(input, weight, bias);
}

Tensor addbmm(const Tensor& self, const Tensor& batch1, const Tensor& batch2, const Scalar& beta,
              const Scalar& alpha) {
    check(batch1.dim() == 3, ErrorKind::Runtime, "batch1 must be a 3D tensor, got ", batch1.dim(),
          "D");
    check(batch2.dim() == 3, ErrorKind::Runtime, "batch2 must be a 3D tensor, got ", batch2.dim(),
          "D");
    const int64_t b = batch1.size(0), m = batch1.size(1), k = batch1.size(2);
    check(batch2.size(0) == b, ErrorKind::Runtime,
          "batch1 and batch2 must have same number of batches, got ", b, " and ", batch2.size(0));
    check(batch2.size(1) == k, ErrorKind::Runtime, "Incompatible matrix sizes for bmm (", m, "x", k,
          " and ", batch2.size(1), "x", batch2.size(2), ")");
    Tensor left = ops::reshape(ops::transpose(batch1, 0, 1), {m, b * k});
    return ops::addmm(self, left, ops::reshape(batch2, {b * k, batch2.size(2)}), beta, alpha);
}

Tensor outer(const Tensor& self, const Tensor& vec2) {
    check(self.dim() == 1, ErrorKind::Runtime, "outer: Expected 1-D argument self, but got ",
          self.dim(), "-D");
    check(vec2.dim() == 1, ErrorKind::Runtime, "outer: Expected 1-D argument vec2, but got ",
          vec2.dim(), "-D");
    return ops::mul(ops::unsqueeze(self, 1), vec2);
}

Tensor addr(const Tensor& self, const Tensor& vec1, const Tensor& vec2, const Scalar& beta,
            const Scalar& alpha) {
    check(vec1.dim() == 1, ErrorKind::Runtime, "addr: Expected 1-D argument vec1, but got ",
          vec1.dim(), "-D");
    check(vec2.dim() == 1, ErrorKind::Runtime, "addr: Expected 1-D argument vec2, but got ",
          vec2.dim(), "-D");
    Tensor product = ops::mul(ops::unsqueeze(vec1, 1), vec2);
    if (!alpha.equals(1)) product = ops::mul(product, alpha);
    if (beta.equals(0)) return product;
    Tensor first = beta.equals(1) ? self : ops::mul(self, beta);
    return ops::add(ops::expand(first, product.shape()), product);
}

namespace {

// The dimensions of a tensor of n dimensions that are not in `dims` (each in [0, n)).
Dims other_dims(int64_t n, const Dims& dims) {
    Dims rest;
    for (int64_t d = 0; d < n; ++d) {
        if (std::find(dims.begin(), dims.end(), d) == dims.end()) rest.push_back(d);
    }
    return rest;
}

Dims joined(const Dims& a, const Dims& b) {
    Dims all = a;
    for (int64_t x : b) all.push_back(x);
    return all;
}

int64_t product_of(const Tensor& t, const Dims& dims) {
    int64_t n = 1;
    for (int64_t d : dims) n *= t.size(d);
    return n;
}

}  // namespace

Tensor tensordot(const Tensor& self, const Tensor& other, const Dims& dims_self,
                 const Dims& dims_other) {
    check(dims_self.size() == dims_other.size(), ErrorKind::Runtime,
          "both dimension lists should have same length, got ", dims_self.size(), " and ",
          dims_other.size());
    Tensor a = self, b = other;
    Dims da, db;
    for (size_t i = 0; i < dims_self.size(); ++i) {
        const int64_t x = wrap_dim(dims_self[i], self.dim()),
                      y = wrap_dim(dims_other[i], other.dim());
        const int64_t size = self.size(x), size2 = other.size(y);
        check(size == size2 || size == 1 || size2 == 1, ErrorKind::Runtime,
              "contracted dimensions need to match, but first has size ", size, " in dim ",
              dims_self[i], " and second has size ", size2, " in dim ", dims_other[i]);
        // A size of 1 is repeated: the product of sums.
        if (size2 == 1 && size != 1) a = ops::sum(a, Dims{x}, true);
        if (size == 1 && size2 != 1) b = ops::sum(b, Dims{y}, true);
        da.push_back(x);
        db.push_back(y);
    }
    const Dims ra = other_dims(a.dim(), da), rb = other_dims(b.dim(), db);
    Dims shape;
    for (int64_t d : ra) shape.push_back(a.size(d));
    for (int64_t d : rb) shape.push_back(b.size(d));
    const int64_t k = product_of(a, da);
    const int64_t m = product_of(a, ra), n = product_of(b, rb);
    Tensor left = ops::reshape(ops::permute(a, joined(ra, da)), {m, k});
    Tensor right = ops::reshape(ops::permute(b, joined(db, rb)), {k, n});
    return ops::reshape(ops::mm(left, right), shape);
}

Tensor inner(const Tensor& self, const Tensor& other) {
    if (self.dim() == 0 || other.dim() == 0) return ops::mul(self, other);
    check(self.size(-1) == other.size(-1), ErrorKind::Runtime,
          "inner() the last dimension must match on both input tensors but got shapes ",
          to_string(self.shape()), " and ", to_string(other.shape()));
    if (self.dim() == 1 && other.dim() == 1) return ops::dot(self, other);
    return tensordot(self, other, {-1}, {-1});
}

Tensor kron(const Tensor& self, const Tensor& other) {
    const int64_t n = std::max(self.dim(), other.dim());
    Dims left, right, shape;
    for (int64_t d = 0; d < n; ++d) {
        const int64_t i = d - (n - self.dim()), j = d - (n - other.dim());
        const int64_t a = i < 0 ? 1 : self.size(i), b = j < 0 ? 1 : other.size(j);
        left.push_back(a);
        left.push_back(1);
        right.push_back(1);
        right.push_back(b);
        shape.push_back(a * b);
    }
    return ops::reshape(ops::mul(ops::reshape(self, left), ops::reshape(other, right)), shape);
}

Tensor linalg_cross(const Tensor& self, const Tensor& other, int64_t dim) {
    check(self.dim() == other.dim(), ErrorKind::Runtime,
          "linalg.cross: inputs must have the same number of dimensions.");
    const int64_t d = wrap_dim(dim, self.dim());
    check(self.size(d) == 3 && other.size(d) == 3, ErrorKind::Runtime,
          "linalg.cross: inputs dimension ", dim, " must have length 3. Got ", self.size(d),
          " and ", other.size(d));
    const Dims at = {d};
    Tensor first = ops::mul(ops::roll(self, Dims{-1}, at), ops::roll(other, Dims{-2}, at));
    return ops::sub(first, ops::mul(ops::roll(self, Dims{-2}, at), ops::roll(other, Dims{-1}, at)));
}

Tensor cross(const Tensor& self, const Tensor& other, const std::optional<int64_t>& dim) {
    if (dim) return linalg_cross(self, other, *dim);
    const Dims shape = broadcast_shapes(self.shape(), other.shape());
    for (size_t d = 0; d < shape.size(); ++d) {
        if (shape[d] == 3) return linalg_cross(self, other, static_cast<int64_t>(d));
    }
    fail(ErrorKind::Runtime, "no dimension of size 3 in input");
}

Tensor cdist(const Tensor& x1, const Tensor& x2, double p,
             const std::optional<std::string>& compute_mode) {
    static const char* const modes[] = {"use_mm_for_euclid_dist_if_necessary",
                                        "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist"};
    check(!compute_mode ||
              std::find(std::begin(modes), std::end(modes), *compute_mode) != std::end(modes),
          ErrorKind::Value, compute_mode.value_or(""), " is not a valid value for compute_mode");
    check(x1.dim() >= 2, ErrorKind::Runtime,
          "cdist only supports at least 2D tensors, X1 got: ", x1.dim(), "D");
    check(x2.dim() >= 2, ErrorKind::Runtime,
          "cdist only supports at least 2D tensors, X2 got: ", x2.dim(), "D");
    check(x1.size(-1) == x2.size(-1), ErrorKind::Runtime,
          "X1 and X2 must have the same number of columns. X1: ", x1.size(-1),
          " X2: ", x2.size(-1));
    check(is_floating(x1.dtype()), ErrorKind::Runtime,
          "cdist only supports floating-point dtypes, X1 got: ", dtype_name(x1.dtype()));
    check(is_floating(x2.dtype()), ErrorKind::Runtime,
          "cdist only supports floating-point dtypes, X2 got: ", dtype_name(x2.dtype()));
    check(p >= 0, ErrorKind::Runtime, "cdist only supports non-negative p values");
    Tensor difference = ops::sub(ops::unsqueeze(x1, -2), ops::unsqueeze(x2, -3));
    return ops::linalg_vector_norm(difference, p, Dims{-1}, false, std::nullopt);
}

}  // namespace chainrule::composite
