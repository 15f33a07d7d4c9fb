#include "ops.h"
#include "rules/rules.h"

namespace chainrule::rules {

Tensor unsqueeze_back(const Tensor& t, int64_t ndim, const std::optional<Dims>& dim, bool keepdim) {
    if (keepdim || ndim == 0) return t;
    uint64_t folded = 0;
    if (dim) {
        for (int64_t d : *dim) folded |= uint64_t{1} << wrap_dim(d, ndim);
    }
    if (!folded) folded = ~uint64_t{0};
    Tensor out = t;
    for (int64_t d = 0; d < ndim; ++d) {
        if (folded >> d & 1) out = ops::unsqueeze(out, d);
    }
    return out;
}

Tensor expand_back(const Tensor& grad, const Dims& shape, const std::optional<Dims>& dim,
                   bool keepdim) {
    if (grad.dim() == 0) return ops::expand(grad, shape);
    return ops::expand(unsqueeze_back(grad, static_cast<int64_t>(shape.size()), dim, keepdim),
                       shape);
}

Tensor sum_to_shape(const Tensor& t, const Dims& shape) {
    const Dims from = t.shape();
    Dims dims, leading;
    const size_t lead = from.size() - shape.size();
    for (size_t i = 0; i < from.size(); ++i) {
        const int64_t d = static_cast<int64_t>(i);
        if (i < lead) leading.push_back(d);
        if (i < lead || (shape[i - lead] == 1 && from[i] != 1)) dims.push_back(d);
    }
    if (dims.empty()) return t;
    if (leading.size() == dims.size()) return ops::sum(t, dims);
    Tensor out = ops::sum(t, dims, true);
    return leading.empty() ? out : ops::squeeze_dims(out, leading);
}

}  // namespace chainrule::rules
