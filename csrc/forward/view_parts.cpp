#include <algorithm>

#include "forward.h"
#include "forward/view.h"
#include "tensor/convert.h"

// Views of a part of the elements, and their adjoints: zeros with the part filled in.
namespace chainrule::forward {

namespace {

// Where a slice begins, and how many entries it has.
struct Span {
    int64_t start;
    int64_t count;
};

Span slice_span(int64_t size, const std::optional<int64_t>& start,
                const std::optional<int64_t>& end, int64_t step) {
    check(step > 0, ErrorKind::Value, "slice step must be positive, got ", step,
          "; reverse with flip() instead");
    auto clamp_bound = [&](int64_t bound) {
        if (bound < 0) bound = bound < -size ? 0 : bound + size;
        return std::min(bound, size);
    };
    int64_t from = clamp_bound(start.value_or(0));
    int64_t to = std::max(clamp_bound(end.value_or(size)), from);
    // (to - from - 1) / step + 1 cannot overflow for huge steps.
    return {from, to == from ? 0 : (to - from - 1) / step + 1};
}

int64_t select_index(const TensorImpl& self, int64_t dim, int64_t index) {
    int64_t size = self.sizes()[dim];
    check(index >= -size && index < size, ErrorKind::Index, "select(): index ", index,
          " out of range for tensor of size ", to_string(Dims(self.sizes(), self.ndim)),
          " at dimension ", dim);
    return index < 0 ? index + size : index;
}

// Zeros with `part` written where `view_of_it` looks.
template <class View>
Tensor zeros_with(const Tensor& part, const Dims& shape, View&& view_of_it) {
    Tensor out = Tensor::zeros(shape, part.dtype());
    Tensor place = view_of_it(out);
    copy_elements(*place, *part);
    return out;
}

}  // namespace

Tensor select(const Tensor& self, int64_t dim, int64_t index) {
    check(self->ndim > 0, ErrorKind::Index, "select() cannot be applied to a 0-dim tensor.");
    auto d = static_cast<size_t>(wrap_dim(dim, self.dim()));
    index = select_index(*self, static_cast<int64_t>(d), index);
    Dims shape = self.shape(), strides = self.strides();
    int64_t shift = index * strides[d];
    shape.erase(d);
    strides.erase(d);
    return shifted_view(*self, shape, strides, shift);
}

Tensor select_adjoint(const Tensor& self, const Dims& shape, int64_t dim, int64_t index) {
    return zeros_with(self, shape, [&](const Tensor& out) { return select(out, dim, index); });
}

Tensor slice(const Tensor& self, int64_t dim, const std::optional<int64_t>& start,
             const std::optional<int64_t>& end, int64_t step) {
    check(self->ndim > 0, ErrorKind::Index, "slice() cannot be applied to a 0-dim tensor.");
    auto d = static_cast<size_t>(wrap_dim(dim, self.dim()));
    Dims shape = self.shape(), strides = self.strides();
    Span span = slice_span(shape[d], start, end, step);
    int64_t shift = span.count ? span.start * strides[d] : 0;
    shape[d] = span.count;
    // With one entry or none the stride is of no consequence, and must not overflow.
    if (__builtin_mul_overflow(strides[d], step, &strides[d])) strides[d] = 1;
    return shifted_view(*self, shape, strides, shift);
}

Tensor slice_adjoint(const Tensor& self, const Dims& shape, int64_t dim,
                     const std::optional<int64_t>& start, const std::optional<int64_t>& end,
                     int64_t step) {
    return zeros_with(self, shape,
                      [&](const Tensor& out) { return slice(out, dim, start, end, step); });
}

Tensor diagonal(const Tensor& self, int64_t offset, int64_t dim1, int64_t dim2) {
    auto a = static_cast<size_t>(wrap_dim(dim1, self.dim()));
    auto b = static_cast<size_t>(wrap_dim(dim2, self.dim()));
    check(a != b, ErrorKind::Runtime, "diagonal dimensions cannot be identical ", dim1, ", ", dim2);
    Dims shape = self.shape(), strides = self.strides();
    int64_t rows = shape[a], columns = shape[b];
    int64_t stride = strides[a] + strides[b];
    int64_t count, shift;
    if (offset >= 0) {
        count = offset >= columns ? 0 : std::min(rows, columns - offset);
        shift = count ? offset * strides[b] : 0;
    } else {
        count = -offset >= rows ? 0 : std::min(rows + offset, columns);
        shift = count ? -offset * strides[a] : 0;
    }
    for (size_t d : {std::max(a, b), std::min(a, b)}) {
        shape.erase(d);
        strides.erase(d);
    }
    shape.push_back(count);
    strides.push_back(stride);
    return shifted_view(*self, shape, strides, shift);
}

Tensor diagonal_adjoint(const Tensor& self, const Dims& shape, int64_t offset, int64_t dim1,
                        int64_t dim2) {
    return zeros_with(self, shape,
                      [&](const Tensor& out) { return diagonal(out, offset, dim1, dim2); });
}

Tensor diag_embed(const Tensor& self, int64_t offset, int64_t dim1, int64_t dim2) {
    check(self.dim() > 0, ErrorKind::Index,
          "diag_embed() expects a tensor with one dimension or more, but self has none");
    auto a = static_cast<size_t>(wrap_dim(dim1, self.dim() + 1));
    auto b = static_cast<size_t>(wrap_dim(dim2, self.dim() + 1));
    check(a != b, ErrorKind::Runtime, "diagonal dimensions cannot be identical ", dim1, ", ", dim2);
    Dims shape = self.shape();
    int64_t size = shape.back() + std::abs(offset);
    shape.resize(shape.size() - 1);
    shape.insert(std::min(a, b), size);
    shape.insert(std::max(a, b), size);
    return diagonal_adjoint(self, shape, offset, static_cast<int64_t>(a), static_cast<int64_t>(b));
}

Tensor unfold(const Tensor& self, int64_t dimension, int64_t size, int64_t step) {
    Dims shape = self.shape(), strides = self.strides();
    int64_t d = wrap_dim(dimension, self.dim());
    int64_t have = shape.empty() ? 1 : shape[static_cast<size_t>(d)];
    check(size >= 0, ErrorKind::Runtime, "size is ", size, " but must be >= 0");
    check(size <= have, ErrorKind::Runtime, "maximum size for tensor at dimension ", d, " is ",
          have, " but size is ", size);
    check(step > 0, ErrorKind::Runtime, "step is ", step, " but must be > 0");
    if (shape.empty()) return shifted_view(*self, Dims{size}, Dims{1}, 0);
    auto at = static_cast<size_t>(d);
    shape[at] = (have - size) / step + 1;
    shape.push_back(size);
    strides.push_back(strides[at]);
    if (__builtin_mul_overflow(strides[at], step, &strides[at])) strides[at] = 1;
    return shifted_view(*self, shape, strides, 0);
}

Tensor unfold_adjoint(const Tensor& self, const Dims& shape, int64_t dimension, int64_t size,
                      int64_t step) {
    Tensor out = Tensor::zeros(shape, self.dtype());
    if (self.numel() == 0) return out;
    Tensor windows = unfold(out, dimension, size, step);
    // Windows overlap, but those of one place in the window do not: add place by place.
    for (int64_t i = 0; i < size; ++i) {
        Tensor to = select(windows, -1, i), from = select(self, -1, i);
        Tensor sum = Tensor::empty(to.shape(), self.dtype());
        copy_elements(*sum, *to);
        Tensor dense = make_contiguous(from);
        dispatch(self.dtype(), [&](auto zero) {
            using T = decltype(zero);
            T* s = sum.data<T>();
            const T* g = dense.data<T>();
            for (int64_t k = 0; k < sum.numel(); ++k) s[k] = static_cast<T>(s[k] + g[k]);
        });
        copy_elements(*to, *sum);
    }
    return out;
}

std::vector<Tensor> unbind(const Tensor& self, int64_t dim) {
    check(self.dim() > 0, ErrorKind::Index, "Dimension specified as ", dim,
          " but tensor has no dimensions");
    int64_t d = wrap_dim(dim, self.dim());
    int64_t count = self->sizes()[d];
    Dims shape = self.shape(), strides = self.strides();
    int64_t stride = strides[static_cast<size_t>(d)];
    shape.erase(static_cast<size_t>(d));
    strides.erase(static_cast<size_t>(d));
    std::vector<Tensor> out;
    out.reserve(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) {
        out.push_back(shifted_view(*self, shape, strides, i * stride));
    }
    return out;
}

std::vector<Tensor> split_sizes(const Tensor& self, const Dims& sizes, int64_t dim) {
    check(self.dim() > 0, ErrorKind::Runtime, "split expects at least a 1-dimensional tensor");
    auto d = static_cast<size_t>(wrap_dim(dim, self.dim()));
    int64_t total = 0;
    for (int64_t s : sizes) {
        check(s >= 0, ErrorKind::Runtime,
              "split_with_sizes expects split_sizes have only non-negative entries, but got "
              "split_sizes=",
              to_string(sizes));
        check(!__builtin_add_overflow(total, s, &total), ErrorKind::Runtime,
              "split_with_sizes: the sum of split_sizes overflows 64 bits");
    }
    Dims shape = self.shape(), strides = self.strides();
    check(total == shape[d], ErrorKind::Runtime,
          "split_with_sizes expects split_sizes to sum exactly to ", shape[d],
          " (input tensor's size at dimension ", d, "), but got split_sizes=", to_string(sizes));
    std::vector<Tensor> out;
    out.reserve(sizes.size());
    int64_t start = 0;
    for (int64_t s : sizes) {
        shape[d] = s;
        out.push_back(shifted_view(*self, shape, strides, s ? start * strides[d] : 0));
        start += s;
    }
    return out;
}

std::vector<Tensor> split(const Tensor& self, int64_t split_size, int64_t dim) {
    check(self.dim() > 0, ErrorKind::Runtime, "split expects at least a 1-dimensional tensor");
    check(split_size >= 0, ErrorKind::Runtime,
          "split expects split_size be non-negative, but got split_size=", split_size);
    int64_t size = self->sizes()[wrap_dim(dim, self.dim())];
    check(split_size > 0 || size == 0, ErrorKind::Runtime,
          "split_size can only be 0 if dimension size is 0, but got dimension size of ", size);
    Dims sizes;
    if (size == 0) sizes.push_back(0);
    for (int64_t rest = size; rest > 0; rest -= split_size) {
        sizes.push_back(std::min(rest, split_size));
    }
    return split_sizes(self, sizes, dim);
}

}  // namespace chainrule::forward
