#include <cfloat>

#include "autograd/no_graph.h"
#include "base/message.h"
#include "bind/arguments.h"
#include "bind/buffer.h"
#include "bind/creation.h"
#include "bind/interchange.h"
#include "bind/tensor_object.h"
#include "tensor/convert.h"

// Tensors from nested Python data.
namespace chainrule::bind {

namespace {

constexpr const char* kCopying = "copying the numbers";  // as the reason for having no graph

const char* type_name(PyObject* object) { return Py_TYPE(object)->tp_name; }

bool is_text(PyObject* object) { return PyUnicode_Check(object) || PyBytes_Check(object); }

bool is_plain_number(PyObject* object) {
    return PyFloat_Check(object) || PyLong_Check(object) || PyComplex_Check(object);
}

// A tensor of one element stands for its number, as in torch.
bool is_leaf_value(PyObject* object) {
    return is_plain_number(object) || is_tensor(object) || is_numpy_scalar(object);
}

bool is_nested(PyObject* object) {
    if (PyList_Check(object) || PyTuple_Check(object)) return true;
    return !is_leaf_value(object) && !is_text(object) && PySequence_Check(object);
}

PyRef items_of(PyObject* sequence) { return checked(PySequence_Fast(sequence, "not a sequence")); }

// The shape, read along the first elements; `store` then insists on it.
Dims shape_of(PyObject* data) {
    Dims shape;
    PyRef current = PyRef::share(data);
    while (true) {
        PyObject* object = current.get();
        if (is_numpy_array(object)) {
            for (int64_t size : BufferView(object).shape()) shape.push_back(size);
            return shape;
        }
        check(!is_text(object), ErrorKind::Value, "too many dimensions '", type_name(object), "'");
        if (!is_nested(object)) return shape;
        Py_ssize_t length = PySequence_Size(object);
        if (length < 0) {
            PyErr_Clear();
            fail(ErrorKind::Value, "could not determine the shape of object type '",
                 type_name(object), "'");
        }
        shape.push_back(length);
        check(shape.size() <= kMaxDims, ErrorKind::Value, "too many dimensions '",
              type_name(object), "'");
        if (length == 0) return shape;
        current = checked(PySequence_GetItem(object, 0));
    }
}

DType array_dtype(PyObject* array) {
    std::optional<DType> dtype = BufferView(array).format().dtype();
    if (!dtype) refuse_elements(array);
    return *dtype;
}

void infer(PyObject* object, std::optional<DType>& dtype, int depth) {
    auto join = [&](DType found) { dtype = dtype ? promote(*dtype, found) : found; };
    if (PyFloat_CheckExact(object)) return join(default_dtype());
    if (PyBool_Check(object)) return join(DType::Bool);
    if (PyLong_CheckExact(object)) return join(DType::Int64);
    if (is_tensor(object)) return join(impl_of(object)->dtype);
    if (is_numpy_scalar(object) || is_numpy_array(object)) return join(array_dtype(object));
    if (PyFloat_Check(object)) return join(default_dtype());
    if (PyLong_Check(object)) return join(DType::Int64);
    check(!PyComplex_Check(object), ErrorKind::Type,
          "Chainrule has no kernels for complex numbers yet");
    check(!is_text(object), ErrorKind::Type, "new(): invalid data type '", type_name(object), "'");
    check(is_nested(object), ErrorKind::Runtime, "Could not infer dtype of ", type_name(object));
    check(depth < kMaxDims, ErrorKind::Value, "too many dimensions '", type_name(object), "'");
    PyRef items = items_of(object);
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.get()); ++i) {
        PyRef item = PyRef::share(PySequence_Fast_GET_ITEM(items.get(), i));
        infer(item.get(), dtype, depth + 1);
    }
}

template <class T>
T from_double(double value) {
    if constexpr (std::is_same_v<T, int64_t>) {
        check(value >= -0x1p63 && value < 0x1p63, ErrorKind::Runtime,
              "value cannot be converted to type int64 without overflow");
    }
    return Scalar(value).as<T>();
}

template <class T>
T from_integer(PyObject* object) {
    if constexpr (std::is_floating_point_v<T>) {
        double value = PyLong_AsDouble(object);
        if (value == -1.0 && PyErr_Occurred()) throw PythonErrorSet();
        return static_cast<T>(value);
    } else {
        int overflow = 0;
        int64_t value = PyLong_AsLongLongAndOverflow(object, &overflow);
        if constexpr (std::is_same_v<T, bool>) return overflow || value;
        check(!overflow, ErrorKind::Value, "Overflow when unpacking long long");
        return static_cast<T>(value);
    }
}

template <class T>
T number_from_leaf(PyObject* object) {
    if (PyFloat_Check(object)) return from_double<T>(PyFloat_AS_DOUBLE(object));
    if (PyLong_Check(object)) return from_integer<T>(object);
    if (is_tensor(object)) {
        check(impl_of(object)->numel == 1, ErrorKind::Value,
              "only one element tensors can be converted to Python scalars; torch.stack joins "
              "larger tensors");
        return tensor_of(object).item().as<T>();
    }
    if (is_numpy_scalar(object)) {
        T value;
        BufferView(object).read(dtype_of<T>, &value);
        return value;
    }
    check(!is_text(object), ErrorKind::Type, "new(): invalid data type '", type_name(object), "'");
    check(!is_nested(object) && !is_numpy_array(object), ErrorKind::Type, "'", type_name(object),
          "' object cannot be interpreted as a number: the data before it say that there are no "
          "more dimensions");
    // Fractions and the like, where the dtype was given.
    if (PyIndex_Check(object)) return from_integer<T>(checked(PyNumber_Index(object)).get());
    PyRef number = checked(PyNumber_Float(object));
    return from_double<T>(PyFloat_AS_DOUBLE(number.get()));
}

template <class T>
struct Store {
    const Dims& shape;
    T* out;
    Tensor cut_off = {};  // an element with a history, which the numbers lose

    void run(PyObject* object, size_t dim) {
        if (is_numpy_array(object)) return run_array(object, dim);
        if (dim == shape.size()) {
            *out++ = number_from_leaf<T>(object);
            if (is_tensor(object) && (impl_of(object)->flags & kMayExplain)) {
                cut_off = tensor_of(object);
            }
            return;
        }
        check(!is_text(object) && is_nested(object), ErrorKind::Type, "not a sequence: found '",
              type_name(object), "' where a sequence of length ", shape[dim], " belongs");
        PyRef items = items_of(object);
        check_length(PySequence_Fast_GET_SIZE(items.get()), dim);
        for (int64_t i = 0; i < shape[dim]; ++i) {
            // Conversions may run Python code, which may change the list.
            check_length(PySequence_Fast_GET_SIZE(items.get()), dim);
            PyObject* item = PySequence_Fast_GET_ITEM(items.get(), i);
            if (std::is_floating_point_v<T> && dim + 1 == shape.size() &&
                PyFloat_CheckExact(item)) {
                *out++ = static_cast<T>(PyFloat_AS_DOUBLE(item));
                continue;
            }
            PyRef held = PyRef::share(item);
            run(item, dim + 1);
        }
    }

    void run_array(PyObject* array, size_t dim) {
        BufferView view(array);
        Dims sizes = view.shape();
        check(dim + sizes.size() == shape.size(), ErrorKind::Value, "expected an array with ",
              shape.size() - dim, " dimensions at dim ", dim, " (got ", sizes.size(), ")");
        for (size_t i = 0; i < sizes.size(); ++i) check_length(sizes[i], dim + i);
        view.read(dtype_of<T>, out);
        out += view.numel();
    }

    void check_length(int64_t length, size_t dim) const {
        check(length == shape[dim], ErrorKind::Value, "expected sequence of length ", shape[dim],
              " at dim ", dim, " (got ", length, ")",
              note("Rows of a tensor are equally long: pad the shorter ones, or keep a list of "
                   "tensors."));
    }
};

}  // namespace

Tensor tensor_from_data(PyObject* data, std::optional<DType> dtype) {
    if (is_tensor(data)) {
        const TensorImpl& source = *impl_of(data);
        Tensor copy =
            dtype && *dtype != source.dtype ? convert(source, *dtype) : clone_dense(source);
        note_cut_off(*copy, source, kCopying);
        return copy;
    }
    check(!is_text(data), ErrorKind::Type, "new(): invalid data type '", type_name(data), "'");
    bool foreign = !PyList_Check(data) && !PyTuple_Check(data) && !is_leaf_value(data) &&
                   !is_numpy_array(data);
    if (foreign && PyObject_HasAttrString(data, "__dlpack__")) {
        Tensor shared = tensor_from_dlpack(data);
        return dtype ? convert(*shared, *dtype) : clone_dense(*shared);
    }
    Dims shape = shape_of(data);
    if (!dtype) infer(data, dtype, 0);
    DType chosen = dtype.value_or(default_dtype());
    check_has_kernels(chosen);
    Tensor out = new_empty(shape, chosen);
    dispatch(chosen, [&](auto zero) {
        using T = decltype(zero);
        Store<T> store{shape, out.data<T>()};
        store.run(data, 0);
        if (store.cut_off) note_cut_off(*out, *store.cut_off, kCopying);
    });
    return out;
}

}  // namespace chainrule::bind
