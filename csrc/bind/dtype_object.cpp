#include "bind/dtype_object.h"

#include <cstring>

#include "base/dims.h"
#include "bind/type_names.h"

namespace chainrule::bind {

namespace {

// dtype, memory_format and layout are named constants.
struct PyConstant {
    PyObject_HEAD const char* name;  // as repr shows it, without "torch."
    int value;
};

PyTypeObject* g_dtype_type;
PyTypeObject* g_format_type;
PyTypeObject* g_layout_type;
PyTypeObject* g_device_type;
PyTypeObject* g_size_type;
PyObject* g_dtypes[kNumDTypes];
PyObject* g_cpu;
PyObject* g_strided;

PyConstant* constant(PyObject* o) { return reinterpret_cast<PyConstant*>(o); }

PyObject* constant_repr(PyObject* self) {
    return PyUnicode_FromFormat("torch.%s", constant(self)->name);
}
PyObject* constant_reduce(PyObject* self, PyObject*) {
    return PyUnicode_FromString(constant(self)->name);  // pickled as a global of the package
}
PyObject* constant_module(PyObject*, void*) { return PyUnicode_FromString("chainrule"); }

DType dtype_value(PyObject* self) { return static_cast<DType>(constant(self)->value); }
PyObject* dtype_is_floating(PyObject* self, void*) {
    return PyBool_FromLong(is_floating(dtype_value(self)));
}
PyObject* dtype_is_complex(PyObject* self, void*) {
    return PyBool_FromLong(is_complex(dtype_value(self)));
}
PyObject* dtype_is_signed(PyObject* self, void*) {
    DType d = dtype_value(self);
    return PyBool_FromLong(d != DType::Bool && d != DType::UInt8);
}
PyObject* dtype_itemsize(PyObject* self, void*) {
    return PyLong_FromSize_t(item_size(dtype_value(self)));
}
PyGetSetDef dtype_getset[] = {
    {"is_floating_point", dtype_is_floating, nullptr, nullptr, nullptr},
    {"is_complex", dtype_is_complex, nullptr, nullptr, nullptr},
    {"is_signed", dtype_is_signed, nullptr, nullptr, nullptr},
    {"itemsize", dtype_itemsize, nullptr, nullptr, nullptr},
    {"__module__", constant_module, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};
PyMethodDef constant_methods[] = {
    {"__reduce__", constant_reduce, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyTypeObject* make_constant_type(const char* name, PyGetSetDef* getset) {
    PyType_Slot slots[] = {
        {Py_tp_repr, reinterpret_cast<void*>(constant_repr)},
        {Py_tp_methods, constant_methods},
        {getset ? Py_tp_getset : 0, getset},
        {0, nullptr},
    };
    PyType_Spec spec = {name, sizeof(PyConstant), 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
    auto* type = reinterpret_cast<PyTypeObject*>(checked(PyType_FromSpec(&spec)).leak());
    print_as_torch(type);
    return type;
}

PyObject* make_constant(PyTypeObject* type, const char* name, int value) {
    PyConstant* c = PyObject_New(PyConstant, type);
    if (!c) throw PythonErrorSet();
    c->name = name;
    c->value = value;
    return reinterpret_cast<PyObject*>(c);
}

void add_constant(PyObject* module, const char* name, PyObject* object) {
    checked(PyModule_AddObjectRef(module, name, object));
}

PyObject* device_repr(PyObject*) { return PyUnicode_FromString("device(type='cpu')"); }
PyObject* device_str(PyObject*) { return PyUnicode_FromString("cpu"); }
PyObject* device_type_name(PyObject*, void*) { return PyUnicode_FromString("cpu"); }
PyObject* device_index(PyObject*, void*) { Py_RETURN_NONE; }
PyObject* device_new(PyTypeObject*, PyObject* args, PyObject* kwargs) {
    return guarded([&]() -> PyObject* {
        PyObject* type = nullptr;
        PyObject* index = nullptr;
        static const char* keywords[] = {"type", "index", nullptr};
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O", const_cast<char**>(keywords), &type,
                                         &index)) {
            return nullptr;
        }
        check_device(type);
        if (index && index != Py_None) {
            long number = PyLong_AsLong(index);
            if (number == -1 && PyErr_Occurred()) return nullptr;
            check(number == 0 || number == -1, ErrorKind::Runtime, "device index ", number,
                  " is not available: the device 'cpu' has no index but 0");
        }
        return cpu_device();
    });
}
PyObject* device_reduce(PyObject* self, PyObject*) {
    return Py_BuildValue("O(s)", Py_TYPE(self), "cpu");
}
PyGetSetDef device_getset[] = {
    {"type", device_type_name, nullptr, nullptr, nullptr},
    {"index", device_index, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};
PyMethodDef device_methods[] = {
    {"__reduce__", device_reduce, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyObject* size_repr(PyObject* self) {
    PyRef list = PyRef(PySequence_List(self));
    if (!list) return nullptr;
    return PyUnicode_FromFormat("torch.Size(%R)", list.get());
}
PyObject* size_numel(PyObject* self, PyObject*) {
    int64_t n = 1;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self); ++i) {
        n *= PyLong_AsLongLong(PyTuple_GET_ITEM(self, i));
    }
    return PyErr_Occurred() ? nullptr : PyLong_FromLongLong(n);
}
PyObject* to_size(PyObject* tuple) {
    if (!tuple || Py_TYPE(tuple) == g_size_type || !PyTuple_Check(tuple)) return tuple;
    PyRef owned(tuple);
    return PyObject_CallOneArg(reinterpret_cast<PyObject*>(g_size_type), tuple);
}
PyObject* size_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
    return guarded([&]() -> PyObject* {
        PyRef tuple = checked(PyTuple_Type.tp_new(type, args, kwargs));
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple.get()); ++i) {
            PyObject* item = PyTuple_GET_ITEM(tuple.get(), i);
            if (PyLong_Check(item)) continue;
            check(PyIndex_Check(item), ErrorKind::Type,
                  "torch.Size() takes an iterable of 'int' (item ", i, " is '",
                  Py_TYPE(item)->tp_name, "')");
            PyRef number = checked(PyNumber_Index(item));
            // The tuple is new: nobody else has seen it yet.
            PyTuple_SET_ITEM(tuple.get(), i, number.leak());
            Py_DECREF(item);
        }
        return tuple.leak();
    });
}
PyObject* size_item(PyObject* self, PyObject* key) {
    PyObject* item = PyTuple_Type.tp_as_mapping->mp_subscript(self, key);
    return PySlice_Check(key) ? to_size(item) : item;
}
PyObject* size_concat(PyObject* self, PyObject* other) {
    return to_size(PyTuple_Type.tp_as_sequence->sq_concat(self, other));
}
PyObject* size_reduce(PyObject* self, PyObject*) {
    PyRef list = PyRef(PySequence_List(self));
    return list ? Py_BuildValue("O(O)", Py_TYPE(self), list.get()) : nullptr;
}
PyMethodDef size_methods[] = {
    {"numel", size_numel, METH_NOARGS, "Number of elements of a tensor of this size."},
    {"__reduce__", size_reduce, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

PyObject* dtype_object(DType dtype) {
    PyObject* o = g_dtypes[static_cast<int>(dtype)];
    Py_INCREF(o);
    return o;
}

std::optional<DType> dtype_from(PyObject* object) {
    if (Py_TYPE(object) == g_dtype_type) return dtype_value(object);
    if (object == reinterpret_cast<PyObject*>(&PyFloat_Type)) return DType::Float64;
    if (object == reinterpret_cast<PyObject*>(&PyLong_Type)) return DType::Int64;
    if (object == reinterpret_cast<PyObject*>(&PyBool_Type)) return DType::Bool;
    return std::nullopt;
}

bool is_memory_format(PyObject* object) { return Py_TYPE(object) == g_format_type; }
std::string memory_format_name(PyObject* object) { return constant(object)->name; }

void check_device(PyObject* object) {
    if (!object || object == Py_None || Py_TYPE(object) == g_device_type) return;
    check(PyUnicode_Check(object), ErrorKind::Type, "device must be a string or torch.device, not ",
          Py_TYPE(object)->tp_name);
    const char* name = PyUnicode_AsUTF8(object);
    if (!name) throw PythonErrorSet();
    if (!std::strcmp(name, "cpu") || !std::strcmp(name, "cpu:0")) return;
    check(std::strncmp(name, "cpu", 3) != 0, ErrorKind::Runtime, "Invalid device string: '", name,
          "'; the device of this build is 'cpu'");
    fail(ErrorKind::Runtime, "device '", name,
         "' is not available: this build of Chainrule has the device 'cpu' only");
}

PyObject* cpu_device() {
    Py_INCREF(g_cpu);
    return g_cpu;
}

PyObject* strided_layout() {
    Py_INCREF(g_strided);
    return g_strided;
}

PyObject* size_object(const int64_t* sizes, size_t n) {
    PyRef self = checked(g_size_type->tp_alloc(g_size_type, static_cast<Py_ssize_t>(n)));
    for (size_t i = 0; i < n; ++i) {
        PyObject* item = PyLong_FromLongLong(sizes[i]);
        if (!item) throw PythonErrorSet();
        PyTuple_SET_ITEM(self.get(), static_cast<Py_ssize_t>(i), item);
    }
    return self.leak();
}

void init_dtypes(PyObject* module) {
    g_dtype_type = make_constant_type("chainrule.dtype", dtype_getset);
    g_format_type = make_constant_type("chainrule.memory_format", nullptr);
    g_layout_type = make_constant_type("chainrule.layout", nullptr);
    add_constant(module, "dtype", reinterpret_cast<PyObject*>(g_dtype_type));
    add_constant(module, "memory_format", reinterpret_cast<PyObject*>(g_format_type));
    add_constant(module, "layout", reinterpret_cast<PyObject*>(g_layout_type));
    for (int i = 0; i < kNumDTypes; ++i) {
        const char* name = dtype_name(static_cast<DType>(i));
        g_dtypes[i] = make_constant(g_dtype_type, name, i);
        add_constant(module, name, g_dtypes[i]);
    }
    struct Alias {
        const char* name;
        DType dtype;
    };
    for (Alias a : {Alias{"float", DType::Float32},
                    {"double", DType::Float64},
                    {"half", DType::Float16},
                    {"long", DType::Int64},
                    {"int", DType::Int32},
                    {"short", DType::Int16},
                    {"cfloat", DType::Complex64},
                    {"cdouble", DType::Complex128}}) {
        add_constant(module, a.name, g_dtypes[static_cast<int>(a.dtype)]);
    }
    const char* formats[] = {"contiguous_format", "preserve_format", "channels_last",
                             "channels_last_3d"};
    for (const char* name : formats) {
        PyRef format(make_constant(g_format_type, name, 0));
        add_constant(module, name, format.get());
    }
    g_strided = make_constant(g_layout_type, "strided", 0);
    add_constant(module, "strided", g_strided);

    PyType_Slot device_slots[] = {
        {Py_tp_new, reinterpret_cast<void*>(device_new)},
        {Py_tp_repr, reinterpret_cast<void*>(device_repr)},
        {Py_tp_str, reinterpret_cast<void*>(device_str)},
        {Py_tp_getset, device_getset},
        {Py_tp_methods, device_methods},
        {0, nullptr},
    };
    PyType_Spec device_spec = {"chainrule.device", sizeof(PyObject), 0, Py_TPFLAGS_DEFAULT,
                               device_slots};
    g_device_type = reinterpret_cast<PyTypeObject*>(checked(PyType_FromSpec(&device_spec)).leak());
    print_as_torch(g_device_type, "torch.device");
    g_cpu = checked(reinterpret_cast<PyObject*>(PyObject_New(PyObject, g_device_type))).leak();
    add_constant(module, "device", reinterpret_cast<PyObject*>(g_device_type));

    PyType_Slot size_slots[] = {
        {Py_tp_base, &PyTuple_Type},
        {Py_tp_new, reinterpret_cast<void*>(size_new)},
        {Py_tp_repr, reinterpret_cast<void*>(size_repr)},
        {Py_tp_methods, size_methods},
        {Py_mp_subscript, reinterpret_cast<void*>(size_item)},
        {Py_sq_concat, reinterpret_cast<void*>(size_concat)},
        {0, nullptr},
    };
    PyType_Spec size_spec = {"chainrule.Size", 0, 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                             size_slots};
    g_size_type = reinterpret_cast<PyTypeObject*>(checked(PyType_FromSpec(&size_spec)).leak());
    print_as_torch(g_size_type, "torch.Size");
    add_constant(module, "Size", reinterpret_cast<PyObject*>(g_size_type));
}

}  // namespace chainrule::bind
