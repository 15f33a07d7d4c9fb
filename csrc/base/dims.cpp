#include "base/dims.h"

#include <algorithm>

#include "base/message.h"
#include "base/shape_hints.h"

namespace chainrule {

std::string to_string(const Dims& dims) {
    std::ostringstream s;
    s << '[';
    for (size_t i = 0; i < dims.size(); ++i) s << (i ? ", " : "") << dims[i];
    s << ']';
    return s.str();
}

int64_t wrap_dim(int64_t dim, int64_t ndim) {
    int64_t n = std::max<int64_t>(ndim, 1);  // a 0-d tensor accepts 0 and -1
    if (dim < -n || dim >= n) {
        fail(ErrorKind::Index, "Dimension out of range (expected to be in range of [", -n, ", ",
             n - 1, "], but got ", dim, ")",
             ndim ? note("The tensor has ", ndim, ndim == 1 ? " dimension" : " dimensions",
                         ", counted from 0; -1 is the last.")
                  : note("The tensor has no dimensions: it is a single number."));
    }
    return dim < 0 ? dim + n : dim;
}

Dims broadcast_shapes(const Dims& a, const Dims& b) {
    size_t n = std::max(a.size(), b.size());
    Dims out = Dims::filled(n, 1);
    for (size_t i = 0; i < n; ++i) {
        int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
        int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
        if (x != y && x != 1 && y != 1) {
            fail_broadcast(
                a, b, concat(note("a: shape ", to_string(a)), note("b: shape ", to_string(b))));
        }
        out[n - 1 - i] = x == 1 ? y : x;
    }
    return out;
}

Dims contiguous_strides(const Dims& shape) {
    Dims strides = Dims::filled(shape.size(), 1);
    int64_t step = 1;
    for (size_t i = shape.size(); i-- > 0;) {
        strides[i] = step;
        step *= std::max<int64_t>(shape[i], 1);
    }
    return strides;
}

int64_t checked_numel(const Dims& shape) {
    check(shape.size() <= kMaxDims, ErrorKind::Runtime, "a tensor has at most ", kMaxDims,
          " dimensions, but ", shape.size(), " were asked for");
    int64_t numel = 1;
    bool zero = false;
    for (int64_t size : shape) {
        check(size >= 0, ErrorKind::Runtime, "Trying to create tensor with negative dimension ",
              size, ": ", to_string(shape));
        if (size == 0) zero = true;
        else if (__builtin_mul_overflow(numel, size, &numel)) {
            fail(ErrorKind::Runtime, "the number of elements of shape ", to_string(shape),
                 " overflows 64 bits");
        }
    }
    // Strides are computed for empty tensors too, so the overflow check above is not skipped.
    return zero ? 0 : numel;
}

}  // namespace chainrule
