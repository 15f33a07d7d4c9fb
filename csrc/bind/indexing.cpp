#include "bind/indexing.h"

#include <cstring>
#include <optional>

#include "autograd/history.h"
#include "autograd/observer.h"
#include "base/message.h"
#include "bind/arguments.h"
#include "bind/buffer.h"
#include "bind/creation.h"
#include "bind/tensor_object.h"
#include "forward/view.h"
#include "ops.h"
#include "rules/assign.h"
#include "rules/index.h"
#include "tensor/convert.h"

// x[key] and x[key] = value, with torch's rules: basic keys give views, index tensors and masks
// come after them.
namespace chainrule::bind {

namespace {

std::string note_range(int64_t size) {
    if (size == 0) return note("That dimension is empty.");
    return note("Valid are 0 to ", size - 1, ", or ", -size, " to -1 from the end.");
}

[[noreturn]] void fail_bounds(int64_t index, int64_t dim, int64_t size) {
    fail(ErrorKind::Index, "index ", index, " is out of bounds for dimension ", dim, " with size ",
         size, note_range(size));
}

// A tensor under basic indexing. Without history and tangents it is a mere geometry, which becomes
// a view at the end; else, and while somebody watches, each step is an operator.
class Cursor {
public:
    explicit Cursor(PyObject* self)
        : origin_(impl_of(self)),
          plain_(plain_inplace({origin_}) && !(t_state.flags & kObserveMode)) {
        if (plain_) {
            shape_ = Dims(origin_->sizes(), origin_->ndim);
            strides_ = Dims(origin_->strides(), origin_->ndim);
        } else {
            tensor_ = tensor_of(self);
        }
    }

    int64_t ndim() const { return plain_ ? static_cast<int64_t>(shape_.size()) : tensor_.dim(); }
    int64_t size(int64_t d) const {
        return plain_ ? shape_[static_cast<size_t>(d)] : tensor_->sizes()[d];
    }

    // `named` is the dimension of the whole tensor that an error speaks of.
    void select(int64_t d, int64_t index, int64_t named) {
        int64_t n = size(d);
        if (__builtin_expect(index < -n || index >= n, 0)) fail_bounds(index, named, n);
        if (index < 0) index += n;
        changed_ = true;
        if (!plain_) {
            tensor_ = ops::select(tensor_, d, index);
            return;
        }
        auto at = static_cast<size_t>(d);
        shift_ += index * strides_[at];
        shape_.erase(at);
        strides_.erase(at);
    }

    void slice(int64_t d, PyObject* key, bool even_if_all) {
        Py_ssize_t start, stop, step;
        if (PySlice_Unpack(key, &start, &stop, &step) < 0) throw PythonErrorSet();
        check(step > 0, ErrorKind::Value,
              "slice step must be positive (step must be greater than zero), got ", step,
              "; reverse with flip() instead");
        Py_ssize_t n = size(d);
        Py_ssize_t count = PySlice_AdjustIndices(n, &start, &stop, step);
        if (count == n && step == 1 && !even_if_all) return;
        changed_ = true;
        if (!plain_) {
            tensor_ = ops::_slice(tensor_, d, start, std::max(start, stop), step);
            return;
        }
        auto at = static_cast<size_t>(d);
        if (count) shift_ += start * strides_[at];
        shape_[at] = count;
        if (__builtin_mul_overflow(strides_[at], static_cast<int64_t>(step), &strides_[at])) {
            strides_[at] = 1;
        }
    }

    void unsqueeze(int64_t d) {
        changed_ = true;
        if (!plain_) {
            tensor_ = ops::unsqueeze(tensor_, d);
            return;
        }
        auto at = static_cast<size_t>(d);
        int64_t stride = at < shape_.size() ? shape_[at] * strides_[at] : 1;
        shape_.insert(at, 1);
        strides_.insert(at, stride);
    }

    bool plain() const { return plain_; }
    // The view; `fresh` asks for one even if nothing was cut off.
    Tensor view(bool fresh) const {
        if (!changed_ && !fresh) return Tensor(Ref<TensorImpl>::share(origin_));
        if (!plain_) return changed_ ? tensor_ : ops::_alias(tensor_);
        Tensor out = memory();
        set_view(*out, *origin_);
        if (origin_->flags & kMayExplain) {
            note_unrecorded(*out, 1, [&](size_t) { return origin_; }, true, "indexing");
        }
        return out;
    }
    // The same memory for the kernels, unknown to the graph.
    Tensor memory() const {
        if (!plain_) return tensor_;
        return forward::shifted_view(*origin_, shape_, strides_, shift_);
    }

private:
    TensorImpl* origin_;
    bool plain_;
    bool changed_ = false;
    Dims shape_, strides_;
    int64_t shift_ = 0;
    Tensor tensor_;
};

bool is_text(PyObject* object) { return PyUnicode_Check(object) || PyBytes_Check(object); }

// A list that stands for a tuple: torch reads x[[slice(1), 0]] as x[slice(1), 0].
bool stands_for_tuple(PyObject* list) {
    Py_ssize_t n = PyList_GET_SIZE(list);
    if (n >= 32) return false;
    for (Py_ssize_t i = 0; i < n; ++i) {
        PyObject* item = PyList_GET_ITEM(list, i);
        if (is_tensor(item) || PyList_Check(item) || PyTuple_Check(item) || PySlice_Check(item) ||
            item == Py_Ellipsis || item == Py_None) {
            return true;
        }
    }
    return false;
}

[[noreturn]] void fail_key(PyObject* key) {
    fail(ErrorKind::Index,
         "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
         "indices (got ",
         Py_TYPE(key)->tp_name, ")");
}

// Index tensors from lists, ranges and arrays; null if the object is none of these.
Tensor index_from(PyObject* object) {
    if (is_tensor(object)) return tensor_of(object);
    if (is_text(object) || PyFloat_Check(object)) {
        if (is_text(object)) {
            fail(ErrorKind::Type, "new(): invalid data type '", Py_TYPE(object)->tp_name,
                 "': a tensor cannot be indexed by it");
        }
        return Tensor();
    }
    bool sequence = PyList_Check(object) || PyTuple_Check(object) || is_numpy_array(object) ||
                    PySequence_Check(object) ||
                    std::strncmp(Py_TYPE(object)->tp_name, "numpy.", 6) == 0;
    if (!sequence) return Tensor();
    Tensor t;
    if (PyList_Check(object) || PyTuple_Check(object) || is_numpy_array(object)) {
        t = tensor_from_data(object, std::nullopt);
    } else if (PySequence_Check(object)) {
        PyRef list = checked(PySequence_List(object));
        t = tensor_from_data(list.get(), std::nullopt);
    } else {
        t = tensor_from_data(object, std::nullopt);
    }
    if (t.numel() == 0 && t.dtype() != DType::Bool) return convert(*t, DType::Int64);
    return t;
}

// Index tensors and where they stand: they wait until all basic keys are applied.
struct Advanced {
    std::vector<std::pair<int64_t, Tensor>> waiting;
};

// True for integers that select; stores the value.
bool integer_key(PyObject* key, int64_t* value) {
    if (PyLong_CheckExact(key)) {
        int overflow = 0;
        *value = PyLong_AsLongLongAndOverflow(key, &overflow);
        check(!overflow, ErrorKind::Index, "an index does not fit 64 bits");
        return true;
    }
    if (PyBool_Check(key) || PyFloat_Check(key)) return false;
    if (is_tensor(key)) {
        TensorImpl* t = impl_of(key);
        if (t->ndim != 0 || t->dtype != DType::Int64) return false;
        *value = *reinterpret_cast<int64_t*>(t->data);
        return true;
    }
    if (PyLong_Check(key) || (PyIndex_Check(key) && !is_numpy_array(key))) {
        *value = integer_from(key, "an index");
        return true;
    }
    return false;
}

void apply_boolean(Cursor& cursor, Advanced& advanced, int64_t dim, bool value) {
    cursor.unsqueeze(dim);
    advanced.waiting.emplace_back(dim, Tensor::zeros({value ? 1 : 0}, DType::Int64));
}

// Dimensions of the tensor that a part of a key takes up.
int64_t dims_of(PyObject* part) {
    if (part == Py_None || part == Py_Ellipsis || PyBool_Check(part)) return 0;
    if (is_tensor(part)) {
        const TensorImpl* t = impl_of(part);
        return t->dtype == DType::Bool ? t->ndim : 1;
    }
    return 1;
}

void apply_tuple(Cursor& cursor, Advanced& advanced, PyObject* const* parts, Py_ssize_t count) {
    std::vector<PyRef> keep;
    std::vector<PyObject*> items(parts, parts + count);
    int64_t taken = 0;
    for (PyObject*& item : items) {
        // Lists become tensors at once: a mask takes up several dimensions.
        bool convertible = !PyLong_Check(item) && !PySlice_Check(item) && item != Py_None &&
                           item != Py_Ellipsis && !is_tensor(item);
        int64_t ignored;
        if (convertible && !integer_key(item, &ignored)) {
            Tensor t = index_from(item);
            if (!t) fail_key(item);
            keep.emplace_back(wrap(t));
            item = keep.back().get();
        }
        taken += dims_of(item);
    }
    int64_t ndim = cursor.ndim();
    check(taken <= ndim, ErrorKind::Index, "too many indices for tensor of dimension ", ndim,
          note("There are ", taken, " indices for a tensor with ", ndim, " dimensions."));
    int64_t dim = 0, named = 0;
    for (PyObject* item : items) {
        int64_t index;
        if (PySlice_Check(item)) {
            cursor.slice(dim++, item, false);
            ++named;
        } else if (item == Py_Ellipsis) {
            dim += ndim - taken;
            named += ndim - taken;
        } else if (item == Py_None) {
            cursor.unsqueeze(dim++);
        } else if (PyBool_Check(item)) {
            apply_boolean(cursor, advanced, dim++, item == Py_True);
        } else if (integer_key(item, &index)) {
            cursor.select(dim, index, named++);
        } else {
            Tensor t = tensor_of(item);
            if (t.dim() == 0 && t.dtype() == DType::Bool) {
                apply_boolean(cursor, advanced, dim++, t.item().as_bool());
                continue;
            }
            int64_t width = t.dtype() == DType::Bool ? t.dim() : 1;
            advanced.waiting.emplace_back(dim, t);
            dim += width;
            named += width;
        }
    }
}

void apply(Cursor& cursor, Advanced& advanced, PyObject* key, bool reads) {
    int64_t index;
    if (PyTuple_Check(key)) {
        apply_tuple(cursor, advanced, PySequence_Fast_ITEMS(key), PyTuple_GET_SIZE(key));
        return;
    }
    if (PyList_Check(key) && stands_for_tuple(key)) {
        if (PyErr_WarnEx(PyExc_UserWarning,
                         "Using a non-tuple sequence for multidimensional indexing is deprecated; "
                         "use x[tuple(seq)] instead of x[seq]",
                         1) < 0) {
            throw PythonErrorSet();
        }
        PyRef tuple = checked(PyList_AsTuple(key));
        apply_tuple(cursor, advanced, PySequence_Fast_ITEMS(tuple.get()),
                    PyTuple_GET_SIZE(tuple.get()));
        return;
    }
    if (PySlice_Check(key)) {
        check(cursor.ndim() > 0, ErrorKind::Index, "slice() cannot be applied to a 0-dim tensor.");
        cursor.slice(0, key, reads);  // x[:] is a view of x
        return;
    }
    if (integer_key(key, &index)) {
        check(cursor.ndim() > 0, ErrorKind::Index,
              "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or "
              "`tensor.item<T>()` in C++ to convert a 0-dim tensor to a number");
        cursor.select(0, index, 0);
        return;
    }
    apply_tuple(cursor, advanced, &key, 1);
}

IndexList finished(const Tensor& of, Advanced& advanced) {
    IndexList list;
    for (auto& [dim, index] : advanced.waiting) list.add(of, dim, index);
    return list;
}

void check_number(PyObject* value, DType dtype) {
    check(is_number(value) && !is_numpy_array(value), ErrorKind::Type, "can't assign a ",
          Py_TYPE(value)->tp_name, " to a ", legacy_type_name(dtype), "; make it a tensor first");
}

// Value of an assignment as a tensor; numbers become 0-d tensors of the target's dtype.
Tensor value_tensor(PyObject* value, DType dtype) {
    if (is_tensor(value)) return tensor_of(value);
    check_number(value, dtype);
    return Tensor::full({}, dtype, scalar_from(value));
}

// Leading dimensions of size 1 that the target has not got are dropped.
Tensor without_leading(const Tensor& value, int64_t ndim) {
    int64_t drop = 0;
    while (value.dim() - drop > ndim && value->sizes()[drop] == 1) ++drop;
    if (drop == 0) return value;
    Dims shape(value->sizes() + drop, static_cast<size_t>(value.dim() - drop));
    return ops::reshape(value, shape);
}

void assign_part(Cursor& cursor, PyObject* self, PyObject* value) {
    Tensor whole = tensor_of(self);
    if (!is_tensor(value)) {
        check_number(value, whole.dtype());
        Scalar number = scalar_from(value);
        if (cursor.plain()) {
            check_inplace(*whole, "copy_");
            fill_memory(*cursor.memory(), number);
            whole->storage->bump_version();
        } else {
            fill_inplace(cursor.view(false), number);
        }
        return;
    }
    Tensor source = tensor_of(value);
    bool plain = cursor.plain() && plain_inplace({source.get()});
    if (plain) check_inplace(*whole, "copy_");
    Tensor target = plain ? cursor.memory() : cursor.view(false);
    source = without_leading(source, target.dim());
    if (!source->same_shape(*target)) source = ops::expand(source, target.shape());
    if (!plain) {
        copy_inplace(target, source);
        return;
    }
    if (source->storage->data == target->storage->data && partly_overlap(*target, *source)) {
        source = clone_dense(*source);
    }
    copy_elements(*target, *source);
    whole->storage->bump_version();
    if (source->flags & kMayExplain) note_unrecorded_change(*whole, *source, "copy_");
}

}  // namespace

PyObject* tensor_getitem(PyObject* self, PyObject* key) {
    return guarded([&]() -> PyObject* {
        Cursor cursor(self);
        Advanced advanced;
        apply(cursor, advanced, key, true);
        if (__builtin_expect(advanced.waiting.empty(), 1)) return wrap(cursor.view(true));
        Tensor view = cursor.view(false);
        IndexList list = finished(view, advanced);
        if (list.empty()) return wrap(ops::_alias(view));
        return wrap(ops::_index(view, list.indices, list.dims));
    });
}

namespace {

void set_item_observed(PyObject* self, PyObject* key, PyObject* value) {
    ObservedOp op{"__setitem__", "", {}};
    op.inputs.add(impl_of(self));
    op.changes = 1;
    if (value && is_tensor(value)) op.inputs.add(impl_of(value));
    else if (value && is_number(value)) op.add(scalar_from(value));
    Observation seen(std::move(op));
    if (tensor_setitem(self, key, value) < 0) throw PythonErrorSet();
    ObservedTensors outputs;
    outputs.add(impl_of(self));
    seen.end(outputs);
}

}  // namespace

int tensor_setitem(PyObject* self, PyObject* key, PyObject* value) {
    return guarded_int([&]() -> int {
        if (__builtin_expect(t_state.flags & kObserveMode, 0)) {
            set_item_observed(self, key, value);
            return 0;
        }
        check(value != nullptr, ErrorKind::Type, "Tensor does not support deleting items");
        if (key == Py_False) return 0;  // selects nothing
        Cursor cursor(self);
        Advanced advanced;
        if (key == Py_True) cursor.unsqueeze(0);
        else apply(cursor, advanced, key, false);
        if (advanced.waiting.empty()) {
            assign_part(cursor, self, value);
            return 0;
        }
        Tensor target = cursor.view(false);
        IndexList list = finished(target, advanced);
        Tensor source = value_tensor(value, target.dtype());
        // The result of x[key] has as many dimensions as the indices' common shape adds.
        int64_t common = 0;
        for (const Tensor& index : list.indices) common = std::max(common, index.dim());
        int64_t ndim = target.dim() - static_cast<int64_t>(list.dims.size()) + common;
        index_put_inplace(target, list, without_leading(source, ndim), false);
        return 0;
    });
}

}  // namespace chainrule::bind
