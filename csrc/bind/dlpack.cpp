#include <cstring>

#include "autograd/history.h"
#include "bind/arguments.h"
#include "bind/buffer.h"
#include "bind/call.h"
#include "bind/creation.h"
#include "bind/interchange.h"
#include "bind/tensor_object.h"
#include "tensor/convert.h"

// DLPack, both ways. The structures are those of the DLPack standard, version 1.0.
namespace chainrule::bind {

namespace {

struct DLDevice {
    int32_t type;
    int32_t id;
};
struct DLDataType {
    uint8_t code;
    uint8_t bits;
    uint16_t lanes;
};
struct DLTensor {
    void* data;
    DLDevice device;
    int32_t ndim;
    DLDataType dtype;
    int64_t* shape;
    int64_t* strides;  // in elements; null: row-major
    uint64_t byte_offset;
};
struct DLManagedTensor {
    DLTensor tensor;
    void* context;
    void (*deleter)(DLManagedTensor*);
};
struct DLManagedTensorVersioned {
    uint32_t major;
    uint32_t minor;
    void* context;
    void (*deleter)(DLManagedTensorVersioned*);
    uint64_t flags;
    DLTensor tensor;
};

enum DeviceType : int32_t { kCpu = 1 };
enum TypeCode : uint8_t { kInt = 0, kUnsigned = 1, kFloat = 2, kBool = 6 };
constexpr uint64_t kCopied = 2;  // flag: the data are the consumer's alone
const char kName[] = "dltensor", kUsedName[] = "used_dltensor";
const char kVersionedName[] = "dltensor_versioned",
           kUsedVersionedName[] = "used_dltensor_versioned";

// The two forms differ in their header only.
template <class Managed>
struct Export {
    Managed managed{};
    Tensor tensor;
    Dims shape, strides;
};

// Consumers may let go on any thread, without the GIL.
template <class Managed>
void delete_export(Managed* managed) {
    PyGILState_STATE state = PyGILState_Ensure();
    delete static_cast<Export<Managed>*>(managed->context);
    PyGILState_Release(state);
}

template <class Managed>
void delete_unused(PyObject* capsule, const char* name) {
    if (!PyCapsule_IsValid(capsule, name)) return;  // taken over: the consumer deletes it
    auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, name));
    managed->deleter(managed);
}
void delete_capsule(PyObject* capsule) { delete_unused<DLManagedTensor>(capsule, kName); }
void delete_versioned_capsule(PyObject* capsule) {
    delete_unused<DLManagedTensorVersioned>(capsule, kVersionedName);
}

template <class Managed>
Managed* export_tensor(Tensor tensor) {
    auto* out = new Export<Managed>;
    out->shape = tensor.shape();
    out->strides = tensor.strides();
    DLTensor& dl = out->managed.tensor;
    dl.data = tensor->data;
    dl.device = {kCpu, 0};
    dl.ndim = static_cast<int32_t>(tensor.dim());
    DType dtype = tensor.dtype();
    TypeCode code = dtype == DType::Bool ? kBool : is_floating(dtype) ? kFloat : kInt;
    dl.dtype = {code, static_cast<uint8_t>(8 * item_size(dtype)), 1};
    dl.shape = out->shape.data();
    dl.strides = out->strides.data();
    out->tensor = std::move(tensor);
    out->managed.context = out;
    out->managed.deleter = delete_export<Managed>;
    return &out->managed;
}

void refuse_buffer(const char* message) {
    PyErr_SetString(PyExc_BufferError, message);
    throw PythonErrorSet();
}

// True if the caller understands version 1: it gets the form with flags.
bool wants_version(PyObject* max_version) {
    if (!max_version || max_version == Py_None) return false;
    check(PyTuple_Check(max_version) && PyTuple_GET_SIZE(max_version) == 2, ErrorKind::Type,
          "__dlpack__(): max_version must be a tuple of two integers");
    return integer_from(PyTuple_GET_ITEM(max_version, 0), "max_version") >= 1;
}

PyObject* dlpack(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&] {
        Call call("__dlpack__", {"stream", "max_version", "dl_device", "copy"}, kNoKeywords, args,
                  nargs, kwnames);
        Tensor t = tensor_of(self);
        if (requires_grad(*t)) {
            refuse_buffer("Can't export tensors that require gradient, use tensor.detach()");
        }
        if (call.given(0) && call.integer(0) != -1) {
            refuse_buffer("a tensor on the CPU has no stream; leave out the argument stream");
        }
        if (call.given(2)) {
            check(PyTuple_Check(call[2]) && PyTuple_GET_SIZE(call[2]) == 2, ErrorKind::Type,
                  "__dlpack__(): dl_device must be a tuple of two integers");
            if (integer_from(PyTuple_GET_ITEM(call[2], 0), "dl_device") != kCpu) {
                refuse_buffer("the tensor is on the CPU, and cannot be exported to another device");
            }
        }
        bool copies = call.given(3) && call.flag(3, false);
        Tensor exported = copies ? clone_dense(*t) : Tensor::alias(*t);
        if (!wants_version(call[1])) {
            auto* managed = export_tensor<DLManagedTensor>(std::move(exported));
            return PyCapsule_New(managed, kName, delete_capsule);
        }
        auto* managed = export_tensor<DLManagedTensorVersioned>(std::move(exported));
        managed->major = 1;
        managed->minor = 0;
        managed->flags = copies ? kCopied : 0;
        return PyCapsule_New(managed, kVersionedName, delete_versioned_capsule);
    });
}

PyObject* dlpack_device(PyObject*, PyObject*) { return Py_BuildValue("(ii)", kCpu, 0); }

DType dtype_from_dlpack(DLDataType type) {
    check(type.lanes == 1, ErrorKind::Type, "DLPack: vector types are not supported");
    if (type.code == kBool && type.bits == 8) return DType::Bool;
    if (type.code == kInt && type.bits == 64) return DType::Int64;
    if (type.code == kFloat && type.bits == 32) return DType::Float32;
    if (type.code == kFloat && type.bits == 64) return DType::Float64;
    static const char* const kinds[] = {"int", "uint", "float", "handle", "bfloat", "complex"};
    fail(ErrorKind::Type, "DLPack: elements of type ", type.code < 6 ? kinds[type.code] : "?",
         static_cast<int>(type.bits),
         " have no kernels here; convert them to float64, float32, int64 or bool first");
}

template <class Managed>
Tensor import_tensor(PyObject* capsule, const char* name, const char* used_name) {
    auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, name));
    if (!managed) throw PythonErrorSet();
    if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) {
        check(managed->major == 1, ErrorKind::Type, "DLPack version ", managed->major,
              " is not supported; 1 is");
    }
    const DLTensor& dl = managed->tensor;
    // Pinned host memory (3) is CPU memory too.
    check(dl.device.type == kCpu || dl.device.type == 3, ErrorKind::Runtime,
          "DLPack: the data are on another device than the CPU (device type ", dl.device.type, ")");
    DType dtype = dtype_from_dlpack(dl.dtype);
    Dims shape(dl.shape, static_cast<size_t>(dl.ndim));
    int64_t numel = checked_numel(shape);
    Dims strides = dl.strides ? Dims(dl.strides, shape.size()) : contiguous_strides(shape);
    int64_t last = 0;
    for (size_t i = 0; i < shape.size(); ++i) {
        check(strides[i] >= 0, ErrorKind::Value,
              "DLPack: negative strides are not supported; make a copy first");
        if (shape[i] > 1) last += (shape[i] - 1) * strides[i];
    }
    size_t nbytes = numel ? static_cast<size_t>(last + 1) * item_size(dtype) : 0;
    char* data = static_cast<char*>(dl.data) + dl.byte_offset;
    checked(PyCapsule_SetName(capsule, used_name));  // from here on it is ours
    Storage* storage = Storage::over(data, nbytes, managed, [](void* owner) {
        auto* mine = static_cast<Managed*>(owner);
        if (mine->deleter) mine->deleter(mine);
    });
    TensorImpl* impl = TensorImpl::create();
    impl->storage = storage;
    impl->data = data;
    impl->dtype = dtype;
    impl->set_geometry(shape, strides);
    return Tensor(Ref<TensorImpl>::steal(impl));
}

}  // namespace

Tensor tensor_from_dlpack(PyObject* object) {
    PyRef capsule = PyRef::share(object);
    if (!PyCapsule_CheckExact(object)) {
        PyRef export_method = PyRef(PyObject_GetAttrString(object, "__dlpack__"));
        if (!export_method) {
            PyErr_Clear();
            fail(ErrorKind::Type,
                 "from_dlpack() needs an object with __dlpack__ or a DLPack "
                 "capsule, not ",
                 Py_TYPE(object)->tp_name);
        }
        PyRef keywords = checked(Py_BuildValue("{s(ii)}", "max_version", 1, 0));
        PyRef none = checked(PyTuple_New(0));
        capsule = PyRef(PyObject_Call(export_method.get(), none.get(), keywords.get()));
        if (!capsule && PyErr_ExceptionMatches(PyExc_TypeError)) {  // made before version 1
            PyErr_Clear();
            capsule = PyRef(PyObject_CallNoArgs(export_method.get()));
        }
        if (!capsule) throw PythonErrorSet();
    }
    if (PyCapsule_IsValid(capsule.get(), kVersionedName)) {
        return import_tensor<DLManagedTensorVersioned>(capsule.get(), kVersionedName,
                                                       kUsedVersionedName);
    }
    check(PyCapsule_IsValid(capsule.get(), kName), ErrorKind::Runtime,
          "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed "
          "only once, so you might have already constructed a tensor from it once.");
    return import_tensor<DLManagedTensor>(capsule.get(), kName, kUsedName);
}

PyMethodDef dlpack_methods[] = {
    {"__dlpack__", method(dlpack), kFlags,
     "__dlpack__(*, stream=None, max_version=None, dl_device=None, copy=None): a DLPack capsule."},
    {"__dlpack_device__", dlpack_device, METH_NOARGS, "The DLPack device: (1, 0), the CPU."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace chainrule::bind
