#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <exception>
#include <new>
#include <utility>

#include "base/error.h"

namespace chainrule::bind {

// An owned reference to a Python object.
class PyRef {
public:
    PyRef() = default;
    explicit PyRef(PyObject* owned) : object_(owned) {}
    static PyRef share(PyObject* borrowed) {
        Py_XINCREF(borrowed);
        return PyRef(borrowed);
    }
    PyRef(const PyRef& other) : object_(other.object_) { Py_XINCREF(object_); }
    PyRef(PyRef&& other) noexcept : object_(other.object_) { other.object_ = nullptr; }
    PyRef& operator=(PyRef other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }
    ~PyRef() { Py_XDECREF(object_); }
    PyObject* get() const { return object_; }
    PyObject* leak() { return std::exchange(object_, nullptr); }
    explicit operator bool() const { return object_ != nullptr; }

private:
    PyObject* object_ = nullptr;
};

// Throws if a Python call failed, else passes its (owned) result on.
inline PyRef checked(PyObject* owned) {
    if (!owned) throw PythonErrorSet();
    return PyRef(owned);
}
inline void checked(int status) {
    if (status < 0) throw PythonErrorSet();
}

// Turns the exception in flight into a Python exception.
void set_python_error() noexcept;

// Runs f; any C++ exception becomes a Python one and the result the error value.
template <class F>
inline PyObject* guarded(F&& f) noexcept {
    try {
        return f();
    } catch (...) {
        set_python_error();
        return nullptr;
    }
}
template <class F>
inline int guarded_int(F&& f) noexcept {
    try {
        return f();
    } catch (...) {
        set_python_error();
        return -1;
    }
}

template <class F>
PyCFunction method(F* function) {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}
inline constexpr int kFlags = METH_FASTCALL | METH_KEYWORDS;

// Adds functions to the module, methods to the tensor type; each file of bind/ offers its own.
void add_functions(PyObject* module, PyMethodDef* functions);

}  // namespace chainrule::bind
