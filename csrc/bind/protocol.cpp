#include "bind/creation.h"
#include "bind/generated_support.h"
#include "bind/hooks.h"
#include "bind/indexing.h"

// len(), iteration, subscripts, printing.
namespace chainrule::bind {

namespace {

Py_ssize_t length(PyObject* self) {
    if (impl_of(self)->ndim == 0) {
        PyErr_SetString(PyExc_TypeError, "len() of a 0-d tensor");
        return -1;
    }
    return static_cast<Py_ssize_t>(impl_of(self)->sizes()[0]);
}

PyObject* iterate(PyObject* self) {
    return guarded([&]() -> PyObject* {
        check(impl_of(self)->ndim > 0, ErrorKind::Type, "iteration over a 0-d tensor");
        PyRef parts = checked(wrap_result(ops::unbind(tensor_of(self), 0)));
        return PyObject_GetIter(parts.get());
    });
}

int contains(PyObject* self, PyObject* value) {
    return guarded_int([&]() -> int {
        check(is_tensor(value) || is_number(value), ErrorKind::Runtime,
              "Tensor.__contains__ only supports Tensor or scalar, but you passed in a ",
              Py_TYPE(value)->tp_name, ".");
        Operand other = is_tensor(value) ? Operand(impl_of(value)) : Operand(scalar_from(value));
        Tensor same = ops::eq(Operand(impl_of(self)), other);
        const bool* data = same.data<bool>();
        for (int64_t i = 0; i < same.numel(); ++i) {
            if (data[i]) return 1;
        }
        return 0;
    });
}

PyObject* repr(PyObject* self) {
    return guarded([&]() -> PyObject* {
        PyRef module = checked(PyImport_ImportModule("chainrule._tensor_str"));
        return PyObject_CallMethod(module.get(), "tensor_repr", "O", self);
    });
}

PyObject* tensor_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
    return guarded([&] { return legacy_tensor_new(type, args, kwargs, default_dtype()); });
}

// Subclasses may take arguments of their own.
int tensor_init(PyObject*, PyObject*, PyObject*) { return 0; }

}  // namespace

void add_protocol_slots(std::vector<PyType_Slot>& slots) {
    auto add = [&](int id, auto* function) {
        slots.push_back({id, reinterpret_cast<void*>(function)});
    };
    add(Py_mp_length, length);
    add(Py_sq_length, length);
    add(Py_mp_subscript, tensor_getitem);
    add(Py_mp_ass_subscript, tensor_setitem);
    add(Py_sq_contains, contains);
    add(Py_tp_iter, iterate);
    add(Py_tp_repr, repr);
    add(Py_tp_new, tensor_new);
    add(Py_tp_init, tensor_init);
}

}  // namespace chainrule::bind
