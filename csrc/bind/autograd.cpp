#include "autograd/engine.h"

#include <unordered_set>

#include "autograd/accumulate_grad.h"
#include "autograd/history.h"
#include "autograd/origin.h"
#include "autograd/tangent.h"
#include "base/message.h"
#include "bind/arguments.h"
#include "bind/hook_objects.h"
#include "bind/modules.h"
#include "bind/node_object.h"
#include "bind/tensor_object.h"
#include "ops.h"

// backward() and grad().
namespace chainrule::bind {

namespace {

std::string note_root(const Tensor& root) {
    return note("The tensor has shape ", to_string(root.shape()),
                root->grad_fn ? concat(": result of ", root->grad_fn->described()) : ".");
}

// The gradient that a root starts with.
Tensor root_gradient(const Tensor& root, PyObject* given) {
    if (given && given != Py_None) {
        check(is_tensor(given), ErrorKind::Type,
              "gradients can be either Tensors or None, but got ", Py_TYPE(given)->tp_name);
        Tensor grad = tensor_of(given);
        if (!grad->same_shape(*root)) {
            fail(ErrorKind::Runtime, "Mismatch in shape: grad_output[0] has a shape of torch.Size(",
                 to_string(grad.shape()), ") and output[0] has a shape of torch.Size(",
                 to_string(root.shape()), ").", note_root(root),
                 note("The gradient given to backward must have the shape of the tensor: ",
                      "torch.ones_like(tensor) has it."));
        }
        return grad;
    }
    if (!requires_grad(*root)) return {};
    check(root.numel() == 1, ErrorKind::Runtime,
          "grad can be implicitly created only for scalar outputs", note_root(root),
          note("Reduce it first, with .sum() or .mean(), or pass the gradient: "
               ".backward(torch.ones_like(loss))."));
    check(is_floating(root.dtype()), ErrorKind::Runtime,
          "grad can be implicitly created only for real scalar outputs but got torch.",
          dtype_name(root.dtype()));
    return Tensor::full(root.shape(), root.dtype(), Scalar(1));
}

std::vector<PyObject*> items_of(PyObject* object, const char* what) {
    if (!object || object == Py_None) return {};
    if (is_tensor(object)) return {object};
    check(PyTuple_Check(object) || PyList_Check(object), ErrorKind::Type, what,
          " must be a Tensor or a sequence of Tensors, not ", Py_TYPE(object)->tp_name);
    std::vector<PyObject*> out;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(object); ++i) {
        out.push_back(PySequence_Fast_GET_ITEM(object, i));
    }
    return out;
}

void check_tensors(const std::vector<PyObject*>& list, const char* what) {
    for (PyObject* o : list) {
        check(is_tensor(o), ErrorKind::Type, what, " must be Tensors, not ", Py_TYPE(o)->tp_name);
    }
}

struct OwnedEdges {
    std::vector<Edge> edges;
    ~OwnedEdges() {
        for (const Edge& e : edges) {
            if (e.node) e.node->release();
        }
    }
};

void add_root(OwnedEdges& roots, std::vector<Tensor>& grads, PyObject* tensor, PyObject* given,
              size_t position) {
    Tensor t = tensor_of(tensor);
    Edge edge = edge_of(*t);
    if (!edge.node) {
        fail(ErrorKind::Runtime, "element ", position,
             " of tensors does not require grad and does not have a grad_fn", why_no_graph(*t));
    }
    roots.edges.push_back(edge);
    grads.push_back(root_gradient(t, given));
}

// A tensor's gradient edge, or the one that a graph.GradientEdge (node, output_nr) names.
bool is_gradient_edge(PyObject* object) {
    return PyTuple_Check(object) && PyTuple_GET_SIZE(object) >= 2 &&
           is_node(PyTuple_GET_ITEM(object, 0));
}
Edge edge_from(PyObject* object) {
    if (is_tensor(object)) return edge_of(*tensor_of(object));
    Node* node = node_of(PyTuple_GET_ITEM(object, 0));
    int64_t index = integer_from(PyTuple_GET_ITEM(object, 1), "output_nr");
    check(index >= 0 && index < node->num_outputs(), ErrorKind::Index, "output_nr ", index,
          " is out of range: ", node->name(), " has ", node->num_outputs(), " outputs");
    node->retain();
    return {node, static_cast<uint32_t>(index)};
}

[[noreturn]] void refuse_constant(PyObject* input, size_t position) {
    const TensorImpl& t = *impl_of(input);
    fail(
        ErrorKind::Runtime, "One of the differentiated Tensors does not require grad",
        note("It is input ", position, ", of shape ", to_string(Dims(t.sizes(), t.ndim)), "."),
        no_graph_of(t) ? why_no_graph(t) : note("Set requires_grad=True on it before it is used."));
}

// A module call in which part of the graph was recorded; its outermost module knows names.
const ModuleScope* scope_below(const std::vector<Edge>& roots) {
    std::vector<Node*> stack;
    std::unordered_set<Node*> seen;
    for (const Edge& root : roots) stack.push_back(root.node);
    while (!stack.empty()) {
        Node* node = stack.back();
        stack.pop_back();
        if (!node || !seen.insert(node).second) continue;
        if (node->scope()) return node->scope();
        for (uint32_t i = 0; i < node->num_inputs(); ++i) stack.push_back(node->edges()[i].node);
    }
    return nullptr;
}

std::string unused_leaf(const TensorImpl& t, Node& node, const std::vector<Edge>& roots) {
    const ModuleScope* scope = scope_below(roots);
    std::string name = scope ? g_describe_parameter(*scope, t) : std::string();
    // Only the question itself holds the node of a leaf that nothing was computed from.
    const char* use = node.refcount() == 1
                          ? ": no recorded operation that is still alive uses it."
                          : ": other recorded operations use it, but the outputs do not depend on "
                            "it.";
    return concat(name.empty() ? "a leaf" : name, " of shape ", to_string(Dims(t.sizes(), t.ndim)),
                  use);
}

[[noreturn]] void refuse_unused(Node& node, size_t position, const std::vector<Edge>& roots) {
    std::string what =
        node.is_accumulate_grad()
            ? unused_leaf(*static_cast<AccumulateGrad&>(node).variable(), node, roots)
            : concat("the result of ", node.described(),
                     note("The outputs were not computed from it."));
    fail(ErrorKind::Runtime, "The differentiated Tensor at index ", position,
         " appears to not have been used in the graph. Set allow_unused=True if this is the "
         "desired behavior.",
         note("Input ", position, " is ", what),
         note("With allow_unused=True its gradient is None; with materialize_grads=True it is "
              "zeros."));
}

// _run_backward(roots, gradients, retain_graph, create_graph, inputs, accumulate, allow_unused,
//               materialize)
PyObject* run(PyObject*, PyObject* const* args, Py_ssize_t nargs) {
    return guarded([&]() -> PyObject* {
        check(nargs == 8, ErrorKind::Type, "_run_backward takes 8 arguments");
        auto tensors = items_of(args[0], "tensors");
        auto given = items_of(args[1], "gradients");
        BackwardOptions options;
        options.retain_graph = PyObject_IsTrue(args[2]) == 1;
        options.create_graph = PyObject_IsTrue(args[3]) == 1;
        auto inputs = items_of(args[4], "inputs");
        options.accumulate = PyObject_IsTrue(args[5]) == 1;
        bool materialize = PyObject_IsTrue(args[7]) == 1;
        options.allow_unused = materialize || PyObject_IsTrue(args[6]) == 1;
        check(given.size() == tensors.size(), ErrorKind::Runtime, "got ", tensors.size(),
              " tensors and ", given.size(), " gradients");
        OwnedEdges roots, wanted;
        std::vector<Tensor> grads;
        for (size_t i = 0; i < tensors.size(); ++i) {
            if (is_gradient_edge(tensors[i])) {
                check(is_tensor(given[i]), ErrorKind::Runtime,
                      "a GradientEdge as output needs a gradient of its own in grad_outputs");
                roots.edges.push_back(edge_from(tensors[i]));
                grads.push_back(tensor_of(given[i]));
                continue;
            }
            check(is_tensor(tensors[i]), ErrorKind::Type,
                  "backward and grad take Tensors or GradientEdges, not ",
                  Py_TYPE(tensors[i])->tp_name);
            add_root(roots, grads, tensors[i], given[i], i);
        }
        for (size_t i = 0; i < inputs.size(); ++i) {
            check(is_tensor(inputs[i]) || is_gradient_edge(inputs[i]), ErrorKind::Type,
                  "inputs must be Tensors or GradientEdges, not ", Py_TYPE(inputs[i])->tp_name);
            Edge edge = edge_from(inputs[i]);
            if (!edge.node && !options.allow_unused) refuse_constant(inputs[i], i);
            if (options.accumulate && is_tensor(inputs[i])) {
                Tensor t = tensor_of(inputs[i]);
                if (!is_leaf(*t)) retain_grad(*t);
            }
            wanted.edges.push_back(edge);
        }
        std::vector<Tensor> results =
            run_backward(roots.edges, std::move(grads), wanted.edges, options);
        if (options.accumulate) Py_RETURN_NONE;
        PyRef tuple = checked(PyTuple_New(static_cast<Py_ssize_t>(results.size())));
        for (size_t i = 0; i < results.size(); ++i) {
            if (!results[i] && !options.allow_unused) {
                refuse_unused(*wanted.edges[i].node, i, roots.edges);
            }
            if (!results[i] && materialize && is_tensor(inputs[i])) {
                Tensor like = tensor_of(inputs[i]);
                results[i] = Tensor::zeros(like.shape(), like.dtype());
            }
            PyTuple_SET_ITEM(tuple.get(), static_cast<Py_ssize_t>(i),
                             checked(wrap_or_none(results[i])).leak());
        }
        return tuple.leak();
    });
}

// Tensor.backward(gradient=None, retain_graph=None, create_graph=False, inputs=None)
PyObject* tensor_backward(PyObject* self, PyObject* const* args, Py_ssize_t nargs,
                          PyObject* kwnames) {
    return guarded([&]() -> PyObject* {
        PyObject* values[4] = {nullptr, nullptr, nullptr, nullptr};
        static const char* names[] = {"gradient", "retain_graph", "create_graph", "inputs"};
        check(nargs <= 4, ErrorKind::Type, "backward() takes at most 4 arguments (", nargs,
              " given)");
        for (Py_ssize_t i = 0; i < nargs; ++i) values[i] = args[i];
        for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); ++k) {
            bool known = false;
            for (int i = 0; i < 4; ++i) {
                if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, k), names[i]) == 0) {
                    values[i] = args[nargs + k];
                    known = true;
                }
            }
            check(known, ErrorKind::Type, "backward() got an unexpected keyword argument '",
                  PyUnicode_AsUTF8(PyTuple_GET_ITEM(kwnames, k)), "'");
        }
        BackwardOptions options;
        options.create_graph = values[2] && PyObject_IsTrue(values[2]) == 1;
        options.retain_graph = values[1] && values[1] != Py_None ? PyObject_IsTrue(values[1]) == 1
                                                                 : options.create_graph;
        OwnedEdges roots, wanted;
        std::vector<Tensor> grads;
        check(!values[0] || values[0] == Py_None || is_tensor(values[0]), ErrorKind::Type,
              "gradients can be either Tensors or None, but got ",
              Py_TYPE(values[0] ? values[0] : Py_None)->tp_name);
        add_root(roots, grads, self, values[0], 0);
        if (values[3] && values[3] != Py_None) {
            auto inputs = items_of(values[3], "inputs");
            check_tensors(inputs, "inputs");
            check(!inputs.empty(), ErrorKind::Runtime,
                  "`inputs` argument to `backward()` cannot be empty.");
            for (PyObject* input : inputs) {
                Tensor t = tensor_of(input);
                Edge edge = edge_of(*t);
                if (!edge.node) refuse_constant(input, wanted.edges.size());
                if (!is_leaf(*t)) retain_grad(*t);
                wanted.edges.push_back(edge);
            }
        }
        run_backward(roots.edges, std::move(grads), wanted.edges, options);
        Py_RETURN_NONE;
    });
}

PyObject* tensor_register_hook(PyObject* self, PyObject* callable) {
    return guarded([&] { return add_tensor_hook(self, callable); });
}
PyObject* tensor_register_post_hook(PyObject* self, PyObject* callable) {
    return guarded([&] { return add_post_accumulate_hook(self, callable); });
}
PyObject* tensor_retain_grad(PyObject* self, PyObject*) {
    return guarded([&]() -> PyObject* {
        retain_grad(*impl_of(self));
        Py_RETURN_NONE;
    });
}
PyObject* tensor_detach(PyObject* self, PyObject*) {
    return guarded([&] { return wrap(detach(tensor_of(self))); });
}
PyObject* tensor_detach_inplace(PyObject* self, PyObject*) {
    return guarded([&] {
        detach_(tensor_of(self));
        return Py_NewRef(self);
    });
}
PyObject* tensor_requires_grad_inplace(PyObject* self, PyObject* const* args, Py_ssize_t nargs,
                                       PyObject* kwnames) {
    return guarded([&]() -> PyObject* {
        Py_ssize_t total = nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
        check(total <= 1, ErrorKind::Type, "requires_grad_() takes at most one argument");
        check(total == 0 || PyBool_Check(args[0]), ErrorKind::Type,
              "requires_grad_(): argument 'requires_grad' (position 1) must be bool, not ",
              Py_TYPE(total ? args[0] : Py_None)->tp_name);
        bool value = total == 0 || args[0] == Py_True;
        set_requires_grad(*impl_of(self), value);
        return Py_NewRef(self);
    });
}

PyMethodDef methods[] = {
    {"backward", method(tensor_backward), kFlags,
     "backward(gradient=None, retain_graph=None, create_graph=False, inputs=None)\n\nAccumulates "
     "the gradients of this tensor in the .grad of the leaves it was computed from."},
    {"register_hook", tensor_register_hook, METH_O,
     "Calls hook(grad) when this tensor's gradient is computed; may return a new gradient."},
    {"register_post_accumulate_grad_hook", tensor_register_post_hook, METH_O,
     "Calls hook(tensor) after this leaf's .grad was accumulated."},
    {"retain_grad", tensor_retain_grad, METH_NOARGS, "Keeps .grad of a tensor that is no leaf."},
    {"detach", tensor_detach, METH_NOARGS, "The same memory, without history."},
    {"detach_", tensor_detach_inplace, METH_NOARGS, "Forgets the history of this tensor."},
    {"requires_grad_", method(tensor_requires_grad_inplace), kFlags,
     "requires_grad_(requires_grad=True)"},
    {nullptr, nullptr, 0, nullptr},
};

PyObject* make_dual(PyObject*, PyObject* const* args, Py_ssize_t nargs) {
    return guarded([&]() -> PyObject* {
        check(nargs == 3 && is_tensor(args[0]) && is_tensor(args[1]), ErrorKind::Type,
              "make_dual takes a primal tensor, a tangent tensor and a level");
        Tensor primal = tensor_of(args[0]), tangent = tensor_of(args[1]);
        int64_t level = integer_from(args[2], "level");
        check(is_active_level(level), ErrorKind::Runtime,
              "Trying to create a dual Tensor for forward AD but no level exists, make sure to "
              "enter_dual_level() first.");
        check(is_differentiable(primal.dtype()), ErrorKind::Value,
              "Expected primal to be floating point or complex, but got: torch.",
              dtype_name(primal.dtype()));
        check(primal.dtype() == tangent.dtype() && primal->same_shape(*tangent), ErrorKind::Runtime,
              "Expected tangent to have the shape and dtype of its primal: ",
              to_string(primal.shape()), " and ", to_string(tangent.shape()));
        check(!tangent_of(*primal, level), ErrorKind::Runtime,
              "the tensor has a tangent at this level already");
        Tensor dual = ops::_dual_view(primal);
        set_tangent(*dual, level, tangent);
        return wrap(dual);
    });
}

PyObject* unpack_dual(PyObject*, PyObject* const* args, Py_ssize_t nargs) {
    return guarded([&]() -> PyObject* {
        check(nargs == 2 && is_tensor(args[0]), ErrorKind::Type,
              "unpack_dual takes a tensor and a level");
        Tensor dual = tensor_of(args[0]);
        int64_t level = integer_from(args[1], "level");
        Tensor tangent = is_active_level(level) ? tangent_of(*dual, level) : Tensor();
        Tensor primal = dual;
        if (tangent) {
            HideLevels hide(level);
            primal = ops::_dual_view(dual);
        }
        PyRef first = checked(wrap(primal));
        PyRef second = checked(wrap_or_none(tangent));
        return PyTuple_Pack(2, first.get(), second.get());
    });
}

PyObject* increment_version(PyObject*, PyObject* tensor) {
    return guarded([&]() -> PyObject* {
        check(is_tensor(tensor), ErrorKind::Type, "increment_version takes a Tensor, not ",
              Py_TYPE(tensor)->tp_name);
        impl_of(tensor)->storage->bump_version();
        Py_RETURN_NONE;
    });
}
PyObject* graph_task_id(PyObject*, PyObject*) { return PyLong_FromLongLong(current_backward_id()); }
PyObject* will_execute(PyObject*, PyObject* node) {
    return guarded([&]() -> PyObject* {
        check(is_node(node), ErrorKind::Type, "expected a graph node, not ",
              Py_TYPE(node)->tp_name);
        check(current_backward_id() >= 0, ErrorKind::Runtime,
              "_will_engine_execute_node can only be asked during a backward call");
        return PyBool_FromLong(will_execute_in_current_backward(*node_of(node)));
    });
}

PyMethodDef functions[] = {
    {"_increment_version", increment_version, METH_O, "Counts a change made in some other way."},
    {"_current_graph_task_id", graph_task_id, METH_NOARGS, "-1 outside a backward call."},
    {"_will_engine_execute_node", will_execute, METH_O, nullptr},
    {"_run_backward", method(run), METH_FASTCALL, nullptr},
    {"_make_dual", method(make_dual), METH_FASTCALL, nullptr},
    {"_unpack_dual", method(unpack_dual), METH_FASTCALL, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void init_autograd(PyObject* module) {
    add_tensor_methods(methods);
    add_functions(module, functions);
}

}  // namespace chainrule::bind
