#include <cstring>

#include "forward.h"
#include "forward/reduce_dims.h"
#include "kernels/cpu/scan.h"
#include "tensor/convert.h"

// Cumulative operators and medians.
namespace chainrule::forward {

namespace {

// A dense tensor seen as (outer, n, inner) around a dimension.
struct Around {
    int64_t outer = 1, n = 1, inner = 1;
    Around(const TensorImpl& x, int64_t dim) {
        for (int d = 0; d < x.ndim; ++d) {
            (d < dim ? outer : d == dim ? n : inner) *= x.sizes()[d];
        }
    }
};

Tensor scanned(const Tensor& self, int64_t dim, const std::optional<DType>& dtype, bool product,
               bool backward) {
    const DType type = dtype.value_or(is_integral(self.dtype()) ? DType::Int64 : self.dtype());
    check(type != DType::Bool, ErrorKind::NotImplemented, product ? "cumprod" : "cumsum",
          "(): dtype torch.bool is not supported; take torch.int64");
    const int64_t d = wrap_dim(dim, self.dim());
    const Tensor x = make_contiguous(self.dtype() == type ? self : convert(*self, type));
    Tensor out = Tensor::empty_like(*x, type);
    const Around a(*x, d);
    cpu::scan(type, x->data, out->data, a.outer, a.n, a.inner, product, backward);
    return out;
}

}  // namespace

Tensor cumsum(const Tensor& self, int64_t dim, const std::optional<DType>& dtype) {
    return scanned(self, dim, dtype, false, false);
}
Tensor cumsum_reversed(const Tensor& self, int64_t dim) {
    return scanned(self, dim, std::nullopt, false, true);
}
Tensor cumprod(const Tensor& self, int64_t dim, const std::optional<DType>& dtype) {
    return scanned(self, dim, dtype, true, false);
}

Tensor shift(const Tensor& self, int64_t dim, int64_t by, const Scalar& fill) {
    const Tensor x = make_contiguous(self);
    Tensor out = Tensor::full(x.shape(), x.dtype(), fill);
    const Around a(*x, wrap_dim(dim, x.dim()));
    const int64_t item = static_cast<int64_t>(item_size(x.dtype()));
    const int64_t rows = a.n - std::min(a.n, by < 0 ? -by : by);
    const int64_t from = by < 0 ? -by : 0, to = by < 0 ? 0 : by;
    for (int64_t o = 0; rows > 0 && o < a.outer; ++o) {
        std::memcpy(out->data + (o * a.n + to) * a.inner * item,
                    x->data + (o * a.n + from) * a.inner * item,
                    static_cast<size_t>(rows * a.inner * item));
    }
    return out;
}

namespace {

void refuse_bool_median(const Tensor& self) {
    check(self.dtype() != DType::Bool, ErrorKind::NotImplemented,
          "\"median_cpu\" not implemented for 'Bool'");
}

}  // namespace

Tensor median(const Tensor& self) {
    refuse_bool_median(self);
    Tensor out = Tensor::empty({}, self.dtype());
    if (self.numel() == 0) {
        return Tensor::full({}, self.dtype(),
                            is_floating(self.dtype()) ? Scalar(NAN) : Scalar(INT64_MIN));
    }
    const Tensor x = make_contiguous(self);
    cpu::median(x.dtype(), x->data, out->data, nullptr, 1, x.numel(), 1);
    return out;
}

std::tuple<Tensor, Tensor> median_along(const Tensor& self, int64_t dim, bool keepdim) {
    refuse_bool_median(self);
    const FoldedDims dims = FoldedDims::of(std::optional(dim), self.dim());
    if (self.numel() == 0) dims.refuse_empty("median", *self, true);
    const Dims shape = dims.result_shape(*self, keepdim);
    Tensor values = Tensor::empty(shape, self.dtype());
    Tensor indices = Tensor::empty(shape, DType::Int64);
    const Tensor x = make_contiguous(self);
    const Around a(*x, wrap_dim(dim, x.dim()));
    if (values.numel()) {
        cpu::median(x.dtype(), x->data, values->data, indices.data<int64_t>(), a.outer, a.n,
                    a.inner);
    }
    return {values, indices};
}

}  // namespace chainrule::forward
