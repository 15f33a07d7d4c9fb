#pragma once

#include "tensor/tensor.h"

namespace chainrule::rules {

// To be called when an in-place operation gave t values that depend on nothing (after
// check_inplace): bumps the version; where t was part of a graph it becomes the result of a node
// with this name, whose gradient is zero. `node_name` must outlive the graph.
void record_overwrite(const Tensor& t, const char* node_name);

}  // namespace chainrule::rules
