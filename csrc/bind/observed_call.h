#pragma once

#include <cstddef>

#include "autograd/thread_state.h"
#include "bind/python.h"
#include "tensor/tensor.h"

// Functions that stand in no row of the operator table, shown to observers as operators all the
// same: those that make tensors, and methods that fill one with random numbers.
namespace chainrule::bind {

using FastCall = PyObject* (*)(PyObject* self, PyObject* const* args, Py_ssize_t nargs,
                               PyObject* kwnames);

// A name as template argument.
template <size_t N>
struct Label {
    char text[N];
    consteval Label(const char (&name)[N]) {
        for (size_t i = 0; i < N; ++i) text[i] = name[i];
    }
};

enum class Shown { Created, Overwritten };
PyObject* call_observed(const char* name, Shown how, FastCall function, PyObject* self,
                        PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames);

template <Label label, Shown how, FastCall F>
PyObject* shown_call(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    if (__builtin_expect(!(t_state.flags & kObserveMode), 1)) return F(self, args, nargs, kwnames);
    return call_observed(label.text, how, F, self, args, nargs, kwnames);
}

// For method tables: of a function that gives a new tensor, and of a method that fills self.
template <Label label, FastCall F>
PyCFunction created() {
    return method(shown_call<label, Shown::Created, F>);
}
template <Label label, FastCall F>
PyCFunction overwriting() {
    return method(shown_call<label, Shown::Overwritten, F>);
}

}  // namespace chainrule::bind
