#include "bind/python.h"

#include <structmember.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "autograd/history.h"
#include "autograd/observer.h"
#include "autograd/saved.h"
#include "autograd/tangent.h"
#include "base/message.h"
#include "bind/modules.h"
#include "bind/node_object.h"
#include "bind/tensor_object.h"
#include "ops.h"

// autograd.Function: operations whose forward and backward the user writes in Python.
namespace chainrule::bind {

namespace {

PyTypeObject* g_context_type;

// The `ctx` of forward and backward, and the grad_fn of the outputs. Its node owns it.
struct PyContext {
    PyNode base;
    PyObject* to_save;
    PyObject* to_save_forward;
    PyObject* dirty;
    PyObject* non_differentiable;
    PyObject* needs_input_grad;
    bool materialize;
};

PyContext* context_of(PyObject* self) { return reinterpret_cast<PyContext*>(self); }

class FunctionNode final : public Node {
public:
    FunctionNode(PyObject* function, std::string name)
        : function_(PyRef::share(function)), name_(std::move(name)) {
        PyTypeObject* type = node_type_named(name_.c_str(), g_context_type);
        context_ = checked(type->tp_alloc(type, 0));
        PyContext* c = context_of(context_.get());
        c->base.node = this;
        c->base.owns_node = false;
        c->materialize = true;
        python_object = context_.get();
    }
    ~FunctionNode() override { context_of(context_.get())->base.node = nullptr; }

    const char* name() const override { return name_.c_str(); }
    bool has_python_object() const override { return true; }
    PyObject* context() const { return context_.get(); }
    PyObject* function() const { return function_.get(); }

    void release_saved() override {
        for (Saved& s : saved) s.reset();
        released = true;
    }
    void visit_saved(SavedVisitor& visitor) override { visitor.tensor_list("tensors", saved); }

    void backward(GradIO& io) override {
        PyContext* c = context_of(context_.get());
        PyRef args = checked(PyTuple_New(1 + num_outputs()));
        PyTuple_SET_ITEM(args.get(), 0, Py_NewRef(context_.get()));
        for (uint32_t i = 0; i < num_outputs(); ++i) {
            Tensor grad = io.in[i];
            if (!grad && c->materialize) {
                grad = Tensor::zeros(meta(i).shape(), meta(i).dtype());
            }
            PyTuple_SET_ITEM(args.get(), 1 + i, checked(wrap_or_none(grad)).leak());
        }
        PyRef method = checked(PyObject_GetAttrString(function_.get(), "backward"));
        PyRef result = checked(PyObject_CallObject(method.get(), args.get()));
        if (!PyTuple_Check(result.get()) && !PyList_Check(result.get())) {
            result = checked(PyTuple_Pack(1, result.get()));
        }
        Py_ssize_t given = PySequence_Fast_GET_SIZE(result.get());
        auto expected = static_cast<Py_ssize_t>(is_tensor_input.size());
        while (given > expected && PySequence_Fast_GET_ITEM(result.get(), given - 1) == Py_None) {
            --given;  // trailing extra Nones are allowed
        }
        check(given == expected, ErrorKind::Runtime, "function ", name(),
              " returned an incorrect number of gradients (expected ", expected, ", got ", given,
              ")", note_at(where(), name(), " was recorded at "),
              note("A backward returns one gradient for each argument of forward, None for those "
                   "that are no tensors."));
        uint32_t input = 0;
        for (Py_ssize_t i = 0; i < expected; ++i) {
            PyObject* item = PySequence_Fast_GET_ITEM(result.get(), i);
            if (!is_tensor_input[static_cast<size_t>(i)]) {
                check(item == Py_None, ErrorKind::Runtime, "function ", name(),
                      " returned a gradient different than None at position ", i + 1,
                      ", but the corresponding forward input was not a Variable",
                      note_at(where(), name(), " was recorded at "),
                      note("Return None for arguments that are no tensors."));
                continue;
            }
            check(item == Py_None || is_tensor(item), ErrorKind::Runtime,
                  "expected Variable or None (got ", Py_TYPE(item)->tp_name, ")",
                  note("The backward of ", name(), " returned it at position ", i + 1, "."),
                  note_at(where(), name(), " was recorded at "));
            // Also where nobody needs it: hooks after the node see what backward returned.
            if (item != Py_None) io.out[input] = tensor_of(item);
            ++input;
        }
    }

    std::vector<Saved> saved;
    std::vector<bool> is_tensor_input;
    std::vector<bool> differentiable;
    bool released = false;

private:
    PyRef function_;
    PyRef context_;
    std::string name_;
};

FunctionNode& node_of_context(PyObject* self) { return static_cast<FunctionNode&>(*node_of(self)); }

void context_dealloc(PyObject* self) {
    PyContext* c = context_of(self);
    PyObject_GC_UnTrack(self);
    if (c->base.weak_references) PyObject_ClearWeakRefs(self);
    Py_CLEAR(c->base.dict);
    Py_CLEAR(c->to_save);
    Py_CLEAR(c->to_save_forward);
    Py_CLEAR(c->dirty);
    Py_CLEAR(c->non_differentiable);
    Py_CLEAR(c->needs_input_grad);
    PyTypeObject* type = Py_TYPE(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

int context_traverse(PyObject* self, visitproc visit, void* arg) {
    PyContext* c = context_of(self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(c->base.dict);
    Py_VISIT(c->to_save);
    Py_VISIT(c->to_save_forward);
    Py_VISIT(c->dirty);
    Py_VISIT(c->non_differentiable);
    return 0;
}

int context_clear(PyObject* self) {
    PyContext* c = context_of(self);
    Py_CLEAR(c->base.dict);
    Py_CLEAR(c->to_save);
    Py_CLEAR(c->to_save_forward);
    return 0;
}

template <PyObject* PyContext::* Field>
PyObject* remember(PyObject* self, PyObject* args) {
    PyObject* old = context_of(self)->*Field;
    context_of(self)->*Field = Py_NewRef(args);
    Py_XDECREF(old);
    Py_RETURN_NONE;
}

PyObject* set_materialize(PyObject* self, PyObject* value) {
    int truth = PyObject_IsTrue(value);
    if (truth < 0) return nullptr;
    context_of(self)->materialize = truth;
    Py_RETURN_NONE;
}

PyObject* saved_tensors(PyObject* self, void*) {
    return guarded([&]() -> PyObject* {
        PyContext* c = context_of(self);
        // In forward mode, before the node is complete, what was saved is read as it is.
        PyObject* early = c->to_save_forward ? c->to_save_forward : c->to_save;
        if (early) return Py_NewRef(early);
        FunctionNode& node = node_of_context(self);
        PyRef tuple = checked(PyTuple_New(static_cast<Py_ssize_t>(node.saved.size())));
        for (size_t i = 0; i < node.saved.size(); ++i) {
            Saved& s = node.saved[i];
            Tensor value;
            if (s.defined() || node.released) value = s.unpack(node);
            PyTuple_SET_ITEM(tuple.get(), static_cast<Py_ssize_t>(i),
                             checked(wrap_or_none(value)).leak());
        }
        return tuple.leak();
    });
}

PyObject* get_needs_input_grad(PyObject* self, void*) {
    PyObject* tuple = context_of(self)->needs_input_grad;
    return tuple ? Py_NewRef(tuple) : PyTuple_New(0);
}
int set_needs_input_grad(PyObject* self, PyObject* value, void*) {
    Py_XSETREF(context_of(self)->needs_input_grad, Py_XNewRef(value));
    return 0;
}
PyObject* get_materialize(PyObject* self, void*) {
    return PyBool_FromLong(context_of(self)->materialize);
}
int put_materialize(PyObject* self, PyObject* value, void*) {
    int truth = value ? PyObject_IsTrue(value) : -1;
    if (truth < 0) return -1;
    context_of(self)->materialize = truth;
    return 0;
}

PyMethodDef context_methods[] = {
    {"save_for_backward", remember<&PyContext::to_save>, METH_VARARGS,
     "Keeps tensors (or None) for backward, which reads them as ctx.saved_tensors."},
    {"save_for_forward", remember<&PyContext::to_save_forward>, METH_VARARGS,
     "Keeps tensors for jvp, which reads them as ctx.saved_tensors."},
    {"mark_dirty", remember<&PyContext::dirty>, METH_VARARGS,
     "Names the inputs that forward changed in place; they must be returned."},
    {"mark_non_differentiable", remember<&PyContext::non_differentiable>, METH_VARARGS,
     "Names the outputs that have no gradient."},
    {"set_materialize_grads", set_materialize, METH_O,
     "Whether gradients that did not arrive are given as zeros (default) or None."},
    {nullptr, nullptr, 0, nullptr},
};
PyGetSetDef context_getset[] = {
    {"saved_tensors", saved_tensors, nullptr, "What save_for_backward kept.", nullptr},
    {"saved_variables", saved_tensors, nullptr, nullptr, nullptr},
    {"needs_input_grad", get_needs_input_grad, set_needs_input_grad,
     "One bool per argument of forward.", nullptr},
    {"materialize_grads", get_materialize, put_materialize, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

bool contains(PyObject* tuple, PyObject* object) {
    for (Py_ssize_t i = 0; tuple && i < PyTuple_GET_SIZE(tuple); ++i) {
        if (PyTuple_GET_ITEM(tuple, i) == object) return true;
    }
    return false;
}

// What one call of apply works with.
struct Call {
    PyObject* function;  // the class
    PyObject* args;      // a tuple
    Ref<FunctionNode> node;
    PyRef outputs;  // a tuple
    bool single = false;
};

PyObject* context(const Call& call) { return call.node->context(); }

void run_forward(Call& call) {
    PyRef setup(PyObject_GetAttrString(call.function, "setup_context"));
    if (!setup) PyErr_Clear();
    PyRef forward = checked(PyObject_GetAttrString(call.function, "forward"));
    GradModeGuard off(false);
    // What forward computes is not recorded because apply() was called, whatever the user switched.
    struct SwitchedHere {
        SourceLocation outer = t_state.mode_switched;
        explicit SwitchedHere(const SourceLocation& where) {
            t_state.mode_switched = copy_location(where);
        }
        ~SwitchedHere() {
            release_location(&t_state.mode_switched);
            t_state.mode_switched = outer;
        }
        SwitchedHere(const SwitchedHere&) = delete;
        SwitchedHere& operator=(const SwitchedHere&) = delete;
    } switched(call.node->where());
    PyRef result;
    if (setup) {
        result = checked(PyObject_CallObject(forward.get(), call.args));
        checked(PyObject_CallFunctionObjArgs(setup.get(), context(call), call.args, result.get(),
                                             nullptr));
    } else {
        PyRef first = checked(PyTuple_Pack(1, context(call)));
        PyRef all = checked(PySequence_Concat(first.get(), call.args));
        result = checked(PyObject_CallObject(forward.get(), all.get()));
    }
    call.single = !PyTuple_Check(result.get());
    call.outputs = call.single ? checked(PyTuple_Pack(1, result.get())) : result;
}

Py_ssize_t position_of(PyObject* tuple, PyObject* object) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); ++i) {
        if (PyTuple_GET_ITEM(tuple, i) == object) return i;
    }
    return -1;
}

// Gives one output its place in the graph; returns the tensor that the caller sees.
PyRef connect_output(Call& call, PyObject* output, uint32_t index, bool record) {
    PyContext* c = context_of(context(call));
    FunctionNode& node = *call.node;
    bool is_input = position_of(call.args, output) >= 0;
    bool dirty = contains(c->dirty, output);
    Tensor t = tensor_of(output);
    bool smooth = is_differentiable(t.dtype()) && !contains(c->non_differentiable, output);
    node.differentiable[index] = smooth;
    node.meta(index).set(*t);
    if (dirty) {
        check(is_input, ErrorKind::Runtime, "ctx.mark_dirty names a tensor that is no input");
        if (!record || !smooth) return PyRef::share(output);
        check(!(requires_grad(*t) && !t->grad_fn), ErrorKind::Runtime,
              "a leaf Variable that requires grad is being used in an in-place operation.",
              note("The forward of ", node.name(), " marked it as dirty."),
              note("Call it under torch.no_grad(), or give it a clone()."));
        check(!(t->flags & kView), ErrorKind::NotImplemented, "function ", node.name(),
              ": an input that is a view cannot be changed in place by a custom Function; change "
              "a clone()");
        Node* old = t->grad_fn;
        node.retain();
        forget_no_graph(*t);
        t->grad_fn = &node;
        t->output_index = static_cast<uint16_t>(index);
        t->flags |= kRequiresGrad;
        if (old) old->release();
        track(output);
        return PyRef::share(output);
    }
    PyRef seen = PyRef::share(output);
    if (is_input || (t->flags & (kRequiresGrad | kView)) || t->grad_fn) {
        // An input handed through, or a view of one, becomes a tensor of its own in the graph.
        if (is_input || (record && smooth)) {
            t = Tensor::alias(*t);
            seen = checked(wrap(t));
        }
    }
    if (record && smooth) {
        set_history(*t, node, index);
        track(seen.get());
    } else if (record) {
        note_no_graph(*t, NoGraph::Why::NotDifferentiable,
                      "an output that a custom Function marked as non-differentiable");
    }
    return seen;
}

void save_tensors(Call& call) {
    PyContext* c = context_of(context(call));
    if (!c->to_save) return;
    FunctionNode& node = *call.node;
    PyRef to_save(std::exchange(c->to_save, nullptr));
    Py_ssize_t n = PyTuple_GET_SIZE(to_save.get());
    node.saved.resize(static_cast<size_t>(n));
    for (Py_ssize_t i = 0; i < n; ++i) {
        PyObject* item = PyTuple_GET_ITEM(to_save.get(), i);
        if (item == Py_None) continue;
        check(is_tensor(item), ErrorKind::Type,
              "save_for_backward can only save variables, but argument ", i, " is of type ",
              Py_TYPE(item)->tp_name,
              note("Keep what is no tensor as an attribute: ctx.factor = factor."));
        Py_ssize_t output = position_of(call.outputs.get(), item);
        Tensor t = tensor_of(item);
        if (output >= 0)
            node.saved[static_cast<size_t>(i)].save_output(t, static_cast<uint32_t>(output));
        else node.saved[static_cast<size_t>(i)].save_input(t);
    }
}

void call_jvp(Call& call, int64_t level) {
    PyRef args = checked(PyTuple_New(1 + PyTuple_GET_SIZE(call.args)));
    PyTuple_SET_ITEM(args.get(), 0, Py_NewRef(context(call)));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(call.args); ++i) {
        PyObject* arg = PyTuple_GET_ITEM(call.args, i);
        Tensor tangent = is_tensor(arg) ? tangent_of(*impl_of(arg), level) : Tensor();
        if (!tangent && is_tensor(arg) && is_differentiable(impl_of(arg)->dtype) &&
            context_of(context(call))->materialize) {
            tangent = Tensor::zeros(tensor_of(arg).shape(), impl_of(arg)->dtype);
        }
        PyTuple_SET_ITEM(args.get(), i + 1, checked(wrap_or_none(tangent)).leak());
    }
    PyRef jvp = checked(PyObject_GetAttrString(call.function, "jvp"));
    PyRef result = checked(PyObject_CallObject(jvp.get(), args.get()));
    if (!PyTuple_Check(result.get())) result = checked(PyTuple_Pack(1, result.get()));
    Py_ssize_t count = PyTuple_GET_SIZE(call.outputs.get());
    check(PyTuple_GET_SIZE(result.get()) == count, ErrorKind::Runtime, "jvp of ", call.node->name(),
          " returned ", PyTuple_GET_SIZE(result.get()), " tangents for ", count, " outputs");
    for (Py_ssize_t i = 0; i < count; ++i) {
        PyObject* tangent = PyTuple_GET_ITEM(result.get(), i);
        PyObject* output = PyTuple_GET_ITEM(call.outputs.get(), i);
        if (tangent == Py_None || !is_tensor(output)) continue;
        check(is_tensor(tangent) && impl_of(tangent)->same_shape(*impl_of(output)),
              ErrorKind::Runtime, "jvp of ", call.node->name(),
              " must return a tangent of the shape of its output, at position ", i);
        set_tangent(*impl_of(output), level, tensor_of(tangent));
    }
}

void apply_at(Call& call) {
    std::vector<Tensor> tensors;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(call.args); ++i) {
        PyObject* arg = PyTuple_GET_ITEM(call.args, i);
        if (is_tensor(arg)) tensors.push_back(tensor_of(arg));
    }
    if (int64_t level = highest_level(tensors)) {
        HideLevels hide(level);
        apply_at(call);
        call_jvp(call, level);
        return;
    }
    bool record = false;
    PyRef needs = checked(PyTuple_New(PyTuple_GET_SIZE(call.args)));
    std::vector<bool> is_tensor_input;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(call.args); ++i) {
        PyObject* arg = PyTuple_GET_ITEM(call.args, i);
        bool tensor = is_tensor(arg);
        bool wants = tensor && requires_grad(*impl_of(arg));
        record |= wants && t_state.grad_enabled;
        is_tensor_input.push_back(tensor);
        PyTuple_SET_ITEM(needs.get(), i, PyBool_FromLong(wants));
    }
    PyRef name = checked(PyObject_GetAttrString(call.function, "__name__"));
    const char* text = PyUnicode_AsUTF8(name.get());
    if (!text) throw PythonErrorSet();
    call.node = Node::create<FunctionNode>(static_cast<uint32_t>(tensors.size()), call.function,
                                           concat(text, "Backward"));
    FunctionNode& node = *call.node;
    node.is_tensor_input = std::move(is_tensor_input);
    context_of(node.context())->needs_input_grad = needs.leak();
    node.remember_location();
    // The edges are those of the inputs before forward may change them.
    for (size_t i = 0; record && i < tensors.size(); ++i) {
        node.set_edge(static_cast<uint32_t>(i), edge_of(*tensors[i]));
    }
    run_forward(call);
    Py_ssize_t count = PyTuple_GET_SIZE(call.outputs.get());
    node.set_outputs(static_cast<uint32_t>(count));
    node.differentiable.assign(static_cast<size_t>(count), false);
    PyObject* dirty = context_of(node.context())->dirty;
    for (Py_ssize_t i = 0; dirty && i < PyTuple_GET_SIZE(dirty); ++i) {
        check(
            position_of(call.outputs.get(), PyTuple_GET_ITEM(dirty, i)) >= 0, ErrorKind::Runtime,
            "Some elements marked as dirty during the forward method were not returned as output. "
            "The inputs that are modified inplace must all be outputs of the Function.");
    }
    PyRef connected = checked(PyTuple_New(count));
    if (record) save_tensors(call);
    for (Py_ssize_t i = 0; i < count; ++i) {
        PyObject* output = PyTuple_GET_ITEM(call.outputs.get(), i);
        PyRef seen = is_tensor(output)
                         ? connect_output(call, output, static_cast<uint32_t>(i), record)
                         : PyRef::share(output);
        PyTuple_SET_ITEM(connected.get(), i, seen.leak());
    }
    call.outputs = connected;
}

// Observers see the call as an operator, and the operators that its forward calls.
void apply_observed(Call& call) {
    PyRef name = checked(PyObject_GetAttrString(call.function, "__name__"));
    const char* text = PyUnicode_AsUTF8(name.get());
    if (!text) throw PythonErrorSet();
    ObservedOp op{text, "", {}};
    op.transparent = true;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(call.args); ++i) {
        PyObject* arg = PyTuple_GET_ITEM(call.args, i);
        if (is_tensor(arg)) op.inputs.add(impl_of(arg));
        else if (PyFloat_Check(arg)) op.add(PyFloat_AS_DOUBLE(arg));
    }
    Observation seen(std::move(op));
    apply_at(call);
    ObservedTensors outputs;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(call.outputs.get()); ++i) {
        PyObject* output = PyTuple_GET_ITEM(call.outputs.get(), i);
        if (is_tensor(output)) outputs.add(impl_of(output));
    }
    seen.end(outputs);
}

PyObject* apply(PyObject* cls, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&]() -> PyObject* {
        check(!kwnames || PyTuple_GET_SIZE(kwnames) == 0, ErrorKind::Type,
              "apply() takes no keyword arguments; pass them by position");
        PyRef tuple = checked(PyTuple_New(nargs));
        for (Py_ssize_t i = 0; i < nargs; ++i) PyTuple_SET_ITEM(tuple.get(), i, Py_NewRef(args[i]));
        Call call{cls, tuple.get(), {}, {}, false};
        if (__builtin_expect(t_state.flags & kObserveMode, 0)) apply_observed(call);
        else apply_at(call);
        // What was kept for forward mode only has done its work.
        Py_CLEAR(context_of(context(call))->to_save_forward);
        if (call.single) return Py_NewRef(PyTuple_GET_ITEM(call.outputs.get(), 0));
        return call.outputs.leak();
    });
}

PyMethodDef function_methods[] = {
    {"apply", method(apply), kFlags | METH_CLASS,
     "Runs forward and records the operation in the graph."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void init_function(PyObject* module) {
    PyType_Slot slots[] = {
        {Py_tp_base, g_node_type},
        {Py_tp_dealloc, reinterpret_cast<void*>(context_dealloc)},
        {Py_tp_traverse, reinterpret_cast<void*>(context_traverse)},
        {Py_tp_clear, reinterpret_cast<void*>(context_clear)},
        {Py_tp_methods, context_methods},
        {Py_tp_getset, context_getset},
        {0, nullptr},
    };
    PyType_Spec spec = {"chainrule.autograd.function.FunctionCtx", sizeof(PyContext), 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
                            Py_TPFLAGS_DISALLOW_INSTANTIATION,
                        slots};
    g_context_type = reinterpret_cast<PyTypeObject*>(checked(PyType_FromSpec(&spec)).leak());
    checked(PyModule_AddObjectRef(module, "_FunctionContext",
                                  reinterpret_cast<PyObject*>(g_context_type)));
    PyType_Slot base_slots[] = {
        {Py_tp_methods, function_methods},
        {0, nullptr},
    };
    PyType_Spec base_spec = {"chainrule.autograd.function._FunctionBase", sizeof(PyObject), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, base_slots};
    PyRef base = checked(PyType_FromSpec(&base_spec));
    checked(PyModule_AddObjectRef(module, "_FunctionBase", base.get()));
}

}  // namespace chainrule::bind
