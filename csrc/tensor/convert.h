#pragma once

#include "tensor/tensor.h"

namespace chainrule {

// Writes `from` into `to` (equal or broadcastable shapes), converting the dtype. Not recorded.
void copy_elements(TensorImpl& to, const TensorImpl& from);
Tensor convert(const TensorImpl& t, DType dtype);  // a row-major copy
// A copy with t's strides when t is dense, else row-major. Not recorded.
Tensor clone_dense(const TensorImpl& t);
Tensor make_contiguous(const Tensor& t);                        // t itself when it is; not recorded
bool partly_overlap(const TensorImpl& a, const TensorImpl& b);  // share memory, but not exactly
bool can_cast(DType from, DType to);                            // torch.can_cast
const char* dtype_title(DType dtype);                           // "Float", as messages say it

}  // namespace chainrule
