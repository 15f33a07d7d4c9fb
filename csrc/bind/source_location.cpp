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

int is_internal(PyCodeObject* code) { return starts_with_package(code->co_filename); }

void peek(SourceLocation* location) {
    PyObject* code;
    int instruction;
    if (!chainrule_current_location(&code, &instruction)) return;
    location->code = code;
    location->instruction = instruction;
}

void capture(SourceLocation* location) {
    peek(location);
    Py_XINCREF(static_cast<PyObject*>(location->code));
}

constexpr size_t kLongestLine = 96;

// Cut between characters, never inside one of several bytes.
std::string shortened(std::string_view text) {
    if (text.size() <= kLongestLine) return std::string(text);
    size_t end = kLongestLine;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    return concat(text.substr(0, end), "…");
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

// The line as Python's own tracebacks show it, through linecache: only when an error is described.
// Whatever goes wrong there, the error itself must come through.
std::string line_text(const SourceLocation& location) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    std::string text;
    auto* code = static_cast<PyCodeObject*>(location.code);
    PyRef linecache(PyImport_ImportModule("linecache"));
    if (linecache) {
        PyRef fresh(PyObject_CallMethod(linecache.get(), "checkcache", "O", code->co_filename));
        PyRef line(PyObject_CallMethod(linecache.get(), "getline", "Oi", code->co_filename,
                                       PyCode_Addr2Line(code, location.instruction)));
        PyRef stripped(line ? PyObject_CallMethod(line.get(), "strip", nullptr) : nullptr);
        const char* found = stripped ? PyUnicode_AsUTF8(stripped.get()) : nullptr;
        if (found) text = shortened(found);
    }
    PyErr_Clear();
    PyErr_Restore(type, value, traceback);
    return text;
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

// For measurements: what remembering lines and modules costs. Gives the old setting.
PyObject* set_capture(PyObject*, PyObject* on) {
    int wanted = PyObject_IsTrue(on);
    if (wanted < 0) return nullptr;
    bool before = g_front_end.capture != nullptr;
    g_front_end.capture = wanted ? capture : nullptr;
    return PyBool_FromLong(before);
}

PyMethodDef functions[] = {
    {"_set_location_capture", set_capture, METH_O,
     "Whether operations remember their line and module; only measurements switch it off."},
    {"_set_package_path", set_package_path, METH_O, nullptr},
    {"_current_location", current_location, METH_NOARGS,
     "The user's source line that runs now, as 'file:line'."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void init_location(PyObject* module) {
    g_front_end = {capture, release, retain, describe, peek, line_text};
    g_interpreter_lock = {unlock, lock};
    chainrule_set_internal_code(is_internal);
    add_functions(module, functions);
    init_messages(module);
}

}  // namespace chainrule::bind
