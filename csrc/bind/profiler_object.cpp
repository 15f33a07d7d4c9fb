#include "autograd/profiler.h"

#include <memory>
#include <unordered_map>
#include <vector>

#include "bind/modules.h"
#include "bind/place_object.h"
#include "bind/profile_columns.h"

// The profiler as Python sees it: an object that watches threads and gives its events as columns.
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

PyObject* profiler_columns(PyObject* self, PyObject*) {
    return guarded([&] { return profile_columns(*recording_of(self).profile).leak(); });
}

PyObject* profiler_stacks(PyObject* self, PyObject*) {
    return guarded([&]() -> PyObject* {
        const Stacks* stacks = recording_of(self).stacks.get();
        PyRef list = checked(PyList_New(0));
        for (size_t i = 1; stacks && i < stacks->frames.size(); ++i) {
            const Stacks::Frame& frame = stacks->frames[i];
            PyRef where = place_object(frame.code, frame.instruction);
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
    PyRef type = checked(PyType_FromSpec(&profiler_spec));
    checked(PyModule_AddObjectRef(module, "_Profiler", type.get()));
    init_record_range(module);
}

}  // namespace chainrule::bind
