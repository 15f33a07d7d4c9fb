#pragma once

#include "tensor/tensor.h"

// Values of new tensors. `out` is fresh and dense, of a dtype with kernels; all but fill_value want
// it row-major.
namespace chainrule::forward {

void fill_value(const Tensor& out, const Scalar& value);
// start + i * step
void fill_arange(const Tensor& out, const Scalar& start, const Scalar& step);
// From start to end, both included; counted from both ends, so that it is symmetric.
void fill_linspace(const Tensor& out, const Scalar& start, const Scalar& end);
void fill_logspace(const Tensor& out, const Scalar& start, const Scalar& end, double base);
void fill_eye(const Tensor& out);

// The dimensions in the order of their strides, the smallest first; a stride of 0 says nothing.
Dims dimensions_by_stride(const TensorImpl& t);

}  // namespace chainrule::forward
