#pragma once

#include "tensor/tensor.h"

namespace chainrule {

// In-place writes that are recorded. All refuse what torch refuses, bump the version and carry
// tangents along.

// self.copy_(src): src is broadcast and converted.
void copy_inplace(const Tensor& self, const Tensor& src);
// self.fill_(value)
void fill_inplace(const Tensor& self, const Scalar& value);
void fill_inplace(const Tensor& self, const Tensor& value);  // 0-d; it gets a gradient

// The in-place form of any operator whose first input is self, from its recorded result:
// self receives the elements and the history of `result`. `operation` names it in errors.
void assign_inplace(const Tensor& self, const Tensor& result, const char* operation);

// Writes a number into memory. Not recorded, no version.
void fill_memory(TensorImpl& to, const Scalar& value);

// True if an in-place change of self by these inputs needs neither history nor tangents, so that
// it may simply write into self's memory.
bool plain_inplace(std::initializer_list<const TensorImpl*> inputs);

}  // namespace chainrule
