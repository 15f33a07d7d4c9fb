#include "bind/generated_support.h"

#include <string>
#include <string_view>

#include "base/message.h"
#include "tensor/convert.h"

namespace chainrule::bind {

namespace {
// Looking for a temporary costs more than a small operation.
constexpr int64_t kReuseFrom = 1 << 14;
}  // namespace

int reusable_operand(const PointwiseOp& op, const OperandList& operands, PyObject* const* objects) {
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
        case Scalar::Kind::Bool:
            return PyBool_FromLong(s.as_bool());
        case Scalar::Kind::Int:
            return PyLong_FromLongLong(s.as_int());
        case Scalar::Kind::Float:
            break;
    }
    return PyFloat_FromDouble(s.as_double());
}

void check_mask(const char* operation, const Operand& mask) {
    if (mask.tensor && mask.tensor->dtype == DType::Bool) return;
    DType dtype = mask.tensor ? mask.tensor->dtype : mask.scalar.dtype();
    if (std::string_view(operation) == "where") {
        fail(ErrorKind::Runtime,
             "where expected condition to be a boolean tensor, but got a tensor with dtype ",
             dtype_title(dtype), note("Compare first, for example condition != 0."));
    }
    fail(ErrorKind::Runtime, operation, "_ only supports boolean masks, but got mask with dtype ",
         dtype_name(dtype), note("Compare first, for example mask != 0."));
}

void check_fill_value(const Operand& value) {
    check(!value.tensor || value.tensor->ndim == 0, ErrorKind::Runtime,
          "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with ",
          value.tensor ? value.tensor->ndim : 0, " dimension(s).",
          note("Use torch.where(mask, value, x) for a value per element."));
}

namespace {
// As torch prints it, one field a line.
PyObject* fields_repr(PyObject* self, PyObject*) {
    PyRef names = PyRef(PyObject_GetAttrString(self, "__match_args__"));
    if (!names) return nullptr;
    PyRef text(PyUnicode_FromFormat("%s(", Py_TYPE(self)->tp_name));
    for (Py_ssize_t i = 0; text && i < PyTuple_GET_SIZE(names.get()); ++i) {
        text = PyRef(PyUnicode_FromFormat("%U%s\n%U=%R", text.get(), i ? "," : "",
                                          PyTuple_GET_ITEM(names.get(), i),
                                          PyTuple_GET_ITEM(self, i)));
    }
    return text ? PyUnicode_FromFormat("%U)", text.get()) : nullptr;
}
PyMethodDef fields_repr_method = {"__repr__", fields_repr, METH_NOARGS, nullptr};

PyTypeObject* make_fields_type(const ResultFields& fields) {
    // The description is read as long as the type lives.
    auto* name = new std::string(std::string("torch.return_types.") + fields.operation);
    auto* list = new PyStructSequence_Field[5]();
    for (int i = 0; i < fields.count; ++i) list[i] = {fields.names[i], nullptr};
    PyStructSequence_Desc description = {name->c_str(), nullptr, list, fields.count};
    PyTypeObject* type = PyStructSequence_NewType(&description);
    if (!type) throw PythonErrorSet();
    PyRef repr = checked(PyDescr_NewMethod(type, &fields_repr_method));
    checked(PyObject_SetAttrString(reinterpret_cast<PyObject*>(type), "__repr__", repr.get()));
    return type;
}
}  // namespace

void init_return_types(PyObject* module) {
    PyRef types = checked(PyDict_New());
    for (ResultFields* fields : generated_results()) {
        PyObject* known = PyDict_GetItemString(types.get(), fields->operation);
        if (known) {  // overloads share the type of their name
            fields->type = reinterpret_cast<PyTypeObject*>(Py_NewRef(known));
            continue;
        }
        fields->type = make_fields_type(*fields);
        checked(PyDict_SetItemString(types.get(), fields->operation,
                                     reinterpret_cast<PyObject*>(fields->type)));
    }
    checked(PyModule_AddObjectRef(module, "_return_types", types.get()));
}

PyObject* wrap_fields(ResultFields& fields, const Tensor* results) {
    if (!fields.type) fields.type = make_fields_type(fields);
    PyRef tuple = checked(PyStructSequence_New(fields.type));
    for (int i = 0; i < fields.count; ++i) {
        PyStructSequence_SetItem(tuple.get(), i, wrap(results[i]));
    }
    return tuple.leak();
}

}  // namespace chainrule::bind
