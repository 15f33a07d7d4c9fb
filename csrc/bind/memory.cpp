#include <algorithm>

#include "base/allocator.h"
#include "bind/frame_values.h"
#include "bind/memory_accounts.h"
#include "bind/modules.h"
#include "bind/tensor_object.h"

// The Python face of the search for what holds memory: a snapshot of plain data.
namespace chainrule::bind {

namespace {

struct PySnapshot {
    PyObject_HEAD MemoryAccounts* accounts;
};

PyTypeObject* g_snapshot_type;

MemoryAccounts& of(PyObject* self) { return *reinterpret_cast<PySnapshot*>(self)->accounts; }

void snapshot_dealloc(PyObject* self) {
    delete reinterpret_cast<PySnapshot*>(self)->accounts;
    PyTypeObject* type = Py_TYPE(self);
    PyObject_Free(self);
    Py_DECREF(type);
}

PyRef text(const std::string& s) {
    return checked(PyUnicode_DecodeUTF8(s.data(), static_cast<Py_ssize_t>(s.size()), "replace"));
}
PyRef number(uint64_t n) { return checked(PyLong_FromUnsignedLongLong(n)); }
PyRef number_or_none(uint32_t n) {
    return n == MemoryAccounts::kNone ? PyRef::share(Py_None) : number(n);
}
PyRef truth(bool b) { return PyRef::share(b ? Py_True : Py_False); }

template <class... Item>
PyRef tuple(Item... items) {
    PyRef out = checked(PyTuple_New(sizeof...(items)));
    Py_ssize_t i = 0;
    (PyTuple_SET_ITEM(out.get(), i++, items.leak()), ...);
    return out;
}
void append(PyRef& list, PyRef item) { checked(PyList_Append(list.get(), item.get())); }
PyRef new_list() { return checked(PyList_New(0)); }

PyRef counts_tuple(const uint64_t (&values)[kKinds]) {
    PyRef out = checked(PyTuple_New(kKinds));
    for (int i = 0; i < kKinds; ++i) PyTuple_SET_ITEM(out.get(), i, number(values[i]).leak());
    return out;
}

PyRef shape_tuple(const Dims& shape) {
    PyRef out = checked(PyTuple_New(static_cast<Py_ssize_t>(shape.size())));
    for (size_t i = 0; i < shape.size(); ++i) {
        PyTuple_SET_ITEM(out.get(), static_cast<Py_ssize_t>(i),
                         checked(PyLong_FromLongLong(shape[i])).leak());
    }
    return out;
}

// (file, line, function), or None.
PyRef line_tuple(const MemoryAccounts& a, uint32_t line) {
    if (line == MemoryAccounts::kNone) return PyRef::share(Py_None);
    const Line& l = a.lines[line];
    return tuple(text(a.strings.at(l.file)), number(static_cast<uint64_t>(l.line)),
                 text(a.strings.at(l.function)));
}

// (name, line) of a node, or None.
PyRef node_tuple(const MemoryAccounts& a, uint32_t node) {
    if (node == MemoryAccounts::kNone) return PyRef::share(Py_None);
    return tuple(text(a.strings.at(a.nodes[node].name)), line_tuple(a, a.nodes[node].line));
}

// (link, shape, dtype, bytes, kind, view, node, own bytes)
PyRef tensor_tuple(const MemoryAccounts& a, const TensorAbout& t) {
    const ShapeAndType& s = a.shapes[t.shape];
    uint64_t nbytes = item_size(s.dtype);
    for (int64_t size : s.shape) nbytes *= static_cast<uint64_t>(size);
    const MemoryAbout& m = a.memory[t.memory];
    bool owner = m.owner != MemoryAccounts::kNone && &a.tensors[m.owner] == &t;
    return tuple(number(t.link), shape_tuple(s.shape), text(dtype_name(s.dtype)), number(nbytes),
                 number(static_cast<uint64_t>(t.kind)), truth(t.view), node_tuple(a, t.node),
                 number(owner ? m.nbytes : 0));
}

PyObject* groups(PyObject* self, PyObject*) {
    return guarded([&] {
        MemoryAccounts& a = of(self);
        PyRef list = new_list();
        for (const Group& g : a.groups) {
            append(list,
                   tuple(line_tuple(a, g.line), number_or_none(g.variable), counts_tuple(g.bytes),
                         counts_tuple(g.counts), number(g.views), number(g.headers),
                         number(g.changed), number(g.foreign), number_or_none(g.example)));
        }
        return list.leak();
    });
}

PyObject* tensors(PyObject* self, PyObject* args) {
    return guarded([&]() -> PyObject* {
        unsigned group;
        Py_ssize_t limit;
        if (!PyArg_ParseTuple(args, "In", &group, &limit)) return nullptr;
        MemoryAccounts& a = of(self);
        std::vector<const TensorAbout*> found;
        for (const TensorAbout& t : a.tensors) {
            if (a.memory[t.memory].group == group && !t.own) found.push_back(&t);
        }
        auto bytes = [&](const TensorAbout* t) {
            const MemoryAbout& m = a.memory[t->memory];
            return &a.tensors[m.owner] == t ? m.nbytes : 0;
        };
        std::stable_sort(found.begin(), found.end(),
                         [&](auto* x, auto* y) { return bytes(x) > bytes(y); });
        if (limit >= 0 && found.size() > static_cast<size_t>(limit)) {
            found.resize(static_cast<size_t>(limit));
        }
        PyRef list = new_list();
        for (const TensorAbout* t : found) append(list, tensor_tuple(a, *t));
        return list.leak();
    });
}

// [(shape, dtype, count)] of a group's memory, views left out.
PyObject* shapes(PyObject* self, PyObject* group_number) {
    return guarded([&]() -> PyObject* {
        unsigned long group = PyLong_AsUnsignedLong(group_number);
        if (PyErr_Occurred()) return nullptr;
        MemoryAccounts& a = of(self);
        std::vector<uint64_t> counts(a.shapes.size(), 0);
        for (const MemoryAbout& m : a.memory) {
            if (m.group != group || m.owner == MemoryAccounts::kNone) continue;
            if (m.nbytes || !a.tensors[m.owner].view) ++counts[m.shape];
        }
        PyRef list = new_list();
        for (size_t i = 0; i < counts.size(); ++i) {
            if (!counts[i]) continue;
            append(list, tuple(shape_tuple(a.shapes[i].shape), text(dtype_name(a.shapes[i].dtype)),
                               number(counts[i])));
        }
        return list.leak();
    });
}

// The links from the root to one: (via, what, label, about, link). Of a run of nodes, each the
// input of the one before, only the last; its label says how many they are.
PyObject* chain(PyObject* self, PyObject* link) {
    return guarded([&]() -> PyObject* {
        MemoryAccounts& a = of(self);
        unsigned long at = PyLong_AsUnsignedLong(link);
        if (PyErr_Occurred()) return nullptr;
        check(at < a.links.size(), ErrorKind::Index, "no such link: ", at);
        PyRef list = new_list();
        for (auto i = static_cast<uint32_t>(at); i != MemoryAccounts::kNone;) {
            const Link& l = a.links[i];
            uint64_t run = 0;
            uint32_t next = l.parent;
            if (l.via == Via::Input) {
                for (run = 1; a.links[next].via == Via::Input; next = a.links[next].parent) ++run;
            }
            PyRef label = run          ? number(run)
                          : l.has_text ? text(a.strings.at(static_cast<uint32_t>(l.label)))
                                       : checked(PyLong_FromLongLong(l.label));
            PyRef about = PyRef::share(Py_None);
            if (l.what == What::Tensor) about = tensor_tuple(a, a.tensors[l.about]);
            else if (l.what == What::Node) about = node_tuple(a, l.about);
            else if (l.what == What::Object) about = text(a.strings.at(l.about));
            append(list, tuple(number(static_cast<uint64_t>(l.via)),
                               number(static_cast<uint64_t>(l.what)), std::move(label),
                               std::move(about), number(i)));
            i = next;
        }
        checked(PyList_Reverse(list.get()));
        return list.leak();
    });
}

PyObject* growths(PyObject* self, PyObject*) {
    return guarded([&] {
        MemoryAccounts& a = of(self);
        PyRef list = new_list();
        for (const Growth& g : a.growths) {
            append(list, tuple(truth(g.list), truth(g.backwards), line_tuple(a, g.line),
                               number(g.link), number(g.count), number(g.bytes)));
        }
        return list.leak();
    });
}

PyObject* roots(PyObject* self, PyObject*) {
    return guarded([&] {
        PyRef list = new_list();
        for (const RootBytes& r : of(self).roots) {
            append(list, tuple(checked(PyLong_FromLongLong(r.number)), number(r.bytes),
                               number(r.tensors)));
        }
        return list.leak();
    });
}

// (tensors, nodes, bytes that the allocator counts, in its slabs, of others, headers)
PyObject* totals(PyObject* self, PyObject*) {
    return guarded([&] {
        MemoryAccounts& a = of(self);
        uint64_t own = 0, small = 0, foreign = 0, headers = 0, count = 0;
        for (const MemoryAbout& m : a.memory) {
            (m.foreign ? foreign : m.small ? small : own) += m.nbytes;
        }
        for (const Group& g : a.groups) headers += g.headers;
        for (const TensorAbout& t : a.tensors) count += !t.own;
        return tuple(number(count), number(a.node_count), number(own), number(small),
                     number(foreign), number(headers))
            .leak();
    });
}

// The link of a live tensor, None if the snapshot has none at its address.
PyObject* find(PyObject* self, PyObject* tensor) {
    return guarded([&]() -> PyObject* {
        check(is_tensor(tensor), ErrorKind::Type, "expected a tensor, not ",
              Py_TYPE(tensor)->tp_name);
        for (const TensorAbout& t : of(self).tensors) {
            if (t.address == impl_of(tensor)) return number(t.link).leak();
        }
        Py_RETURN_NONE;
    });
}

// What only Python can put into words, handed out once:
// ([(link, object)], [(link, parent, child)], [(link, key)]).
PyObject* unnamed(PyObject* self, PyObject*) {
    return guarded([&] {
        MemoryAccounts& a = of(self);
        PyRef objects = new_list(), references = new_list(), keys = new_list();
        for (auto& [link, object] : a.to_describe) append(objects, tuple(number(link), object));
        for (auto& u : a.to_name) append(references, tuple(number(u.link), u.parent, u.child));
        for (auto& [link, key] : a.keys) append(keys, tuple(number(link), key));
        a.to_describe.clear();
        a.to_name.clear();
        a.keys.clear();
        return tuple(objects, references, keys).leak();
    });
}

// Says how the parent of a link refers to it.
PyObject* name(PyObject* self, PyObject* args) {
    return guarded([&]() -> PyObject* {
        unsigned link;
        PyObject* label;
        if (!PyArg_ParseTuple(args, "IU", &link, &label)) return nullptr;
        MemoryAccounts& a = of(self);
        check(link < a.links.size(), ErrorKind::Index, "no such link: ", link);
        const char* utf8 = PyUnicode_AsUTF8(label);
        if (!utf8) return nullptr;
        a.links[link].label = a.strings.add(std::string(utf8));
        a.links[link].has_text = true;
        Py_RETURN_NONE;
    });
}

PyMethodDef snapshot_methods[] = {
    {"groups", groups, METH_NOARGS, nullptr},
    {"tensors", tensors, METH_VARARGS, nullptr},
    {"shapes", shapes, METH_O, nullptr},
    {"chain", chain, METH_O, nullptr},
    {"growths", growths, METH_NOARGS, nullptr},
    {"roots", roots, METH_NOARGS, nullptr},
    {"totals", totals, METH_NOARGS, nullptr},
    {"find", find, METH_O, nullptr},
    {"unnamed", unnamed, METH_NOARGS, nullptr},
    {"name", name, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

// A search borrows what it finds, so nothing may be freed meanwhile.
class CollectorPaused {
public:
    CollectorPaused() : enabled_(PyGC_Disable()) {}
    ~CollectorPaused() {
        if (enabled_) PyGC_Enable();
    }
    CollectorPaused(const CollectorPaused&) = delete;
    CollectorPaused& operator=(const CollectorPaused&) = delete;

private:
    int enabled_;
};

// _memory_snapshot(user roots, library roots, namespaces, late, optimizer state, chains, objects):
// what is reachable now. `objects`: what the cycle collector knows, or None to leave it out.
PyObject* take_snapshot(PyObject*, PyObject* args) {
    return guarded([&]() -> PyObject* {
        PyObject *user, *library, *namespaces, *late, *state, *objects;
        int chains;
        if (!PyArg_ParseTuple(args, "O!O!O!O!O!pO", &PyList_Type, &user, &PyList_Type, &library,
                              &PyList_Type, &namespaces, &PyList_Type, &late, &PyList_Type, &state,
                              &chains, &objects)) {
            return nullptr;
        }
        CollectorPaused paused;
        MemorySearch search;
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(namespaces); ++i) {
            search.add_namespace(PyList_GET_ITEM(namespaces, i));
        }
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(late); ++i) {
            search.add_late(PyList_GET_ITEM(late, i));
        }
        int64_t number = 0;
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(user); ++i) {
            search.add_root(PyList_GET_ITEM(user, i), MemorySearch::kUser, number++);
        }
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(library); ++i) {
            search.add_root(PyList_GET_ITEM(library, i), MemorySearch::kLibrary, number++);
        }
        search.run();
        if (PyList_Check(objects)) search.run_rest(objects, -1, -2);
        std::vector<TensorImpl*> optimizer_state;
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(state); ++i) {
            PyObject* item = PyList_GET_ITEM(state, i);
            if (is_tensor(item) && impl_of(item)) optimizer_state.push_back(impl_of(item));
        }
        auto* self = PyObject_New(PySnapshot, g_snapshot_type);
        if (!self) throw PythonErrorSet();
        self->accounts = nullptr;
        PyRef owned(reinterpret_cast<PyObject*>(self));
        self->accounts = new MemoryAccounts(search, optimizer_state, chains);
        return owned.leak();
    });
}

// (allocated, peak, cached, slabs), in bytes.
PyObject* allocator_bytes(PyObject*, PyObject*) {
    return guarded([&] {
        AllocatorStats s = allocator_stats();
        return tuple(number(s.allocated_bytes), number(s.peak_bytes), number(s.cached_bytes),
                     number(s.slab_bytes))
            .leak();
    });
}

// _frame_variables(frame): [(name, value)], without the dict that frame.f_locals leaves behind.
PyObject* frame_variables(PyObject*, PyObject* frame) {
    return guarded([&] {
        check(PyFrame_Check(frame), ErrorKind::Type, "expected a frame");
        PyRef list = new_list();
        auto visit = [](chainrule_frame_value kind, PyObject* name, PyObject* value, void* arg) {
            if (kind == CHAINRULE_FRAME_CELL) value = PyCell_GET(value);
            else if (kind != CHAINRULE_FRAME_LOCAL) return;
            if (!value) return;
            append(*static_cast<PyRef*>(arg), tuple(PyRef::share(name), PyRef::share(value)));
        };
        if (chainrule_visit_frame(frame, visit, &list) < 0) throw PythonErrorSet();
        return list.leak();
    });
}

PyMethodDef functions[] = {
    {"_frame_variables", frame_variables, METH_O, nullptr},
    {"_memory_snapshot", take_snapshot, METH_VARARGS, nullptr},
    {"_allocator_bytes", allocator_bytes, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void init_memory(PyObject* module) {
    PyType_Slot slots[] = {
        {Py_tp_dealloc, reinterpret_cast<void*>(snapshot_dealloc)},
        {Py_tp_methods, snapshot_methods},
        {0, nullptr},
    };
    PyType_Spec spec = {"chainrule._MemorySnapshot", sizeof(PySnapshot), 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
    g_snapshot_type = reinterpret_cast<PyTypeObject*>(checked(PyType_FromSpec(&spec)).leak());
    add_functions(module, functions);
}

}  // namespace chainrule::bind
