#pragma once

#include "kernels/cpu/optim.h"
#include "tensor/tensor.h"

// Steps of optimizers on plain memory: not recorded, versions are bumped.
namespace chainrule::forward {

// `buffer` is null without momentum.
void sgd_step(TensorImpl& param, const TensorImpl& grad, TensorImpl* buffer,
              const cpu::SgdNumbers& numbers);
// `largest` is null without amsgrad.
void adam_step(TensorImpl& param, const TensorImpl& grad, TensorImpl& average, TensorImpl& square,
               TensorImpl* largest, const cpu::AdamNumbers& numbers);

}  // namespace chainrule::forward
