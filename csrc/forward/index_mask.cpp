#include <algorithm>

#include "base/interpreter_lock.h"
#include "base/message.h"
#include "forward.h"
#include "forward/index.h"
#include "forward/view.h"
#include "tensor/convert.h"

// Masks, embeddings, and index tensors made from values.
namespace chainrule::forward {

namespace {

Tensor flat_nonzero(const Tensor& self) {
    Tensor dense = make_contiguous(self);
    int64_t count = cpu::count_nonzero(dense.dtype(), dense->data, dense.numel());
    Tensor out = Tensor::empty({count}, DType::Int64);
    cpu::find_nonzero(dense.dtype(), dense->data, dense.numel(), out.data<int64_t>());
    return out;
}

// Where the elements of `self` that the mask (same shape) picks stand.
IndexPlan plan_mask(const Tensor& self, const Tensor& mask, const char* operation) {
    check(mask.dtype() == DType::Bool, ErrorKind::Runtime, operation,
          ": expected BoolTensor for mask");
    Tensor positions = flat_nonzero(mask);
    int64_t item = static_cast<int64_t>(item_size(self.dtype()));
    IndexPlan plan;
    plan.shape = {positions.numel()};
    plan.outer = {0};
    plan.at.assign(positions.data<int64_t>(), positions.data<int64_t>() + positions.numel());
    bool contiguous = self.contiguous();
    for (int64_t& at : plan.at) {
        if (contiguous) {
            at *= item;
            continue;
        }
        int64_t rest = at;
        at = 0;
        for (int d = self->ndim; d-- > 0;) {
            at += rest % self->sizes()[d] * self->strides()[d] * item;
            rest /= self->sizes()[d];
        }
    }
    return plan;
}

}  // namespace

Tensor nonzero(const Tensor& self) {
    Tensor positions = flat_nonzero(self);
    int64_t count = positions.numel(), ndim = self.dim();
    Tensor out = Tensor::empty({count, ndim}, DType::Int64);
    const int64_t* from = positions.data<int64_t>();
    int64_t* to = out.data<int64_t>();
    for (int64_t i = 0; i < count; ++i) {
        int64_t rest = from[i];
        for (int64_t d = ndim; d-- > 0;) {
            int64_t size = self->sizes()[d];
            to[i * ndim + d] = d ? rest % size : rest;
            rest /= size;
        }
    }
    return out;
}

std::vector<Tensor> nonzero_tuple(const Tensor& self) {
    Tensor t = self.dim() ? self : shifted_view(*self, {1}, {1}, 0);
    Tensor places = nonzero(t);
    std::vector<Tensor> out;
    for (int64_t d = 0; d < t.dim(); ++d) out.push_back(make_contiguous(select(places, 1, d)));
    return out;
}

Tensor masked_select(const Tensor& self, const Tensor& mask) {
    IndexPlan plan = plan_mask(self, mask, "masked_select");
    Tensor out = Tensor::empty(plan.shape, self.dtype());
    if (out.numel() > 0) {
        cpu::gather_blocks(out->data, self->data, plan.blocks(), item_size(self.dtype()));
    }
    return out;
}

Tensor masked_select_adjoint(const Tensor& self, const Dims& shape, const Tensor& mask) {
    Tensor out = Tensor::zeros(shape, self.dtype());
    write_index(*out, plan_mask(out, mask, "masked_select"), self, false);
    return out;
}

void masked_scatter_into(const Tensor& self, const Tensor& mask, const Tensor& source) {
    check(self.dtype() == source.dtype(), ErrorKind::Runtime,
          "masked_scatter: expected self and source to have same dtypes but got ",
          dtype_title(self.dtype()), " and ", dtype_title(source.dtype()));
    IndexPlan plan = plan_mask(self, mask, "masked_scatter");
    auto count = static_cast<int64_t>(plan.at.size());
    check(source.numel() >= count, ErrorKind::Runtime,
          "Number of elements of source < number of ones in mask: there are ", source.numel(),
          " and ", count);
    Tensor dense = source->storage->data == self->storage->data ? convert(*source, source.dtype())
                                                                : make_contiguous(source);
    write_index(*self, plan, shifted_view(*dense, {count}, {1}, 0), false);
}

Tensor masked_scatter(const Tensor& self, const Tensor& mask, const Tensor& source) {
    Tensor out = clone_dense(*self);
    masked_scatter_into(out, mask, source);
    return out;
}

// Embedding -------------------------------------------------------------------------------------

namespace {

Tensor flat_indices(const Tensor& indices) {
    check(indices.dtype() == DType::Int64, ErrorKind::Runtime,
          "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
          "Long, Int; but got ",
          legacy_type_name(indices.dtype()), " instead (while checking arguments for embedding)",
          note("Convert them with .long()."));
    Tensor dense = make_contiguous(indices);
    return shifted_view(*dense, {dense.numel()}, {1}, 0);
}

Dims rows_shape(const Tensor& indices, int64_t width) {
    Dims shape = indices.shape();
    shape.push_back(width);
    return shape;
}

// Weight of each use: 0 for the padding, 1 / (number of uses of the row) with `scale`, else 1.
std::vector<double> use_weights(const Tensor& flat, int64_t rows, int64_t padding_idx, bool scale) {
    std::vector<int64_t> uses(scale ? static_cast<size_t>(rows) : 0);
    const int64_t* at = flat.data<int64_t>();
    std::vector<double> out(static_cast<size_t>(flat.numel()), 1.0);
    for (int64_t i = 0; scale && i < flat.numel(); ++i) ++uses[static_cast<size_t>(at[i])];
    for (int64_t i = 0; i < flat.numel(); ++i) {
        double& w = out[static_cast<size_t>(i)];
        if (at[i] == padding_idx) w = 0;
        else if (scale) w = 1.0 / static_cast<double>(uses[static_cast<size_t>(at[i])]);
    }
    return out;
}

// Rows (a fresh, dense tensor) times their weights; rows of weight 0 become 0 whatever they hold.
void weigh_rows(const Tensor& rows, const std::vector<double>& weights, int64_t width) {
    dispatch(rows.dtype(), [&](auto zero) {
        using T = decltype(zero);
        T* row = rows.data<T>();
        for (double w : weights) {
            for (int64_t k = 0; k < width && w != 1; ++k) {
                row[k] = w == 0 ? T{} : static_cast<T>(row[k] * w);
            }
            row += width;
        }
    });
}

bool all_ones(const std::vector<double>& weights) {
    return std::all_of(weights.begin(), weights.end(), [](double w) { return w == 1; });
}

}  // namespace

Tensor embedding(const Tensor& weight, const Tensor& indices, int64_t, bool, bool sparse) {
    check(!sparse, ErrorKind::NotImplemented,
          "embedding: sparse=True is not supported; leave it False");
    check(weight.dim() == 2, ErrorKind::Runtime, "'weight' must be 2-D");
    Tensor out = index_select(weight, 0, flat_indices(indices));
    Dims shape = rows_shape(indices, weight->sizes()[1]);
    out->set_geometry(shape, contiguous_strides(shape));
    return out;
}

Tensor embedding_adjoint(const Tensor& self, const Tensor& indices, const Dims& shape,
                         int64_t padding_idx, bool scale) {
    Tensor flat = flat_indices(indices);
    int64_t width = shape[1];
    Tensor rows = make_contiguous(self);
    std::vector<double> weights = use_weights(flat, shape[0], padding_idx, scale);
    if (!all_ones(weights)) {
        rows = convert(*rows, rows.dtype());
        weigh_rows(rows, weights, width);
    }
    rows = shifted_view(*rows, {flat.numel(), width}, {width, 1}, 0);
    return index_select_adjoint(rows, shape, 0, flat);
}

Tensor embedding_rows(const Tensor& self, const Tensor& indices, int64_t padding_idx, bool scale) {
    Tensor flat = flat_indices(indices);
    int64_t width = self.size(1);
    Tensor out = index_select(self, 0, flat);
    weigh_rows(out, use_weights(flat, self.size(0), padding_idx, scale), width);
    Dims shape = rows_shape(indices, width);
    out->set_geometry(shape, contiguous_strides(shape));
    return out;
}

// Helpers ---------------------------------------------------------------------------------------

Tensor zeros_of(const Dims& size, const std::optional<DType>& dtype) {
    return Tensor::zeros(size, dtype.value_or(default_dtype()));
}

Tensor repeat_positions(const Tensor& self) {
    Tensor counts = make_contiguous(self);
    int64_t total = 0;
    for (int64_t i = 0; i < counts.numel(); ++i) {
        int64_t n = counts.data<int64_t>()[i];
        check(n >= 0, ErrorKind::Runtime, "repeats can not be negative");
        check(!__builtin_add_overflow(total, n, &total), ErrorKind::Runtime,
              "repeat_interleave: the sum of repeats overflows 64 bits");
    }
    Tensor out = Tensor::empty({total}, DType::Int64);
    int64_t* to = out.data<int64_t>();
    for (int64_t i = 0; i < counts.numel(); ++i) {
        to = std::fill_n(to, counts.data<int64_t>()[i], i);
    }
    return out;
}

}  // namespace chainrule::forward
