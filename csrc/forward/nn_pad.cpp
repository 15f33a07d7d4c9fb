#include <algorithm>

#include "forward.h"
#include "forward/view.h"
#include "tensor/convert.h"

namespace chainrule::forward {

Tensor constant_pad_nd(const Tensor& self, const Dims& pad, const Scalar& value) {
    check(pad.size() % 2 == 0, ErrorKind::Runtime,
          "Length of pad must be even but instead it equals ", pad.size());
    const size_t n = static_cast<size_t>(self.dim()), padded = pad.size() / 2;
    check(padded <= n, ErrorKind::Runtime,
          "Length of pad should be no more than twice the number "
          "of dimensions of the input. Pad length is ",
          pad.size(), " while the input has ", n, " dimensions.");
    Dims shape = self.shape(), from = self.shape();
    int64_t shift_in = 0;
    Dims starts = Dims::filled(n, 0);
    bool empty = false;
    for (size_t i = 0; i < padded; ++i) {
        const size_t d = n - 1 - i;
        const int64_t before = pad[2 * i], after = pad[2 * i + 1];
        const int64_t crop_before = std::max<int64_t>(0, -before);
        const int64_t crop_after = std::max<int64_t>(0, -after);
        shape[d] += before + after;
        check(shape[d] >= 0, ErrorKind::Runtime, "The input size ", from[d],
              ", plus negative padding ", before, " and ", after,
              " resulted in a negative output size, which is invalid. "
              "Check dimension ",
              d, " of your input.");
        from[d] -= crop_before + crop_after;
        empty |= from[d] <= 0;
        shift_in += crop_before * self->strides()[d];
        starts[d] = std::max<int64_t>(0, before);
    }
    Tensor out = Tensor::full(shape, self.dtype(), value);
    if (empty || self.numel() == 0) return out;
    int64_t shift_out = 0;
    for (size_t d = 0; d < n; ++d) shift_out += starts[d] * out->strides()[d];
    Tensor inside = shifted_view(*out, from, out.strides(), shift_out);
    copy_elements(*inside, *shifted_view(*self, from, self.strides(), shift_in));
    return out;
}

}  // namespace chainrule::forward
