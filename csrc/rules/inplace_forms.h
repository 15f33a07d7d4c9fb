#pragma once

#include "tensor/tensor.h"

namespace chainrule {

// The in-place forms of operators that have no loop of their own for it: the out-of-place form runs
// on `value_before(self)`, then self receives the result with `assign_inplace`.

// What stands in self now, with its history: what a node saves of it outlives the change.
// `operation` names the change in the errors of tensors that must not change.
Tensor value_before(const Tensor& self, const char* operation);

// unsqueeze_, t_ and their like: self keeps its memory and gets the geometry and the history of
// `view`, a view of self.
void take_geometry(const Tensor& self, const Tensor& view);

}  // namespace chainrule
