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

// Reductions ----------------------------------------------------------------------------------

// A reduction whose derivative is a weight per element: backward and forward mode.
Tensor weigh_back(const Tensor& grad, const Tensor& weights, const std::optional<Dims>& dim,
                  bool keepdim);
Tensor weighted_sum(const Tensor& t, const Tensor& weights, const std::optional<Dims>& dim,
                    bool keepdim);

// Number of elements that are folded into one.
int64_t folded_count(const Dims& shape, const std::optional<Dims>& dim);
std::optional<Dims> listed(const std::optional<int64_t>& dim);
int64_t size_along(const Dims& shape, int64_t dim);

// The weights: derivative of the reduction's result by each element.
Tensor prod_slope(const Tensor& self, const Tensor& out, const std::optional<int64_t>& dim,
                  bool keepdim);
// Elements equal to the result share 1 evenly.
Tensor tie_share(const Tensor& self, const Tensor& out, const std::optional<Dims>& dim,
                 bool keepdim);
Tensor variance_slope(const Tensor& self, const std::optional<Dims>& dim,
                      const std::optional<Scalar>& correction);
Tensor deviation_slope(const Tensor& self, const Tensor& out, const std::optional<Dims>& dim,
                       const std::optional<Scalar>& correction, bool keepdim);
// exp(self - logsumexp(self))
Tensor softmax_of(const Tensor& self, const Tensor& out, const std::optional<Dims>& dim,
                  bool keepdim);
Tensor norm_slope(const Tensor& self, const Tensor& out, const Scalar& ord,
                  const std::optional<Dims>& dim, bool keepdim);

// Results that are elements of the input: the gradient goes to their places.
Tensor place_along(const Tensor& grad, const Tensor& indices, const Dims& shape, int64_t dim,
                   bool keepdim);
Tensor pick_along(const Tensor& t, const Tensor& indices, int64_t dim, bool keepdim);

Tensor cumprod_backward(const Tensor& grad, const Tensor& self, const Tensor& out, int64_t dim);
Tensor cumprod_tangent(const Tensor& t, const Tensor& self, const Tensor& out, int64_t dim);
Tensor shift_back(const Tensor& grad, int64_t dim, int64_t by);

}  // namespace chainrule::rules
