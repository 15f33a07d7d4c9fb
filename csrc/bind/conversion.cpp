#include "autograd/history.h"
#include "bind/arguments.h"
#include "bind/dtype_object.h"
#include "bind/generated_support.h"
#include "bind/modules.h"
#include "bind/tensor_object.h"
#include "rules/assign.h"
#include "tensor/convert.h"

// Questions about a tensor's form, conversions, plain writes.
namespace chainrule::bind {

namespace {

PyObject* size(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&]() -> PyObject* {
        Py_ssize_t total = nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
        check(total <= 1, ErrorKind::Type, "size() takes at most one argument: dim");
        TensorImpl& t = *impl_of(self);
        if (total == 0 || args[0] == Py_None) return size_object(t.sizes(), t.ndim);
        int64_t dim = integer_from(args[0], "size(): argument 'dim'");
        check(t.ndim > 0, ErrorKind::Index, "Dimension specified as ", dim,
              " but tensor has no dimensions");
        return PyLong_FromLongLong(t.sizes()[wrap_dim(dim, t.ndim)]);
    });
}

PyObject* stride(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&]() -> PyObject* {
        Py_ssize_t total = nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
        check(total <= 1, ErrorKind::Type, "stride() takes at most one argument: dim");
        TensorImpl& t = *impl_of(self);
        if (total == 1 && args[0] != Py_None) {
            int64_t dim = integer_from(args[0], "stride(): argument 'dim'");
            check(t.ndim > 0, ErrorKind::Index, "Dimension specified as ", dim,
                  " but tensor has no dimensions");
            return PyLong_FromLongLong(t.strides()[wrap_dim(dim, t.ndim)]);
        }
        PyRef sizes = checked(size_object(t.strides(), t.ndim));
        PyRef list = checked(PySequence_List(sizes.get()));
        return PyList_AsTuple(list.get());
    });
}

PyObject* dim(PyObject* self, PyObject*) { return PyLong_FromLong(impl_of(self)->ndim); }
PyObject* numel(PyObject* self, PyObject*) { return PyLong_FromLongLong(impl_of(self)->numel); }
PyObject* is_contiguous(PyObject* self, PyObject* const*, Py_ssize_t, PyObject*) {
    return PyBool_FromLong(impl_of(self)->flags & kContiguous);
}
PyObject* is_floating_point(PyObject* self, PyObject*) {
    return PyBool_FromLong(is_floating(impl_of(self)->dtype));
}
PyObject* is_complex_method(PyObject*, PyObject*) { Py_RETURN_FALSE; }
PyObject* is_inference(PyObject* self, PyObject*) {
    return PyBool_FromLong(impl_of(self)->flags & kInference);
}
PyObject* is_same_size(PyObject* self, PyObject* other) {
    return guarded([&]() -> PyObject* {
        check(is_tensor(other), ErrorKind::Type, "is_same_size takes a Tensor");
        return PyBool_FromLong(impl_of(self)->same_shape(*impl_of(other)));
    });
}
PyObject* self_method(PyObject* self, PyObject* const*, Py_ssize_t, PyObject*) {
    return Py_NewRef(self);
}
PyObject* no_accelerator(PyObject*, PyObject* const*, Py_ssize_t, PyObject*) {
    PyErr_SetString(PyExc_RuntimeError,
                    "no accelerator is available: this build of Chainrule has the device 'cpu' "
                    "only; stay on it, or ask torch.cuda.is_available() first");
    return nullptr;
}

PyObject* converted(PyObject* self, DType dtype, bool copy) {
    TensorImpl& t = *impl_of(self);
    if (t.dtype == dtype && !copy) return Py_NewRef(self);
    if (t.dtype == dtype) return wrap(ops::clone(tensor_of(self), std::nullopt));
    return wrap(ops::_to_dtype(tensor_of(self), dtype));
}

template <DType Target>
PyObject* to_fixed(PyObject* self, PyObject* const*, Py_ssize_t, PyObject*) {
    return guarded([&] { return converted(self, Target, false); });
}

// to(dtype), to(device), to(device, dtype), to(other), each with non_blocking, copy, memory_format.
PyObject* to(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&]() -> PyObject* {
        DType dtype = impl_of(self)->dtype;
        bool copy = false;
        int flags = 0;  // positional booleans: non_blocking, then copy
        auto take = [&](PyObject* value, const char* key) {
            std::string name = key ? key : "";
            if (name == "copy") {
                copy = PyObject_IsTrue(value) == 1;
            } else if (name == "memory_format") {
                std::string format =
                    is_memory_format(value) ? memory_format_name(value) : "preserve_format";
                check(format == "preserve_format" || format == "contiguous_format",
                      ErrorKind::NotImplemented, "to(): memory_format=torch.", format,
                      " is not supported; tensors are row-major");
            } else if (name == "non_blocking") {
                return;
            } else if (name == "dtype" || (!key && dtype_from(value))) {
                if (value == Py_None) return;
                auto given = dtype_from(value);
                check(given.has_value(), ErrorKind::Type,
                      "to(): argument 'dtype' must be torch.dtype, not ", Py_TYPE(value)->tp_name);
                dtype = *given;
            } else if (name == "other" || (!key && is_tensor(value))) {
                check(is_tensor(value), ErrorKind::Type, "to(): 'other' must be a Tensor");
                dtype = impl_of(value)->dtype;
            } else if (!key && PyBool_Check(value)) {
                if (++flags == 2) copy = value == Py_True;
            } else if (name == "device" || !key) {
                check_device(value);
            } else {
                fail(ErrorKind::Type, "to() got an unexpected keyword argument '", key, "'");
            }
        };
        check(nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0) > 0, ErrorKind::Type,
              "to() received an invalid combination of arguments - got (), but expected a dtype, a "
              "device or a Tensor");
        for (Py_ssize_t i = 0; i < nargs; ++i) take(args[i], nullptr);
        for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); ++k) {
            const char* key = PyUnicode_AsUTF8(PyTuple_GET_ITEM(kwnames, k));
            if (!key) throw PythonErrorSet();
            take(args[nargs + k], key);
        }
        return converted(self, dtype, copy);
    });
}

PyObject* type_as(PyObject* self, PyObject* other) {
    return guarded([&]() -> PyObject* {
        check(is_tensor(other), ErrorKind::Type, "type_as(): argument 'other' must be Tensor, not ",
              Py_TYPE(other)->tp_name);
        return converted(self, impl_of(other)->dtype, false);
    });
}

PyObject* type(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject*) {
    return guarded([&]() -> PyObject* {
        if (nargs == 0) return PyUnicode_FromString(legacy_type_name(impl_of(self)->dtype));
        auto dtype = dtype_from(args[0]);
        if (!dtype && PyUnicode_Check(args[0])) {
            std::string name = PyUnicode_AsUTF8(args[0]);
            for (int i = 0; i < kNumDTypes; ++i) {
                if (name == legacy_type_name(static_cast<DType>(i))) dtype = static_cast<DType>(i);
            }
        }
        check(dtype.has_value(), ErrorKind::Type, "dtype must be a type, str, or dtype object");
        return converted(self, *dtype, false);
    });
}

PyObject* copy_inplace_method(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject*) {
    return guarded([&]() -> PyObject* {
        check(nargs >= 1 && is_tensor(args[0]), ErrorKind::Type,
              "copy_(): argument 'other' (position 1) must be Tensor");
        copy_inplace(tensor_of(self), tensor_of(args[0]));
        return Py_NewRef(self);
    });
}

PyObject* fill_inplace_method(PyObject* self, PyObject* value) {
    return guarded([&]() -> PyObject* {
        check(is_tensor(value) || is_number(value), ErrorKind::Type,
              "fill_(): argument 'value' must be Number or 0-d Tensor, not ",
              Py_TYPE(value)->tp_name);
        if (is_tensor(value)) {
            check(impl_of(value)->ndim == 0, ErrorKind::Runtime,
                  "fill_ only supports 0-dimension value tensor but got tensor with ",
                  static_cast<int>(impl_of(value)->ndim), " dimensions.");
            copy_inplace(tensor_of(self), tensor_of(value));
        } else {
            fill_inplace(tensor_of(self), scalar_from(value));
        }
        return Py_NewRef(self);
    });
}

PyObject* zero_inplace_method(PyObject* self, PyObject*) {
    return guarded([&] {
        fill_inplace(tensor_of(self), Scalar(0));
        return Py_NewRef(self);
    });
}

PyObject* where_method(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject*) {
    return guarded([&]() -> PyObject* {
        check(nargs == 2 && is_tensor(args[0]), ErrorKind::Type,
              "where() takes a condition (a Tensor) and the other values");
        check_mask("where", Operand(impl_of(args[0])));
        check(is_tensor(args[1]) || is_number(args[1]), ErrorKind::Type,
              "where(): argument 'other' (position 2) must be Tensor, not ",
              Py_TYPE(args[1])->tp_name);
        Operand other =
            is_tensor(args[1]) ? Operand(impl_of(args[1])) : Operand(scalar_from(args[1]));
        return wrap(ops::where(Operand(impl_of(args[0])), Operand(impl_of(self)), other));
    });
}

// format(t) and f-strings: a single number is formatted as one.
PyObject* format_method(PyObject* self, PyObject* spec) {
    return guarded([&]() -> PyObject* {
        if (impl_of(self)->ndim == 0 && Py_TYPE(self) == g_tensor_type) {
            PyRef number = checked(wrap_scalar(tensor_of(self).item()));
            return PyObject_Format(number.get(), spec);
        }
        bool plain = PyUnicode_Check(spec) && PyUnicode_GET_LENGTH(spec) == 0;
        check(plain, ErrorKind::Type,
              "unsupported format string passed to Tensor.__format__: a "
              "tensor of several elements has no number format; format its .tolist(), or use "
              "torch.set_printoptions");
        return PyObject_Str(self);
    });
}

// Methods whose work a function of chainrule._functional does.
constexpr const char kAllclose[] = "allclose", kEqual[] = "equal", kIsclose[] = "isclose",
                     kIsNonzero[] = "is_nonzero";
template <const char* Name>
PyObject* functional(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&]() -> PyObject* {
        PyRef module = checked(PyImport_ImportModule("chainrule._functional"));
        PyRef function = checked(PyObject_GetAttrString(module.get(), Name));
        std::vector<PyObject*> all = {self};
        Py_ssize_t total = nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
        all.insert(all.end(), args, args + total);
        return PyObject_Vectorcall(function.get(), all.data(), static_cast<size_t>(nargs + 1),
                                   kwnames);
    });
}

PyObject* no(PyObject*, PyObject*) { Py_RETURN_FALSE; }
PyObject* is_signed(PyObject* self, PyObject*) {
    return PyBool_FromLong(impl_of(self)->dtype != DType::Bool &&
                           impl_of(self)->dtype != DType::UInt8);
}
PyObject* get_device(PyObject*, PyObject*) { return PyLong_FromLong(-1); }
PyObject* same_object(PyObject* self, PyObject*) { return Py_NewRef(self); }

PyObject* reversed(PyObject* self, PyObject*) {
    return guarded([&]() -> PyObject* {
        if (impl_of(self)->ndim == 0) return Py_NewRef(self);
        return wrap(ops::flip(tensor_of(self), Dims{0}));
    });
}

PyMethodDef methods[] = {
    {"__reversed__", reversed, METH_NOARGS, nullptr},
    {"__format__", format_method, METH_O, nullptr},
    {"allclose", method(functional<kAllclose>), kFlags, "See torch.allclose."},
    {"equal", method(functional<kEqual>), kFlags, "See torch.equal."},
    {"isclose", method(functional<kIsclose>), kFlags, "See torch.isclose."},
    {"is_nonzero", method(functional<kIsNonzero>), kFlags, "See torch.is_nonzero."},
    {"is_conj", no, METH_NOARGS, nullptr},
    {"is_neg", no, METH_NOARGS, nullptr},
    {"is_pinned", no, METH_NOARGS, nullptr},
    {"is_signed", is_signed, METH_NOARGS, "Whether the dtype has negative numbers."},
    {"get_device", get_device, METH_NOARGS, "-1: the CPU."},
    {"positive", same_object, METH_NOARGS, "The tensor itself."},
    {"size", method(size), kFlags, "size(dim=None): all sizes, or one."},
    {"stride", method(stride), kFlags, "stride(dim=None): all strides in elements, or one."},
    {"dim", dim, METH_NOARGS, "Number of dimensions."},
    {"ndimension", dim, METH_NOARGS, "Number of dimensions."},
    {"numel", numel, METH_NOARGS, "Number of elements."},
    {"nelement", numel, METH_NOARGS, "Number of elements."},
    {"is_contiguous", method(is_contiguous), kFlags, "Row-major without gaps."},
    {"is_floating_point", is_floating_point, METH_NOARGS, nullptr},
    {"is_complex", is_complex_method, METH_NOARGS, nullptr},
    {"is_inference", is_inference, METH_NOARGS, nullptr},
    {"is_same_size", is_same_size, METH_O, nullptr},
    {"cpu", method(self_method), kFlags, "The tensor itself: it is on the CPU."},
    {"cuda", method(no_accelerator), kFlags, "Raises: there is no accelerator."},
    {"conj", method(self_method), kFlags, "The tensor itself: it is real."},
    {"resolve_conj", method(self_method), kFlags, nullptr},
    {"resolve_neg", method(self_method), kFlags, nullptr},
    {"float", method(to_fixed<DType::Float32>), kFlags, "As float32."},
    {"double", method(to_fixed<DType::Float64>), kFlags, "As float64."},
    {"long", method(to_fixed<DType::Int64>), kFlags, "As int64."},
    {"bool", method(to_fixed<DType::Bool>), kFlags, "As bool."},
    {"int", method(to_fixed<DType::Int32>), kFlags, "As int32."},
    {"half", method(to_fixed<DType::Float16>), kFlags, "As float16."},
    {"bfloat16", method(to_fixed<DType::BFloat16>), kFlags, "As bfloat16."},
    {"to", method(to), kFlags, "to(dtype | device | other, ...): itself or a converted copy."},
    {"type", method(type), kFlags, "type(dtype=None): the type's name, or a converted copy."},
    {"type_as", type_as, METH_O, "Converted to the dtype of another tensor."},
    {"copy_", method(copy_inplace_method), kFlags, "copy_(src): overwrites the elements."},
    {"fill_", fill_inplace_method, METH_O, "fill_(value): overwrites all elements."},
    {"zero_", zero_inplace_method, METH_NOARGS, "Overwrites all elements with 0."},
    {"where", method(where_method), kFlags, "self where condition, else other."},
    {nullptr, nullptr, 0, nullptr},
};

PyObject* numel_function(PyObject*, PyObject* tensor) {
    return guarded([&]() -> PyObject* {
        check(is_tensor(tensor), ErrorKind::Type, "numel(): argument 'input' must be Tensor, not ",
              Py_TYPE(tensor)->tp_name);
        return numel(tensor, nullptr);
    });
}
PyObject* is_tensor_function(PyObject*, PyObject* object) {
    return PyBool_FromLong(is_tensor(object));
}
PyObject* get_default_dtype(PyObject*, PyObject*) { return dtype_object(default_dtype()); }
PyObject* set_default_dtype_function(PyObject*, PyObject* object) {
    return guarded([&]() -> PyObject* {
        auto dtype = dtype_from(object);
        check(dtype.has_value(), ErrorKind::Type, "set_default_dtype takes a torch.dtype, not ",
              Py_TYPE(object)->tp_name);
        set_default_dtype(*dtype);
        Py_RETURN_NONE;
    });
}
PyObject* result_type_function(PyObject*, PyObject* const* args, Py_ssize_t nargs) {
    return guarded([&]() -> PyObject* {
        check(nargs == 2, ErrorKind::Type, "result_type takes two tensors or numbers");
        Operand operands[2];
        for (int i = 0; i < 2; ++i) {
            if (is_tensor(args[i])) operands[i] = Operand(impl_of(args[i]));
            else operands[i] = Operand(scalar_from(args[i]));
        }
        return dtype_object(result_type(operands, 2));
    });
}
PyObject* promote_types(PyObject*, PyObject* const* args, Py_ssize_t nargs) {
    return guarded([&]() -> PyObject* {
        check(nargs == 2 && dtype_from(args[0]) && dtype_from(args[1]), ErrorKind::Type,
              "promote_types takes two dtypes");
        return dtype_object(promote(*dtype_from(args[0]), *dtype_from(args[1])));
    });
}
PyObject* can_cast_function(PyObject*, PyObject* const* args, Py_ssize_t nargs) {
    return guarded([&]() -> PyObject* {
        check(nargs == 2 && dtype_from(args[0]) && dtype_from(args[1]), ErrorKind::Type,
              "can_cast takes two dtypes");
        return PyBool_FromLong(can_cast(*dtype_from(args[0]), *dtype_from(args[1])));
    });
}

PyMethodDef functions[] = {
    {"numel", numel_function, METH_O, "Number of elements."},
    {"is_tensor", is_tensor_function, METH_O, "Whether the object is a tensor."},
    {"get_default_dtype", get_default_dtype, METH_NOARGS, "The dtype of new floating tensors."},
    {"set_default_dtype", set_default_dtype_function, METH_O, nullptr},
    {"result_type", method(result_type_function), METH_FASTCALL, "dtype of mixing two operands."},
    {"promote_types", method(promote_types), METH_FASTCALL, "dtype that holds both."},
    {"can_cast", method(can_cast_function), METH_FASTCALL, "Whether torch casts one to the other."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void init_conversion(PyObject* module) {
    add_tensor_methods(methods);
    add_functions(module, functions);
}

}  // namespace chainrule::bind
