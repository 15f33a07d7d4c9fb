#pragma once

#include <initializer_list>
#include <tuple>
#include <vector>

#include "autograd/history.h"
#include "bind/arguments.h"
#include "bind/tensor_object.h"
#include "ops.h"
#include "rules/assign.h"
#include "rules/inplace_forms.h"

// What the generated bindings are written with.
namespace chainrule::bind {

struct OperandList {
    Operand items[kMaxPointwiseInputs];
    OperandList(std::initializer_list<Operand> list) {
        int i = 0;
        for (const Operand& o : list) items[i++] = o;
    }
};
struct ScalarList {
    Scalar items[kMaxPointwiseParams];
    ScalarList(std::initializer_list<Scalar> list) {
        int i = 0;
        for (const Scalar& s : list) items[i++] = s;
    }
};

// An operator as a method (the first tensor is self) and as a function of the module.
using Callable = PyObject* (*)(PyObject* self, PyObject* const* args, Py_ssize_t nargs,
                               PyObject* kwnames);
template <Callable F>
PyObject* as_method(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return F(self, args, nargs, kwnames);
}
template <Callable F>
PyObject* as_function(PyObject*, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return F(nullptr, args, nargs, kwnames);
}

// Which operand's memory the result may take over: -1 for none.
int reusable_operand(const PointwiseOp& op, const OperandList& operands, PyObject* const* objects);

PyObject* call_pointwise(const PointwiseOp& op, const Arguments& arguments,
                         const OperandList& operands, const ScalarList& params);
PyObject* call_pointwise_inplace(const PointwiseOp& op, const Arguments& arguments,
                                 const OperandList& operands, const ScalarList& params);

// Refuse what is no mask, and what masked_fill cannot fill with.
void check_mask(const char* operation, const Operand& mask);
void check_fill_value(const Operand& value);

inline PyObject* wrap_result(Tensor t) { return wrap(std::move(t)); }
PyObject* wrap_result(std::vector<Tensor> list);  // a tuple
inline PyObject* wrap_result(bool b) { return PyBool_FromLong(b); }
inline PyObject* wrap_result(int64_t i) { return PyLong_FromLongLong(i); }
inline PyObject* wrap_result(double d) { return PyFloat_FromDouble(d); }
PyObject* wrap_scalar(const Scalar& s);
inline PyObject* wrap_result(const Scalar& s) { return wrap_scalar(s); }

// Results with names: torch.return_types.max(values=…, indices=…).
struct ResultFields {
    const char* operation;
    const char* names[4];
    int count;
    PyTypeObject* type;  // made by init_return_types
};
PyObject* wrap_fields(ResultFields& fields, const Tensor* results);
template <class... T>
PyObject* wrap_named(ResultFields& fields, std::tuple<T...> results) {
    return std::apply(
        [&](auto&... t) {
            Tensor list[] = {t...};
            return wrap_fields(fields, list);
        },
        results);
}

// The types of named results, as the dict _return_types of the module.
void init_return_types(PyObject* module);

std::vector<ResultFields*> generated_results();
const std::vector<PyMethodDef*>& generated_methods();
const std::vector<PyMethodDef*>& generated_functions();

}  // namespace chainrule::bind
