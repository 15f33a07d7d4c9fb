#pragma once

#include "autograd/node.h"

namespace chainrule::rules {

// The node of an in-place change of part of a tensor: the gradient of the part goes through `fn`,
// the gradient of the rest passes by.
Ref<Node> make_copy_slices(const Tensor& base, const TensorImpl& view, Ref<Node> fn);

}  // namespace chainrule::rules
