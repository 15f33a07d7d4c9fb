#pragma once

#include <vector>

#include "autograd/node.h"
#include "bind/python.h"

namespace chainrule::bind {

// For the cycle collector: the Python callables that hooks of a tensor (and of its grad_fn, when
// nobody else has it) refer to.
int visit_hooks(TensorImpl& impl, visitproc visit, void* arg);
void clear_hooks(TensorImpl& impl);

// Slots of the tensor type that other files of bind/ fill.
void add_number_slots(std::vector<PyType_Slot>& slots);
void add_protocol_slots(std::vector<PyType_Slot>& slots);

}  // namespace chainrule::bind
