#include "forward/index.h"

#include <algorithm>

#include "base/interpreter_lock.h"
#include "base/message.h"
#include "forward.h"
#include "forward/view.h"
#include "tensor/convert.h"
#include "tensor/origin.h"

// Picking whole entries by index vectors: advanced indexing and the index_… operators.
namespace chainrule::forward {

namespace {

// Byte offsets of all elements of some dimensions, in row-major order.
std::vector<int64_t> offsets_of(const TensorImpl& t, const Dims& dims) {
    int64_t item = static_cast<int64_t>(item_size(t.dtype));
    std::vector<int64_t> out = {0};
    for (int64_t d : dims) {
        int64_t size = t.sizes()[d], stride = t.strides()[d] * item;
        std::vector<int64_t> longer;
        longer.reserve(out.size() * static_cast<size_t>(size));
        for (int64_t base : out) {
            for (int64_t i = 0; i < size; ++i) longer.push_back(base + i * stride);
        }
        out = std::move(longer);
    }
    return out;
}

void set_inner(IndexPlan& plan, const TensorImpl& self, const Dims& dims) {
    int64_t step = 1;
    plan.dense_inner = true;
    plan.num_inner = 1;
    for (size_t i = dims.size(); i-- > 0;) {
        int64_t size = self.sizes()[dims[i]];
        if (size != 1 && self.strides()[dims[i]] != step) plan.dense_inner = false;
        step *= size;
        plan.num_inner *= size;
    }
    if (plan.num_inner == 0) plan.dense_inner = true;
    if (!plan.dense_inner) plan.inner = offsets_of(self, dims);
}

// Adds stride·index to each place. The index has as many elements as there are places.
void add_index(IndexPlan& plan, const TensorImpl& self, int64_t dim, const Tensor& index,
               bool negatives, ErrorKind kind = ErrorKind::Index) {
    Tensor dense = make_contiguous(index);
    const int64_t* values = dense.data<int64_t>();
    int64_t size = self.sizes()[dim];
    int64_t stride = self.strides()[dim] * static_cast<int64_t>(item_size(self.dtype));
    for (size_t i = 0; i < plan.at.size(); ++i) {
        int64_t v = values[i];
        if (negatives && v < 0) v += size;
        if (__builtin_expect(static_cast<uint64_t>(v) >= static_cast<uint64_t>(size), 0)) {
            cpu::fail_index(values[i], dim, size, kind);
        }
        plan.at[i] += v * stride;
    }
}

Tensor expanded(const Tensor& t, const Dims& shape) {
    return t.shape() == shape ? t : expand(t, shape, false);
}

void check_vector(const Tensor& index, const char* operation, ErrorKind kind) {
    check(index.dim() <= 1, kind, operation, "(): Index is supposed to be a vector");
    check(index.dtype() == DType::Int64, ErrorKind::Runtime, operation,
          "(): Expected dtype int32 or int64 for index");
}

IndexPlan plan_along(const TensorImpl& self, int64_t dim, const Tensor& index, bool negatives,
                     ErrorKind kind = ErrorKind::Index) {
    IndexPlan plan;
    Dims outer, inner;
    for (int64_t d = 0; d < self.ndim; ++d) {
        plan.shape.push_back(d == dim ? index.numel() : self.sizes()[d]);
        if (d < dim) outer.push_back(d);
        else if (d > dim) inner.push_back(d);
    }
    plan.outer = offsets_of(self, outer);
    plan.at.assign(static_cast<size_t>(index.numel()), 0);
    if (self.ndim > 0) {
        add_index(plan, self, dim, index, negatives, kind);
    } else {
        for (int64_t i = 0; i < index.numel(); ++i) {
            int64_t v = make_contiguous(index).data<int64_t>()[i];
            if (v != 0 && !(negatives && v == -1)) cpu::fail_index(v, 0, 1, kind);
        }
    }
    set_inner(plan, self, inner);
    return plan;
}

Tensor read_index(const Tensor& self, const IndexPlan& plan) {
    Tensor out = Tensor::empty(plan.shape, self.dtype());
    if (out.numel() == 0) return out;
    Unlocked unlocked(out.numel() >= kUnlockedFrom);
    cpu::gather_blocks(out->data, self->data, plan.blocks(), item_size(self.dtype()));
    return out;
}

// self[index] along the first dimension of a tensor with dense rows, without a plan; else null.
Tensor read_rows(const Tensor& self, const Tensor& index, bool negatives) {
    int64_t row = 1;
    for (int64_t d = self.dim(); d-- > 1;) {
        if (self->sizes()[d] != 1 && self->strides()[d] != row) return Tensor();
        row *= self->sizes()[d];
    }
    Dims shape = index.shape();
    for (int64_t d = 1; d < self.dim(); ++d) shape.push_back(self->sizes()[d]);
    Tensor out = Tensor::empty(shape, self.dtype());
    if (out.numel() == 0) return Tensor();
    Tensor dense = make_contiguous(index);
    int64_t item = static_cast<int64_t>(item_size(self.dtype()));
    Unlocked unlocked(out.numel() >= kUnlockedFrom);
    cpu::gather_rows(out->data, self->data, dense.data<int64_t>(), dense.numel(), self->sizes()[0],
                     self->strides()[0] * item, row * item, negatives, 0);
    return out;
}

}  // namespace

IndexPlan plan_index(const TensorImpl& self, const std::vector<Tensor>& indices, const Dims& dims,
                     bool negatives) {
    Dims common;
    for (const Tensor& t : indices) {
        Dims shape = t.shape();
        for (size_t i = 0; i < std::min(common.size(), shape.size()); ++i) {
            int64_t a = common[common.size() - 1 - i], b = shape[shape.size() - 1 - i];
            if (a == b || a == 1 || b == 1) continue;
            std::string shapes;
            for (const Tensor& s : indices) {
                shapes += concat(shapes.empty() ? "" : ", ", to_string(s.shape()));
            }
            fail(ErrorKind::Index,
                 "shape mismatch: indexing tensors could not be broadcast together with shapes ",
                 shapes);
        }
        common = broadcast_shapes(common, shape);
    }
    bool adjacent = dims.back() - dims[0] + 1 == static_cast<int64_t>(dims.size());
    IndexPlan plan;
    Dims outer, inner;
    for (int64_t d = 0; d < self.ndim; ++d) {
        if (std::find(dims.begin(), dims.end(), d) != dims.end()) continue;
        if (adjacent && d < dims[0]) outer.push_back(d);
        else inner.push_back(d);
    }
    for (int64_t d : outer) plan.shape.push_back(self.sizes()[d]);
    for (int64_t s : common) plan.shape.push_back(s);
    for (int64_t d : inner) plan.shape.push_back(self.sizes()[d]);
    int64_t count = checked_numel(common);
    plan.outer = offsets_of(self, outer);
    plan.at.assign(static_cast<size_t>(count), 0);
    // In a result without elements nothing is read, so no index is out of bounds.
    bool nothing = count == 0;
    for (size_t i = 0; i < indices.size() && !nothing; ++i) {
        add_index(plan, self, dims[i], expanded(indices[i], common), negatives);
    }
    set_inner(plan, self, inner);
    return plan;
}

IndexPlan plan_select(const TensorImpl& self, int64_t dim, const Tensor& index) {
    return plan_along(self, wrap_dim(dim, self.ndim), index, false);
}

void write_index(const TensorImpl& self, const IndexPlan& plan, const Tensor& values,
                 bool accumulate) {
    size_t item = item_size(self.dtype);
    int64_t total = checked_numel(plan.shape);
    if (total == 0) return;
    bool one = values.numel() == 1 && !accumulate;
    Tensor dense = one ? values : make_contiguous(expanded(values, plan.shape));
    Unlocked unlocked(total >= kUnlockedFrom);
    if (accumulate) cpu::add_blocks(self.dtype, self.data, dense->data, plan.blocks());
    else cpu::scatter_blocks(self.data, dense->data, plan.blocks(), item, one);
}

// Advanced indexing -----------------------------------------------------------------------------

Tensor index(const Tensor& self, const std::vector<Tensor>& indices, const Dims& dims) {
    if (indices.size() == 1 && dims[0] == 0) {
        if (Tensor out = read_rows(self, indices[0], true)) return out;
    }
    return read_index(self, plan_index(*self, indices, dims, true));
}

void index_put_into(const Tensor& self, const Tensor& values, const std::vector<Tensor>& indices,
                    const Dims& dims, bool accumulate) {
    check(values.dtype() == self.dtype(), ErrorKind::Runtime,
          "Index put requires the source and destination dtypes match, got ",
          dtype_title(self.dtype()), " for the destination and ", dtype_title(values.dtype()),
          " for the source.");
    IndexPlan plan = plan_index(*self, indices, dims, true);
    Dims from = values.shape();
    bool fits = from.size() <= plan.shape.size();
    for (size_t i = 0; fits && i < from.size(); ++i) {
        int64_t size = from[from.size() - 1 - i];
        fits = size == 1 || size == plan.shape[plan.shape.size() - 1 - i];
    }
    check(fits, ErrorKind::Runtime, "shape mismatch: value tensor of shape ", to_string(from),
          " cannot be broadcast to indexing result of shape ", to_string(plan.shape));
    Tensor source = values;
    if (values->storage->data == self->storage->data) source = clone_dense(*values);
    write_index(*self, plan, source, accumulate);
}

Tensor index_put(const Tensor& self, const Tensor& values, const std::vector<Tensor>& indices,
                 const Dims& dims, bool accumulate) {
    Tensor out = clone_dense(*self);
    index_put_into(out, values, indices, dims, accumulate);
    return out;
}

Tensor index_adjoint(const Tensor& self, const std::vector<Tensor>& indices, const Dims& dims,
                     const Dims& shape) {
    Tensor out = Tensor::zeros(shape, self.dtype());
    index_put_into(out, self, indices, dims, true);
    return out;
}

// Along one dimension ---------------------------------------------------------------------------

Tensor index_select(const Tensor& self, int64_t dim, const Tensor& index) {
    int64_t d = wrap_dim(dim, self.dim());
    check_vector(index, "index_select", ErrorKind::Index);
    Tensor dense = make_contiguous(index);
    int64_t size = self.dim() ? self->sizes()[d] : 1;
    for (int64_t i = 0; i < dense.numel(); ++i) {
        int64_t v = dense.data<int64_t>()[i];
        check(v >= 0 && v < size, ErrorKind::Index, "index out of range in self",
              note("Index ", v, " was asked of dimension ", d, ", of size ", size,
                   ": valid are 0 to ", size - 1, "."),
              note_shape("the indexed tensor (of an embedding, its weight)", *self));
    }
    if (d == 0 && self.dim() > 0) {
        Tensor flat = shifted_view(*dense, {dense.numel()}, {1}, 0);
        if (Tensor out = read_rows(self, flat, false)) return out;
    }
    return read_index(self, plan_along(*self, d, dense, false));
}

Tensor index_select_adjoint(const Tensor& self, const Dims& shape, int64_t dim,
                            const Tensor& index) {
    Tensor out = Tensor::zeros(shape, self.dtype());
    IndexPlan plan = plan_select(*out, dim, index);
    write_index(*out, plan, self, true);
    return out;
}

namespace {
void check_source(const Tensor& self, int64_t d, const Tensor& index, const Tensor& source,
                  const char* operation, ErrorKind kind) {
    int64_t along = source.dim() ? source.size(std::min(d, source.dim() - 1)) : 1;
    check(index.numel() == along, kind, operation, "_(): Number of indices (", index.numel(),
          ") should be equal to source.size(dim): (", along, "), for dim: ", d);
    check(self.dtype() == source.dtype(), ErrorKind::Runtime, operation, "_(): self (",
          dtype_title(self.dtype()), ") and source (", dtype_title(source.dtype()),
          ") must have the same scalar type");
    Dims a = self.shape(), b = source.shape();
    if (a.empty() || b.empty()) return;
    bool same = a.size() == b.size();
    for (size_t i = 0; same && i < a.size(); ++i) {
        same = static_cast<int64_t>(i) == d || a[i] == b[i];
    }
    check(same, ErrorKind::Runtime,
          "source tensor shape must match self tensor shape, excluding the specified dimension. "
          "Got self.shape = ",
          to_string(a), " source.shape = ", to_string(b));
}

Tensor own_copy(const Tensor& source, const Tensor& self) {
    return source->storage->data == self->storage->data ? clone_dense(*source) : source;
}
}  // namespace

void index_add_into(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                    const Scalar& alpha) {
    int64_t d = wrap_dim(dim, self.dim());
    check_vector(index, "index_add", ErrorKind::Index);
    check_source(self, d, index, source, "index_add", ErrorKind::Runtime);
    IndexPlan plan = plan_along(*self, d, index, false, ErrorKind::Runtime);
    Tensor values = own_copy(source, self);
    if (!alpha.equals(1)) {
        check(!alpha.is_float() || is_floating(self.dtype()), ErrorKind::Runtime,
              "For integral input tensors, argument alpha must not be a floating point number.");
        values = Tensor::empty(source.shape(), self.dtype());
        Tensor dense = make_contiguous(source);
        dispatch(self.dtype(), [&](auto zero) {
            using T = decltype(zero);
            T factor = alpha.as<T>();
            for (int64_t i = 0; i < dense.numel(); ++i) {
                values.data<T>()[i] = static_cast<T>(dense.data<T>()[i] * factor);
            }
        });
    }
    write_index(*self, plan, values, true);
}

void index_copy_into(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source) {
    int64_t d = wrap_dim(dim, self.dim());
    check_vector(index, "index_copy", ErrorKind::Index);
    check_source(self, d, index, source, "index_copy", ErrorKind::Index);
    IndexPlan plan = plan_along(*self, d, index, false);
    write_index(*self, plan, own_copy(source, self), false);
}

void index_fill_into(const Tensor& self, int64_t dim, const Tensor& index, const Scalar& value) {
    int64_t d = wrap_dim(dim, self.dim());
    check_vector(index, "index_fill", ErrorKind::Index);
    IndexPlan plan = plan_along(*self, d, index, true);
    write_index(*self, plan, Tensor::full({}, self.dtype(), value), false);
}

Tensor index_add(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                 const Scalar& alpha) {
    Tensor out = clone_dense(*self);
    index_add_into(out, dim, index, source, alpha);
    return out;
}

Tensor index_copy(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source) {
    Tensor out = clone_dense(*self);
    index_copy_into(out, dim, index, source);
    return out;
}

Tensor index_fill(const Tensor& self, int64_t dim, const Tensor& index, const Scalar& value) {
    Tensor out = clone_dense(*self);
    index_fill_into(out, dim, index, value);
    return out;
}

Tensor index_fill_tensor(const Tensor& self, int64_t dim, const Tensor& index,
                         const Tensor& value) {
    check(value.dim() == 0, ErrorKind::Runtime,
          "index_fill_ only supports a 0-dimensional value tensor, but got tensor with ",
          value.dim(), " dimension(s).");
    return index_fill(self, dim, index, value.item());
}

Tensor distinct_entries(const Tensor& self, const Dims& shape, int64_t dim) {
    int64_t size = shape.empty() ? 1 : shape[static_cast<size_t>(wrap_dim(dim, shape.size()))];
    Tensor dense = make_contiguous(self);
    std::vector<int64_t> entries(dense.data<int64_t>(), dense.data<int64_t>() + dense.numel());
    for (int64_t& e : entries) e = e < 0 ? e + size : e;
    std::sort(entries.begin(), entries.end());
    entries.erase(std::unique(entries.begin(), entries.end()), entries.end());
    Tensor out = Tensor::empty({static_cast<int64_t>(entries.size())}, DType::Int64);
    std::copy(entries.begin(), entries.end(), out.data<int64_t>());
    return out;
}

}  // namespace chainrule::forward
