#include <algorithm>

#include "autograd/history.h"
#include "forward/view.h"
#include "ops.h"

// Views made of other views.
namespace chainrule::composite {

Tensor expand_as(const Tensor& self, const Tensor& other) {
    return ops::expand(self, other.shape());
}

Tensor broadcast_to(const Tensor& self, const Dims& size) { return ops::expand(self, size); }

Tensor view_dtype(const Tensor& self, const std::optional<DType>& dtype) {
    check(dtype.has_value(), ErrorKind::Type,
          "view(): argument 'size' must be tuple of ints, or a dtype, not NoneType");
    check(*dtype == self.dtype(), ErrorKind::NotImplemented,
          "view(dtype) to another dtype reinterprets bits, which is not supported (torch.",
          dtype_name(self.dtype()), " to torch.", dtype_name(*dtype),
          "); convert values with .to(dtype)");
    return ops::_alias(self);
}

Tensor reshape(const Tensor& self, const Dims& shape) {
    Dims target = forward::inferred_shape(shape, self.numel());
    if (self.contiguous() || forward::view_strides(*self, target)) return ops::view(self, target);
    return ops::_unsafe_view(ops::clone(self, "contiguous_format"), target);
}

Tensor view_as(const Tensor& self, const Tensor& other) { return ops::view(self, other.shape()); }

Tensor reshape_as(const Tensor& self, const Tensor& other) { return reshape(self, other.shape()); }

Tensor flatten(const Tensor& self, int64_t start_dim, int64_t end_dim) {
    auto start = static_cast<size_t>(wrap_dim(start_dim, self.dim()));
    auto end = static_cast<size_t>(wrap_dim(end_dim, self.dim()));
    check(start <= end, ErrorKind::Runtime,
          "flatten() has invalid args: start_dim cannot come after end_dim");
    if (self.dim() == 0) return reshape(self, {1});
    if (start == end) return self;
    Dims shape;
    int64_t merged = 1;
    for (size_t d = 0; d < self->ndim; ++d) {
        if (d < start || d > end) shape.push_back(self->sizes()[d]);
        else merged *= self->sizes()[d];
        if (d == end) shape.push_back(merged);
    }
    return reshape(self, shape);
}

Tensor ravel(const Tensor& self) { return reshape(self, {-1}); }

Tensor unflatten(const Tensor& self, int64_t dim, const Dims& sizes) {
    check(!sizes.empty(), ErrorKind::Runtime, "unflatten: sizes must be non-empty");
    auto d = static_cast<size_t>(wrap_dim(dim, self.dim()));
    check(self.dim() > 0, ErrorKind::Index, "unflatten: the tensor has no dimensions");
    int64_t own = self->sizes()[d], known = 1;
    int unknown = 0;
    for (int64_t s : sizes) {
        if (s == -1) ++unknown;
        else known *= s;
    }
    check(unknown <= 1, ErrorKind::Runtime, "only one dimension can be inferred");
    check(unknown ? known != 0 && own % known == 0 : known == own, ErrorKind::Runtime,
          "unflatten: Provided sizes ", to_string(sizes), " don't multiply up to the size of dim ",
          d, " (", own, ") in the input tensor");
    Dims shape;
    for (size_t i = 0; i < self->ndim; ++i) {
        if (i != d) {
            shape.push_back(self->sizes()[i]);
            continue;
        }
        for (int64_t s : sizes) shape.push_back(s == -1 ? own / known : s);
    }
    return ops::view(self, shape);
}

namespace {
Tensor reversed(const Tensor& self) {
    Dims order;
    for (int64_t d = self.dim(); d-- > 0;) order.push_back(d);
    return ops::permute(self, order);
}
}  // namespace

Tensor numpy_T(const Tensor& self) { return reversed(self); }

Tensor matrix_T(const Tensor& self) {
    check(self.dim() >= 2, ErrorKind::Runtime,
          "tensor.mT is only supported on matrices or batches of matrices. Got ", self.dim(),
          "-D tensor.");
    return ops::transpose(self, -2, -1);
}

Tensor matrix_H(const Tensor& self) {
    check(self.dim() == 2 || self.dim() == 0, ErrorKind::Runtime,
          "tensor.H is only supported on matrices (2-D tensors). Got ", self.dim(), "-D tensor.",
          self.dim() > 2 ? " For batches of matrices, consider using tensor.mH" : "");
    return self.dim() == 0 ? ops::_alias(self) : ops::transpose(self, 0, 1);
}

Tensor adjoint(const Tensor& self) {
    check(self.dim() >= 2 || self.dim() == 0, ErrorKind::Runtime,
          "tensor.adjoint() is only supported on matrices or batches of matrices. Got ", self.dim(),
          "-D tensor.");
    return self.dim() == 0 ? ops::_alias(self) : ops::transpose(self, -2, -1);
}

Tensor movedim(const Tensor& self, const Dims& source, const Dims& destination) {
    check(source.size() == destination.size(), ErrorKind::Runtime,
          "movedim: Invalid source or destination dims: source (", to_string(source),
          " dims) should contain the same number of dims as destination (", to_string(destination),
          " dims)");
    int64_t ndim = self.dim();
    auto wrapped = [&](const Dims& dims, const char* what) {
        Dims out = dims;
        uint64_t seen = 0;
        for (int64_t& d : out) {
            d = wrap_dim(d, ndim);
            check(!(seen >> d & 1), ErrorKind::Runtime, "movedim: repeated dim in `", what, "` (",
                  to_string(dims), ")");
            seen |= uint64_t{1} << d;
        }
        return out;
    };
    Dims from = wrapped(source, "source"), to = wrapped(destination, "destination");
    if (ndim == 0) return ops::_alias(self);
    Dims order = Dims::filled(static_cast<size_t>(ndim), -1);
    for (size_t i = 0; i < from.size(); ++i) order[static_cast<size_t>(to[i])] = from[i];
    int64_t next = 0;
    for (int64_t& slot : order) {
        if (slot >= 0) continue;
        while (std::find(from.begin(), from.end(), next) != from.end()) ++next;
        slot = next++;
    }
    return ops::permute(self, order);
}

Tensor movedim_int(const Tensor& self, int64_t source, int64_t destination) {
    return movedim(self, {source}, {destination});
}

Tensor narrow(const Tensor& self, int64_t dim, int64_t start, int64_t length) {
    check(self.dim() > 0, ErrorKind::Runtime, "narrow() cannot be applied to a 0-dim tensor.");
    check(length >= 0, ErrorKind::Runtime, "narrow(): length must be non-negative.");
    int64_t size = self.size(dim);
    check(start >= -size && start <= size, ErrorKind::Index,
          "start out of range (expected to be in range of [", -size, ", ", size, "], but got ",
          start, ")");
    if (start < 0) start += size;
    check(start <= size - length, ErrorKind::Runtime, "start (", start, ") + length (", length,
          ") exceeds dimension size (", size, ").");
    return ops::_slice(self, dim, start, start + length, 1);
}

std::vector<Tensor> split_with_sizes(const Tensor& self, const Dims& split_sizes, int64_t dim) {
    return ops::split_sizes(self, split_sizes, dim);
}

std::vector<Tensor> chunk(const Tensor& self, int64_t chunks, int64_t dim) {
    check(self.dim() > 0, ErrorKind::Runtime, "chunk expects at least a 1-dimensional tensor");
    check(chunks > 0, ErrorKind::Runtime,
          "chunk expects `chunks` to be greater than 0, got: ", chunks);
    int64_t size = self.size(dim);
    if (size == 0) {  // that many empty parts
        return ops::split_sizes(self, Dims::filled(static_cast<size_t>(chunks), 0), dim);
    }
    return ops::split(self, (size - 1) / chunks + 1, dim);
}

std::vector<Tensor> tensor_split_indices(const Tensor& self, const Dims& indices, int64_t dim) {
    check(self.dim() > 0, ErrorKind::Runtime,
          "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims");
    std::vector<Tensor> out;
    int64_t start = 0;
    for (int64_t index : indices) {
        out.push_back(ops::_slice(self, dim, start, index, 1));
        start = index;
    }
    out.push_back(ops::_slice(self, dim, start, std::nullopt, 1));
    return out;
}

std::vector<Tensor> tensor_split(const Tensor& self, int64_t sections, int64_t dim) {
    check(self.dim() > 0, ErrorKind::Runtime,
          "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims");
    check(sections > 0, ErrorKind::Runtime, "number of sections must be larger than 0, got ",
          sections);
    int64_t size = self.size(dim), small = size / sections, larger = size % sections, start = 0;
    std::vector<Tensor> out;
    for (int64_t i = 0; i < sections; ++i) {
        int64_t count = small + (i < larger);
        out.push_back(ops::_slice(self, dim, start, start + count, 1));
        start += count;
    }
    return out;
}

}  // namespace chainrule::composite
