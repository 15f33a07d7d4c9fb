#include "bind/hook_objects.h"

#include "autograd/history.h"
#include "base/message.h"
#include "bind/hooks.h"
#include "bind/tensor_object.h"

namespace chainrule::bind {

namespace {

std::string name_of(PyObject* callable) {
    PyRef text(PyObject_GetAttrString(callable, "__name__"));
    const char* utf8 = text && PyUnicode_Check(text.get()) ? PyUnicode_AsUTF8(text.get()) : nullptr;
    PyErr_Clear();
    return utf8 ? utf8 : Py_TYPE(callable)->tp_name;
}

// What a hook gives in place of a gradient is of the same shape and dtype.
void check_replacement(PyObject* callable, const Tensor& old, const Tensor& changed) {
    if (!changed) return;
    check(static_cast<bool>(old), ErrorKind::Runtime,
          "can't replace a None gradient with a non-None value",
          note("Hook '", name_of(callable), "' returned a tensor where no gradient arrived."));
    check(changed->same_shape(*old), ErrorKind::Runtime, "hook '", name_of(callable),
          "' has changed the size of value",
          note("The gradient has shape ", to_string(old.shape()),
               ", and the hook returned one of shape ", to_string(changed.shape()), "."));
    check(
        changed.dtype() == old.dtype(), ErrorKind::Runtime, "hook '", name_of(callable),
        "' has changed the type of value (was ", legacy_type_name(old.dtype()), " got ",
        legacy_type_name(changed.dtype()), ")",
        note("Return a gradient of the same dtype: grad.to(torch.", dtype_name(old.dtype()), ")."));
}

class PythonTensorHook final : public TensorHook {
public:
    explicit PythonTensorHook(PyObject* callable) : callable_(PyRef::share(callable)) {}
    Tensor call(const Tensor& grad) override {
        PyRef argument = checked(wrap(grad));
        PyRef result = checked(PyObject_CallOneArg(callable_.get(), argument.get()));
        if (result.get() == Py_None) return {};
        check(is_tensor(result.get()), ErrorKind::Type, "expected Variable, but hook returned '",
              Py_TYPE(result.get())->tp_name, "': a tensor hook returns None or the new gradient");
        Tensor changed = tensor_of(result.get());
        check_replacement(callable_.get(), grad, changed);
        return changed;
    }
    void* python_callable() const override { return callable_.get(); }

private:
    PyRef callable_;
};

PyRef tuple_of(const std::vector<Tensor>& list) {
    PyRef tuple = checked(PyTuple_New(static_cast<Py_ssize_t>(list.size())));
    for (size_t i = 0; i < list.size(); ++i) {
        PyTuple_SET_ITEM(tuple.get(), static_cast<Py_ssize_t>(i),
                         checked(wrap_or_none(list[i])).leak());
    }
    return tuple;
}

void take_tuple(PyObject* callable, PyObject* result, std::vector<Tensor>& list, const char* what) {
    if (result == Py_None) return;
    PyRef single;
    if (is_tensor(result) && list.size() == 1) {
        single = checked(PyTuple_Pack(1, result));
        result = single.get();
    }
    check(PyTuple_Check(result) || PyList_Check(result), ErrorKind::Type, what,
          " must return None or a tuple of gradients, not ", Py_TYPE(result)->tp_name);
    check(PySequence_Fast_GET_SIZE(result) == static_cast<Py_ssize_t>(list.size()),
          ErrorKind::Runtime, what,
          " returned an incorrect number of values: ", PySequence_Fast_GET_SIZE(result),
          " instead of ", list.size());
    for (size_t i = 0; i < list.size(); ++i) {
        PyObject* item = PySequence_Fast_GET_ITEM(result, static_cast<Py_ssize_t>(i));
        check(item == Py_None || is_tensor(item), ErrorKind::Type, what,
              " must return tensors or None");
        Tensor changed = item == Py_None ? Tensor() : tensor_of(item);
        check_replacement(callable, list[i], changed);
        list[i] = std::move(changed);
    }
}

class PythonPreHook final : public NodePreHook {
public:
    explicit PythonPreHook(PyObject* callable) : callable_(PyRef::share(callable)) {}
    void call(std::vector<Tensor>& grad_outputs) override {
        PyRef result = checked(PyObject_CallOneArg(callable_.get(), tuple_of(grad_outputs).get()));
        take_tuple(callable_.get(), result.get(), grad_outputs, "a node pre-hook");
    }
    void* python_callable() const override { return callable_.get(); }

private:
    PyRef callable_;
};

class PythonPostHook final : public NodePostHook {
public:
    explicit PythonPostHook(PyObject* callable) : callable_(PyRef::share(callable)) {}
    void call(std::vector<Tensor>& grad_inputs, const std::vector<Tensor>& grad_outputs) override {
        PyRef in = tuple_of(grad_inputs), out = tuple_of(grad_outputs);
        PyRef result =
            checked(PyObject_CallFunctionObjArgs(callable_.get(), in.get(), out.get(), nullptr));
        take_tuple(callable_.get(), result.get(), grad_inputs, "a node hook");
    }
    void* python_callable() const override { return callable_.get(); }

private:
    PyRef callable_;
};

class PythonPostAccumulateHook final : public PostAccumulateHook {
public:
    explicit PythonPostAccumulateHook(PyObject* callable) : callable_(PyRef::share(callable)) {}
    void call(const Tensor& variable) override {
        PyRef argument = checked(wrap(variable));
        PyRef result = checked(PyObject_CallOneArg(callable_.get(), argument.get()));
        check(result.get() == Py_None, ErrorKind::Runtime,
              "Tensor post accumulate grad hooks should return None.");
    }
    void* python_callable() const override { return callable_.get(); }

private:
    PyRef callable_;
};

// What a registration gives back. It knows where the hook stands and forgets it when that dies.
enum class Place { LeafTensor, NodeTensor, NodePre, NodePost, PostAccumulate };

struct PyHandle {
    PyObject_HEAD Place place;
    Node* node;        // owned, for hooks at nodes
    PyObject* tensor;  // weak reference, for hooks at leaves
    uint64_t id;
};

PyTypeObject* g_handle_type;

PyObject* make_handle(Place place, Node* node, PyObject* tensor, uint64_t id) {
    PyHandle* h = PyObject_New(PyHandle, g_handle_type);
    if (!h) throw PythonErrorSet();
    h->place = place;
    h->node = node;
    if (node) node->retain();
    h->tensor = tensor ? PyWeakref_NewRef(tensor, nullptr) : nullptr;
    h->id = id;
    return reinterpret_cast<PyObject*>(h);
}

void remove_from_tensor(PyHandle& h) {
#if PY_VERSION_HEX >= 0x030D0000
    PyObject* owned = nullptr;
    if (PyWeakref_GetRef(h.tensor, &owned) < 0) throw PythonErrorSet();
    PyRef tensor(owned);
#else
    PyRef tensor = PyRef::share(PyWeakref_GetObject(h.tensor));
#endif
    if (!tensor || tensor.get() == Py_None) return;
    TensorImpl* impl = impl_of(tensor.get());
    if (!impl || !impl->extra) return;
    AutogradExtra& extra = *impl->extra;
    if (h.place == Place::LeafTensor) remove_hook(extra.hooks, h.id);
    else remove_hook(extra.post_accumulate_hooks, h.id);
}

void remove_from_node(PyHandle& h) {
    NodeExtra* extra = h.node->extra();
    if (!extra) return;
    if (h.place == Place::NodePre) {
        remove_hook(extra->pre_hooks, h.id);
    } else if (h.place == Place::NodePost) {
        remove_hook(extra->post_hooks, h.id);
    } else {
        auto& list = extra->tensor_hooks;
        for (size_t i = 0; i < list.size(); ++i) {
            if (list[i].hook->id != h.id) continue;
            auto keep_alive = list[i].hook;
            list.erase(list.begin() + static_cast<long>(i));
            break;
        }
    }
}

PyObject* handle_remove(PyObject* self, PyObject*) {
    return guarded([&]() -> PyObject* {
        auto& h = *reinterpret_cast<PyHandle*>(self);
        if (h.tensor) remove_from_tensor(h);
        if (h.node) remove_from_node(h);
        Py_RETURN_NONE;
    });
}

PyObject* handle_enter(PyObject* self, PyObject*) { return Py_NewRef(self); }
PyObject* handle_exit(PyObject* self, PyObject*) { return handle_remove(self, nullptr); }
PyObject* handle_id(PyObject* self, void*) {
    return PyLong_FromUnsignedLongLong(reinterpret_cast<PyHandle*>(self)->id);
}

void handle_dealloc(PyObject* self) {
    auto* h = reinterpret_cast<PyHandle*>(self);
    if (h->node) h->node->release();
    Py_XDECREF(h->tensor);
    PyTypeObject* type = Py_TYPE(self);
    PyObject_Free(self);
    Py_DECREF(type);
}

PyMethodDef handle_methods[] = {
    {"remove", handle_remove, METH_NOARGS, "Takes the hook away; a second call does nothing."},
    {"__enter__", handle_enter, METH_NOARGS, nullptr},
    {"__exit__", handle_exit, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};
PyGetSetDef handle_getset[] = {
    {"id", handle_id, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

void check_callable(PyObject* callable, const char* what) {
    check(PyCallable_Check(callable), ErrorKind::Type, what, " must be callable, not ",
          Py_TYPE(callable)->tp_name);
}

template <class F>
void for_each_callable(TensorImpl& impl, F&& f) {
    if (impl.extra) {
        for (auto& h : impl.extra->hooks) f(h->python_callable());
        for (auto& h : impl.extra->post_accumulate_hooks) f(h->python_callable());
    }
    Node* node = impl.grad_fn;
    if (!node || node->refcount() != 1) return;
    if (node->has_python_object()) f(node->python_object);
    if (NodeExtra* extra = node->extra()) {
        for (auto& h : extra->tensor_hooks) f(h.hook->python_callable());
        for (auto& h : extra->pre_hooks) f(h->python_callable());
        for (auto& h : extra->post_hooks) f(h->python_callable());
    }
}

}  // namespace

bool is_hook_handle(PyTypeObject* type) { return type == g_handle_type; }
Node* node_of_handle(PyObject* handle) { return reinterpret_cast<PyHandle*>(handle)->node; }

int visit_hooks(TensorImpl& impl, visitproc visit, void* arg) {
    int status = 0;
    for_each_callable(impl, [&](void* callable) {
        if (!status && callable) status = visit(static_cast<PyObject*>(callable), arg);
    });
    return status;
}

void clear_hooks(TensorImpl& impl) {
    if (impl.extra) {
        auto hooks = std::move(impl.extra->hooks);
        auto more = std::move(impl.extra->post_accumulate_hooks);
    }
    Node* node = impl.grad_fn;
    if (node && node->refcount() == 1 && (node->extra() || node->has_python_object())) {
        impl.grad_fn = nullptr;
        impl.flags &= ~kRetainGrad;
        node->release();
    }
}

PyObject* add_tensor_hook(PyObject* tensor, PyObject* callable) {
    check_callable(callable, "a tensor hook");
    TensorImpl& impl = *impl_of(tensor);
    check(requires_grad(impl), ErrorKind::Runtime,
          "cannot register a hook on a tensor that doesn't require gradient", why_no_graph(impl));
    auto hook = std::make_shared<PythonTensorHook>(callable);
    hook->id = next_hook_id();
    track(tensor);
    if (impl.grad_fn) {
        impl.grad_fn->ensure_extra().tensor_hooks.push_back({impl.output_index, hook});
        return make_handle(Place::NodeTensor, impl.grad_fn, nullptr, hook->id);
    }
    extra_of(impl).hooks.push_back(hook);
    return make_handle(Place::LeafTensor, nullptr, tensor, hook->id);
}

PyObject* add_post_accumulate_hook(PyObject* tensor, PyObject* callable) {
    check_callable(callable, "a post-accumulate hook");
    TensorImpl& impl = *impl_of(tensor);
    check(requires_grad(impl), ErrorKind::Runtime,
          "cannot register a hook on a tensor that doesn't require gradient", why_no_graph(impl));
    check(!impl.grad_fn, ErrorKind::Runtime,
          "post accumulate grad hooks cannot be registered on non-leaf tensors");
    auto hook = std::make_shared<PythonPostAccumulateHook>(callable);
    hook->id = next_hook_id();
    extra_of(impl).post_accumulate_hooks.push_back(hook);
    track(tensor);
    return make_handle(Place::PostAccumulate, nullptr, tensor, hook->id);
}

PyObject* add_node_pre_hook(Node& node, PyObject* callable) {
    check_callable(callable, "a node pre-hook");
    auto hook = std::make_shared<PythonPreHook>(callable);
    hook->id = next_hook_id();
    node.ensure_extra().pre_hooks.push_back(hook);
    return make_handle(Place::NodePre, &node, nullptr, hook->id);
}

PyObject* add_node_post_hook(Node& node, PyObject* callable) {
    check_callable(callable, "a node hook");
    auto hook = std::make_shared<PythonPostHook>(callable);
    hook->id = next_hook_id();
    node.ensure_extra().post_hooks.push_back(hook);
    return make_handle(Place::NodePost, &node, nullptr, hook->id);
}

void init_hooks(PyObject* module) {
    PyType_Slot slots[] = {
        {Py_tp_dealloc, reinterpret_cast<void*>(handle_dealloc)},
        {Py_tp_methods, handle_methods},
        {Py_tp_getset, handle_getset},
        {0, nullptr},
    };
    PyType_Spec spec = {"chainrule.utils.hooks.RemovableHandle", sizeof(PyHandle), 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
    g_handle_type = reinterpret_cast<PyTypeObject*>(checked(PyType_FromSpec(&spec)).leak());
    checked(
        PyModule_AddObjectRef(module, "HookHandle", reinterpret_cast<PyObject*>(g_handle_type)));
}

}  // namespace chainrule::bind
