#include <algorithm>

#include "forward.h"
#include "tensor/convert.h"

namespace chainrule::forward {

Tensor trace(const Tensor& self) {
    check(self.dim() == 2, ErrorKind::Runtime, "trace: expected a matrix, but got tensor with dim ",
          self.dim());
    check(is_enabled(self.dtype()), ErrorKind::NotImplemented, "trace: Chainrule has no kernels ",
          "for torch.", dtype_name(self.dtype()), " yet");
    const int64_t n = std::min(self->sizes()[0], self->sizes()[1]);
    const int64_t step = self->strides()[0] + self->strides()[1];
    const DType type = is_integral(self.dtype()) ? DType::Int64 : self.dtype();
    Tensor out = Tensor::empty({}, type);
    dispatch(self.dtype(), [&](auto zero) {
        using T = decltype(zero);
        using Sum = std::conditional_t<std::is_integral_v<T>, int64_t, double>;
        Sum sum = 0;
        for (int64_t i = 0; i < n; ++i) sum += static_cast<Sum>(self.data<T>()[i * step]);
        using Out = std::conditional_t<std::is_integral_v<T>, int64_t, T>;
        *out.data<Out>() = static_cast<Out>(sum);
    });
    return out;
}

Tensor trace_back(const Tensor& self, const Dims& size) {
    Tensor out = Tensor::zeros(size, self.dtype());
    const int64_t n = std::min(size[0], size[1]);
    dispatch(self.dtype(), [&](auto zero) {
        using T = decltype(zero);
        for (int64_t i = 0; i < n; ++i) out.data<T>()[i * (size[1] + 1)] = *self.data<T>();
    });
    return out;
}

}  // namespace chainrule::forward
