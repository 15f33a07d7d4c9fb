#pragma once

#include <optional>
#include <string>

#include "bind/python.h"
#include "tensor/tensor.h"

// Memory of other Python objects, through the buffer protocol. NumPy is never imported for it.
namespace chainrule::bind {

bool is_numpy_array(PyObject* object);
bool is_numpy_scalar(PyObject* object);

// What one element of a buffer is: kind 'b'ool, 'i'nteger, 'u'nsigned, 'f'loat, 'c'omplex, 0 for
// anything else.
struct ElementFormat {
    char kind = 0;
    int64_t size = 0;
    bool swapped = false;                // bytes in the other order
    std::optional<DType> dtype() const;  // the dtype that has kernels, if any
};
ElementFormat element_format(const Py_buffer& view);

// A held buffer of an object.
class BufferView {
public:
    // Throws TypeError or ValueError, in torch's words, when `object` shows no usable numbers.
    explicit BufferView(PyObject* object);
    ~BufferView() {
        if (view_) release(view_);
    }
    BufferView(const BufferView&) = delete;
    BufferView& operator=(const BufferView&) = delete;

    const Py_buffer& get() const { return *view_; }
    const ElementFormat& format() const { return format_; }
    Dims shape() const;
    int64_t numel() const;
    // Writes the elements row by row to `out`, an array of `dtype`.
    void read(DType dtype, void* out) const;
    // A tensor over the same memory, which it keeps alive.
    Tensor share();

private:
    static void release(Py_buffer* view) {
        PyBuffer_Release(view);
        delete view;
    }
    PyRef object_;
    Py_buffer* view_ = nullptr;
    ElementFormat format_;
};

// The TypeError for elements that have no kernels here.
[[noreturn]] void refuse_elements(PyObject* array);

Tensor share_numpy(PyObject* array);  // from_numpy; warns when the array is read-only

}  // namespace chainrule::bind
