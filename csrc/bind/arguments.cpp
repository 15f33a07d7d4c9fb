#include "bind/arguments.h"

#include <cstring>

#include "base/message.h"
#include "bind/dtype_object.h"
#include "bind/tensor_object.h"

namespace chainrule::bind {

namespace {

bool equals(PyObject* name, const char* text) {
    return PyUnicode_CompareWithASCIIString(name, text) == 0;
}

// torch's functions call the first tensor `input`, its methods `self`; NumPy's words work too.
bool names_param(PyObject* keyword, const char* param) {
    if (equals(keyword, param)) return true;
    if (!std::strcmp(param, "self")) return equals(keyword, "input") || equals(keyword, "x");
    if (!std::strcmp(param, "dim")) return equals(keyword, "axis");
    if (!std::strcmp(param, "keepdim")) return equals(keyword, "keepdims");
    return false;
}

bool is_zero_dim_number_tensor(PyObject* object) {
    return is_tensor(object) && impl_of(object)->ndim == 0 &&
           !(impl_of(object)->flags & (kRequiresGrad | kDual));
}

// "Tensor", not "torch.Tensor", as torch's messages have it.
std::string type_word(PyObject* object) {
    if (object == Py_None) return "None";
    if (Py_TYPE(object) == g_tensor_type) return "Tensor";
    return Py_TYPE(object)->tp_name;
}

bool fits_type(PyObject* v, ParamType type) {
    switch (type) {
        case ParamType::Tensor:
            return is_tensor(v);
        case ParamType::TensorOrNumber:
            return is_tensor(v) || is_number(v);
        case ParamType::OptionalTensor:
            return v == Py_None || is_tensor(v);
        case ParamType::TensorList: {
            if (!PyList_Check(v) && !PyTuple_Check(v)) return false;
            for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(v); ++i) {
                if (!is_tensor(PySequence_Fast_GET_ITEM(v, i))) return false;
            }
            return true;
        }
        case ParamType::Number:
            return is_number(v) || is_zero_dim_number_tensor(v);
        case ParamType::OptionalNumber:
            return v == Py_None || is_number(v) || is_zero_dim_number_tensor(v);
        case ParamType::Int:
            return is_integer(v);
        case ParamType::OptionalInt:
            return v == Py_None || is_integer(v);
        case ParamType::Float:
            return is_number(v) || is_zero_dim_number_tensor(v);
        case ParamType::OptionalFloat:
            return v == Py_None || is_number(v) || is_zero_dim_number_tensor(v);
        case ParamType::Bool:
            return PyBool_Check(v) || (is_number(v) && !PyFloat_Check(v));
        case ParamType::IntList:
            return is_integer(v) || is_int_sequence(v);
        case ParamType::OptionalIntList:
            return v == Py_None || is_integer(v) || is_int_sequence(v);
        case ParamType::OptionalDType:
            return v == Py_None || dtype_from(v).has_value();
        case ParamType::Str:
            return PyUnicode_Check(v);
        case ParamType::OptionalStr:
            return v == Py_None || PyUnicode_Check(v) || is_memory_format(v);
    }
    return false;
}

const char* type_title(ParamType type) {
    switch (type) {
        case ParamType::Tensor:
        case ParamType::OptionalTensor:
            return "Tensor";
        case ParamType::TensorOrNumber:
            return "Tensor or Number";
        case ParamType::TensorList:
            return "tuple of Tensors";
        case ParamType::Number:
        case ParamType::OptionalNumber:
            return "Number";
        case ParamType::Int:
        case ParamType::OptionalInt:
            return "int";
        case ParamType::Float:
        case ParamType::OptionalFloat:
            return "float";
        case ParamType::Bool:
            return "bool";
        case ParamType::IntList:
        case ParamType::OptionalIntList:
            return "tuple of ints";
        case ParamType::OptionalDType:
            return "torch.dtype";
        case ParamType::Str:
        case ParamType::OptionalStr:
            return "str";
    }
    return "?";
}

}  // namespace

bool is_number(PyObject* object) {
    if (PyFloat_Check(object) || PyLong_Check(object)) return true;
    if (is_tensor(object)) return false;
    // NumPy scalars and the like, without importing NumPy.
    PyNumberMethods* number = Py_TYPE(object)->tp_as_number;
    if (!number || (!number->nb_index && !number->nb_float)) return false;
    if (PyComplex_Check(object)) return false;
    return !PyObject_HasAttrString(object, "__len__") ||
           std::strncmp(Py_TYPE(object)->tp_name, "numpy.", 6) == 0;
}

bool is_integer(PyObject* object) {
    if (PyLong_Check(object)) return true;
    if (is_tensor(object)) {
        TensorImpl* impl = impl_of(object);
        return impl->numel == 1 && is_integral(impl->dtype) && impl->dtype != DType::Bool;
    }
    return PyIndex_Check(object) && !PyFloat_Check(object);
}

Scalar scalar_from(PyObject* object) {
    if (PyFloat_Check(object)) return Scalar(PyFloat_AS_DOUBLE(object));
    if (PyBool_Check(object)) return Scalar::boolean(object == Py_True);
    if (is_tensor(object)) return tensor_of(object).item();
    if (PyLong_Check(object) || PyIndex_Check(object)) {
        PyRef index = checked(PyNumber_Index(object));
        int overflow = 0;
        long long value = PyLong_AsLongLongAndOverflow(index.get(), &overflow);
        if (overflow) {
            fail(ErrorKind::Runtime,
                 "Overflow when unpacking long: an integer does not fit 64 bits");
        }
        if (value == -1 && PyErr_Occurred()) throw PythonErrorSet();
        return Scalar(static_cast<int64_t>(value));
    }
    PyRef number = checked(PyNumber_Float(object));
    return Scalar(PyFloat_AS_DOUBLE(number.get()));
}

int64_t integer_from(PyObject* object, const char* what) {
    if (PyLong_CheckExact(object) || PyBool_Check(object)) {
        int overflow = 0;
        long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
        check(!overflow, ErrorKind::Runtime, "Overflow when unpacking long: ", what,
              " does not fit 64 bits");
        return value;
    }
    check(is_integer(object), ErrorKind::Type, what, " must be int, not ",
          Py_TYPE(object)->tp_name);
    return scalar_from(object).as_int();
}

double number_from(PyObject* object, const char* what) {
    check(is_number(object) || is_tensor(object), ErrorKind::Type, what, " must be a number, not ",
          Py_TYPE(object)->tp_name);
    return scalar_from(object).as_double();
}

bool is_int_sequence(PyObject* object) {
    if (!PyList_Check(object) && !PyTuple_Check(object)) return false;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(object); ++i) {
        if (!is_integer(PySequence_Fast_GET_ITEM(object, i))) return false;
    }
    return true;
}

Dims dims_from(PyObject* object, const char* what) {
    Dims out;
    if (PyList_Check(object) || PyTuple_Check(object)) {
        for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(object); ++i) {
            out.push_back(integer_from(PySequence_Fast_GET_ITEM(object, i), what));
        }
    } else {
        out.push_back(integer_from(object, what));
    }
    return out;
}

bool Arguments::bind(const Signature& signature, PyObject* self, PyObject* const* args,
                     Py_ssize_t nargs, PyObject* kwnames) {
    signature_ = &signature;
    rest_ = nullptr;
    out_ = nullptr;
    const ParamSpec* params = signature.params;
    int next = 0;
    if (self) {
        values_[0] = self;
        next = 1;
    }
    Py_ssize_t used = 0;
    while (used < nargs && next < signature.count && !params[next].keyword_only) {
        const ParamSpec& p = params[next];
        // view(2, 3) means view((2, 3)).
        if (p.type == ParamType::IntList && !p.has_default && nargs - used > 1 &&
            is_integer(args[used]) && next == 1) {
            Py_ssize_t run = used;
            while (run < nargs && is_integer(args[run])) ++run;
            rest_ = args + used;
            num_rest_ = run - used;
            values_[next++] = args[used];
            used = run;
            continue;
        }
        if (!fits_type(args[used], p.type)) return false;
        // view(None) is no view(dtype).
        if (args[used] == Py_None && p.type == ParamType::OptionalDType && !p.has_default) {
            return false;
        }
        values_[next++] = args[used++];
    }
    if (used < nargs) return false;
    for (int i = next; i < signature.count; ++i) values_[i] = nullptr;
    if (kwnames) {
        for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(kwnames); ++k) {
            PyObject* keyword = PyTuple_GET_ITEM(kwnames, k);
            PyObject* value = args[nargs + k];
            int found = -1;
            for (int i = 0; i < signature.count; ++i) {
                if (names_param(keyword, params[i].name)) found = i;
            }
            if (found < 0) {
                if (equals(keyword, "out")) {
                    if (value != Py_None) out_ = value;
                    continue;
                }
                return false;
            }
            if (values_[found] || (found == 0 && self)) return false;
            if (value == Py_None && params[found].has_default) continue;
            if (!fits_type(value, params[found].type)) return false;
            values_[found] = value;
        }
    }
    for (int i = next; i < signature.count; ++i) {
        if (!values_[i] && !params[i].has_default) return false;
    }
    check(!out_, ErrorKind::NotImplemented, signature.name,
          "(): the argument out= is not supported; assign the result, or copy it with out.copy_()");
    return true;
}

Tensor Arguments::tensor(int i) const { return tensor_of(values_[i]); }

Tensor Arguments::optional_tensor(int i) const {
    if (!values_[i] || values_[i] == Py_None) return Tensor();
    return tensor_of(values_[i]);
}

std::vector<Tensor> Arguments::tensors(int i) const {
    std::vector<Tensor> out;
    PyObject* list = values_[i];
    for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(list); ++k) {
        out.push_back(tensor_of(PySequence_Fast_GET_ITEM(list, k)));
    }
    return out;
}

Operand Arguments::operand(int i) {
    if (is_tensor(values_[i])) return Operand(impl_of(values_[i]));
    return Operand(scalar_from(values_[i]));
}

Scalar Arguments::scalar(int i, const Scalar& otherwise) const {
    return values_[i] ? scalar_from(values_[i]) : otherwise;
}
std::optional<Scalar> Arguments::optional_scalar(int i) const {
    if (!values_[i] || values_[i] == Py_None) return std::nullopt;
    return scalar_from(values_[i]);
}
int64_t Arguments::integer(int i, int64_t otherwise) const {
    return values_[i] ? integer_from(values_[i], signature_->params[i].name) : otherwise;
}
std::optional<int64_t> Arguments::optional_integer(int i) const {
    if (!values_[i] || values_[i] == Py_None) return std::nullopt;
    return integer(i, 0);
}
double Arguments::number(int i, double otherwise) const {
    return values_[i] ? number_from(values_[i], signature_->params[i].name) : otherwise;
}
std::optional<double> Arguments::optional_number(int i) const {
    if (!values_[i] || values_[i] == Py_None) return std::nullopt;
    return number(i, 0);
}
bool Arguments::flag(int i, bool otherwise) const {
    if (!values_[i]) return otherwise;
    int truth = PyObject_IsTrue(values_[i]);
    checked(truth);
    return truth;
}
Dims Arguments::dims(int i, const Dims& otherwise) const {
    if (!values_[i]) return otherwise;
    if (rest_ && i == 1) {
        Dims out;
        for (Py_ssize_t k = 0; k < num_rest_; ++k) {
            out.push_back(integer_from(rest_[k], signature_->params[i].name));
        }
        return out;
    }
    return dims_from(values_[i], signature_->params[i].name);
}
std::optional<Dims> Arguments::optional_dims(int i) const {
    if (!values_[i] || values_[i] == Py_None) return std::nullopt;
    return dims(i, {});
}
std::optional<DType> Arguments::optional_dtype(int i) const {
    if (!values_[i] || values_[i] == Py_None) return std::nullopt;
    return dtype_from(values_[i]);
}
std::string Arguments::text(int i, const char* otherwise) const {
    if (!values_[i]) return otherwise;
    const char* s = PyUnicode_AsUTF8(values_[i]);
    if (!s) throw PythonErrorSet();
    return s;
}
std::optional<std::string> Arguments::optional_text(int i) const {
    if (!values_[i] || values_[i] == Py_None) return std::nullopt;
    if (!PyUnicode_Check(values_[i])) return memory_format_name(values_[i]);
    return text(i, "");
}

namespace {
// The element that keeps a list from being a list of tensors.
void refuse_element(PyObject* list, Py_ssize_t position) {
    if (!PyList_Check(list) && !PyTuple_Check(list)) return;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(list); ++i) {
        PyObject* element = PySequence_Fast_GET_ITEM(list, i);
        check(is_tensor(element), ErrorKind::Type, "expected Tensor as element ", i,
              " in argument ", position, ", but got ", type_word(element));
    }
}
std::string note_signature(const Signature& s) { return note("Signature: ", s.name, s.text); }

// How to make a tensor of what was given in its place.
std::string note_conversion(const ParamSpec& p, PyObject* given) {
    if (p.type != ParamType::Tensor) return "";
    if (PyList_Check(given) || PyTuple_Check(given)) {
        return note("Make a tensor of the ", type_word(given),
                    ": torch.tensor(numbers), or torch.stack(tensors).");
    }
    if (type_word(given) == "numpy.ndarray") {
        return note("Make a tensor of the array: torch.from_numpy(array), without a copy.");
    }
    return "";
}

}  // namespace

PyObject* no_match(std::initializer_list<const Signature*> signatures, PyObject* self,
                   PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    const char* name = (*signatures.begin())->name;
    std::string got;
    for (Py_ssize_t i = 0; i < nargs; ++i) {
        got += concat(i ? ", " : "", type_word(args[i]));
    }
    Py_ssize_t keywords = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    for (Py_ssize_t k = 0; k < keywords; ++k) {
        const char* key = PyUnicode_AsUTF8(PyTuple_GET_ITEM(kwnames, k));
        got += concat(got.empty() ? "" : ", ", key ? key : "?", "=", type_word(args[nargs + k]));
    }
    if (signatures.size() == 1) {
        const Signature& s = **signatures.begin();
        int first = self ? 1 : 0;
        int positional = 0;
        while (positional < s.count && !s.params[positional].keyword_only) ++positional;
        positional -= first;
        auto param_name = [&](int i) {
            return std::strcmp(s.params[i].name, "self") ? s.params[i].name : "input";
        };
        // A wrong type at a known place is the commonest mistake: name the place.
        for (Py_ssize_t i = 0; i < nargs && first + i < s.count; ++i) {
            const ParamSpec& p = s.params[first + i];
            if (p.keyword_only) break;
            if (!fits_type(args[i], p.type)) {
                if (p.type == ParamType::TensorList) refuse_element(args[i], i);
                fail(ErrorKind::Type, name, "(): argument '",
                     param_name(first + static_cast<int>(i)), "' (position ", i + 1, ") must be ",
                     type_title(p.type), ", not ", type_word(args[i]), note_conversion(p, args[i]),
                     note_signature(s));
            }
        }
        check(nargs <= positional, ErrorKind::Type, name, "() takes ", positional,
              positional == 1 ? " positional argument but " : " positional arguments but ", nargs,
              nargs == 1 ? " was given" : " were given", note_signature(s));
        for (Py_ssize_t k = 0; k < keywords; ++k) {
            PyObject* keyword = PyTuple_GET_ITEM(kwnames, k);
            bool known = equals(keyword, "out");
            for (int i = 0; i < s.count; ++i) {
                if (!names_param(keyword, s.params[i].name)) continue;
                known = true;
                if (!fits_type(args[nargs + k], s.params[i].type)) {
                    fail(ErrorKind::Type, name, "(): argument '", param_name(i), "' must be ",
                         type_title(s.params[i].type), ", not ", type_word(args[nargs + k]),
                         note_conversion(s.params[i], args[nargs + k]), note_signature(s));
                }
            }
            const char* key = PyUnicode_AsUTF8(keyword);
            check(known, ErrorKind::Type, name, "() got an unexpected keyword argument '",
                  key ? key : "?", "'", note_signature(s));
        }
        for (int i = first; i < s.count; ++i) {
            if (s.params[i].has_default || i < first + nargs) continue;
            bool given = false;
            for (Py_ssize_t k = 0; k < keywords; ++k) {
                given |= names_param(PyTuple_GET_ITEM(kwnames, k), s.params[i].name);
            }
            check(given, ErrorKind::Type, name, "() missing 1 required positional arguments: \"",
                  param_name(i), "\"", note_signature(s));
        }
    }
    std::string wanted;
    for (const Signature* s : signatures) wanted += concat("\n * ", s->text);
    fail(ErrorKind::Type, name, "() received an invalid combination of arguments - got (", got,
         "), but expected ", signatures.size() > 1 ? "one of:" : "", wanted);
}

}  // namespace chainrule::bind
