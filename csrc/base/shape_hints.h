#pragma once

#include <string>

#include "base/dims.h"

// What may have been meant where shapes do not fit: the last line of such errors.
namespace chainrule {

// For a and b that do not broadcast, called so in the message; "" when no simple change helps.
std::string hint_broadcast(const Dims& a, const Dims& b);
// For a product whose inner sizes differ; `a` and `b` are what the user calls the operands.
std::string hint_product(const Dims& a, const Dims& b, const char* name_a, const char* name_b);
// For an input whose last dimension is not the number of features of a linear layer.
std::string hint_features(const Dims& input, int64_t features);

// For two tensors that must be of one shape.
std::string hint_same_shape(const Dims& a, const Dims& b, const char* name_a, const char* name_b);

// The error of broadcasting, in torch's words. `operands`: further lines that show both.
[[noreturn]] void fail_broadcast(const Dims& a, const Dims& b, const std::string& operands);

}  // namespace chainrule
