#include <cmath>

#include "forward.h"
#include "ops.h"
#include "rules/rules.h"

// Derivatives of reductions, as weights of the elements.
namespace chainrule::rules {

Tensor weigh_back(const Tensor& grad, const Tensor& weights, const std::optional<Dims>& dim,
                  bool keepdim) {
    return ops::mul(unsqueeze_back(grad, weights.dim(), dim, keepdim), weights);
}

Tensor weighted_sum(const Tensor& t, const Tensor& weights, const std::optional<Dims>& dim,
                    bool keepdim) {
    return ops::sum(ops::mul(t, weights), dim, keepdim);
}

int64_t folded_count(const Dims& shape, const std::optional<Dims>& dim) {
    int64_t count = 1;
    if (!dim || dim->empty()) {
        for (int64_t size : shape) count *= size;
    } else {
        for (int64_t d : *dim) count *= size_along(shape, d);
    }
    return count;
}

std::optional<Dims> listed(const std::optional<int64_t>& dim) {
    if (!dim) return std::nullopt;
    return Dims{*dim};
}

int64_t size_along(const Dims& shape, int64_t dim) {
    const int64_t d = wrap_dim(dim, static_cast<int64_t>(shape.size()));
    return shape.empty() ? 1 : shape[static_cast<size_t>(d)];
}

namespace {

bool has_zero(const Tensor& x) {
    return forward::count_nonzero(x, std::nullopt).item().as_int() != x.numel();
}

// Product of all elements before each along `dim`, or behind it; only multiplications, so that
// derivatives of any order are right at zeros (prefix sums by doubling, Hillis and Steele 1986).
Tensor running_product(const Tensor& x, int64_t dim, bool behind) {
    const int64_t n = size_along(x.shape(), dim), sign = behind ? -1 : 1;
    Tensor p = ops::_shift(x, dim, sign, 1);
    for (int64_t step = 1; step < n; step *= 2) {
        p = ops::mul(p, ops::_shift(p, dim, sign * step, 1));
    }
    return p;
}

Tensor product_of_others(const Tensor& x, int64_t dim) {
    return ops::mul(running_product(x, dim, false), running_product(x, dim, true));
}

}  // namespace

Tensor prod_slope(const Tensor& self, const Tensor& out, const std::optional<int64_t>& dim,
                  bool keepdim) {
    if (!has_zero(self)) {
        return ops::div(unsqueeze_back(out, self.dim(), listed(dim), keepdim), self);
    }
    if (self.dim() == 0) return Tensor::full({}, self.dtype(), 1);
    if (dim) return product_of_others(self, *dim);
    // One dimension after the other: the others in the row times the other rows.
    Tensor rest = self, slope;
    for (int64_t d = self.dim(); d-- > 0;) {
        Tensor others = product_of_others(rest, d);
        slope = slope ? ops::mul(slope, others) : others;
        rest = ops::prod(rest, d, true);
    }
    return slope;
}

Tensor tie_share(const Tensor& self, const Tensor& out, const std::optional<Dims>& dim,
                 bool keepdim) {
    GradModeGuard off(false);  // constant almost everywhere
    Tensor ties = ops::eq(self, unsqueeze_back(out, self.dim(), dim, keepdim));
    if (self.dim() != 0 && out.numel() == 1 && std::isnan(out.item().as_double())) {
        ties = ops::ne(self, self);
    }
    Tensor share = ops::_to_dtype(ties, self.dtype());
    return ops::div(share, ops::sum(share, dim, true));
}

Tensor variance_slope(const Tensor& self, const std::optional<Dims>& dim,
                      const std::optional<Scalar>& correction) {
    const double freedom = static_cast<double>(folded_count(self.shape(), dim)) -
                           (correction ? correction->as_double() : 1.0);
    Tensor centred = ops::sub(self, ops::mean(self, dim, true));
    return ops::mul(centred, Scalar(2 / std::max(freedom, 0.0)));
}

Tensor deviation_slope(const Tensor& self, const Tensor& out, const std::optional<Dims>& dim,
                       const std::optional<Scalar>& correction, bool keepdim) {
    // Where the deviation is 0 the gradient is, and nothing is divided by it.
    Tensor none = ops::eq(out, Scalar(0));
    Tensor half = ops::div(Scalar(0.5), ops::masked_fill(out, none, Scalar(1)));
    return weigh_back(ops::masked_fill(half, none, Scalar(0)),
                      variance_slope(self, dim, correction), dim, keepdim);
}

Tensor softmax_of(const Tensor& self, const Tensor& out, const std::optional<Dims>& dim,
                  bool keepdim) {
    return ops::exp(ops::sub(self, unsqueeze_back(out, self.dim(), dim, keepdim)));
}

Tensor norm_slope(const Tensor& self, const Tensor& out, const Scalar& ord,
                  const std::optional<Dims>& dim, bool keepdim) {
    const double p = ord.as_double();
    if (p == 0) return Tensor::zeros(self.shape(), self.dtype());
    if (p == 1) return ops::sign(self);
    if (std::isinf(p)) {
        return ops::mul(ops::sign(self), tie_share(ops::abs(self), out, dim, keepdim));
    }
    // Masked before the division as well as after it: derivatives of any order stay finite at 0.
    Tensor norm = unsqueeze_back(out, self.dim(), dim, keepdim);
    Tensor none = ops::eq(norm, Scalar(0));
    Tensor safe = ops::masked_fill(norm, none, Scalar(1));
    if (p == 2) {
        Tensor inverse = ops::div(Scalar(1), safe);
        return ops::mul(self, ops::masked_fill(inverse, none, Scalar(0)));
    }
    Tensor zero = ops::eq(self, Scalar(0));
    Tensor ratio = ops::div(ops::masked_fill(ops::abs(self), zero, Scalar(1)), safe);
    Tensor slope = ops::mul(ops::sign(self), ops::_pow(ratio, Scalar(p - 1)));
    return ops::masked_fill(slope, ops::logical_or(zero, none), Scalar(0));
}

// Elements of the input ------------------------------------------------------------------------

namespace {

// Indices with the folded dimension as size 1; integers have no history to keep.
Tensor with_dim(const Tensor& indices, int64_t ndim, int64_t dim, bool keepdim) {
    Dims shape = indices.shape(), strides = indices.strides();
    if (!keepdim && ndim > 0) {
        const size_t d = static_cast<size_t>(wrap_dim(dim, ndim));
        shape.insert(d, 1);
        strides.insert(d, 0);
    }
    return Tensor::view_of(*indices, shape, strides, indices.offset());
}

}  // namespace

Tensor place_along(const Tensor& grad, const Tensor& indices, const Dims& shape, int64_t dim,
                   bool keepdim) {
    const int64_t ndim = static_cast<int64_t>(shape.size());
    return ops::_gather_adjoint(unsqueeze_back(grad, ndim, Dims{dim}, keepdim), shape, dim,
                                with_dim(indices, ndim, dim, keepdim));
}

Tensor pick_along(const Tensor& t, const Tensor& indices, int64_t dim, bool keepdim) {
    Tensor picked = ops::gather(t, dim, with_dim(indices, t.dim(), dim, keepdim));
    return keepdim ? picked : ops::squeeze_dim(picked, dim);
}

// Cumulative products --------------------------------------------------------------------------

namespace {

// r[k] = b[k] + a[k] r[k + 1] from the end (`behind`), or r[k] = b[k] + a[k] r[k - 1].
Tensor recurrence(Tensor a, Tensor b, int64_t dim, bool behind) {
    const int64_t n = size_along(b.shape(), dim), sign = behind ? -1 : 1;
    for (int64_t step = 1; step < n; step *= 2) {
        b = ops::add(b, ops::mul(a, ops::_shift(b, dim, sign * step, 0)));
        a = ops::mul(a, ops::_shift(a, dim, sign * step, 0));
    }
    return b;
}

}  // namespace

Tensor cumprod_backward(const Tensor& grad, const Tensor& self, const Tensor& out, int64_t dim) {
    if (self.dim() == 0) return grad;
    if (!has_zero(self)) return ops::div(ops::_cumsum_reversed(ops::mul(grad, out), dim), self);
    // What stands before an element times the sum over what follows it.
    Tensor rest = recurrence(ops::_shift(self, dim, -1, 0), grad, dim, true);
    return ops::mul(running_product(self, dim, false), rest);
}

Tensor cumprod_tangent(const Tensor& t, const Tensor& self, const Tensor& out, int64_t dim) {
    if (self.dim() == 0) return t;
    if (!has_zero(self)) return ops::mul(out, ops::cumsum(ops::div(t, self), dim));
    return recurrence(self, ops::mul(running_product(self, dim, false), t), dim, false);
}

Tensor shift_back(const Tensor& grad, int64_t dim, int64_t by) {
    return ops::_shift(grad, dim, -by, 0);
}

}  // namespace chainrule::rules

namespace chainrule::composite {

Tensor max_other(const Tensor& self, const Tensor& other) { return ops::maximum(self, other); }
Tensor min_other(const Tensor& self, const Tensor& other) { return ops::minimum(self, other); }

namespace {
std::optional<Scalar> correction_of(bool unbiased) { return Scalar(unbiased ? 1 : 0); }
}  // namespace

Tensor var_unbiased_dim(const Tensor& self, const std::optional<Dims>& dim, bool unbiased,
                        bool keepdim) {
    return ops::var(self, dim, correction_of(unbiased), keepdim);
}
Tensor var_unbiased(const Tensor& self, bool unbiased) {
    return ops::var(self, std::nullopt, correction_of(unbiased));
}
Tensor std_unbiased_dim(const Tensor& self, const std::optional<Dims>& dim, bool unbiased,
                        bool keepdim) {
    return ops::std(self, dim, correction_of(unbiased), keepdim);
}
Tensor std_unbiased(const Tensor& self, bool unbiased) {
    return ops::std(self, std::nullopt, correction_of(unbiased));
}
std::tuple<Tensor, Tensor> var_mean(const Tensor& self, const std::optional<Dims>& dim,
                                    const std::optional<Scalar>& correction, bool keepdim) {
    return {ops::var(self, dim, correction, keepdim), ops::mean(self, dim, keepdim)};
}
std::tuple<Tensor, Tensor> std_mean(const Tensor& self, const std::optional<Dims>& dim,
                                    const std::optional<Scalar>& correction, bool keepdim) {
    return {ops::std(self, dim, correction, keepdim), ops::mean(self, dim, keepdim)};
}

Tensor norm(const Tensor& self, const std::optional<Scalar>& p, const std::optional<Dims>& dim,
            bool keepdim, const std::optional<DType>& dtype) {
    return ops::linalg_vector_norm(self, p.value_or(Scalar(2)), dim, keepdim, dtype);
}
Tensor norm_str(const Tensor& self, const std::string& p, const std::optional<Dims>& dim,
                bool keepdim, const std::optional<DType>& dtype) {
    check(p == "fro", p == "nuc" ? ErrorKind::NotImplemented : ErrorKind::Runtime,
          "linalg.matrix_norm: Order ", p, " not supported. Chainrule knows p='fro' and numbers.");
    return ops::linalg_vector_norm(self, Scalar(2), dim, keepdim, dtype);
}

}  // namespace chainrule::composite
