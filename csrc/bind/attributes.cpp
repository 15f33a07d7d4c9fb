#include "autograd/accumulate_grad.h"
#include "autograd/history.h"
#include "base/message.h"
#include "bind/arguments.h"
#include "bind/dtype_object.h"
#include "bind/generated_support.h"
#include "bind/modules.h"
#include "bind/node_object.h"
#include "bind/tensor_object.h"
#include "tensor/convert.h"

// Attributes of tensors.
namespace chainrule::bind {

namespace {

TensorImpl& of(PyObject* self) { return *impl_of(self); }

// torch's messages about gradients call the dtypes by their C++ names.
const char* type_word(DType dtype) {
    return dtype == DType::Float32   ? "float"
           : dtype == DType::Float64 ? "double"
           : dtype == DType::Int64   ? "long"
                                     : dtype_name(dtype);
}

PyObject* get_shape(PyObject* self, void*) {
    return guarded([&] { return size_object(of(self).sizes(), of(self).ndim); });
}
PyObject* get_dtype(PyObject* self, void*) { return dtype_object(of(self).dtype); }
PyObject* get_device(PyObject*, void*) { return cpu_device(); }
PyObject* get_layout(PyObject*, void*) { return strided_layout(); }
PyObject* get_ndim(PyObject* self, void*) { return PyLong_FromLong(of(self).ndim); }
PyObject* get_itemsize(PyObject* self, void*) {
    return PyLong_FromSize_t(item_size(of(self).dtype));
}
PyObject* get_nbytes(PyObject* self, void*) {
    return PyLong_FromSize_t(item_size(of(self).dtype) * static_cast<size_t>(of(self).numel));
}
PyObject* get_false(PyObject*, void*) { Py_RETURN_FALSE; }
PyObject* get_true(PyObject*, void*) { Py_RETURN_TRUE; }

PyObject* get_requires_grad(PyObject* self, void*) {
    return PyBool_FromLong(requires_grad(of(self)));
}
int set_requires_grad_attribute(PyObject* self, PyObject* value, void*) {
    return guarded_int([&]() -> int {
        check(value, ErrorKind::Type, "cannot delete requires_grad");
        check(PyBool_Check(value), ErrorKind::Runtime, "requires_grad must be a bool, not ",
              Py_TYPE(value)->tp_name);
        set_requires_grad(of(self), value == Py_True);
        return 0;
    });
}

PyObject* get_is_leaf(PyObject* self, void*) { return PyBool_FromLong(is_leaf(of(self))); }
PyObject* get_grad_fn(PyObject* self, void*) {
    return guarded([&]() -> PyObject* {
        requires_grad(of(self));  // a view may have a newer history
        return wrap_node(of(self).grad_fn);
    });
}
PyObject* get_output_nr(PyObject* self, void*) { return PyLong_FromLong(of(self).output_index); }
PyObject* get_version(PyObject* self, void*) {
    return guarded([&] {
        check(!(of(self).flags & kInference), ErrorKind::Runtime,
              "Inference tensors do not track version counter.");
        return PyLong_FromUnsignedLong(of(self).storage->version);
    });
}
PyObject* get_base(PyObject* self, void*) {
    return guarded([&]() -> PyObject* {
        TensorImpl* base = of(self).base;
        return wrap_or_none(base ? Tensor(Ref<TensorImpl>::share(base)) : Tensor());
    });
}
PyObject* get_retains_grad(PyObject* self, void*) {
    return PyBool_FromLong(of(self).flags & kRetainGrad);
}

PyObject* get_grad(PyObject* self, void*) {
    return guarded([&]() -> PyObject* {
        TensorImpl& t = of(self);
        if (t.grad) return wrap(Tensor(Ref<TensorImpl>::share(t.grad)));
        if (requires_grad(t) && t.grad_fn && !(t.flags & kRetainGrad)) {
            std::string text = concat(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its "
                ".grad attribute won't be populated during autograd.backward(). If you indeed want "
                "the .grad field to be populated for a non-leaf Tensor, use .retain_grad() on the "
                "non-leaf Tensor. If you access the non-leaf Tensor by mistake, make sure you "
                "access the leaf Tensor instead.",
                note("The tensor is the result of ", t.grad_fn->described()),
                note("Call .retain_grad() on it there, before backward()."));
            checked(PyErr_WarnEx(PyExc_UserWarning, text.c_str(), 1));
        }
        Py_RETURN_NONE;
    });
}
int set_grad(PyObject* self, PyObject* value, void*) {
    return guarded_int([&]() -> int {
        TensorImpl& t = of(self);
        TensorImpl* fresh = nullptr;
        if (value && value != Py_None) {
            check(is_tensor(value), ErrorKind::Type,
                  "assigned grad expected to be a Tensor or None but got grad of type ",
                  Py_TYPE(value)->tp_name);
            check(value != self, ErrorKind::Runtime, "can't assign Variable as its own grad");
            TensorImpl* grad = impl_of(value);
            check(grad->dtype == t.dtype, ErrorKind::Runtime,
                  "attempting to assign a gradient with dtype '", type_word(grad->dtype),
                  "' to a tensor with dtype '", type_word(t.dtype),
                  "'. Please ensure that the gradient and the tensor have the same dtype",
                  note("Convert it: grad.to(torch.", dtype_name(t.dtype), ")."));
            check(grad->same_shape(t), ErrorKind::Runtime,
                  "attempting to assign a gradient of size '",
                  to_string(Dims(grad->sizes(), grad->ndim)), "' to a tensor of size '",
                  to_string(Dims(t.sizes(), t.ndim)),
                  "'. Please ensure that the gradient and the tensor are the same size",
                  grad->numel == t.numel
                      ? note("They have equally many elements: was a .T or a reshape forgotten?")
                      : "");
            grad->retain();
            fresh = grad;
        }
        TensorImpl* old = t.grad;
        t.grad = fresh;
        if (old) old->release();
        return 0;
    });
}

PyObject* get_data(PyObject* self, void*) {
    return guarded([&]() -> PyObject* {
        Tensor alias = Tensor::alias(of(self));
        Storage* own_counter = Storage::alias(alias->storage);
        alias->storage->release();
        alias->storage = own_counter;
        note_cut_off(*alias, of(self), ".data");
        return wrap(alias);
    });
}
int set_data(PyObject* self, PyObject* value, void*) {
    return guarded_int([&]() -> int {
        check(value && is_tensor(value), ErrorKind::Type,
              "Variable data has to be a tensor, but got ",
              value ? Py_TYPE(value)->tp_name : "nothing");
        TensorImpl &t = of(self), &from = *impl_of(value);
        check(from.dtype == t.dtype || !t.grad_fn, ErrorKind::Runtime,
              "Attempted to call `variable.set_data(tensor)`, but `variable` and `tensor` have "
              "incompatible tensor type.");
        from.storage->retain();
        t.storage->release();
        t.storage = from.storage;
        t.data = from.data;
        t.dtype = from.dtype;
        t.set_geometry(Dims(from.sizes(), from.ndim), Dims(from.strides(), from.ndim));
        if ((t.flags & kRequiresGrad) && t.accumulator) t.accumulator->meta(0).set(t);
        return 0;
    });
}

PyObject* get_transposed(PyObject* self, void*) {
    return guarded([&]() -> PyObject* {
        Tensor t = tensor_of(self);
        Dims order;
        for (int64_t d = t.dim(); d-- > 0;) order.push_back(d);
        return wrap(ops::permute(t, order));
    });
}
PyObject* get_matrix_transposed(PyObject* self, void*) {
    return guarded([&]() -> PyObject* {
        Tensor t = tensor_of(self);
        check(t.dim() >= 2, ErrorKind::Runtime,
              "tensor.mT is only supported on matrices or "
              "batches of matrices. Got ",
              t.dim(), "-D tensor.");
        return wrap(ops::transpose(t, -2, -1));
    });
}
PyObject* get_real(PyObject* self, void*) { return Py_NewRef(self); }

PyObject* get_backward_hooks(PyObject*, void*) { Py_RETURN_NONE; }

PyGetSetDef getset[] = {
    {"shape", get_shape, nullptr, "The sizes, a torch.Size.", nullptr},
    {"dtype", get_dtype, nullptr, nullptr, nullptr},
    {"device", get_device, nullptr, nullptr, nullptr},
    {"layout", get_layout, nullptr, nullptr, nullptr},
    {"ndim", get_ndim, nullptr, "Number of dimensions.", nullptr},
    {"itemsize", get_itemsize, nullptr, "Bytes of an element.", nullptr},
    {"nbytes", get_nbytes, nullptr, "Bytes of all elements.", nullptr},
    {"requires_grad", get_requires_grad, set_requires_grad_attribute,
     "Whether operations on it are recorded.", nullptr},
    {"is_leaf", get_is_leaf, nullptr, "Made by the user, not by a recorded operation.", nullptr},
    {"grad_fn", get_grad_fn, nullptr, "The graph node that made it; None for leaves.", nullptr},
    {"output_nr", get_output_nr, nullptr, "Which output of grad_fn it is.", nullptr},
    {"grad", get_grad, set_grad, "The accumulated gradient of a leaf, or None.", nullptr},
    {"retains_grad", get_retains_grad, nullptr, nullptr, nullptr},
    {"data", get_data, set_data, "The same memory with no history and its own version.", nullptr},
    {"_version", get_version, nullptr, "How often the memory was changed in place.", nullptr},
    {"_base", get_base, nullptr, "The tensor that this one is a view of, or None.", nullptr},
    {"T", get_transposed, nullptr, "Dimensions in reverse order.", nullptr},
    {"mT", get_matrix_transposed, nullptr, "Last two dimensions swapped.", nullptr},
    {"H", get_matrix_transposed, nullptr, "Adjoint of a matrix.", nullptr},
    {"mH", get_matrix_transposed, nullptr, "Adjoint of a matrix.", nullptr},
    {"real", get_real, nullptr, "The real part: the tensor itself.", nullptr},
    {"is_cpu", get_true, nullptr, nullptr, nullptr},
    {"is_cuda", get_false, nullptr, nullptr, nullptr},
    {"is_mps", get_false, nullptr, nullptr, nullptr},
    {"is_sparse", get_false, nullptr, nullptr, nullptr},
    {"is_quantized", get_false, nullptr, nullptr, nullptr},
    {"is_meta", get_false, nullptr, nullptr, nullptr},
    {"is_nested", get_false, nullptr, nullptr, nullptr},
    {"_backward_hooks", get_backward_hooks, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

}  // namespace

void init_attributes() { add_tensor_getset(getset); }

}  // namespace chainrule::bind
