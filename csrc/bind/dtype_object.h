#pragma once

#include <optional>
#include <string>

#include "base/dtype.h"
#include "bind/python.h"

namespace chainrule::bind {

// torch.dtype, torch.device, torch.memory_format, torch.layout and torch.Size.
PyObject* dtype_object(DType dtype);                // new reference
std::optional<DType> dtype_from(PyObject* object);  // dtypes, and Python's float, int, bool
bool is_memory_format(PyObject* object);
std::string memory_format_name(PyObject* object);
// Accepts None, "cpu" and cpu devices; other devices raise an error that says what there is.
void check_device(PyObject* object);
PyObject* cpu_device();  // new reference
PyObject* strided_layout();
PyObject* size_object(const int64_t* sizes, size_t n);  // a torch.Size

void init_dtypes(PyObject* module);

}  // namespace chainrule::bind
