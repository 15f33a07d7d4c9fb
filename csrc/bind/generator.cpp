#include "bind/arguments.h"
#include "bind/call.h"
#include "bind/creation.h"
#include "bind/dtype_object.h"
#include "bind/random.h"
#include "bind/tensor_object.h"

// torch.Generator, and the functions of the module that concern the default one.
namespace chainrule::bind {

namespace {

struct PyGenerator {
    PyObject_HEAD cpu::Generator* generator;
    bool owned;
};

PyTypeObject* g_generator_type;
PyObject* g_default;

PyObject* wrap_generator(cpu::Generator* generator, bool owned) {
    auto* self = PyObject_New(PyGenerator, g_generator_type);
    if (!self) throw PythonErrorSet();
    self->generator = generator;
    self->owned = owned;
    return reinterpret_cast<PyObject*>(self);
}

cpu::Generator& of(PyObject* self) { return *reinterpret_cast<PyGenerator*>(self)->generator; }

void generator_dealloc(PyObject* self) {
    auto* object = reinterpret_cast<PyGenerator*>(self);
    if (object->owned) delete object->generator;
    PyTypeObject* type = Py_TYPE(self);
    PyObject_Free(self);
    Py_DECREF(type);
}

PyObject* generator_new(PyTypeObject*, PyObject* args, PyObject* kwargs) {
    return guarded([&]() -> PyObject* {
        PyObject* device = nullptr;
        static const char* keywords[] = {"device", nullptr};
        if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:Generator", const_cast<char**>(keywords),
                                         &device)) {
            return nullptr;
        }
        check_device(device);
        return wrap_generator(new cpu::Generator, true);
    });
}

// Seeds are 64 bits; negative ones count from the top, as in torch.
uint64_t seed_from(PyObject* number) {
    int overflow = 0;
    long long seed = PyLong_AsLongLongAndOverflow(number, &overflow);
    if (!overflow) return static_cast<uint64_t>(seed);
    uint64_t large = overflow > 0 ? PyLong_AsUnsignedLongLong(number) : 0;
    if (overflow < 0 || PyErr_Occurred()) {
        PyErr_Clear();
        fail(ErrorKind::Value, "Overflow when unpacking long long: a seed has 64 bits");
    }
    return large;
}

PyObject* state_tensor(const cpu::Generator& generator) {
    std::vector<uint8_t> bytes = generator.state();
    Tensor out = Tensor::empty({static_cast<int64_t>(bytes.size())}, DType::Int64);
    std::copy(bytes.begin(), bytes.end(), out.data<int64_t>());
    return wrap(std::move(out));
}

void set_state_from(cpu::Generator& generator, PyObject* state) {
    check(is_tensor(state) && impl_of(state)->dtype == DType::Int64, ErrorKind::Type,
          "RNG state must be the int64 tensor of byte values that get_state() gives");
    std::vector<uint8_t> bytes;
    Tensor t = tensor_of(state);
    auto step = t.dim() == 1 ? t.stride(0) : 1;
    check(t.dim() == 1, ErrorKind::Type, "RNG state must have one dimension, not ", t.dim());
    for (int64_t i = 0; i < t.numel(); ++i) {
        int64_t value = t.data<int64_t>()[i * step];
        check(value >= 0 && value < 256, ErrorKind::Runtime, "Invalid mt19937 state: ", value,
              " is no byte");
        bytes.push_back(static_cast<uint8_t>(value));
    }
    generator.set_state(bytes);
}

PyObject* manual_seed(PyObject* self, PyObject* seed) {
    return guarded([&] {
        check(PyLong_Check(seed) || (PyIndex_Check(seed) && !is_tensor(seed)), ErrorKind::Runtime,
              "manual_seed expected a long, but got ", Py_TYPE(seed)->tp_name);
        of(self).manual_seed(seed_from(checked(PyNumber_Index(seed)).get()));
        return Py_NewRef(self);
    });
}
PyObject* seed(PyObject* self, PyObject*) {
    return guarded([&] { return PyLong_FromUnsignedLongLong(of(self).seed()); });
}
PyObject* initial_seed(PyObject* self, PyObject*) {
    return guarded([&] { return PyLong_FromUnsignedLongLong(of(self).initial_seed()); });
}
PyObject* get_state(PyObject* self, PyObject*) {
    return guarded([&] { return state_tensor(of(self)); });
}
PyObject* set_state(PyObject* self, PyObject* state) {
    return guarded([&] {
        set_state_from(of(self), state);
        return Py_NewRef(self);
    });
}
PyObject* clone_state(PyObject* self, PyObject*) {
    return guarded([&] {
        PyRef copy(wrap_generator(new cpu::Generator, true));
        of(copy.get()).set_state(of(self).state());
        return copy.leak();
    });
}
PyObject* device(PyObject*, void*) { return cpu_device(); }

// Pickled with its state; the default generator too comes back as one of its own.
PyObject* reduce(PyObject* self, PyObject*) {
    return guarded([&] {
        std::vector<uint8_t> bytes = of(self).state();
        return checked(Py_BuildValue("O(){sy#}", Py_TYPE(self), "state", bytes.data(),
                                     static_cast<Py_ssize_t>(bytes.size())))
            .leak();
    });
}
PyObject* set_pickled_state(PyObject* self, PyObject* dict) {
    return guarded([&]() -> PyObject* {
        PyObject* state = PyDict_Check(dict) ? PyDict_GetItemString(dict, "state") : nullptr;
        check(state && PyBytes_Check(state), ErrorKind::Type, "not the state of a Generator");
        auto* data = reinterpret_cast<const uint8_t*>(PyBytes_AS_STRING(state));
        of(self).set_state({data, static_cast<size_t>(PyBytes_GET_SIZE(state))});
        Py_RETURN_NONE;
    });
}

PyMethodDef methods[] = {
    {"manual_seed", manual_seed, METH_O, "manual_seed(seed): starts the stream of this seed."},
    {"seed", seed, METH_NOARGS, "Seeds from the operating system; gives the seed."},
    {"initial_seed", initial_seed, METH_NOARGS, "The seed that the stream began with."},
    {"get_state", get_state, METH_NOARGS,
     "The state, bytes of torch's layout: an int64 tensor of 5056 values from 0 to 255, because "
     "there is no uint8 yet."},
    {"set_state", set_state, METH_O, "set_state(state): continues where get_state() was called."},
    {"clone_state", clone_state, METH_NOARGS, "A generator of its own with the same state."},
    {"__reduce__", reduce, METH_NOARGS, nullptr},
    {"__setstate__", set_pickled_state, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};
PyGetSetDef getset[] = {
    {"device", device, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyObject* module_manual_seed(PyObject*, PyObject* number) {
    return guarded([&] {
        PyRef seed = checked(PyNumber_Long(number));
        cpu::default_generator().manual_seed(seed_from(seed.get()));
        return Py_NewRef(g_default);
    });
}
PyObject* module_seed(PyObject*, PyObject*) { return seed(g_default, nullptr); }
PyObject* module_initial_seed(PyObject*, PyObject*) { return initial_seed(g_default, nullptr); }
PyObject* get_rng_state(PyObject*, PyObject*) { return get_state(g_default, nullptr); }
PyObject* set_rng_state(PyObject*, PyObject* state) {
    return guarded([&]() -> PyObject* {
        set_state_from(of(g_default), state);
        Py_RETURN_NONE;
    });
}

PyMethodDef functions[] = {
    {"manual_seed", module_manual_seed, METH_O,
     "manual_seed(seed): starts the default generator's stream of this seed; gives the generator. "
     "The numbers are torch's for the same seed."},
    {"seed", module_seed, METH_NOARGS,
     "Seeds the default generator from the operating system; gives the seed."},
    {"initial_seed", module_initial_seed, METH_NOARGS, "The default generator's seed."},
    {"get_rng_state", get_rng_state, METH_NOARGS,
     "The default generator's state, bytes of torch's layout: an int64 tensor of 5056 values from "
     "0 "
     "to 255, because there is no uint8 yet."},
    {"set_rng_state", set_rng_state, METH_O,
     "set_rng_state(state): continues where get_rng_state() was called."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

cpu::Generator& generator_from(PyObject* object) {
    check(Py_TYPE(object) == g_generator_type, ErrorKind::Type,
          "argument 'generator' must be torch.Generator, not ", Py_TYPE(object)->tp_name);
    return of(object);
}

void init_generator(PyObject* module) {
    PyType_Slot slots[] = {
        {Py_tp_new, reinterpret_cast<void*>(generator_new)},
        {Py_tp_dealloc, reinterpret_cast<void*>(generator_dealloc)},
        {Py_tp_methods, methods},
        {Py_tp_getset, getset},
        {Py_tp_doc, const_cast<char*>("Generator(device='cpu')\n\nA stream of random numbers of "
                                      "its own: MT19937, with torch's samplers.")},
        {0, nullptr},
    };
    PyType_Spec spec = {"chainrule._C.Generator", sizeof(PyGenerator), 0, Py_TPFLAGS_DEFAULT,
                        slots};
    g_generator_type = reinterpret_cast<PyTypeObject*>(checked(PyType_FromSpec(&spec)).leak());
    checked(
        PyModule_AddObjectRef(module, "Generator", reinterpret_cast<PyObject*>(g_generator_type)));
    g_default = wrap_generator(&cpu::default_generator(), false);
    checked(PyModule_AddObjectRef(module, "default_generator", g_default));
    add_functions(module, functions);
}

}  // namespace chainrule::bind
