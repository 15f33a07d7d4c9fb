#include "kernels/cpu/reduce.h"

#include "base/message.h"
#include "forward.h"
#include "forward/reduce_dims.h"
#include "tensor/convert.h"

namespace chainrule::forward {

using cpu::Fold;
using cpu::FoldOp;
using cpu::FoldParams;
using cpu::FoldTarget;

namespace {

// Up to here a dense tensor is folded without asking for its layout or for threads.
constexpr int64_t kSmall = 32768;

// Folds the dimensions of `dims` into `out` and, if given, `second`; both have the right shape
// with (`keepdim`) or without the folded dimensions, row-major.
void fold_into(const Fold& fold, const Tensor& x, FoldedDims dims, bool keepdim, const Tensor& out,
               const Tensor& second, FoldParams params) {
    const int64_t item = static_cast<int64_t>(item_size(x.dtype()));
    const int64_t out_item = out ? static_cast<int64_t>(item_size(out.dtype())) : 0;
    const int64_t second_item = second ? static_cast<int64_t>(item_size(second.dtype())) : 0;
    const FoldTarget to = {out ? out->data : nullptr, out_item, second ? second->data : nullptr,
                           second_item};
    const int ndim = x->ndim;
    if (dims.all(ndim) && x.contiguous() && x.numel() <= kSmall) {
        alignas(16) char acc[cpu::kMaxAccBytes];
        params.count = x.numel();
        fold.init(acc, 1);
        fold.run(x->data, item, x.numel(), 0, acc, params);
        fold.finish(acc, 1, to, params);
        return;
    }
    cpu::ReduceDim steps[kMaxDims];
    const TensorImpl& shaped = out ? *out : *second;
    for (int d = 0, kept = 0; d < ndim; ++d) {
        const bool folded = dims.has(d);
        const int64_t step = folded ? 0 : shaped.strides()[keepdim ? d : kept];
        steps[d] = {x->sizes()[d], x->strides()[d] * item, step * out_item, step * second_item,
                    folded};
        kept += !folded;
    }
    cpu::reduce(fold, x->data, item, steps, ndim, to, params);
}

Tensor fold(FoldOp op, const Tensor& x, FoldedDims dims, bool keepdim, DType result,
            const FoldParams& params = {}) {
    Tensor out = Tensor::empty(dims.result_shape(*x, keepdim), result);
    fold_into(*cpu::find_fold(op, x.dtype()), x, dims, keepdim, out, Tensor(), params);
    return out;
}

Tensor with_dtype(const Tensor& t, DType dtype) {
    return t.dtype() == dtype ? t : convert(*t, dtype);
}

}  // namespace

Tensor sum(const Tensor& self, const std::optional<Dims>& dim, bool keepdim,
           const std::optional<DType>& dtype) {
    const DType type = dtype.value_or(is_integral(self.dtype()) ? DType::Int64 : self.dtype());
    const FoldedDims dims = FoldedDims::of(dim, self.dim());
    if (self.dtype() == DType::Bool && type == DType::Int64) {
        return fold(FoldOp::Sum, self, dims, keepdim, type);
    }
    const FoldOp op = type == DType::Bool ? FoldOp::Any : FoldOp::Sum;
    return fold(op, with_dtype(self, type), dims, keepdim, type);
}

Tensor nansum(const Tensor& self, const std::optional<Dims>& dim, bool keepdim,
              const std::optional<DType>& dtype) {
    if (!is_floating(self.dtype())) return sum(self, dim, keepdim, dtype);
    const DType type = dtype.value_or(self.dtype());
    check(is_floating(type), ErrorKind::NotImplemented,
          "nansum: dtype must be a floating-point type, got torch.", dtype_name(type));
    return fold(FoldOp::NanSum, with_dtype(self, type), FoldedDims::of(dim, self.dim()), keepdim,
                type);
}

Tensor mean(const Tensor& self, const std::optional<Dims>& dim, bool keepdim,
            const std::optional<DType>& dtype) {
    const DType type = dtype.value_or(self.dtype());
    check(is_floating(type), ErrorKind::Runtime, "mean(): could not infer output dtype. ",
          dtype ? "Optional" : "Input",
          " dtype must be either a floating point or complex dtype. Got: ", dtype_title(type),
          dtype ? "" : note("Convert the tensor with .float(), or pass dtype=torch.float32."));
    return fold(FoldOp::Mean, with_dtype(self, type), FoldedDims::of(dim, self.dim()), keepdim,
                type);
}

Tensor prod(const Tensor& self, const std::optional<int64_t>& dim, bool keepdim,
            const std::optional<DType>& dtype) {
    const DType type = dtype.value_or(is_integral(self.dtype()) ? DType::Int64 : self.dtype());
    const FoldOp op = type == DType::Bool ? FoldOp::All : FoldOp::Prod;
    return fold(op, with_dtype(self, type), FoldedDims::of(dim, self.dim()), keepdim, type);
}

Tensor count_nonzero(const Tensor& self, const std::optional<Dims>& dim) {
    return fold(FoldOp::Count, self, FoldedDims::of(dim, self.dim()), false, DType::Int64);
}

// Without the argument all dimensions are folded, with an empty list none, as torch has it.
Tensor any(const Tensor& self, const std::optional<Dims>& dim, bool keepdim) {
    const FoldedDims dims = FoldedDims::of(dim, self.dim(), dim && dim->empty());
    return fold(FoldOp::Any, self, dims, keepdim, DType::Bool);
}

Tensor all(const Tensor& self, const std::optional<Dims>& dim, bool keepdim) {
    const FoldedDims dims = FoldedDims::of(dim, self.dim(), dim && dim->empty());
    return fold(FoldOp::All, self, dims, keepdim, DType::Bool);
}

// Extremes ------------------------------------------------------------------------------------

namespace {

Tensor extreme(const char* name, FoldOp op, const Tensor& self, const std::optional<Dims>& dim,
               bool keepdim) {
    const FoldedDims dims = FoldedDims::of(dim, self.dim());
    if (self.numel() == 0) dims.refuse_empty(name, *self, dim && !dim->empty());
    return fold(op, self, dims, keepdim, self.dtype());
}

std::tuple<Tensor, Tensor> extreme_along(const char* name, FoldOp op, const Tensor& self,
                                         int64_t dim, bool keepdim) {
    const FoldedDims dims = FoldedDims::of(std::optional(dim), self.dim());
    if (self.numel() == 0) dims.refuse_empty(name, *self, true);
    const Dims shape = dims.result_shape(*self, keepdim);
    Tensor values = Tensor::empty(shape, self.dtype());
    Tensor indices = Tensor::empty(shape, DType::Int64);
    fold_into(*cpu::find_fold(op, self.dtype()), self, dims, keepdim, values, indices, {});
    return {values, indices};
}

Tensor arg_extreme(const char* name, FoldOp op, const Tensor& self,
                   const std::optional<int64_t>& dim, bool keepdim) {
    check(self.dtype() != DType::Bool, ErrorKind::Runtime, name, "(): does not support bool input");
    const FoldedDims dims = FoldedDims::of(dim, self.dim());
    if (self.numel() == 0) {
        check(dim.has_value(), ErrorKind::Index, name,
              "(): Expected reduction dim to be specified for input.numel() == 0.");
        dims.refuse_empty(name, *self, true);
    }
    // Without a dimension the index counts in row-major order.
    const Tensor x = dim ? self : make_contiguous(self);
    Tensor indices = Tensor::empty(dims.result_shape(*x, keepdim), DType::Int64);
    fold_into(*cpu::find_fold(op, x.dtype()), x, dims, keepdim, Tensor(), indices, {});
    return indices;
}

}  // namespace

Tensor amax(const Tensor& self, const Dims& dim, bool keepdim) {
    return extreme("amax", FoldOp::Max, self, dim, keepdim);
}
Tensor amin(const Tensor& self, const Dims& dim, bool keepdim) {
    return extreme("amin", FoldOp::Min, self, dim, keepdim);
}
Tensor max(const Tensor& self) { return extreme("max", FoldOp::Max, self, std::nullopt, false); }
Tensor min(const Tensor& self) { return extreme("min", FoldOp::Min, self, std::nullopt, false); }

std::tuple<Tensor, Tensor> max_along(const Tensor& self, int64_t dim, bool keepdim) {
    return extreme_along("max", FoldOp::ArgMax, self, dim, keepdim);
}
std::tuple<Tensor, Tensor> min_along(const Tensor& self, int64_t dim, bool keepdim) {
    return extreme_along("min", FoldOp::ArgMin, self, dim, keepdim);
}
Tensor argmax(const Tensor& self, const std::optional<int64_t>& dim, bool keepdim) {
    return arg_extreme("argmax", FoldOp::ArgMax, self, dim, keepdim);
}
Tensor argmin(const Tensor& self, const std::optional<int64_t>& dim, bool keepdim) {
    return arg_extreme("argmin", FoldOp::ArgMin, self, dim, keepdim);
}

// Moments, logarithms of sums, norms ----------------------------------------------------------

namespace {

Tensor moment(const Tensor& self, const std::optional<Dims>& dim,
              const std::optional<Scalar>& correction, bool keepdim, bool root) {
    check(is_floating(self.dtype()), ErrorKind::Runtime,
          "std and var only support floating point and complex dtypes, got torch.",
          dtype_name(self.dtype()));
    FoldParams params;
    params.correction = correction ? correction->as_double() : 1.0;
    params.root = root;
    return fold(FoldOp::Var, self, FoldedDims::of(dim, self.dim()), keepdim, self.dtype(), params);
}

}  // namespace

Tensor variance(const Tensor& self, const std::optional<Dims>& dim,
                const std::optional<Scalar>& correction, bool keepdim) {
    return moment(self, dim, correction, keepdim, false);
}
Tensor standard_deviation(const Tensor& self, const std::optional<Dims>& dim,
                          const std::optional<Scalar>& correction, bool keepdim) {
    return moment(self, dim, correction, keepdim, true);
}

Tensor logsumexp(const Tensor& self, const Dims& dim, bool keepdim) {
    const DType type = is_floating(self.dtype()) ? self.dtype() : default_dtype();
    return fold(FoldOp::LogSumExp, with_dtype(self, type), FoldedDims::of(dim, self.dim()), keepdim,
                type);
}

Tensor vector_norm(const Tensor& self, const Scalar& ord, const std::optional<Dims>& dim,
                   bool keepdim, const std::optional<DType>& dtype) {
    check(is_floating(self.dtype()), ErrorKind::Runtime,
          "linalg.vector_norm: Expected a floating point or complex tensor as input. Got ",
          dtype_title(self.dtype()));
    const DType type = dtype.value_or(self.dtype());
    check(is_floating(type), ErrorKind::Runtime,
          "linalg.vector_norm: dtype should be floating point or complex, but got ",
          dtype_title(type));
    check(item_size(type) >= item_size(self.dtype()), ErrorKind::Runtime,
          "linalg.vector_norm: the dtype of the input (", dtype_title(self.dtype()),
          ") should be convertible without narrowing to the specified dtype (", dtype_title(type),
          ")");
    const FoldedDims dims = FoldedDims::of(dim, self.dim());
    FoldParams params;
    const double p = params.p = ord.as_double();
    if (self.numel() == 0 && (p < 0 || p == INFINITY)) dims.refuse_empty_norm(p, *self, dim);
    const FoldOp op = p == 2           ? FoldOp::NormTwo
                      : p == 1         ? FoldOp::NormOne
                      : p == 0         ? FoldOp::NormZero
                      : p == INFINITY  ? FoldOp::MaxAbs
                      : p == -INFINITY ? FoldOp::MinAbs
                                       : FoldOp::NormAny;
    return fold(op, with_dtype(self, type), dims, keepdim, type, params);
}

}  // namespace chainrule::forward
