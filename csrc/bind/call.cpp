#include "bind/call.h"

#include "bind/arguments.h"
#include "bind/creation.h"
#include "bind/dtype_object.h"
#include "bind/random.h"
#include "bind/tensor_object.h"

namespace chainrule::bind {

namespace {

bool equals(PyObject* name, const char* text) {
    return PyUnicode_CompareWithASCIIString(name, text) == 0;
}

const char* text_of(PyObject* name) {
    const char* text = PyUnicode_AsUTF8(name);
    if (!text) throw PythonErrorSet();
    return text;
}

bool truth(PyObject* object) {
    int value = PyObject_IsTrue(object);
    checked(value);
    return value;
}

}  // namespace

cpu::Generator& TensorOptions::random() const {
    return generator ? generator_from(generator) : cpu::default_generator();
}

DType dtype_option(const char* function, PyObject* object) {
    std::optional<DType> dtype = dtype_from(object);
    check(dtype.has_value(), ErrorKind::Type, function,
          "(): argument 'dtype' must be torch.dtype, not ", Py_TYPE(object)->tp_name);
    check_has_kernels(*dtype);
    return *dtype;
}

Call::Call(const char* function, std::initializer_list<const char*> params, unsigned shared,
           PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames, int positional)
    : function_(function) {
    for (const char* name : params) names_[count_++] = name;
    int limit = positional < 0 ? count_ : positional;
    check(nargs <= limit, ErrorKind::Type, function, "() takes ", limit, " positional argument",
          limit == 1 ? "" : "s", " but ", nargs, nargs == 1 ? " was given" : " were given");
    for (Py_ssize_t i = 0; i < nargs; ++i) values_[i] = args[i];
    for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); ++k) {
        PyObject* keyword = PyTuple_GET_ITEM(kwnames, k);
        PyObject* value = args[nargs + k];
        bool known = false;
        for (int i = 0; i < count_ && !known; ++i) {
            if (!equals(keyword, names_[i])) continue;
            known = true;
            check(!values_[i], ErrorKind::Type, function, "() got multiple values for argument '",
                  names_[i], "'");
            values_[i] = value;
        }
        if (known || take_shared(keyword, value, shared)) continue;
        fail(ErrorKind::Type, function, "() got an unexpected keyword argument '", text_of(keyword),
             "'");
    }
}

bool Call::take_shared(PyObject* keyword, PyObject* value, unsigned shared) {
    bool none = value == Py_None;
    if (shared & kTensorKeywords) {
        if (equals(keyword, "dtype")) {
            if (!none) options_.dtype = dtype_option(function_, value);
            return true;
        }
        if (equals(keyword, "device")) {
            check_device(value);
            return true;
        }
        if (equals(keyword, "requires_grad")) {
            options_.requires_grad = !none && truth(value);
            return true;
        }
        if (equals(keyword, "layout")) {
            PyRef strided(strided_layout());
            check(none || value == strided.get(), ErrorKind::NotImplemented, function_,
                  "(): the only layout is torch.strided");
            return true;
        }
        if (equals(keyword, "pin_memory")) {
            check(
                none || !truth(value), ErrorKind::Runtime, function_,
                "(): pin_memory=True needs an accelerator, and this build has none; leave it out");
            return true;
        }
    }
    if ((shared & kGeneratorKeyword) && equals(keyword, "generator")) {
        if (!none) {
            generator_from(value);  // refuses other objects now
            options_.generator = value;
        }
        return true;
    }
    if ((shared & kFormatKeyword) && equals(keyword, "memory_format")) {
        if (none) return true;
        check(is_memory_format(value), ErrorKind::Type, function_,
              "(): argument 'memory_format' must be torch.memory_format, not ",
              Py_TYPE(value)->tp_name);
        std::string format = memory_format_name(value);
        options_.row_major = format == "contiguous_format";
        check(options_.row_major || format == "preserve_format", ErrorKind::NotImplemented,
              function_, "(): torch.", format,
              " is not supported; there are torch.contiguous_format and torch.preserve_format");
        return true;
    }
    if ((shared & kOutKeyword) && equals(keyword, "out")) {
        check(none, ErrorKind::NotImplemented, function_,
              "(): the argument out= is not supported; assign the result, or copy it with "
              "out.copy_()");
        return true;
    }
    return false;
}

PyObject* Call::required(int i) const {
    check(values_[i], ErrorKind::Type, function_, "() missing 1 required positional arguments: \"",
          names_[i], "\"");
    return values_[i];
}

void Call::wrong_type(int i, const char* expected) const {
    fail(ErrorKind::Type, function_, "(): argument '", names_[i], "' (position ", i + 1,
         ") must be ", expected, ", not ", Py_TYPE(values_[i])->tp_name);
}

Tensor Call::tensor(int i) const {
    if (!is_tensor(required(i))) wrong_type(i, "Tensor");
    return tensor_of(values_[i]);
}

Scalar Call::number(int i) const {
    PyObject* value = required(i);
    if (!is_number(value) && !is_tensor(value)) wrong_type(i, "Number");
    return scalar_from(value);
}

double Call::real(int i, double otherwise) const {
    if (!values_[i]) return otherwise;
    if (!is_number(values_[i]) && !is_tensor(values_[i])) wrong_type(i, "float");
    return scalar_from(values_[i]).as_double();
}

int64_t Call::integer(int i) const {
    if (!is_integer(required(i))) wrong_type(i, "int");
    return integer_from(values_[i], names_[i]);
}

int64_t Call::integer(int i, int64_t otherwise) const {
    return values_[i] ? integer(i) : otherwise;
}

bool Call::flag(int i, bool otherwise) const { return values_[i] ? truth(values_[i]) : otherwise; }

Dims Call::size(int i) const { return size_from(function_, i + 1, required(i)); }

Dims size_from(const char* function, int position, PyObject* object) {
    check(PyTuple_Check(object) || PyList_Check(object), ErrorKind::Type, function,
          "(): argument 'size' (position ", position, ") must be tuple of ints, not ",
          Py_TYPE(object)->tp_name);
    Dims size;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(object); ++i) {
        PyObject* item = PySequence_Fast_GET_ITEM(object, i);
        check(is_integer(item), ErrorKind::Type, function,
              "(): argument 'size' must be tuple of ints, but found element of type ",
              Py_TYPE(item)->tp_name, " at pos ", i);
        size.push_back(integer_from(item, "a size"));
    }
    return size;
}

SizedCall::SizedCall(const char* function, unsigned shared, PyObject* const* args, Py_ssize_t nargs,
                     PyObject* kwnames) {
    if (nargs > 0 && is_integer(args[0])) {
        for (Py_ssize_t i = 0; i < nargs; ++i) {
            check(is_integer(args[i]), ErrorKind::Type, function,
                  "(): argument 'size' must be tuple of ints, but found element of type ",
                  Py_TYPE(args[i])->tp_name, " at pos ", i);
            size.push_back(integer_from(args[i], "a size"));
        }
        options = Call(function, {}, shared, args + nargs, 0, kwnames).options();
        return;
    }
    Call call(function, {"size"}, shared, args, nargs, kwnames);
    if (is_integer(call.required(0))) size.push_back(call.integer(0));
    else size = call.size(0);
    options = call.options();
}

}  // namespace chainrule::bind
