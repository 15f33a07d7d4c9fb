#include <cstring>

#include "autograd/history.h"
#include "bind/arguments.h"
#include "bind/call.h"
#include "bind/creation.h"
#include "bind/dtype_object.h"
#include "bind/tensor_object.h"
#include "bind/type_names.h"
#include "ops.h"

// Tensor(...), FloatTensor(...) and Parameter(...).
namespace chainrule::bind {

namespace {

bool is_size_object(PyObject* object) {
    return PyTuple_Check(object) && std::strcmp(Py_TYPE(object)->tp_name, "torch.Size") == 0;
}

void check_device_keyword(const char* function, PyObject* kwargs) {
    PyObject *key, *value;
    Py_ssize_t position = 0;
    while (kwargs && PyDict_Next(kwargs, &position, &key, &value)) {
        const char* name = PyUnicode_AsUTF8(key);
        if (!name) throw PythonErrorSet();
        check(!std::strcmp(name, "device"), ErrorKind::Type, function,
              "() got an unexpected keyword argument '", name, "'");
        check_device(value);
    }
}

// A new tensor over the same memory, recorded if `t` has a history.
Tensor recorded_alias(const Tensor& t) { return ops::_dual_view(t); }

Tensor legacy_tensor(PyObject* args, DType dtype) {
    Py_ssize_t count = PyTuple_GET_SIZE(args);
    if (count == 0) return new_empty({0}, dtype);
    PyObject* first = PyTuple_GET_ITEM(args, 0);
    if (is_tensor(first) && count == 1) return recorded_alias(tensor_of(first));
    if (is_integer(first) && !is_tensor(first)) {
        Dims size;
        for (Py_ssize_t i = 0; i < count; ++i) {
            PyObject* item = PyTuple_GET_ITEM(args, i);
            check(is_integer(item), ErrorKind::Type,
                  "new(): argument 'size' must be tuple of ints, but found element of type ",
                  Py_TYPE(item)->tp_name, " at pos ", i);
            size.push_back(integer_from(item, "a size"));
        }
        return new_empty(size, dtype);
    }
    check(count == 1, ErrorKind::Type,
          "new() received an invalid combination of arguments: it takes sizes, a sequence of "
          "values, or a tensor");
    if (is_size_object(first)) return new_empty(size_from("new", 1, first), dtype);
    check(first != Py_None, ErrorKind::Type, "new(): data must be a sequence (got NoneType)");
    return tensor_from_data(first, dtype);
}

PyObject* parameter_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
    return guarded([&]() -> PyObject* {
        PyObject* data = nullptr;
        int requires_grad = 1;
        static const char* keywords[] = {"data", "requires_grad", nullptr};
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|Op:Parameter",
                                         const_cast<char**>(keywords), &data, &requires_grad)) {
            return nullptr;
        }
        Tensor t;
        if (!data || data == Py_None) {
            t = new_empty({0}, default_dtype());
        } else {
            check(is_tensor(data), ErrorKind::Type,
                  "Parameter(): argument 'data' must be Tensor, not ", Py_TYPE(data)->tp_name,
                  "; make one with torch.tensor(data)");
            t = Tensor::alias(*impl_of(data));
        }
        return wrap_as(type, finish_new(std::move(t), requires_grad));
    });
}

// _legacy_tensor(dtype, *args): FloatTensor(*args) and the others.
PyObject* legacy_tensor_of_dtype(PyObject*, PyObject* args) {
    return guarded([&] {
        check(PyTuple_GET_SIZE(args) > 0, ErrorKind::Type, "_legacy_tensor needs a dtype");
        DType dtype = dtype_option("new", PyTuple_GET_ITEM(args, 0));
        PyRef rest = checked(PyTuple_GetSlice(args, 1, PyTuple_GET_SIZE(args)));
        Tensor t = legacy_tensor(rest.get(), dtype);
        check(t.dtype() == dtype, ErrorKind::Type, "expected ", dtype_name(dtype), " (got ",
              dtype_name(t.dtype()), "); convert the tensor with .to()");
        return wrap(finish_new(std::move(t), false));
    });
}

// Tensor._make_subclass(cls, data, requires_grad=False)
PyObject* make_subclass(PyObject*, PyObject* args) {
    return guarded([&]() -> PyObject* {
        PyObject *type, *data;
        int requires_grad = 0;
        if (!PyArg_ParseTuple(args, "O!O!|p:_make_subclass", &PyType_Type, &type, g_tensor_type,
                              &data, &requires_grad)) {
            return nullptr;
        }
        auto* cls = reinterpret_cast<PyTypeObject*>(type);
        check(PyType_IsSubtype(cls, g_tensor_type), ErrorKind::Type,
              "_make_subclass(): the class must be a subclass of Tensor, not ", cls->tp_name);
        return wrap_as(cls, finish_new(Tensor::alias(*impl_of(data)), requires_grad));
    });
}

PyObject* as_subclass(PyObject* self, PyObject* cls) {
    return guarded([&] {
        auto* type = reinterpret_cast<PyTypeObject*>(cls);
        check(PyType_Check(cls) && PyType_IsSubtype(type, g_tensor_type), ErrorKind::Type,
              "as_subclass(): argument 'cls' must be a subclass of torch.Tensor");
        return wrap_as(type, recorded_alias(tensor_of(self)));
    });
}

PyMethodDef functions[] = {
    {"_legacy_tensor", legacy_tensor_of_dtype, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};
PyMethodDef methods[] = {
    {"as_subclass", as_subclass, METH_O,
     "as_subclass(cls): a tensor of the class cls over the same memory."},
    {nullptr, nullptr, 0, nullptr},
};
PyMethodDef make_subclass_definition = {"_make_subclass", make_subclass, METH_VARARGS,
                                        "_make_subclass(cls, data, requires_grad=False)"};

}  // namespace

PyObject* legacy_tensor_new(PyTypeObject* type, PyObject* args, PyObject* kwargs, DType dtype) {
    check_device_keyword("new", kwargs);
    return wrap_as(type, finish_new(legacy_tensor(args, dtype), false));
}

void init_parameter_type(PyObject* module) {
    PyType_Slot slots[] = {
        {Py_tp_new, reinterpret_cast<void*>(parameter_new)},
        {Py_tp_dealloc, reinterpret_cast<void*>(g_tensor_type->tp_dealloc)},
        {Py_tp_traverse, reinterpret_cast<void*>(g_tensor_type->tp_traverse)},
        {Py_tp_clear, reinterpret_cast<void*>(g_tensor_type->tp_clear)},
        {Py_tp_doc,
         const_cast<char*>("Parameter(data=None, requires_grad=True)\n\nA tensor that is "
                           "a parameter of the modules that have it as an attribute.")},
        {0, nullptr},
    };
    PyType_Spec spec = {"chainrule.nn.parameter.Parameter", sizeof(PyTensor), 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
    g_parameter_type = reinterpret_cast<PyTypeObject*>(
        checked(PyType_FromSpecWithBases(&spec, reinterpret_cast<PyObject*>(g_tensor_type)))
            .leak());
    print_as_torch(g_parameter_type, "Parameter");
    checked(
        PyModule_AddObjectRef(module, "Parameter", reinterpret_cast<PyObject*>(g_parameter_type)));
    add_functions(module, functions);
    add_tensor_methods(methods);
    PyRef function = checked(PyCFunction_New(&make_subclass_definition, nullptr));
    PyRef unbound = checked(PyStaticMethod_New(function.get()));
    checked(PyObject_SetAttrString(reinterpret_cast<PyObject*>(g_tensor_type), "_make_subclass",
                                   unbound.get()));
}

}  // namespace chainrule::bind
