#pragma once

#include "autograd/module_scope.h"
#include "bind/python.h"

// Calls of modules as Python sees them.
namespace chainrule::bind {

// The module of a call, or None if it is gone.
inline PyRef module_of(const ModuleScope& scope) {
    auto* weak = static_cast<PyObject*>(scope.module);
#if PY_VERSION_HEX >= 0x030D0000
    PyObject* object = nullptr;
    checked(PyWeakref_GetRef(weak, &object));
    return object ? PyRef(object) : PyRef::share(Py_None);
#else
    return PyRef::share(PyWeakref_GetObject(weak));
#endif
}

// (index of the enclosing call or -1, module or None, class name, number of the call)
inline PyRef scope_object(int64_t enclosing, const ModuleScope& scope) {
    return checked(Py_BuildValue("(LOOI)", static_cast<long long>(enclosing),
                                 module_of(scope).get(), static_cast<PyObject*>(scope.type_name),
                                 scope.call));
}

}  // namespace chainrule::bind
