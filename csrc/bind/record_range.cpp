#include "bind/python.h"

#include <structmember.h>

#include <cstddef>
#include <vector>

#include "autograd/profiler.h"
#include "bind/profile_columns.h"

namespace chainrule::bind {

namespace {

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

}  // namespace

void init_record_range(PyObject* module) {
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
    PyRef type = checked(PyType_FromSpec(&range_spec));
    checked(PyModule_AddObjectRef(module, "_Range", type.get()));
    add_functions(module, functions);
}

}  // namespace chainrule::bind
