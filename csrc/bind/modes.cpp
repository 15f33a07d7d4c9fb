#include "autograd/tangent.h"
#include "autograd/thread_state.h"
#include "bind/arguments.h"
#include "bind/modules.h"
#include "bind/tensor_object.h"

// no_grad, enable_grad, set_grad_enabled, inference_mode: context managers and decorators in C++,
// since training loops enter them at every step. Forward-mode levels.
namespace chainrule::bind {

namespace {

enum class Mode : int { NoGrad, EnableGrad, SetGrad, Inference };

struct PyMode {
    PyObject_HEAD Mode mode;
    bool value;
    bool previous_grad;
    bool previous_inference;
    SourceLocation previous_switch;
    bool entered;
};

PyTypeObject* g_mode_types[4];

PyMode* object_of(PyObject* self) { return reinterpret_cast<PyMode*>(self); }

void apply(PyMode& m) {
    m.previous_grad = t_state.grad_enabled;
    m.previous_inference = t_state.inference;
    release_location(&m.previous_switch);
    m.previous_switch = t_state.mode_switched;
    t_state.mode_switched = {};
    capture_location(&t_state.mode_switched);
    m.entered = true;
    if (m.mode == Mode::Inference) {
        t_state.inference = m.value;
        t_state.grad_enabled = m.value ? false : true;
    } else {
        t_state.grad_enabled = m.value;
    }
}

PyObject* make(PyTypeObject* type, Mode mode, bool value) {
    PyObject* self = type->tp_alloc(type, 0);
    if (!self) throw PythonErrorSet();
    object_of(self)->mode = mode;
    object_of(self)->value = value;
    return self;
}

PyObject* wrap_function(PyObject* self, PyObject* function);

PyObject* mode_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
    return guarded([&]() -> PyObject* {
        Mode mode = Mode::NoGrad;
        for (int i = 0; i < 4; ++i) {
            if (type == g_mode_types[i] || PyType_IsSubtype(type, g_mode_types[i])) {
                mode = static_cast<Mode>(i);
            }
        }
        PyObject* argument = nullptr;
        static const char* keywords[] = {"mode", nullptr};
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O", const_cast<char**>(keywords),
                                         &argument)) {
            return nullptr;
        }
        if (mode == Mode::SetGrad) {
            check(argument, ErrorKind::Type, "set_grad_enabled() needs True or False");
            check(PyBool_Check(argument), ErrorKind::Type,
                  "set_grad_enabled(): argument 'enabled' (position 1) must be bool, not ",
                  Py_TYPE(argument)->tp_name);
            PyObject* self = make(type, mode, argument == Py_True);
            apply(*object_of(self));  // also a plain call switches, as torch's does
            return self;
        }
        bool value = mode != Mode::NoGrad;
        if (mode == Mode::Inference && argument && !PyCallable_Check(argument)) {
            int truth = PyObject_IsTrue(argument);
            checked(truth);
            return make(type, mode, truth);
        }
        PyRef self(make(type, mode, value));
        if (!argument) return self.leak();
        check(PyCallable_Check(argument), ErrorKind::Type, type->tp_name,
              "() takes a function to decorate, or nothing");
        return wrap_function(self.get(), argument);
    });
}

PyObject* mode_enter(PyObject* self, PyObject*) {
    PyMode& m = *object_of(self);
    if (m.mode == Mode::SetGrad && m.entered) Py_RETURN_NONE;  // switched when made
    apply(m);
    Py_RETURN_NONE;
}

PyObject* mode_exit(PyObject* self, PyObject*) {
    PyMode& m = *object_of(self);
    t_state.grad_enabled = m.previous_grad;
    t_state.inference = m.previous_inference;
    release_location(&t_state.mode_switched);
    t_state.mode_switched = m.previous_switch;
    m.previous_switch = {};
    m.entered = false;
    Py_RETURN_NONE;
}

// `with no_grad:` without the call works too: the class itself is a context manager.
PyObject* mode_call(PyObject* self, PyObject* args, PyObject*) {
    PyObject* function;
    if (!PyArg_ParseTuple(args, "O", &function)) return nullptr;
    PyMode& m = *object_of(self);
    if (m.mode == Mode::SetGrad && m.entered) mode_exit(self, nullptr);
    return guarded([&] { return wrap_function(self, function); });
}

// The decorated function: enters a fresh mode around every call. Generators and coroutines need
// the mode around every step, which Python code does.
PyObject* wrap_function(PyObject* self, PyObject* function) {
    PyRef module = checked(PyImport_ImportModule("chainrule.autograd._decorator"));
    PyMode& m = *object_of(self);
    PyRef type = PyRef::share(reinterpret_cast<PyObject*>(Py_TYPE(self)));
    PyRef value(PyBool_FromLong(m.value));
    return checked(PyObject_CallMethod(module.get(), "decorate", "OOO", type.get(), value.get(),
                                       function))
        .leak();
}

PyObject* mode_clone(PyObject* self, PyObject*) {
    return guarded([&]() -> PyObject* {
        PyMode& m = *object_of(self);
        return make(Py_TYPE(self), m.mode, m.value);
    });
}

void mode_dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    release_location(&object_of(self)->previous_switch);
    type->tp_free(self);
    Py_DECREF(type);
}

PyMethodDef mode_methods[] = {
    {"__enter__", mode_enter, METH_NOARGS, nullptr},
    {"__exit__", mode_exit, METH_VARARGS, nullptr},
    {"clone", mode_clone, METH_NOARGS, "A fresh context manager of the same kind."},
    {nullptr, nullptr, 0, nullptr},
};

// The class as a context manager: a stack of instances per thread.
thread_local std::vector<PyRef>* t_class_entries;

PyObject* class_enter(PyObject* cls, PyObject*) {
    return guarded([&]() -> PyObject* {
        PyRef instance = checked(PyObject_CallNoArgs(cls));
        PyRef result = checked(mode_enter(instance.get(), nullptr));
        if (!t_class_entries) t_class_entries = new std::vector<PyRef>;
        t_class_entries->push_back(instance);
        Py_RETURN_NONE;
    });
}
PyObject* class_exit(PyObject*, PyObject*) {
    return guarded([&]() -> PyObject* {
        check(t_class_entries && !t_class_entries->empty(), ErrorKind::Runtime,
              "left a grad mode that was not entered");
        PyRef instance = t_class_entries->back();
        t_class_entries->pop_back();
        return mode_exit(instance.get(), nullptr);
    });
}
PyMethodDef meta_methods[] = {
    {"__enter__", class_enter, METH_NOARGS, nullptr},
    {"__exit__", class_exit, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyObject* is_grad_enabled(PyObject*, PyObject*) { return PyBool_FromLong(t_state.grad_enabled); }
PyObject* is_inference_mode(PyObject*, PyObject*) { return PyBool_FromLong(t_state.inference); }
PyObject* switch_grad(PyObject*, PyObject* value) {
    int truth = PyObject_IsTrue(value);
    if (truth < 0) return nullptr;
    bool previous = t_state.grad_enabled;
    t_state.grad_enabled = truth;
    release_location(&t_state.mode_switched);
    capture_location(&t_state.mode_switched);
    return PyBool_FromLong(previous);
}

PyObject* enter_level(PyObject*, PyObject*) { return PyLong_FromLongLong(enter_dual_level()); }
PyObject* exit_level(PyObject*, PyObject* level) {
    return guarded([&]() -> PyObject* {
        exit_dual_level(integer_from(level, "level"));
        Py_RETURN_NONE;
    });
}
PyObject* current_level(PyObject*, PyObject*) { return PyLong_FromLongLong(current_dual_level()); }

PyMethodDef functions[] = {
    {"is_grad_enabled", is_grad_enabled, METH_NOARGS, "Whether operations are recorded."},
    {"is_inference_mode_enabled", is_inference_mode, METH_NOARGS, nullptr},
    {"_set_grad_enabled", switch_grad, METH_O, "Switches recording; gives the old setting."},
    {"_enter_dual_level", enter_level, METH_NOARGS, "Opens a forward-mode level."},
    {"_exit_dual_level", exit_level, METH_O, "Closes the innermost forward-mode level."},
    {"_current_dual_level", current_level, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void init_modes(PyObject* module) {
    PyType_Slot meta_slots[] = {
        {Py_tp_base, &PyType_Type},
        {Py_tp_methods, meta_methods},
        {0, nullptr},
    };
    PyType_Spec meta_spec = {"chainrule.autograd.grad_mode._ModeType", 0, 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, meta_slots};
    PyRef meta = checked(PyType_FromSpec(&meta_spec));
    const char* names[] = {"no_grad", "enable_grad", "set_grad_enabled", "inference_mode"};
    const char* docs[] = {
        "Operations under it are not recorded. Context manager and decorator.",
        "Operations under it are recorded again. Context manager and decorator.",
        "set_grad_enabled(mode): recording on or off. Function, context manager and decorator.",
        "inference_mode(mode=True): no recording; results cannot enter a graph later."};
    for (int i = 0; i < 4; ++i) {
        PyType_Slot slots[] = {
            {Py_tp_new, reinterpret_cast<void*>(mode_new)},
            {Py_tp_dealloc, reinterpret_cast<void*>(mode_dealloc)},
            {Py_tp_call, reinterpret_cast<void*>(mode_call)},
            {Py_tp_methods, mode_methods},
            {Py_tp_doc, const_cast<char*>(docs[i])},
            {0, nullptr},
        };
        static std::string full_names[4];
        full_names[i] = std::string("chainrule.autograd.grad_mode.") + names[i];
        PyType_Spec spec = {full_names[i].c_str(), sizeof(PyMode), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
        PyRef type = checked(PyType_FromSpec(&spec));
        // The metaclass has no state of its own, so giving it to a finished type is safe.
        Py_SET_TYPE(type.get(), reinterpret_cast<PyTypeObject*>(Py_NewRef(meta.get())));
        g_mode_types[i] = reinterpret_cast<PyTypeObject*>(type.get());
        checked(PyModule_AddObjectRef(module, names[i], type.get()));
        type.leak();
    }
    add_functions(module, functions);
}

}  // namespace chainrule::bind
