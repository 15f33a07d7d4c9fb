#include "bind/memory_search.h"

#include <cstring>

#include "autograd/accumulate_grad.h"
#include "autograd/saved.h"
#include "bind/buffer.h"
#include "bind/frame_values.h"
#include "bind/hook_objects.h"
#include "bind/node_object.h"
#include "bind/tensor_object.h"

namespace chainrule::bind {

namespace {

// The saved tensors of a node, whatever they are called.
template <class F>
class EachSaved final : public SavedVisitor {
public:
    explicit EachSaved(F f) : f_(std::move(f)) {}
    void tensor(const char* name, Saved& value) override {
        if (value.defined()) f_(name, value);
    }
    void tensor_list(const char* name, std::vector<Saved>& values) override {
        for (Saved& value : values) tensor(name, value);
    }
    void scalar(const char*, const Scalar&) override {}
    void dims(const char*, const Dims&) override {}
    void flag(const char*, bool) override {}

private:
    F f_;
};

// The function by which storages over foreign memory let go of a Py_buffer. It is private to
// BufferView, so it is read off a tensor made for the purpose.
void (*buffer_release())(void*) {
    static void (*known)(void*) = nullptr;
    if (known) return known;
    PyRef bytes(PyByteArray_FromStringAndSize("\0\0\0\0\0\0\0\0", 8));
    PyRef view(bytes ? PyMemoryView_FromObject(bytes.get()) : nullptr);
    PyRef doubles(view ? PyObject_CallMethod(view.get(), "cast", "s", "d") : nullptr);
    if (!doubles) throw PythonErrorSet();
    BufferView buffer(doubles.get());
    known = buffer.share()->storage->release_owner;
    return known;
}

bool is_private(PyObject* name) {
    return PyUnicode_Check(name) && PyUnicode_GetLength(name) > 0 &&
           PyUnicode_ReadChar(name, 0) == '_';
}

bool is_key(const Vertex& v, const char* text) {
    return v.via == Via::Key && PyUnicode_Check(v.label.object) &&
           PyUnicode_CompareWithASCIIString(v.label.object, text) == 0;
}

}  // namespace

MemorySearch::MemorySearch() {
    buffer_release();
    table_.assign(1 << 16, kNone);
}

uint32_t MemorySearch::find(const void* pointer) const {
    size_t mask = table_.size() - 1;
    for (size_t i = hash(pointer) & mask;; i = (i + 1) & mask) {
        if (table_[i] == kNone || vertices_[table_[i]].pointer == pointer) return table_[i];
    }
}

void MemorySearch::grow_table() {
    std::vector<uint32_t> larger(2 * table_.size(), kNone);
    size_t mask = larger.size() - 1;
    for (uint32_t v = 0; v < vertices_.size(); ++v) {
        if (!vertices_[v].pointer) continue;
        size_t i = hash(vertices_[v].pointer) & mask;
        while (larger[i] != kNone) i = (i + 1) & mask;
        larger[i] = v;
    }
    table_.swap(larger);
}

// The vertex of `pointer`: the one it has, or a new one.
uint32_t MemorySearch::add(void* pointer, What what, uint32_t parent, Via via, Label label) {
    size_t mask = table_.size() - 1;
    size_t i = hash(pointer) & mask;
    while (table_[i] != kNone) {
        if (vertices_[table_[i]].pointer == pointer) return table_[i];
        i = (i + 1) & mask;
    }
    auto at = static_cast<uint32_t>(vertices_.size());
    table_[i] = at;
    vertices_.push_back({pointer, parent, via, what, 0, stage_, label});
    if (2 * vertices_.size() > table_.size()) grow_table();
    return at;
}

void MemorySearch::add_root(PyObject* object, Stage stage, int64_t number) {
    auto at = static_cast<uint32_t>(vertices_.size());
    Label label;
    label.index = number;
    vertices_.push_back({nullptr, kNone, Via::Root, What::Root, 0, stage, label});
    if (object) deferred_.push_back({object, at, Via::Root, {0}});
}

void MemorySearch::add_late(PyObject* object) { late_objects_.emplace(object, true); }

void MemorySearch::add_namespace(PyObject* dict) { namespaces_.emplace(dict, false); }

void MemorySearch::run() {
    for (Stage stage : {kUser, kLibrary}) {
        stage_ = stage;
        // What a stage defers, such as a module that a variable names, belongs to the next one.
        auto waiting = std::move(deferred_);
        deferred_.clear();
        for (const Deferred& d : waiting) {
            if (vertices_[d.parent].stage > stage) deferred_.push_back(d);
            else add(d.object, What::Object, d.parent, d.via, {0});
        }
        exhaust();
    }
    while (!deferred_.empty()) {  // modules and namespaces that no root named
        auto waiting = std::move(deferred_);
        deferred_.clear();
        for (const Deferred& d : waiting) add(d.object, What::Object, d.parent, d.via, {0});
        exhaust();
    }
}

void MemorySearch::run_rest(PyObject* objects, int64_t native, int64_t cycle) {
    stage_ = kNative;
    auto native_root = static_cast<uint32_t>(vertices_.size());
    add_root(nullptr, kNative, native);
    auto cycle_root = static_cast<uint32_t>(vertices_.size());
    add_root(nullptr, kCycle, cycle);
    next_ = static_cast<uint32_t>(vertices_.size());
    // As the cycle collector does: what has more references than its peers account for is held
    // from outside.
    std::unordered_map<PyObject*, Py_ssize_t> counts;
    Py_ssize_t n = PyList_GET_SIZE(objects);
    for (Py_ssize_t i = 0; i < n; ++i) {
        PyObject* object = PyList_GET_ITEM(objects, i);
        if (find(object) != kNone) continue;
        if (is_tensor(object) && impl_of(object) && find(impl_of(object)) != kNone) continue;
        counts.emplace(object, Py_REFCNT(object) - 1);
    }
    for (auto& [object, count] : counts) {
        if (!Py_TYPE(object)->tp_traverse) continue;
        Py_TYPE(object)->tp_traverse(
            object,
            [](PyObject* child, void* arg) {
                auto& all = *static_cast<std::unordered_map<PyObject*, Py_ssize_t>*>(arg);
                auto found = all.find(child);
                if (found != all.end()) --found->second;
                return 0;
            },
            &counts);
    }
    for (Py_ssize_t i = 0; i < n; ++i) {
        PyObject* object = PyList_GET_ITEM(objects, i);
        auto found = counts.find(object);
        if (found != counts.end() && found->second > 0) meet(object, native_root, Via::Root);
    }
    exhaust();
    stage_ = kCycle;
    for (Py_ssize_t i = 0; i < n; ++i) {
        PyObject* object = PyList_GET_ITEM(objects, i);
        if (counts.count(object)) meet(object, cycle_root, Via::Root);
    }
    exhaust();
}

void MemorySearch::exhaust() {
    while (true) {
        for (; next_ < vertices_.size(); ++next_) expand(next_);
        if (late_.empty()) return;
        auto waiting = std::move(late_);
        late_.clear();
        for (const Deferred& d : waiting) meet_now(d.object, d.parent, d.via, d.label);
    }
}

MemorySearch::Class MemorySearch::classify(PyTypeObject* type) {
    auto derives = [&](PyTypeObject* base) { return PyType_IsSubtype(type, base); };
    if (derives(g_tensor_type)) return Class::Tensor;
    if (PyType_HasFeature(type, Py_TPFLAGS_LIST_SUBCLASS)) return Class::List;
    if (PyType_HasFeature(type, Py_TPFLAGS_TUPLE_SUBCLASS)) return Class::Tuple;
    if (PyType_HasFeature(type, Py_TPFLAGS_DICT_SUBCLASS)) return Class::Dict;
    if (derives(&PyModule_Type)) return Class::Module;
    if (type == &PyFunction_Type) return Class::Function;
    if (type == &PyFrame_Type) return Class::Frame;
    if (derives(g_node_type)) return Class::Node;
    if (is_hook_handle(type)) return Class::Handle;
    for (PyTypeObject* t = type; t; t = t->tp_base) {
        if (std::strcmp(t->tp_name, "numpy.ndarray") == 0) return Class::Array;
        if (std::strcmp(t->tp_name, "chainrule.UntypedStorage") == 0) return Class::Storage;
        if (std::strcmp(t->tp_name, "chainrule.TypedStorage") == 0) return Class::Storage;
    }
    if (PyType_HasFeature(type, Py_TPFLAGS_HAVE_GC) && type->tp_traverse) return Class::Plain;
    return Class::Ignored;
}

MemorySearch::Class MemorySearch::class_of(PyTypeObject* type) {
    if (type == last_type_) return last_class_;
    Class& known = classes_[type];
    if (known == Class::Unseen) known = classify(type);
    last_type_ = type;
    return last_class_ = known;
}

void MemorySearch::meet(PyObject* object, uint32_t parent, Via via, Label label) {
    if (via == Via::AsKey || (!late_objects_.empty() && late_objects_.count(object))) {
        if (find(object) == kNone) late_.push_back({object, parent, via, label});
    } else {
        meet_now(object, parent, via, label);
    }
}

void MemorySearch::meet_now(PyObject* object, uint32_t parent, Via via, Label label) {
    switch (class_of(Py_TYPE(object))) {
        case Class::Ignored:
            return;
        case Class::Tensor:
            if (impl_of(object)) meet_tensor(impl_of(object), parent, via, kHeld, label);
            return;
        case Class::Module:
            return defer(object, parent, via);
        case Class::Dict:
            if (namespaces_.count(object)) return defer(object, parent, via);
            break;
        case Class::Plain:
            if (!PyObject_IS_GC(object)) return;  // a static type
            break;
        default:
            break;
    }
    add(object, What::Object, parent, via, label);
}

// Looks into a module, or the dict of one, in the next stage.
void MemorySearch::defer(PyObject* object, uint32_t parent, Via via) {
    bool& waits = namespaces_[object];
    if (!waits) deferred_.push_back({object, parent, via, {0}});
    waits = true;
}

void MemorySearch::meet_tensor(TensorImpl* impl, uint32_t parent, Via via, uint8_t fact,
                               Label label) {
    uint32_t at = add(impl, What::Tensor, parent, via, label);
    vertices_[at].facts |= fact;
}

void MemorySearch::meet_node(chainrule::Node* node, uint32_t parent, Via via, int64_t index) {
    Label label;
    label.index = index;
    add(node, What::Node, parent, via, label);
}

void MemorySearch::expand(uint32_t at) {
    void* pointer = vertices_[at].pointer;
    switch (vertices_[at].what) {
        case What::Root:
            return;
        case What::Object:
            return expand_object(at, static_cast<PyObject*>(pointer));
        case What::Tensor:
            return expand_tensor(at, *static_cast<TensorImpl*>(pointer));
        case What::Node:
            return expand_node(at, *static_cast<chainrule::Node*>(pointer));
    }
}

void MemorySearch::expand_object(uint32_t at, PyObject* object) {
    Label label;
    switch (class_of(Py_TYPE(object))) {
        case Class::List:
            for (label.index = 0; label.index < PyList_GET_SIZE(object); ++label.index) {
                PyObject* item = PyList_GET_ITEM(object, label.index);
                if (item) meet(item, at, Via::Item, label);
            }
            if (!PyList_CheckExact(object)) traverse(at, object);
            return;
        case Class::Tuple:
            for (label.index = 0; label.index < PyTuple_GET_SIZE(object); ++label.index) {
                PyObject* item = PyTuple_GET_ITEM(object, label.index);
                if (item) meet(item, at, Via::Item, label);
            }
            if (!PyTuple_CheckExact(object)) traverse(at, object);
            return;
        case Class::Module:
            add(PyModule_GetDict(object), What::Object, at, Via::Referent, {0});
            return;
        case Class::Dict:
            if (vertices_[at].via == Via::Root || namespaces_.count(object)) {
                return expand_namespace(at, object);
            }
            expand_dict(at, object);
            if (!PyDict_CheckExact(object)) traverse(at, object);
            return;
        case Class::Function:
            return expand_function(at, object);
        case Class::Frame:
            return expand_frame(at, object);
        case Class::Node: {
            auto* node = reinterpret_cast<PyNode*>(object);
            if (node->owns_node && node->node) meet_node(node->node, at, Via::Handle, 0);
            return traverse(at, object);
        }
        case Class::Handle:
            if (chainrule::Node* node = node_of_handle(object)) {
                meet_node(node, at, Via::Handle, 0);
            }
            return;
        case Class::Array:
            return expand_array(at, object);
        case Class::Storage:
            return expand_storage(at, object);
        case Class::Plain:
            return traverse(at, object);
        default:
            return;
    }
}

void MemorySearch::traverse(uint32_t at, PyObject* object) {
    struct Arguments {
        MemorySearch* search;
        uint32_t at;
    } arguments{this, at};
    Py_TYPE(object)->tp_traverse(
        object,
        [](PyObject* child, void* arg) {
            auto* a = static_cast<Arguments*>(arg);
            a->search->meet(child, a->at, Via::Referent);
            return 0;
        },
        &arguments);
}

void MemorySearch::expand_dict(uint32_t at, PyObject* dict) {
    PyObject *key, *value;
    Py_ssize_t position = 0;
    bool buffers = is_key(vertices_[at], "_buffers");
    while (PyDict_Next(dict, &position, &key, &value)) {
        Label label;
        label.object = key;
        meet(value, at, Via::Key, label);
        if (!PyUnicode_CheckExact(key)) meet(key, at, Via::AsKey);
        if (buffers && is_tensor(value) && impl_of(value)) {
            vertices_[find(impl_of(value))].facts |= kIsBuffer;
        }
    }
}

// The variables of a module. Those with a leading underscore, such as the results that an
// interactive session numbers, come last: a chain is better told by a name that somebody chose.
void MemorySearch::expand_namespace(uint32_t at, PyObject* dict) {
    for (bool hidden : {false, true}) {
        PyObject *key, *value;
        Py_ssize_t position = 0;
        while (PyDict_Next(dict, &position, &key, &value)) {
            Label label;
            label.object = key;
            if (is_private(key) == hidden) meet(value, at, Via::Key, label);
        }
    }
}

// All that a function refers to but its module, whose variables are not the function's.
void MemorySearch::expand_function(uint32_t at, PyObject* function) {
    auto* f = reinterpret_cast<PyFunctionObject*>(function);
    for (PyObject* part : {f->func_closure, f->func_defaults, f->func_kwdefaults, f->func_dict,
                           f->func_annotations}) {
        if (part) meet(part, at, Via::Referent);
    }
    if (f->func_globals) defer(f->func_globals, at, Via::Referent);
}

void MemorySearch::expand_frame(uint32_t at, PyObject* frame) {
    struct Arguments {
        MemorySearch* search;
        uint32_t at;
    } arguments{this, at};
    int status = chainrule_visit_frame(
        frame,
        [](chainrule_frame_value kind, PyObject* name, PyObject* value, void* arg) {
            auto* a = static_cast<Arguments*>(arg);
            Label label;
            label.object = name;
            switch (kind) {
                case CHAINRULE_FRAME_CELL:
                    if (PyObject* content = PyCell_GET(value)) {
                        a->search->meet(content, a->at, Via::Local, label);
                    }
                    return a->search->meet(value, a->at, Via::Local, label);
                case CHAINRULE_FRAME_LOCAL:
                    return a->search->meet(value, a->at, Via::Local, label);
                case CHAINRULE_FRAME_STACK:
                    return a->search->meet(value, a->at, Via::Stack);
                case CHAINRULE_FRAME_GLOBALS:
                    return a->search->defer(value, a->at, Via::Referent);
                default:
                    return a->search->meet(value, a->at, Via::Referent);
            }
        },
        &arguments);
    if (status < 0) throw PythonErrorSet();
}

// NumPy's arrays are unknown to the cycle collector.
void MemorySearch::expand_array(uint32_t at, PyObject* array) {
    PyRef base(PyObject_GenericGetAttr(array, checked(PyUnicode_FromString("base")).get()));
    if (!base) PyErr_Clear();
    else meet(base.get(), at, Via::Referent);
    PyRef dtype(PyObject_GenericGetAttr(array, checked(PyUnicode_FromString("dtype")).get()));
    PyRef has(dtype ? PyObject_GetAttrString(dtype.get(), "hasobject") : nullptr);
    if (has && has.get() == Py_True) {
        PyRef flat(PyObject_CallMethod(array, "ravel", nullptr));
        PyRef items(flat ? PyObject_CallMethod(flat.get(), "tolist", nullptr) : nullptr);
        Py_ssize_t n = items && PyList_Check(items.get()) ? PyList_GET_SIZE(items.get()) : 0;
        for (Py_ssize_t i = 0; i < n; ++i) {
            Label label;
            label.index = i;
            meet(PyList_GET_ITEM(items.get(), i), at, Via::Item, label);
        }
    }
    PyErr_Clear();
}

void MemorySearch::expand_storage(uint32_t at, PyObject* storage) {
    PyRef data(PyObject_CallMethod(storage, "data_ptr", nullptr));
    PyRef nbytes(PyObject_CallMethod(storage, "nbytes", nullptr));
    if (!data || !nbytes) throw PythonErrorSet();
    held_memory_.push_back(
        {at, static_cast<char*>(PyLong_AsVoidPtr(data.get())), PyLong_AsSize_t(nbytes.get())});
}

void MemorySearch::expand_tensor(uint32_t at, TensorImpl& impl) {
    if (impl.python_object) {
        auto* object = static_cast<PyTensor*>(impl.python_object);
        if (object->dict) meet(object->dict, at, Via::Referent);
        // Subclasses may have slots.
        auto* self = reinterpret_cast<PyObject*>(object);
        if (Py_TYPE(self) != g_tensor_type && Py_TYPE(self) != g_parameter_type) traverse(at, self);
    }
    if (impl.grad) meet_tensor(impl.grad, at, Via::Gradient, kIsGradient);
    if (impl.base) meet_tensor(impl.base, at, Via::Base, 0);
    if (impl.extra) {
        for (auto& hook : impl.extra->hooks) {
            if (void* f = hook->python_callable()) meet(static_cast<PyObject*>(f), at, Via::Hook);
        }
        for (auto& hook : impl.extra->post_accumulate_hooks) {
            if (void* f = hook->python_callable()) meet(static_cast<PyObject*>(f), at, Via::Hook);
        }
        for (auto& tangent : impl.extra->tangents) {
            meet_tensor(tangent.value.get(), at, Via::Tangent, kHeld);
        }
    }
    if (impl.grad_fn) meet_node(impl.grad_fn, at, Via::GradFn, impl.output_index);
    Storage* storage = impl.storage;
    if (storage && storage->release_owner == buffer_release()) {
        PyObject* owner = static_cast<Py_buffer*>(storage->owner)->obj;
        if (owner) meet(owner, at, Via::Memory);
    }
}

void MemorySearch::expand_node(uint32_t at, chainrule::Node& node) {
    if (node.is_accumulate_grad()) {
        TensorImpl* variable = static_cast<AccumulateGrad&>(node).variable().get();
        if (variable) meet_tensor(variable, at, Via::Variable, 0);
    }
    EachSaved each([&](const char* name, Saved& value) {
        Label label;
        label.text = name;
        uint8_t fact = value.is_output() ? kSavedByNode | kSavedResult : kSavedByNode;
        meet_tensor(value.raw(), at, Via::Saved, fact, label);
    });
    node.visit_saved(each);
    if (node.has_python_object()) {
        meet(static_cast<PyObject*>(node.python_object), at, Via::Context);
    }
    if (NodeExtra* extra = node.extra()) {
        auto hook = [&](void* f) {
            if (f) meet(static_cast<PyObject*>(f), at, Via::Hook);
        };
        for (auto& h : extra->tensor_hooks) hook(h.hook->python_callable());
        for (auto& h : extra->pre_hooks) hook(h->python_callable());
        for (auto& h : extra->post_hooks) hook(h->python_callable());
    }
    for (uint32_t i = 0; i < node.num_inputs(); ++i) {
        if (chainrule::Node* next = node.edges()[i].node) meet_node(next, at, Via::Input, i);
    }
}

}  // namespace chainrule::bind
