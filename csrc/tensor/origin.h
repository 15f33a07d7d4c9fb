#pragma once

#include <string>

#include "tensor/tensor.h"

namespace chainrule {

// Where a tensor comes from, for messages: "result of MulBackward0 recorded at train.py:2:  h = x *
// 2", or "" when nothing is known. Lent by autograd, which knows the graph.
extern std::string (*g_describe_origin)(const TensorImpl& t);

// A further line of a message about an operand: its shape, and where it comes from.
std::string note_shape(const char* name, const TensorImpl& t);
std::string note_dtype(const char* name, const TensorImpl& t);

// A further line that names the nn.Module whose call is running, if there is one.
extern std::string (*g_describe_running_module)();
std::string note_running_module();

}  // namespace chainrule
