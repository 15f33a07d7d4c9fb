#include <map>
#include <new>
#include <string>
#include <vector>

#include "autograd/accumulate_grad.h"
#include "autograd/graph_walk.h"
#include "autograd/history.h"
#include "autograd/no_graph.h"
#include "bind/dtype_object.h"
#include "bind/modules.h"
#include "bind/node_object.h"
#include "bind/place_object.h"
#include "bind/scope_object.h"
#include "bind/source_line.h"
#include "bind/tensor_object.h"

// A recorded graph as columns of plain Python values: what chainrule.graph is built on. Facts that
// many nodes share (source places, module calls, kinds of operations, shapes) stand in tables that
// the columns point into, so that a graph of 100,000 nodes is read in some tens of milliseconds.
namespace chainrule::bind {

namespace {

struct PySnapshot {
    PyObject_HEAD GraphWalk* walk;
    PyObject* columns;
};

PyTypeObject* g_snapshot_type;

PySnapshot* object_of(PyObject* self) { return reinterpret_cast<PySnapshot*>(self); }

// A Python list that grows to a known size.
class Column {
public:
    explicit Column(size_t size) : list_(checked(PyList_New(static_cast<Py_ssize_t>(size)))) {}
    void add(PyObject* owned) {
        if (!owned) throw PythonErrorSet();
        PyList_SET_ITEM(list_.get(), next_++, owned);
    }
    void add(int64_t number) { add(PyLong_FromLongLong(number)); }
    PyObject* get() const { return list_.get(); }

private:
    PyRef list_;
    Py_ssize_t next_ = 0;
};

PyObject* text_or_none(const char* text) {
    return text ? PyUnicode_FromString(text) : Py_NewRef(Py_None);
}

// Tables of what nodes share; `index` of a key makes the entry at first sight.
class Tables {
public:
    Tables()
        : kinds(checked(PyList_New(0))),
          metas(checked(PyList_New(0))),
          sites(checked(PyList_New(0))),
          scopes(checked(PyList_New(0))) {}

    // (name, formulas by input, names of inputs)
    int64_t kind_of(const Node& node) {
        std::vector<const void*> key{node.name()};
        for (uint32_t i = 0; i < node.num_inputs(); ++i) key.push_back(node.formula(i));
        auto [at, fresh] = kind_index_.emplace(std::move(key), size(kinds));
        if (fresh) {
            PyRef formulas = checked(PyTuple_New(node.num_inputs()));
            PyRef names = checked(PyTuple_New(node.num_inputs()));
            for (uint32_t i = 0; i < node.num_inputs(); ++i) {
                PyTuple_SET_ITEM(formulas.get(), i, checked(text_or_none(node.formula(i))).leak());
                PyTuple_SET_ITEM(names.get(), i, checked(text_or_none(node.input_name(i))).leak());
            }
            append(kinds, Py_BuildValue("(sOO)", node.name(), formulas.get(), names.get()));
        }
        return at->second;
    }

    // (shape, dtype)
    int64_t meta_of(const int64_t* sizes, size_t n, DType dtype) {
        std::vector<int64_t> key(sizes, sizes + n);
        key.push_back(static_cast<int64_t>(dtype));
        auto [at, fresh] = meta_index_.emplace(std::move(key), size(metas));
        if (fresh) {
            PyRef shape = checked(PyTuple_New(static_cast<Py_ssize_t>(n)));
            for (size_t i = 0; i < n; ++i) {
                PyTuple_SET_ITEM(shape.get(), static_cast<Py_ssize_t>(i),
                                 checked(PyLong_FromLongLong(sizes[i])).leak());
            }
            append(metas, Py_BuildValue("(Os)", shape.get(), dtype_name(dtype)));
        }
        return at->second;
    }

    // (code object, byte offset of the instruction, line)
    int64_t site_of(const SourceLocation& where) {
        if (!where.code) return -1;
        auto [at, fresh] = site_index_.emplace(std::pair{where.code, where.instruction}, -1);
        if (!fresh) return at->second;
        auto* code = static_cast<PyCodeObject*>(where.code);
        int offset = chainrule_settled_offset(code, where.instruction);
        if (offset != where.instruction) return at->second = site_of({where.code, offset});
        at->second = size(sites);
        append(sites, place_object(code, offset).leak());
        return at->second;
    }

    // (index of the enclosing call, module or None, class name, number of the call)
    int64_t scope_of(const ModuleScope* scope) {
        std::vector<const ModuleScope*> chain;
        for (; scope && !scope_index_.contains(scope); scope = scope->parent) {
            chain.push_back(scope);
        }
        int64_t at = scope ? scope_index_.at(scope) : -1;
        while (!chain.empty()) {
            const ModuleScope* next = chain.back();
            chain.pop_back();
            PyRef item = scope_object(at, *next);
            at = size(scopes);
            append(scopes, item.leak());
            scope_index_.emplace(next, at);
        }
        return at;
    }

    PyRef kinds, metas, sites, scopes;

private:
    static int64_t size(const PyRef& list) { return PyList_GET_SIZE(list.get()); }
    static void append(const PyRef& list, PyObject* owned) {
        PyRef item = checked(owned);
        checked(PyList_Append(list.get(), item.get()));
    }
    std::map<std::vector<const void*>, int64_t> kind_index_;
    std::map<std::vector<int64_t>, int64_t> meta_index_;
    std::map<std::pair<void*, int32_t>, int64_t> site_index_;
    std::map<const ModuleScope*, int64_t> scope_index_;
};

void set(PyObject* columns, const char* name, PyObject* value) {
    checked(PyDict_SetItemString(columns, name, value));
}

void add_nodes(const GraphWalk& walk, PyObject* columns) {
    size_t n = walk.entries().size();
    Tables tables;
    Column role(n), kind(n), meta(n), outputs(n), sequence(n), site(n), scope(n), released(n);
    for (const GraphWalk::Entry& entry : walk.entries()) {
        if (!entry.node) {
            const TensorImpl& t = *entry.constant;
            role.add(2);
            kind.add(-1);
            meta.add(tables.meta_of(t.sizes(), t.ndim, t.dtype));
            outputs.add(1);
            sequence.add(-1);
            site.add(tables.site_of(t.storage->changed));
            scope.add(-1);
            released.add(int64_t{0});
            continue;
        }
        Node& node = *entry.node;
        bool leaf = node.is_accumulate_grad();
        role.add(leaf);
        kind.add(tables.kind_of(node));
        bool any = node.num_outputs() > 0;
        meta.add(any ? tables.meta_of(node.meta(0).sizes(),
                                      static_cast<size_t>(node.meta(0).ndim()),
                                      node.meta(0).dtype())
                     : -1);
        outputs.add(node.num_outputs());
        sequence.add(leaf ? -1 : static_cast<int64_t>(node.sequence()));
        site.add(tables.site_of(node.where()));
        scope.add(tables.scope_of(node.scope()));
        released.add(int64_t{!leaf && node.released()});
    }
    set(columns, "role", role.get());
    set(columns, "kind", kind.get());
    set(columns, "meta", meta.get());
    set(columns, "outputs", outputs.get());
    set(columns, "sequence", sequence.get());
    set(columns, "site", site.get());
    set(columns, "scope", scope.get());
    set(columns, "released", released.get());
    set(columns, "kinds", tables.kinds.get());
    set(columns, "metas", tables.metas.get());
    set(columns, "sites", tables.sites.get());
    set(columns, "scopes", tables.scopes.get());
}

void add_links(const GraphWalk& walk, PyObject* columns) {
    size_t n = walk.links().size();
    Column source(n), output(n), target(n), input(n);
    for (const GraphWalk::Link& link : walk.links()) {
        source.add(link.source);
        output.add(link.output);
        target.add(link.target);
        input.add(link.input);
    }
    set(columns, "edge_source", source.get());
    set(columns, "edge_output", output.get());
    set(columns, "edge_target", target.get());
    set(columns, "edge_input", input.get());
}

void add_saved(const GraphWalk& walk, PyObject* columns) {
    size_t n = walk.saved().size();
    Column owner(n), input(n), name(n), nbytes(n), storage(n), storage_bytes(n), is_output(n);
    std::map<const void*, PyRef> names;
    for (const GraphWalk::SavedValue& value : walk.saved()) {
        const TensorImpl& t = *value.value;
        PyRef& text = names[value.name];
        if (!text) text = checked(PyUnicode_FromString(value.name));
        owner.add(value.entry);
        input.add(value.input);
        name.add(Py_NewRef(text.get()));
        nbytes.add(t.numel * static_cast<int64_t>(item_size(t.dtype)));
        storage.add(PyLong_FromVoidPtr(t.storage));
        storage_bytes.add(static_cast<int64_t>(t.storage->nbytes));
        is_output.add(int64_t{value.is_output});
    }
    set(columns, "saved_node", owner.get());
    set(columns, "saved_input", input.get());
    set(columns, "saved_name", name.get());
    set(columns, "saved_bytes", nbytes.get());
    set(columns, "saved_storage", storage.get());
    set(columns, "saved_storage_bytes", storage_bytes.get());
    set(columns, "saved_is_output", is_output.get());
}

// _graph_snapshot(roots): roots is a tuple of tensors with a graph, or of nodes.
PyObject* graph_snapshot(PyObject*, PyObject* roots) {
    return guarded([&]() -> PyObject* {
        check(PyTuple_Check(roots), ErrorKind::Type, "_graph_snapshot takes a tuple");
        std::vector<Ref<Node>> held;
        std::vector<Node*> nodes;
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(roots); ++i) {
            PyObject* root = PyTuple_GET_ITEM(roots, i);
            if (is_tensor(root)) {
                Edge edge = edge_of(*tensor_of(root));
                check(edge.node, ErrorKind::Runtime, "tensor ", i,
                      " has no graph: it does not require grad and does not have a grad_fn",
                      why_no_graph(*tensor_of(root)));
                held.push_back(Ref<Node>::steal(edge.node));
            } else {
                check(is_node(root), ErrorKind::Type, "a graph starts from tensors or nodes, not ",
                      Py_TYPE(root)->tp_name);
                held.push_back(Ref<Node>::share(node_of(root)));
            }
            nodes.push_back(held.back().get());
        }
        PyRef self = checked(g_snapshot_type->tp_alloc(g_snapshot_type, 0));
        object_of(self.get())->walk = new GraphWalk(nodes);
        const GraphWalk& walk = *object_of(self.get())->walk;
        PyRef columns = checked(PyDict_New());
        add_nodes(walk, columns.get());
        add_links(walk, columns.get());
        add_saved(walk, columns.get());
        Column positions(nodes.size());
        for (Node* node : nodes) positions.add(walk.position(node));
        set(columns.get(), "roots", positions.get());
        object_of(self.get())->columns = columns.leak();
        return self.leak();
    });
}

const GraphWalk& walk_of(PyObject* self) { return *object_of(self)->walk; }

template <class List>
size_t index_into(const List& list, PyObject* number, const char* what) {
    Py_ssize_t i = PyLong_AsSsize_t(number);
    if (i == -1 && PyErr_Occurred()) throw PythonErrorSet();
    check(i >= 0 && static_cast<size_t>(i) < list.size(), ErrorKind::Index, what, " ", i,
          " is out of range: there are ", list.size());
    return static_cast<size_t>(i);
}

PyObject* node_at(PyObject* self, PyObject* number) {
    return guarded([&] {
        const auto& entries = walk_of(self).entries();
        return wrap_node(entries[index_into(entries, number, "node")].node.get());
    });
}

// The leaf or the constant at a position; None for an operation.
PyObject* tensor_at(PyObject* self, PyObject* number) {
    return guarded([&]() -> PyObject* {
        const auto& entries = walk_of(self).entries();
        const auto& entry = entries[index_into(entries, number, "node")];
        if (!entry.node) return wrap(entry.constant);
        if (!entry.node->is_accumulate_grad()) Py_RETURN_NONE;
        return wrap(static_cast<AccumulateGrad&>(*entry.node).variable());
    });
}

// A saved value as it is now, without history; None where it was changed in place since.
PyObject* saved_at(PyObject* self, PyObject* number) {
    return guarded([&]() -> PyObject* {
        const auto& saved = walk_of(self).saved();
        const auto& value = saved[index_into(saved, number, "saved value")];
        if (value.changed()) Py_RETURN_NONE;
        return wrap(Tensor::alias(*value.value));
    });
}

// (position, output index) of the node that made a tensor, or None.
PyObject* find(PyObject* self, PyObject* tensor) {
    return guarded([&]() -> PyObject* {
        check(is_tensor(tensor), ErrorKind::Type, "find takes a Tensor, not ",
              Py_TYPE(tensor)->tp_name);
        const GraphWalk& walk = walk_of(self);
        TensorImpl& t = *impl_of(tensor);
        int64_t at = -1;
        unsigned output = 0;
        if (!requires_grad(t)) {
            at = walk.position_of_constant(&t);
        } else if (t.grad_fn) {
            at = walk.position(t.grad_fn);
            output = t.output_index;
        } else if (t.accumulator) {
            at = walk.position(t.accumulator);
        }
        if (at < 0) Py_RETURN_NONE;
        return Py_BuildValue("(LI)", static_cast<long long>(at), output);
    });
}

void dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    delete object_of(self)->walk;
    Py_XDECREF(object_of(self)->columns);
    type->tp_free(self);
    Py_DECREF(type);
}

PyObject* get_columns(PyObject* self, void*) { return Py_NewRef(object_of(self)->columns); }

PyMethodDef methods[] = {
    {"node", node_at, METH_O, "The autograd node at a position; None for a constant."},
    {"tensor", tensor_at, METH_O, "The leaf or constant at a position; None for an operation."},
    {"saved", saved_at, METH_O, "A saved value; None where it was changed in place since."},
    {"find", find, METH_O, "(position, output index) of the node that made a tensor, or None."},
    {nullptr, nullptr, 0, nullptr},
};
PyGetSetDef getset[] = {
    {"columns", get_columns, nullptr, "The graph as a dict of lists.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};
PyMethodDef functions[] = {
    {"_graph_snapshot", graph_snapshot, METH_O, "The graph behind a tuple of tensors or nodes."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void init_graph_snapshot(PyObject* module) {
    PyType_Slot slots[] = {
        {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
        {Py_tp_methods, methods},
        {Py_tp_getset, getset},
        {0, nullptr},
    };
    PyType_Spec spec = {"chainrule._C.GraphSnapshot", sizeof(PySnapshot), 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
    g_snapshot_type = reinterpret_cast<PyTypeObject*>(checked(PyType_FromSpec(&spec)).leak());
    add_functions(module, functions);
}

}  // namespace chainrule::bind
