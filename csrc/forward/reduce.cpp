#include "forward.h"
#include "tensor/convert.h"

namespace chainrule::forward {

Tensor sum(const Tensor& self, const std::optional<Dims>& dim, bool keepdim,
           const std::optional<DType>& dtype) {
    DType type = dtype.value_or(is_integral(self.dtype()) ? DType::Int64 : self.dtype());
    Tensor x = self.dtype() == type ? self : convert(*self, type);
    Dims keep = x.shape();
    std::vector<bool> reduced(keep.size(), !dim || dim->empty());
    if (dim) {
        for (int64_t d : *dim) reduced[static_cast<size_t>(wrap_dim(d, x.dim()))] = true;
    }
    Dims shape, strides;
    Dims base = contiguous_strides([&] {
        Dims k = keep;
        for (size_t i = 0; i < k.size(); ++i) if (reduced[i]) k[i] = 1;
        return k;
    }());
    for (size_t i = 0; i < keep.size(); ++i) {
        if (!reduced[i]) shape.push_back(keep[i]);
        else if (keepdim) shape.push_back(1);
        if (reduced[i]) base[i] = 0;
    }
    Tensor out = Tensor::zeros(shape, type);
    Tensor c = make_contiguous(x);
    dispatch(type, [&](auto zero) {
        using T = decltype(zero);
        const T* from = c.data<T>();
        T* to = out.data<T>();
        Dims index = Dims::filled(keep.size(), 0);
        int64_t at = 0;
        for (int64_t i = 0; i < c.numel(); ++i) {
            to[at] = static_cast<T>(to[at] + from[i]);
            for (size_t d = keep.size(); d-- > 0;) {
                at += base[d];
                if (++index[d] < keep[d]) break;
                at -= base[d] * keep[d];
                index[d] = 0;
            }
        }
    });
    return out;
}

}  // namespace chainrule::forward
