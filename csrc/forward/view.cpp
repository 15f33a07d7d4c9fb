#include "forward/view.h"

#include <algorithm>

#include "base/message.h"

#include "forward.h"
#include "tensor/origin.h"

// Views that keep all elements: other shapes, other orders of dimensions.
namespace chainrule::forward {

namespace {
// "[2, 3]" for the middle of a torch message that writes shapes so.
std::string quoted(const Dims& shape) { return concat("'", to_string(shape), "'"); }
}  // namespace

Dims inferred_shape(const Dims& shape, int64_t numel) {
    int64_t known = 1;
    int unknown = -1;
    for (size_t i = 0; i < shape.size(); ++i) {
        if (shape[i] == -1) {
            check(unknown < 0, ErrorKind::Runtime, "only one dimension can be inferred, but ",
                  to_string(shape), " has several of size -1");
            unknown = static_cast<int>(i);
            continue;
        }
        check(shape[i] >= 0, ErrorKind::Runtime, "invalid shape dimension ", shape[i], " at index ",
              i, " of shape ", to_string(shape));
        check(!__builtin_mul_overflow(known, shape[i], &known), ErrorKind::Runtime, "shape ",
              quoted(shape), " is invalid for input of size ", numel);
    }
    if (unknown < 0) {
        check(known == numel, ErrorKind::Runtime, "shape ", quoted(shape),
              " is invalid for input of size ", numel,
              note("That shape has ", known, known == 1 ? " element" : " elements",
                   "; one of its sizes may be -1, which is then computed."));
        return shape;
    }
    check(known != 0 || numel != 0, ErrorKind::Runtime,
          "cannot reshape tensor of 0 elements into shape ", to_string(shape),
          " because the unspecified dimension size -1 can be any value and is ambiguous");
    check(known != 0 && numel % known == 0, ErrorKind::Runtime, "shape ", quoted(shape),
          " is invalid for input of size ", numel,
          note("The sizes that are given have the product ", known, ", which does not divide ",
               numel, "."));
    Dims out = shape;
    out[static_cast<size_t>(unknown)] = numel / known;
    return out;
}

std::optional<Dims> view_strides(const TensorImpl& t, const Dims& shape) {
    if (t.numel == 0 || (t.flags & kContiguous)) return contiguous_strides(shape);
    Dims strides = Dims::filled(shape.size(), 1);
    // From the back: each run of old dimensions that lies evenly in memory is cut into new ones.
    int64_t place = static_cast<int64_t>(shape.size()) - 1;
    int64_t base = t.ndim ? t.strides()[t.ndim - 1] : 1;
    int64_t have = 1, used = 1;
    for (int d = t.ndim - 1; d >= 0; --d) {
        have *= t.sizes()[d];
        bool run_ends = d == 0 || (t.sizes()[d - 1] != 1 && t.strides()[d - 1] != have * base);
        if (!run_ends) continue;
        while (place >= 0 && (used < have || shape[static_cast<size_t>(place)] == 1)) {
            strides[static_cast<size_t>(place)] = used * base;
            used *= shape[static_cast<size_t>(place)];
            --place;
        }
        if (used != have) return std::nullopt;
        if (d > 0) base = t.strides()[d - 1];
        have = used = 1;
    }
    if (place >= 0) return std::nullopt;
    return strides;
}

Dims wrap_dims(const Dims& dims, int64_t ndim) {
    Dims out = dims;
    uint64_t seen = 0;
    for (int64_t& d : out) {
        d = wrap_dim(d, ndim);
        check(!(seen >> d & 1), ErrorKind::Runtime, "dim ", d,
              " appears multiple times in the list of dims");
        seen |= uint64_t{1} << d;
    }
    return out;
}

Dims inverse_order(const Dims& dims) {
    Dims out = Dims::filled(dims.size(), 0);
    int64_t n = static_cast<int64_t>(dims.size());
    for (size_t i = 0; i < dims.size(); ++i) {
        out[static_cast<size_t>(wrap_dim(dims[i], n))] = static_cast<int64_t>(i);
    }
    return out;
}

Tensor view(const Tensor& self, const Dims& size) {
    Dims shape = inferred_shape(size, self.numel());
    std::optional<Dims> strides = view_strides(*self, shape);
    check(strides.has_value(), ErrorKind::Runtime,
          "view size is not compatible with input tensor's size and stride (at least one dimension "
          "spans across two contiguous subspaces). Use .reshape(...) instead.",
          note_shape("the tensor", *self),
          note("Its strides are ", to_string(self.strides()), ": shape ", to_string(shape),
               " needs a copy, which reshape makes."));
    return shifted_view(*self, shape, *strides, 0);
}

Tensor alias(const Tensor& self) { return shifted_view(*self, self.shape(), self.strides(), 0); }

Tensor permute(const Tensor& self, const Dims& dims) {
    check(static_cast<int64_t>(dims.size()) == self.dim(), ErrorKind::Runtime,
          "permute(sparse_coo): number of dimensions in the tensor input does not match the length "
          "of the desired ordering of dimensions i.e. input.dim() = ",
          self.dim(), " is not equal to len(dims) = ", dims.size());
    Dims shape, strides;
    uint64_t seen = 0;
    for (int64_t given : dims) {
        int64_t d = wrap_dim(given, self.dim());
        check(!(seen >> d & 1), ErrorKind::Runtime, "permute(): duplicate dims are not allowed. (",
              to_string(dims), " names ", d, " twice)");
        seen |= uint64_t{1} << d;
        shape.push_back(self->sizes()[d]);
        strides.push_back(self->strides()[d]);
    }
    return shifted_view(*self, shape, strides, 0);
}

Tensor permute_back(const Tensor& self, const Dims& dims) {
    return permute(self, inverse_order(dims));
}

Tensor transpose(const Tensor& self, int64_t dim0, int64_t dim1) {
    auto a = static_cast<size_t>(wrap_dim(dim0, self.dim()));
    auto b = static_cast<size_t>(wrap_dim(dim1, self.dim()));
    Dims shape = self.shape(), strides = self.strides();
    if (a != b) {
        std::swap(shape[a], shape[b]);
        std::swap(strides[a], strides[b]);
    }
    return shifted_view(*self, shape, strides, 0);
}

Tensor t(const Tensor& self) {
    check(self.dim() <= 2, ErrorKind::Runtime,
          "t() expects a tensor with <= 2 dimensions, but self is ", self.dim(),
          "D; use .mT, or transpose(dim0, dim1)");
    return self.dim() < 2 ? alias(self) : transpose(self, 0, 1);
}

namespace {
template <class Drop>
Tensor without(const Tensor& self, Drop&& drop) {
    Dims shape, strides;
    for (int d = 0; d < self->ndim; ++d) {
        if (self->sizes()[d] == 1 && drop(d)) continue;
        shape.push_back(self->sizes()[d]);
        strides.push_back(self->strides()[d]);
    }
    return shifted_view(*self, shape, strides, 0);
}
}  // namespace

Tensor squeeze(const Tensor& self) {
    return without(self, [](int) { return true; });
}

Tensor squeeze_dim(const Tensor& self, int64_t dim) {
    int64_t which = wrap_dim(dim, self.dim());
    return without(self, [&](int d) { return d == which; });
}

Tensor squeeze_dims(const Tensor& self, const Dims& dim) {
    Dims which = wrap_dims(dim, self.dim());
    return without(self,
                   [&](int d) { return std::find(which.begin(), which.end(), d) != which.end(); });
}

Tensor unsqueeze(const Tensor& self, int64_t dim) {
    auto at = static_cast<size_t>(wrap_dim(dim, self.dim() + 1));
    Dims shape = self.shape(), strides = self.strides();
    int64_t stride = at < shape.size() ? shape[at] * strides[at] : 1;
    shape.insert(at, 1);
    strides.insert(at, stride);
    return shifted_view(*self, shape, strides, 0);
}

}  // namespace chainrule::forward
