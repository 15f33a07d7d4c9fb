#pragma once

#include "tensor/tensor.h"

// Fused gradients of normalisations, for when no derivative of them is wanted.
namespace chainrule::forward {

// Statistics of layer_norm have the input's shape with size 1 in the last `dims` dimensions.
Tensor layer_norm_grad_input(const Tensor& g, const Tensor& input, const Tensor& weight,
                             const Tensor& center, const Tensor& rstd);
Tensor layer_norm_grad_weight(const Tensor& g, const Tensor& input, const Tensor& center,
                              const Tensor& rstd, int64_t dims);
// Statistics of batch_norm have one element per channel (dimension 1).
Tensor batch_norm_grad_input(const Tensor& g, const Tensor& input, const Tensor& weight,
                             const Tensor& center, const Tensor& rstd);
Tensor batch_norm_grad_weight(const Tensor& g, const Tensor& input, const Tensor& center,
                              const Tensor& rstd);
// running = (1 - momentum) * running + momentum * batch statistic, in place; null ones are skipped.
void update_running(TensorImpl* mean, TensorImpl* variance, const Tensor& center,
                    const Tensor& rstd, double momentum, double eps, int64_t count);

}  // namespace chainrule::forward
