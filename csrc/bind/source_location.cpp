#include "base/source_location.h"

#include <string>
#include <string_view>

#include "base/interpreter_lock.h"
#include "bind/location.h"
#include "bind/python.h"
#include "bind/source_line.h"

// Lends the core the interpreter's position and its lock.
namespace chainrule::bind {

namespace {

std::string g_package_prefix;  // "/…/chainrule/": frames of these files are skipped

bool starts_with_package(PyObject* filename) {
    Py_ssize_t size = 0;
    const char* text = PyUnicode_AsUTF8AndSize(filename, &size);
    if (!text) {
        PyErr_Clear();
        return false;
    }
    return !g_package_prefix.empty() &&
           std::string_view(text, static_cast<size_t>(size)).starts_with(g_package_prefix);
}

// Answers are kept by code object: a small direct-mapped table, one pointer comparison per ask. The
// code objects in it are held, so an address cannot come to mean another code.
int is_internal(PyCodeObject* code) {
    struct Entry {
        PyCodeObject* code;
        int internal;
    };
    static Entry table[256];
    Entry& entry = table[(reinterpret_cast<uintptr_t>(code) >> 5) & 255];
    if (__builtin_expect(entry.code != code, 0)) {
        Py_INCREF(code);
        Py_XDECREF(entry.code);
        entry = {code, starts_with_package(code->co_filename)};
    }
    return entry.internal;
}

void capture(SourceLocation* location) {
    PyObject* code;
    int instruction;
    if (!chainrule_current_location(&code, &instruction)) return;
    Py_INCREF(code);
    location->code = code;
    location->instruction = instruction;
}

void retain(void* code) { Py_INCREF(static_cast<PyObject*>(code)); }
void release(void* code) { Py_DECREF(static_cast<PyObject*>(code)); }

std::string describe(const SourceLocation& location) {
    auto* code = static_cast<PyCodeObject*>(location.code);
    const char* file = PyUnicode_AsUTF8(code->co_filename);
    if (!file) {
        PyErr_Clear();
        return "";
    }
    return concat(file, ":", PyCode_Addr2Line(code, location.instruction));
}

void* unlock() { return PyEval_SaveThread(); }
void lock(void* state) { PyEval_RestoreThread(static_cast<PyThreadState*>(state)); }

PyObject* set_package_path(PyObject*, PyObject* path) {
    const char* text = PyUnicode_AsUTF8(path);
    if (!text) return nullptr;
    g_package_prefix = text;
    Py_RETURN_NONE;
}

PyObject* current_location(PyObject*, PyObject*) {
    return guarded([&]() -> PyObject* {
        SourceLocation here;
        capture(&here);
        if (!here.code) Py_RETURN_NONE;
        std::string text = describe(here);
        release(here.code);
        return PyUnicode_FromString(text.c_str());
    });
}

PyMethodDef functions[] = {
    {"_set_package_path", set_package_path, METH_O, nullptr},
    {"_current_location", current_location, METH_NOARGS,
     "The user's source line that runs now, as 'file:line'."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void init_location(PyObject* module) {
    g_front_end = {capture, release, retain, describe};
    g_interpreter_lock = {unlock, lock};
    chainrule_set_internal_code(is_internal);
    add_functions(module, functions);
}

}  // namespace chainrule::bind
