#pragma once

#include <optional>

#include "base/dims.h"
#include "bind/python.h"
#include "tensor/tensor.h"

// New tensors: from data, of a size, like another tensor.
namespace chainrule::bind {

// torch.tensor(data): always a copy. Data are numbers, 0-d tensors, NumPy scalars and arrays, and
// nested sequences of them. Without `dtype` it is inferred as torch infers it.
Tensor tensor_from_data(PyObject* data, std::optional<DType> dtype);

// What `Tensor(...)` and `FloatTensor(...)` do: sizes, a sequence of values, a tensor, a number.
// The result is of the Python class `type`.
PyObject* legacy_tensor_new(PyTypeObject* type, PyObject* args, PyObject* kwargs, DType dtype);

// Fresh memory; refuses negative sizes, overflow, and dtypes without kernels, in torch's words.
Tensor new_empty(const Dims& shape, DType dtype);
// The same shape; dense strides in the order of `like`'s, as torch preserves formats.
Tensor new_empty_like(const TensorImpl& like, DType dtype);
// Marks what was just made: requires_grad, and inference mode.
Tensor finish_new(Tensor t, bool requires_grad);
void check_has_kernels(DType dtype);

void init_parameter_type(PyObject* module);

}  // namespace chainrule::bind
