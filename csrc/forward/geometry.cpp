#include "forward.h"
#include "tensor/convert.h"

// Views and the reading of memory through a geometry.
namespace chainrule::forward {

Tensor expand(const Tensor& self, const Dims& size, bool) {
    Dims from = self.shape(), strides = self.strides();
    check(size.size() >= from.size(), ErrorKind::Runtime, "expand(", legacy_type_name(self.dtype()),
          "{", to_string(from), "}, size=", to_string(size), "): the number of sizes provided (",
          size.size(), ") must be greater or equal to the number of dimensions in the tensor (",
          from.size(), ")");
    size_t lead = size.size() - from.size();
    Dims shape = size, out_strides = Dims::filled(size.size(), 0);
    for (size_t i = 0; i < size.size(); ++i) {
        if (i < lead) {
            check(size[i] >= 0, ErrorKind::Runtime, "The expanded size of the tensor (", size[i],
                  ") isn't allowed in a leading, non-existing dimension ", i);
            continue;
        }
        int64_t own = from[i - lead];
        if (size[i] == -1) shape[i] = own;
        if (own == shape[i]) {
            out_strides[i] = strides[i - lead];
        } else {
            check(own == 1, ErrorKind::Runtime, "The expanded size of the tensor (", size[i],
                  ") must match the existing size (", own, ") at non-singleton dimension ", i,
                  ".  Target sizes: ", to_string(size), ".  Tensor sizes: ", to_string(from));
            check(size[i] >= 0, ErrorKind::Runtime, "expand: negative size ", size[i]);
        }
    }
    checked_numel(shape);
    return Tensor::view_of(*self, shape, out_strides, self.offset());
}

namespace {
bool extent_overflows(const Dims& size, const Dims& stride, int64_t offset) {
    int64_t last = offset, span;
    for (size_t i = 0; i < size.size() && i < stride.size(); ++i) {
        if (size[i] <= 1) continue;
        if (__builtin_mul_overflow(size[i] - 1, stride[i], &span) ||
            __builtin_add_overflow(last, span, &last) || last > INT64_MAX / 16) {
            return true;
        }
    }
    return false;
}
}  // namespace

Tensor as_strided(const Tensor& self, const Dims& size, const Dims& stride,
                  const std::optional<int64_t>& storage_offset) {
    int64_t offset = storage_offset.value_or(self.offset());
    check(offset >= 0, ErrorKind::Runtime, "Tensor: invalid storage offset ", offset);
    check(!extent_overflows(size, stride, offset), ErrorKind::Runtime,
          "Storage size calculation overflowed with sizes=", to_string(size),
          " and strides=", to_string(stride));
    check_in_storage(size, stride, offset, *self->storage, self.dtype());
    return Tensor::view_of(*self, size, stride, offset);
}

namespace {
int64_t extent(const Dims& size, const Dims& stride, int64_t offset) {
    int64_t last = offset;
    for (size_t i = 0; i < size.size(); ++i) {
        if (size[i] == 0) return 0;
        last += (size[i] - 1) * stride[i];
    }
    return last + 1;
}

// Calls f(position in row-major order, position in memory).
template <class F>
void walk(const Dims& size, const Dims& stride, int64_t offset, F&& f) {
    int64_t total = 1;
    for (int64_t s : size) total *= s;
    Dims index = Dims::filled(size.size(), 0);
    int64_t at = offset;
    for (int64_t i = 0; i < total; ++i) {
        f(i, at);
        for (size_t d = size.size(); d-- > 0;) {
            at += stride[d];
            if (++index[d] < size[d]) break;
            at -= stride[d] * size[d];
            index[d] = 0;
        }
    }
}
}  // namespace

Tensor restride(const Tensor& self, const Dims& size, const Dims& stride, int64_t offset,
                const Dims& out_size, const Dims& out_stride, int64_t out_offset) {
    int64_t low = std::min(offset, out_offset);
    int64_t length = std::max(extent(size, stride, offset - low),
                              extent(out_size, out_stride, out_offset - low));
    Tensor buffer = Tensor::zeros({length}, self.dtype());
    Tensor source = make_contiguous(self);
    Tensor out = Tensor::empty(out_size, self.dtype());
    dispatch(self.dtype(), [&](auto zero) {
        using T = decltype(zero);
        T* memory = buffer.data<T>();
        const T* from = source.data<T>();
        walk(size, stride, offset - low,
             [&](int64_t i, int64_t at) { memory[at] = static_cast<T>(memory[at] + from[i]); });
        T* to = out.data<T>();
        walk(out_size, out_stride, out_offset - low,
             [&](int64_t i, int64_t at) { to[i] = memory[at]; });
    });
    return out;
}

}  // namespace chainrule::forward
