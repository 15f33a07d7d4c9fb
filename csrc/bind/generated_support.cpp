#include "bind/generated_support.h"

#include <string>

namespace chainrule::bind {

namespace {
// Looking for a temporary costs more than a small operation.
constexpr int64_t kReuseFrom = 1 << 14;
}  // namespace

int reusable_operand(const PointwiseOp& op, const OperandList& operands,
                     PyObject* const* objects) {
    for (int i = 0; i < op.num_operands; ++i) {
        const TensorImpl* t = operands.items[i].tensor;
        if (!t || t->numel < kReuseFrom || t->refcount != 1 || Py_REFCNT(objects[i]) != 1) continue;
        if (Py_TYPE(objects[i]) == g_tensor_type && is_consumed_temporary(objects[i])) return i;
    }
    return -1;
}

PyObject* call_pointwise(const PointwiseOp& op, const Arguments& arguments,
                         const OperandList& operands, const ScalarList& params) {
    PyObject* objects[kMaxPointwiseInputs];
    for (int i = 0; i < op.num_operands; ++i) objects[i] = arguments.value(i);
    int reuse = reusable_operand(op, operands, objects);
    return wrap(pointwise(op, operands.items, params.items, reuse));
}

PyObject* call_pointwise_inplace(const PointwiseOp& op, const Arguments& arguments,
                                 const OperandList& operands, const ScalarList& params) {
    PyObject* self = arguments.value(0);
    pointwise_inplace(op, operands.items, params.items);
    Py_INCREF(self);
    return self;
}

PyObject* wrap_result(std::vector<Tensor> list) {
    PyRef tuple = checked(PyTuple_New(static_cast<Py_ssize_t>(list.size())));
    for (size_t i = 0; i < list.size(); ++i) {
        PyTuple_SET_ITEM(tuple.get(), static_cast<Py_ssize_t>(i), wrap(std::move(list[i])));
    }
    return tuple.leak();
}

PyObject* wrap_scalar(const Scalar& s) {
    switch (s.kind()) {
        case Scalar::Kind::Bool: return PyBool_FromLong(s.as_bool());
        case Scalar::Kind::Int: return PyLong_FromLongLong(s.as_int());
        case Scalar::Kind::Float: break;
    }
    return PyFloat_FromDouble(s.as_double());
}

PyObject* wrap_fields(ResultFields& fields, const Tensor* results) {
    if (!fields.type) {
        auto* name = new std::string(std::string("torch.return_types.") + fields.operation);
        auto* list = new PyStructSequence_Field[5]();
        for (int i = 0; i < fields.count; ++i) list[i] = {fields.names[i], nullptr};
        PyStructSequence_Desc description = {name->c_str(), nullptr, list, fields.count};
        fields.type = PyStructSequence_NewType(&description);
        if (!fields.type) throw PythonErrorSet();
    }
    PyRef tuple = checked(PyStructSequence_New(fields.type));
    for (int i = 0; i < fields.count; ++i) {
        PyStructSequence_SetItem(tuple.get(), i, wrap(results[i]));
    }
    return tuple.leak();
}

}  // namespace chainrule::bind
