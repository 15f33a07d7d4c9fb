#pragma once

#include "bind/python.h"
#include "tensor/tensor.h"

// Tensors as other objects see them.
namespace chainrule::bind {

// A tensor over the memory of an object with __dlpack__, or of a DLPack capsule.
Tensor tensor_from_dlpack(PyObject* object);

// The parts of init_interchange that stand in files of their own.
extern PyMethodDef dlpack_methods[];
void init_storage(PyObject* module);
void init_pickling(PyObject* module);

// Fills a buffer over `bytes` of a storage, which the buffer keeps alive. `format`, `shape` and
// `strides` (in bytes) describe the elements.
struct BufferShape {
    const char* format;
    int64_t item;
    Dims shape;
    Dims strides;
};
int export_buffer(PyObject* owner, Py_buffer* view, int flags, Storage* storage, char* data,
                  BufferShape shape, bool contiguous);
void release_buffer(PyObject* owner, Py_buffer* view);

}  // namespace chainrule::bind
