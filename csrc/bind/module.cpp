#include <string>

#include "base/parallel.h"
#include "bind/creation.h"
#include "bind/dtype_object.h"
#include "bind/generated_support.h"
#include "bind/hook_objects.h"
#include "bind/indexing.h"
#include "bind/location.h"
#include "bind/modules.h"
#include "bind/node_object.h"
#include "kernels/cpu/blas.h"
#include "kernels/kernel.h"

namespace chainrule::bind {

namespace {

PyObject* get_threads(PyObject*, PyObject*) {
    return guarded([] { return PyLong_FromLong(get_num_threads()); });
}
PyObject* set_threads(PyObject*, PyObject* count) {
    return guarded([&]() -> PyObject* {
        set_num_threads(static_cast<int>(integer_from(count, "set_num_threads(): the argument")));
        Py_RETURN_NONE;
    });
}
PyObject* instruction_set(PyObject*, PyObject*) {
    return guarded([] { return PyUnicode_FromString(isa_name(active_isa())); });
}

// Where the package scipy-openblas32 keeps its library; asked when a large product needs it.
std::string find_blas_library() {
    PyGILState_STATE state = PyGILState_Ensure();
    std::string path;
    {
        PyRef module(PyImport_ImportModule("scipy_openblas32"));
        PyRef folder(module ? PyObject_CallMethod(module.get(), "get_lib_dir", nullptr) : nullptr);
        const char* text = folder ? PyUnicode_AsUTF8(folder.get()) : nullptr;
        if (text) path = std::string(text) + "/libscipy_openblas.so";
        PyErr_Clear();
    }
    PyGILState_Release(state);
    return path;
}

PyMethodDef functions[] = {
    {"get_num_threads", get_threads, METH_NOARGS, "Threads used by large operations."},
    {"set_num_threads", set_threads, METH_O, "Sets the threads used by large operations."},
    {"_instruction_set", instruction_set, METH_NOARGS, "base, avx2 or avx512."},
    {nullptr, nullptr, 0, nullptr},
};

void init_all(PyObject* module) {
    select_kernels();
    set_blas_library_finder(find_blas_library);
    init_location(module);
    init_dtypes(module);
    init_tensor_type(module);
    init_parameter_type(module);
    init_nodes(module);
    init_hooks(module);
    init_attributes();
    for (PyMethodDef* methods : generated_methods()) add_tensor_methods(methods);
    for (PyMethodDef* list : generated_functions()) add_functions(module, list);
    init_conversion(module);
    init_indexing(module);
    init_modes(module);
    init_autograd(module);
    init_graph_snapshot(module);
    init_observers(module);
    init_anomaly(module);
    init_creation(module);
    init_random(module);
    init_interchange(module);
    init_function(module);
    init_module_base(module);
    init_optim(module);
    init_memory(module);
    init_profiler(module);
    init_return_types(module);
    add_functions(module, functions);
}

PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                          "chainrule._C",
                          "The native core of Chainrule.",
                          -1,
                          nullptr,
                          nullptr,
                          nullptr,
                          nullptr,
                          nullptr};

}  // namespace

}  // namespace chainrule::bind

PyMODINIT_FUNC PyInit__C() {
    using namespace chainrule::bind;
    PyObject* module = PyModule_Create(&definition);
    if (!module) return nullptr;
    try {
        init_all(module);
    } catch (...) {
        set_python_error();
        Py_DECREF(module);
        return nullptr;
    }
    return module;
}
