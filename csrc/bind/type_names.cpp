#include "bind/type_names.h"

#include <string_view>

namespace chainrule::bind {

namespace {

// Subclasses of users have this metaclass too; they live in other modules.
PyObject* type_repr(PyObject* type) {
    PyRef text(PyType_Type.tp_repr(type));
    if (!text) return nullptr;
    const char* shown = PyUnicode_AsUTF8(text.get());
    if (!shown) return nullptr;
    constexpr std::string_view kOurs = "<class 'chainrule.";
    if (std::string_view(shown).substr(0, kOurs.size()) != kOurs) return text.leak();
    return PyUnicode_FromFormat("<class 'torch.%s", shown + kOurs.size());
}

PyTypeObject* metaclass() {
    static PyTypeObject* type = [] {
        PyType_Slot slots[] = {
            {Py_tp_base, &PyType_Type},
            {Py_tp_repr, reinterpret_cast<void*>(type_repr)},
            {0, nullptr},
        };
        PyType_Spec spec = {"chainrule._Type", 0, 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                            slots};
        return reinterpret_cast<PyTypeObject*>(checked(PyType_FromSpec(&spec)).leak());
    }();
    return type;
}

}  // namespace

void print_as_torch(PyTypeObject* type, const char* short_name) {
    // The metaclass has no state of its own, so giving it to a finished type is safe.
    Py_SET_TYPE(
        type, reinterpret_cast<PyTypeObject*>(Py_NewRef(reinterpret_cast<PyObject*>(metaclass()))));
    if (short_name) type->tp_name = short_name;
    PyType_Modified(type);
}

}  // namespace chainrule::bind
