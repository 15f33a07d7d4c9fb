#pragma once

#include <string>

#include "autograd/node.h"
#include "tensor/tensor.h"

namespace chainrule {

// The module call in which an operation ran, for messages: 'module "layers.1" (ReLU)'. Lent by the
// front end, which knows modules.
extern std::string (*g_describe_module)(const ModuleScope& scope);
// What the outermost of the running modules calls a leaf: 'parameter "layers.1.weight"', or "".
extern std::string (*g_describe_parameter)(const ModuleScope& scope, const TensorImpl& leaf);

// For messages: "result of MulBackward0 recorded at train.py:2:  h = x * 2"; of large or changed
// memory the line that made or changed it; "" when nothing is known.
std::string describe_origin(const TensorImpl& t);

// "Exp" for a node named ExpBackward0, as torch's messages have it.
std::string operation_of(const Node& node);

}  // namespace chainrule
