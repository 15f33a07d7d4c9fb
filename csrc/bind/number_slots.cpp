#include "autograd/history.h"
#include "base/message.h"
#include "bind/generated_support.h"
#include "bind/hooks.h"

// The arithmetic of the tensor type: `a + b` comes here straight from the interpreter.
namespace chainrule::bind {

namespace {

inline bool to_operand(PyObject* object, Operand* out) {
    if (Py_TYPE(object) == g_tensor_type || is_tensor(object)) {
        out->tensor = impl_of(object);
        return true;
    }
    if (!is_number(object)) return false;
    out->scalar = scalar_from(object);
    return true;
}

PyObject* binary(const PointwiseOp& op, PyObject* a, PyObject* b, const Scalar* params) {
    return guarded([&]() -> PyObject* {
        OperandList operands({});
        if (!to_operand(a, &operands.items[0]) || !to_operand(b, &operands.items[1])) {
            Py_RETURN_NOTIMPLEMENTED;
        }
        PyObject* objects[] = {a, b};
        const TensorImpl* first = operands.items[0].tensor;
        int reuse = -1;
        if (__builtin_expect(!first || first->numel > 4096, 0)) {
            reuse = reusable_operand(op, operands, objects);
        }
        return wrap(pointwise(op, operands.items, params, reuse));
    });
}

PyObject* inplace(const PointwiseOp& op, PyObject* a, PyObject* b, const Scalar* params) {
    return guarded([&]() -> PyObject* {
        OperandList operands({});
        if (!is_tensor(a) || !to_operand(a, &operands.items[0]) ||
            !to_operand(b, &operands.items[1])) {
            Py_RETURN_NOTIMPLEMENTED;
        }
        pointwise_inplace(op, operands.items, params);
        Py_INCREF(a);
        return a;
    });
}

const Scalar kOne[] = {Scalar(1)};
const Scalar kNone[] = {Scalar()};

PyObject* unary(const PointwiseOp& op, PyObject* a) {
    return guarded([&]() -> PyObject* {
        OperandList operands({Operand(impl_of(a))});
        PyObject* objects[] = {a};
        return wrap(pointwise(op, operands.items, kNone, reusable_operand(op, operands, objects)));
    });
}

#define CHAINRULE_BINARY(name, op, params) \
    PyObject* slot_##name(PyObject* a, PyObject* b) { return binary(op, a, b, params); }
#define CHAINRULE_INPLACE(name, op, params) \
    PyObject* slot_inplace_##name(PyObject* a, PyObject* b) { return inplace(op, a, b, params); }

// `2 * x` is recorded as `x * 2`: the tensor is the first input, as in torch.
PyObject* slot_add(PyObject* a, PyObject* b) {
    return is_tensor(a) ? binary(ops::add_op, a, b, kOne) : binary(ops::add_op, b, a, kOne);
}
PyObject* slot_multiply(PyObject* a, PyObject* b) {
    return is_tensor(a) ? binary(ops::mul_op, a, b, kNone) : binary(ops::mul_op, b, a, kNone);
}
CHAINRULE_BINARY(true_divide, ops::div_op, kNone)
CHAINRULE_BINARY(floor_divide, ops::floor_divide_op, kNone)
CHAINRULE_BINARY(remainder, ops::remainder_op, kNone)
CHAINRULE_INPLACE(add, ops::add_op, kOne)
CHAINRULE_INPLACE(subtract, ops::sub_op, kOne)
CHAINRULE_INPLACE(multiply, ops::mul_op, kNone)
CHAINRULE_INPLACE(true_divide, ops::div_op, kNone)
CHAINRULE_INPLACE(floor_divide, ops::floor_divide_op, kNone)
CHAINRULE_INPLACE(remainder, ops::remainder_op, kNone)

PyObject* slot_subtract(PyObject* a, PyObject* b) {
    if (is_tensor(a) || !is_tensor(b) || !is_number(a) || !is_floating(impl_of(b)->dtype)) {
        return binary(ops::sub_op, a, b, kOne);
    }
    return guarded([&] {  // a node of its own, as torch's: the number is no input of it
        OperandList operands({Operand(impl_of(b))});
        ScalarList params({scalar_from(a)});
        int reuse = reusable_operand(ops::_number_minus_op, operands, &b);
        return wrap(pointwise(ops::_number_minus_op, operands.items, params.items, reuse));
    });
}

PyObject* slot_power(PyObject* a, PyObject* b, PyObject* modulus) {
    if (modulus != Py_None) Py_RETURN_NOTIMPLEMENTED;
    return guarded([&]() -> PyObject* {
        if (is_tensor(a) && is_tensor(b)) return wrap(ops::pow(tensor_of(a), tensor_of(b)));
        if (is_tensor(a) && is_number(b)) {
            return wrap(ops::pow_scalar(tensor_of(a), scalar_from(b)));
        }
        if (is_number(a) && is_tensor(b)) return wrap(ops::pow_base(scalar_from(a), tensor_of(b)));
        Py_RETURN_NOTIMPLEMENTED;
    });
}
PyObject* slot_inplace_power(PyObject* a, PyObject* b, PyObject*) {
    return inplace(ops::_pow_op, a, b, kNone);
}
PyObject* slot_negative(PyObject* a) { return unary(ops::neg_op, a); }
PyObject* slot_absolute(PyObject* a) { return unary(ops::abs_op, a); }
PyObject* slot_positive(PyObject* a) {
    Py_INCREF(a);
    return a;
}
PyObject* slot_invert(PyObject* a) {
    return guarded([&]() -> PyObject* {
        check(is_integral(impl_of(a)->dtype), ErrorKind::Type,
              "~ (operator.invert) is only implemented on integer and Boolean-type tensors");
        return unary(impl_of(a)->dtype == DType::Bool ? ops::logical_not_op : ops::bitwise_not_op,
                     a);
    });
}

// On bool tensors & | ^ are the logical operators.
PyObject* bitwise(PyObject* a, PyObject* b, const PointwiseOp& op) {
    return guarded([&]() -> PyObject* {
        for (PyObject* o : {a, b}) {
            if (is_tensor(o)) {
                check(is_integral(impl_of(o)->dtype), ErrorKind::Runtime, "\"", op.name,
                      "\" is not implemented for floating-point tensors; compare first, or use "
                      "logical_and / logical_or");
            }
        }
        return binary(op, a, b, kNone);
    });
}
PyObject* slot_and(PyObject* a, PyObject* b) { return bitwise(a, b, ops::bitwise_and_op); }
PyObject* slot_or(PyObject* a, PyObject* b) { return bitwise(a, b, ops::bitwise_or_op); }
PyObject* slot_xor(PyObject* a, PyObject* b) { return bitwise(a, b, ops::bitwise_xor_op); }
PyObject* inplace_bitwise(PyObject* a, PyObject* b, const PointwiseOp& op) {
    return inplace(op, a, b, kNone);
}
PyObject* slot_inplace_and(PyObject* a, PyObject* b) {
    return inplace_bitwise(a, b, ops::bitwise_and_op);
}
PyObject* slot_inplace_or(PyObject* a, PyObject* b) {
    return inplace_bitwise(a, b, ops::bitwise_or_op);
}
PyObject* slot_inplace_xor(PyObject* a, PyObject* b) {
    return inplace_bitwise(a, b, ops::bitwise_xor_op);
}

PyObject* slot_matmul(PyObject* a, PyObject* b) {
    return guarded([&]() -> PyObject* {
        if (!is_tensor(a) || !is_tensor(b)) Py_RETURN_NOTIMPLEMENTED;
        return wrap(ops::matmul(tensor_of(a), tensor_of(b)));
    });
}

Scalar one_element(PyObject* self) {
    check(impl_of(self)->numel == 1, ErrorKind::Value,
          "only one element tensors can be converted to Python scalars",
          note("This one has shape ", to_string(tensor_of(self).shape()),
               ": reduce it, index one element, or use .tolist()."));
    return tensor_of(self).item();
}
PyObject* slot_float(PyObject* self) {
    return guarded([&] { return PyFloat_FromDouble(one_element(self).as_double()); });
}
PyObject* slot_int(PyObject* self) {
    return guarded([&]() -> PyObject* {
        Scalar s = one_element(self);
        return s.is_float() ? PyLong_FromDouble(s.as_double()) : PyLong_FromLongLong(s.as_int());
    });
}
PyObject* slot_index(PyObject* self) {
    return guarded([&]() -> PyObject* {
        check(impl_of(self)->numel == 1 && is_integral(impl_of(self)->dtype), ErrorKind::Type,
              "only integer tensors of a single element can be converted to an index");
        return PyLong_FromLongLong(tensor_of(self).item().as_int());
    });
}
int slot_bool(PyObject* self) {
    return guarded_int([&]() -> int {
        int64_t n = impl_of(self)->numel;
        check(n <= 1, ErrorKind::Runtime,
              "Boolean value of Tensor with more than one value is ambiguous",
              note("This one has shape ", to_string(tensor_of(self).shape()),
                   ": use .any() or .all(), and torch.where to choose element by element."));
        check(n == 1, ErrorKind::Runtime, "Boolean value of Tensor with no values is ambiguous");
        return tensor_of(self).item().as_bool();
    });
}

PyObject* rich_compare(PyObject* a, PyObject* b, int operation) {
    const PointwiseOp* op = nullptr;
    switch (operation) {
        case Py_EQ:
            op = &ops::eq_op;
            break;
        case Py_NE:
            op = &ops::ne_op;
            break;
        case Py_LT:
            op = &ops::lt_op;
            break;
        case Py_LE:
            op = &ops::le_op;
            break;
        case Py_GT:
            op = &ops::gt_op;
            break;
        default:
            op = &ops::ge_op;
            break;
    }
    return binary(*op, a, b, kNone);
}

Py_hash_t hash(PyObject* self) {  // by identity, as == is elementwise
    return static_cast<Py_hash_t>(reinterpret_cast<uintptr_t>(self) >> 4);
}

}  // namespace

void add_number_slots(std::vector<PyType_Slot>& slots) {
    auto add = [&](int id, auto* function) {
        slots.push_back({id, reinterpret_cast<void*>(function)});
    };
    add(Py_nb_add, slot_add);
    add(Py_nb_subtract, slot_subtract);
    add(Py_nb_multiply, slot_multiply);
    add(Py_nb_remainder, slot_remainder);
    add(Py_nb_power, slot_power);
    add(Py_nb_negative, slot_negative);
    add(Py_nb_positive, slot_positive);
    add(Py_nb_absolute, slot_absolute);
    add(Py_nb_bool, slot_bool);
    add(Py_nb_invert, slot_invert);
    add(Py_nb_and, slot_and);
    add(Py_nb_xor, slot_xor);
    add(Py_nb_or, slot_or);
    add(Py_nb_int, slot_int);
    add(Py_nb_float, slot_float);
    add(Py_nb_inplace_add, slot_inplace_add);
    add(Py_nb_inplace_subtract, slot_inplace_subtract);
    add(Py_nb_inplace_multiply, slot_inplace_multiply);
    add(Py_nb_inplace_remainder, slot_inplace_remainder);
    add(Py_nb_inplace_power, slot_inplace_power);
    add(Py_nb_inplace_and, slot_inplace_and);
    add(Py_nb_inplace_xor, slot_inplace_xor);
    add(Py_nb_inplace_or, slot_inplace_or);
    add(Py_nb_floor_divide, slot_floor_divide);
    add(Py_nb_true_divide, slot_true_divide);
    add(Py_nb_inplace_floor_divide, slot_inplace_floor_divide);
    add(Py_nb_inplace_true_divide, slot_inplace_true_divide);
    add(Py_nb_index, slot_index);
    add(Py_nb_matrix_multiply, slot_matmul);
    slots.push_back({Py_tp_richcompare, reinterpret_cast<void*>(rich_compare)});
    slots.push_back({Py_tp_hash, reinterpret_cast<void*>(hash)});
}

}  // namespace chainrule::bind
