#include "ops.h"
#include "rules/rules.h"

namespace chainrule::rules {

Tensor unsqueeze_back(const Tensor& t, int64_t ndim, const std::optional<Dims>& dim,
                      bool keepdim) {
    if (keepdim || ndim == 0) return t;
    Dims shape = t.shape(), strides = t.strides();
    std::vector<bool> reduced(static_cast<size_t>(ndim), !dim || dim->empty());
    if (dim) {
        for (int64_t d : *dim) reduced[static_cast<size_t>(wrap_dim(d, ndim))] = true;
    }
    for (size_t d = 0; d < reduced.size(); ++d) {
        if (!reduced[d]) continue;
        shape.insert(d, 1);
        strides.insert(d, 0);
    }
    return ops::as_strided(t, shape, strides, std::nullopt);
}

Tensor expand_back(const Tensor& grad, const Dims& shape, const std::optional<Dims>& dim,
                   bool keepdim) {
    Tensor full = unsqueeze_back(grad, static_cast<int64_t>(shape.size()), dim, keepdim);
    return ops::expand(full, shape);
}

Tensor sum_to_shape(const Tensor& t, const Dims& shape) {
    Dims from = t.shape(), dims;
    size_t lead = from.size() - shape.size();
    for (size_t i = 0; i < from.size(); ++i) {
        if (i < lead || (shape[i - lead] == 1 && from[i] != 1)) {
            dims.push_back(static_cast<int64_t>(i));
        }
    }
    if (dims.empty()) return t;
    Tensor out = ops::sum(t, dims, true);
    if (!lead) return out;
    Dims leading;
    for (size_t i = 0; i < lead; ++i) leading.push_back(static_cast<int64_t>(i));
    // The leading dimensions have size 1 now.
    return ops::as_strided(out, shape, contiguous_strides(shape), std::nullopt);
}

}  // namespace chainrule::rules
