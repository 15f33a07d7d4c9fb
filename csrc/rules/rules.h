#pragma once

#include <optional>
#include <vector>

#include "rules/value.h"

// Derivative rules with control flow that rows of the table name. They are written over the
// recorded operators, so derivatives of any order follow.
namespace chainrule::rules {

// Gradient of a reduction: put the reduced dimensions back and repeat along them.
Tensor expand_back(const Tensor& grad, const Dims& shape, const std::optional<Dims>& dim,
                   bool keepdim);
// Puts reduced dimensions back as size 1.
Tensor unsqueeze_back(const Tensor& t, int64_t ndim, const std::optional<Dims>& dim, bool keepdim);
// Sums what broadcasting had repeated.
Tensor sum_to_shape(const Tensor& t, const Dims& shape);

inline int64_t storage_offset_or(const std::optional<int64_t>& offset, int64_t own) {
    return offset.value_or(own);
}

}  // namespace chainrule::rules
