#include "forward.h"
#include "tensor/convert.h"

namespace chainrule::forward {

Tensor clone(const Tensor& self, const std::optional<std::string>&) { return clone_dense(*self); }

Tensor to_dtype(const Tensor& self, const std::optional<DType>& dtype) {
    return convert(*self, dtype.value_or(self.dtype()));
}

}  // namespace chainrule::forward
