#include "bind/python.h"

#include <structmember.h>

#include <cstddef>
#include <map>
#include <new>
#include <string>
#include <unordered_map>
#include <vector>

#include "autograd/module_scope.h"
#include "autograd/profiler.h"
#include "base/dtype.h"
#include "bind/modules.h"

// The profiler as Python sees it: an object that watches threads and gives its events as columns,
// and the ranges that a program names.
namespace chainrule::bind {

namespace {

// Python stacks as a tree: a number stands for a place in code and the stack that called it.
class Stacks final : public ProfileStacks {
public:
    struct Frame {
        uint32_t caller;
        PyObject* code;  // owned
        int instruction;
    };
    ~Stacks() override {
        for (Frame& frame : frames) Py_XDECREF(frame.code);
    }
    uint32_t current() override {
        std::vector<std::pair<PyObject*, int>> path;  // the codes: owned
        for (PyFrameObject* frame = PyThreadState_GetFrame(PyThreadState_Get()); frame;) {
            path.emplace_back(reinterpret_cast<PyObject*>(PyFrame_GetCode(frame)),
                              PyFrame_GetLasti(frame));
            PyFrameObject* back = PyFrame_GetBack(frame);
            Py_DECREF(frame);
            frame = back;
        }
        uint32_t at = 0;
        for (size_t i = path.size(); i-- > 0;) {
            auto [found, fresh] = index_.try_emplace(Key{at, path[i].first, path[i].second},
                                                     static_cast<uint32_t>(frames.size()));
            if (fresh) frames.push_back({at, path[i].first, path[i].second});
            else Py_DECREF(path[i].first);
            at = found->second;
        }
        return at;
    }
    std::vector<Frame> frames = {{0, nullptr, 0}};

private:
    struct Key {
        uint32_t caller;
        PyObject* code;
        int instruction;
        bool operator==(const Key&) const = default;
    };
    struct Hash {
        size_t operator()(const Key& key) const {
            size_t h = reinterpret_cast<size_t>(key.code) >> 4;
            h = h * 0x9e3779b97f4a7c15u + key.caller;
            return h * 0x9e3779b97f4a7c15u + static_cast<size_t>(key.instruction);
        }
    };
    std::unordered_map<Key, uint32_t, Hash> index_;
};

// Recorders are deleted on their own thread. One of a thread that ended first stays: that thread's
// list of observers still names it.
struct Recording {
    std::unique_ptr<Stacks> stacks;
    std::shared_ptr<Profile> profile;
    std::vector<ProfileRecorder*> recorders;
};

struct PyProfiler {
    PyObject_HEAD Recording* recording;
};

Recording& recording_of(PyObject* self) { return *reinterpret_cast<PyProfiler*>(self)->recording; }

// The recorder of this thread that belongs to the profiler.
ProfileRecorder* recorder_here(Recording& recording) {
    for (ProfileRecorder* r = ProfileRecorder::innermost(); r; r = r->outer()) {
        for (ProfileRecorder* own : recording.recorders) {
            if (own == r) return r;
        }
    }
    return nullptr;
}

PyObject* profiler_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
    return guarded([&]() -> PyObject* {
        static const char* keywords[] = {"shapes",  "memory",     "stacks",
                                         "modules", "max_events", nullptr};
        int shapes = 0, memory = 0, stacks = 0, modules = 0;
        unsigned int max_events = 0;
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "ppppI", const_cast<char**>(keywords),
                                         &shapes, &memory, &stacks, &modules, &max_events)) {
            return nullptr;
        }
        auto recording = std::make_unique<Recording>();
        if (stacks) recording->stacks = std::make_unique<Stacks>();
        ProfileOptions options;
        options.shapes = shapes;
        options.memory = memory;
        options.modules = modules;
        options.max_events = max_events;
        options.stacks = recording->stacks.get();
        recording->profile = std::make_shared<Profile>(options);
        PyObject* self = type->tp_alloc(type, 0);
        if (!self) throw PythonErrorSet();
        reinterpret_cast<PyProfiler*>(self)->recording = recording.release();
        return self;
    });
}

void profiler_dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    Recording* recording = reinterpret_cast<PyProfiler*>(self)->recording;
    while (ProfileRecorder* here = recorder_here(*recording)) {
        std::erase(recording->recorders, here);
        delete here;
    }
    // Another thread still records: what it uses stays.
    if (recording->recorders.empty()) delete recording;
    type->tp_free(self);
    Py_DECREF(type);
}

PyObject* profiler_start(PyObject* self, PyObject*) {
    return guarded([&]() -> PyObject* {
        Recording& recording = recording_of(self);
        check(!recorder_here(recording), ErrorKind::Runtime,
              "this profile already records this thread");
        recording.recorders.push_back(new ProfileRecorder(recording.profile));
        Py_RETURN_NONE;
    });
}

PyObject* profiler_stop(PyObject* self, PyObject*) {
    return guarded([&]() -> PyObject* {
        Recording& recording = recording_of(self);
        ProfileRecorder* here = recorder_here(recording);
        check(here, ErrorKind::Runtime,
              "this profile does not record this thread: leave it on the thread that entered it");
        std::erase(recording.recorders, here);
        delete here;
        Py_RETURN_NONE;
    });
}

// Numbers each distinct key in the order of first sight.
template <class Key>
class Numbers {
public:
    template <class Make>
    int64_t of(const Key& key, Make make) {
        auto [at, fresh] = index_.emplace(key, PyList_GET_SIZE(list.get()));
        if (fresh) {
            PyRef item = checked(make());
            checked(PyList_Append(list.get(), item.get()));
        }
        return at->second;
    }
    int64_t find(const Key& key) const {
        auto at = index_.find(key);
        return at == index_.end() ? -1 : at->second;
    }
    PyRef list = checked(PyList_New(0));

private:
    std::map<Key, int64_t> index_;
};

// (code, byte offset of the instruction, line)
PyObject* place(PyObject* code, int instruction) {
    int line = PyCode_Addr2Line(reinterpret_cast<PyCodeObject*>(code), instruction);
    return Py_BuildValue("(Oii)", code, instruction, line);
}

// What a weak reference stands for, or None.
PyRef referent(PyObject* weak) {
#if PY_VERSION_HEX >= 0x030D0000
    PyObject* object = nullptr;
    checked(PyWeakref_GetRef(weak, &object));
    return object ? PyRef(object) : PyRef::share(Py_None);
#else
    return PyRef::share(PyWeakref_GetObject(weak));
#endif
}

class Columns {
public:
    explicit Columns(Profile& profile) : profile_(profile) {}

    PyObject* make() {
        const char* names[] = {"name",  "kind",   "start",  "end",   "bytes",  "sequence", "place",
                               "scope", "parent", "shapes", "stack", "thread", "failed"};
        constexpr size_t kColumns = std::size(names);
        const Py_ssize_t count = profile_.size();
        PyRef lists[kColumns];
        for (PyRef& list : lists) list = checked(PyList_New(count));
        for (Py_ssize_t row = 0; row < count; ++row) {
            const ProfileEvent& e = profile_[static_cast<uint32_t>(row)];
            const int64_t values[kColumns] = {name_of(e),
                                              static_cast<int64_t>(e.kind),
                                              e.start,
                                              e.end,
                                              e.bytes,
                                              e.sequence,
                                              place_of(e.where),
                                              scope_of(e.scope),
                                              e.parent == kNoEvent ? -1 : int64_t{e.parent},
                                              shapes_of(e.shapes),
                                              int64_t{e.stack},
                                              int64_t{e.thread},
                                              int64_t{e.failed}};
            for (size_t c = 0; c < kColumns; ++c) {
                PyList_SET_ITEM(lists[c].get(), row,
                                checked(PyLong_FromLongLong(values[c])).leak());
            }
        }
        PyRef result = checked(PyDict_New());
        for (size_t c = 0; c < kColumns; ++c) set(result, names[c], lists[c]);
        set(result, "names", names_.list);
        set(result, "places", places_.list);
        set(result, "scopes", scopes_.list);
        set(result, "shape_lists", shapes_.list);
        PyRef threads = checked(PyList_New(0));
        for (int64_t number : profile_.threads) {
            PyRef item = checked(PyLong_FromLongLong(number));
            checked(PyList_Append(threads.get(), item.get()));
        }
        set(result, "threads", threads);
        PyRef notes = checked(PyDict_New());
        for (const auto& [event, text] : profile_.notes) {
            PyRef key = checked(PyLong_FromUnsignedLong(event));
            PyRef value = checked(PyUnicode_FromString(text.c_str()));
            checked(PyDict_SetItem(notes.get(), key.get(), value.get()));
        }
        set(result, "notes", notes);
        return result.leak();
    }

private:
    static void set(const PyRef& dict, const char* name, const PyRef& value) {
        checked(PyDict_SetItemString(dict.get(), name, value.get()));
    }
    int64_t name_of(const ProfileEvent& e) {
        if (!e.name) return -1;
        return names_.of(e.name, [&] { return PyUnicode_FromString(e.name); });
    }
    int64_t place_of(const SourceLocation& where) {
        if (!where.code) return -1;
        auto* code = static_cast<PyObject*>(where.code);
        return places_.of({code, where.instruction},
                          [&] { return place(code, where.instruction); });
    }
    // (index of the enclosing call, module or None, class name, number of the call)
    int64_t scope_of(const ModuleScope* scope) {
        if (!scope) return -1;
        if (int64_t known = scopes_.find(scope); known >= 0) return known;
        int64_t parent = scope_of(scope->parent);
        return scopes_.of(scope, [&] {
            PyRef module = referent(static_cast<PyObject*>(scope->module));
            PyRef name = checked(PyType_GetName(static_cast<PyTypeObject*>(scope->type)));
            return Py_BuildValue("(LOOI)", static_cast<long long>(parent), module.get(), name.get(),
                                 scope->call);
        });
    }
    int64_t shapes_of(uint32_t at) {
        if (!at) return -1;
        const int64_t* p = &profile_.shapes[at];
        const int64_t* end = p + 1;
        for (int64_t i = 0; i < *p; ++i) end += 2 + end[1];
        return shapes_.of(std::vector<int64_t>(p, end), [&] { return shape_list(p); });
    }
    // [(dtype, [size, ...]), ...]
    static PyObject* shape_list(const int64_t* p) {
        const int64_t count = *p++;
        PyRef list = checked(PyList_New(count));
        for (int64_t i = 0; i < count; ++i) {
            const char* dtype = dtype_name(static_cast<DType>(*p++));
            const int64_t ndim = *p++;
            PyRef sizes = checked(PyList_New(ndim));
            for (int64_t d = 0; d < ndim; ++d) {
                PyList_SET_ITEM(sizes.get(), d, checked(PyLong_FromLongLong(*p++)).leak());
            }
            PyList_SET_ITEM(list.get(), i,
                            checked(Py_BuildValue("(sO)", dtype, sizes.get())).leak());
        }
        return list.leak();
    }

    Profile& profile_;
    Numbers<const char*> names_;  // one text may have several
    Numbers<std::pair<PyObject*, int>> places_;
    Numbers<const ModuleScope*> scopes_;
    Numbers<std::vector<int64_t>> shapes_;
};

PyObject* profiler_columns(PyObject* self, PyObject*) {
    return guarded([&] { return Columns(*recording_of(self).profile).make(); });
}

PyObject* profiler_stacks(PyObject* self, PyObject*) {
    return guarded([&]() -> PyObject* {
        const Stacks* stacks = recording_of(self).stacks.get();
        PyRef list = checked(PyList_New(0));
        for (size_t i = 1; stacks && i < stacks->frames.size(); ++i) {
            const Stacks::Frame& frame = stacks->frames[i];
            PyRef where = checked(place(frame.code, frame.instruction));
            PyRef item = checked(Py_BuildValue("(IO)", frame.caller, where.get()));
            checked(PyList_Append(list.get(), item.get()));
        }
        return list.leak();
    });
}

PyObject* profiler_count(PyObject* self, void*) {
    return PyLong_FromUnsignedLong(recording_of(self).profile->size());
}
PyObject* profiler_dropped(PyObject* self, void*) {
    return PyLong_FromUnsignedLongLong(recording_of(self).profile->dropped);
}
PyObject* profiler_dropped_since(PyObject* self, void*) {
    return PyLong_FromLongLong(recording_of(self).profile->dropped_since);
}

PyMethodDef profiler_methods[] = {
    {"start", profiler_start, METH_NOARGS, "Begins to record this thread."},
    {"stop", profiler_stop, METH_NOARGS, "Ends recording this thread; what is open is closed."},
    {"columns", profiler_columns, METH_NOARGS, "The events, as lists by column."},
    {"stacks", profiler_stacks, METH_NOARGS, "(caller, (code, instruction, line)) of each frame."},
    {nullptr, nullptr, 0, nullptr},
};
PyGetSetDef profiler_getset[] = {
    {"count", profiler_count, nullptr, "Events recorded.", nullptr},
    {"dropped", profiler_dropped, nullptr, "Events over the limit.", nullptr},
    {"dropped_since", profiler_dropped_since, nullptr, "When the limit was reached, ns.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

// record_function: entered and left at every step of a program, mostly with nobody watching.
struct Entered {
    uint64_t recorder;
    uint32_t range;
};
struct PyRange {
    PyObject_HEAD PyObject* name;
    PyObject* args;
    std::vector<Entered>* entered;
};

PyRange* range_of(PyObject* self) { return reinterpret_cast<PyRange*>(self); }

int range_init(PyObject* self, PyObject* args, PyObject* kwargs) {
    static const char* keywords[] = {"name", "args", nullptr};
    PyObject *name, *more = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "U|O:record_function",
                                     const_cast<char**>(keywords), &name, &more)) {
        return -1;
    }
    PyRange* range = range_of(self);
    Py_XSETREF(range->name, Py_NewRef(name));
    Py_XSETREF(range->args, Py_NewRef(more));
    return 0;
}

PyObject* range_enter(PyObject* self, PyObject*) {
    return guarded([&]() -> PyObject* {
        ProfileRecorder* recorder = ProfileRecorder::innermost();
        if (__builtin_expect(recorder != nullptr, 0)) {
            PyRange* range = range_of(self);
            check(range->name, ErrorKind::Runtime, "record_function needs a name");
            const char* text = PyUnicode_AsUTF8(range->name);
            if (!text) throw PythonErrorSet();
            PyRef more;
            const char* note = nullptr;
            if (range->args && range->args != Py_None) {
                more = checked(PyObject_Str(range->args));
                note = PyUnicode_AsUTF8(more.get());
                if (!note) throw PythonErrorSet();
            }
            if (!range->entered) range->entered = new std::vector<Entered>;
            for (; recorder; recorder = recorder->outer()) {
                range->entered->push_back({recorder->id(), recorder->begin_range(text, note)});
            }
        }
        return Py_NewRef(self);
    });
}

PyObject* range_exit(PyObject* self, PyObject* const*, Py_ssize_t) {
    return guarded([&]() -> PyObject* {
        PyRange* range = range_of(self);
        if (!range->entered || range->entered->empty()) Py_RETURN_NONE;
        for (ProfileRecorder* r = ProfileRecorder::innermost(); r; r = r->outer()) {
            auto& entered = *range->entered;
            for (size_t i = entered.size(); i-- > 0;) {
                if (entered[i].recorder != r->id()) continue;
                r->end_range(entered[i].range);
                entered.erase(entered.begin() + static_cast<ptrdiff_t>(i));
                break;
            }
        }
        if (!ProfileRecorder::innermost()) range->entered->clear();
        Py_RETURN_NONE;
    });
}

int range_traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(range_of(self)->args);
    return 0;
}
int range_clear(PyObject* self) {
    Py_CLEAR(range_of(self)->args);
    return 0;
}
void range_dealloc(PyObject* self) {
    PyObject_GC_UnTrack(self);
    PyTypeObject* type = Py_TYPE(self);
    Py_CLEAR(range_of(self)->name);
    Py_CLEAR(range_of(self)->args);
    delete range_of(self)->entered;
    type->tp_free(self);
    Py_DECREF(type);
}

PyMethodDef range_methods[] = {
    {"__enter__", range_enter, METH_NOARGS, nullptr},
    {"__exit__", method(range_exit), METH_FASTCALL, nullptr},
    {nullptr, nullptr, 0, nullptr},
};
PyMemberDef range_members[] = {
    {"name", T_OBJECT, offsetof(PyRange, name), 0, "What the range is called."},
    {"args", T_OBJECT, offsetof(PyRange, args), 0, "Text kept with it."},
    {nullptr, 0, 0, 0, nullptr},
};

PyObject* is_profiling(PyObject*, PyObject*) {
    return PyBool_FromLong(ProfileRecorder::innermost() != nullptr);
}

PyObject* anyone_profiles(PyObject*, PyObject*) { return PyBool_FromLong(ProfileRecorder::any()); }

PyMethodDef functions[] = {
    {"_anyone_profiles", anyone_profiles, METH_NOARGS, "Whether a profile records any thread."},
    {"_is_profiling", is_profiling, METH_NOARGS, "Whether a profile records this thread."},
    {nullptr, nullptr, 0, nullptr},
};

void add_type(PyObject* module, const char* name, PyType_Spec& spec) {
    PyRef type = checked(PyType_FromSpec(&spec));
    checked(PyModule_AddObjectRef(module, name, type.get()));
}

}  // namespace

void init_profiler(PyObject* module) {
    PyType_Slot profiler_slots[] = {
        {Py_tp_new, reinterpret_cast<void*>(profiler_new)},
        {Py_tp_dealloc, reinterpret_cast<void*>(profiler_dealloc)},
        {Py_tp_methods, profiler_methods},
        {Py_tp_getset, profiler_getset},
        {Py_tp_doc, const_cast<char*>("Records what operators, nodes and ranges cost.")},
        {0, nullptr},
    };
    PyType_Spec profiler_spec = {"chainrule._C._Profiler", sizeof(PyProfiler), 0,
                                 Py_TPFLAGS_DEFAULT, profiler_slots};
    add_type(module, "_Profiler", profiler_spec);
    PyType_Slot range_slots[] = {
        {Py_tp_new, reinterpret_cast<void*>(PyType_GenericNew)},
        {Py_tp_init, reinterpret_cast<void*>(range_init)},
        {Py_tp_dealloc, reinterpret_cast<void*>(range_dealloc)},
        {Py_tp_traverse, reinterpret_cast<void*>(range_traverse)},
        {Py_tp_clear, reinterpret_cast<void*>(range_clear)},
        {Py_tp_methods, range_methods},
        {Py_tp_members, range_members},
        {Py_tp_doc, const_cast<char*>("A named range of a profile.")},
        {0, nullptr},
    };
    PyType_Spec range_spec = {"chainrule._C._Range", sizeof(PyRange), 0,
                              Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
                              range_slots};
    add_type(module, "_Range", range_spec);
    add_functions(module, functions);
}

}  // namespace chainrule::bind
