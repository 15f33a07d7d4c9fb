#include "bind/python.h"

namespace chainrule::bind {

namespace {
PyObject* exception_type(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::Type:
            return PyExc_TypeError;
        case ErrorKind::Value:
            return PyExc_ValueError;
        case ErrorKind::Index:
            return PyExc_IndexError;
        case ErrorKind::NotImplemented:
            return PyExc_NotImplementedError;
        case ErrorKind::Attribute:
            return PyExc_AttributeError;
        // torch raises RuntimeError when memory runs out, and programs catch that.
        case ErrorKind::OutOfMemory:
        case ErrorKind::Runtime:
            return PyExc_RuntimeError;
    }
    return PyExc_RuntimeError;
}
}  // namespace

void set_python_error() noexcept {
    try {
        throw;
    } catch (const PythonErrorSet&) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_SystemError, "an error was reported without an exception");
        }
    } catch (const Error& error) {
        PyErr_SetString(exception_type(error.kind()), error.what());
    } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
    } catch (const std::exception& error) {
        PyErr_SetString(PyExc_RuntimeError, error.what());
    } catch (...) {
        PyErr_SetString(PyExc_SystemError, "an unknown C++ exception was thrown");
    }
}

void add_functions(PyObject* module, PyMethodDef* functions) {
    checked(PyModule_AddFunctions(module, functions));
}

}  // namespace chainrule::bind
