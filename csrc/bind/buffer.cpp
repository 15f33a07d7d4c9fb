#include "bind/buffer.h"

#include <bit>
#include <cstring>

#include "bind/arguments.h"
#include "bind/creation.h"

namespace chainrule::bind {

namespace {

// True if the type or one of its bases has this name; the answer's type is remembered.
bool derives_from(PyObject* object, const char* name, PyTypeObject*& seen) {
    PyTypeObject* type = Py_TYPE(object);
    if (type == seen) return true;
    for (PyTypeObject* t = type; t; t = t->tp_base) {
        if (t == seen) return true;
        if (std::strcmp(t->tp_name, name)) continue;
        seen = reinterpret_cast<PyTypeObject*>(Py_NewRef(reinterpret_cast<PyObject*>(t)));
        return true;
    }
    return false;
}

float half_to_float(uint16_t half) {
    uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
    uint32_t exponent = (half >> 10) & 31, mantissa = half & 1023;
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000 | mantissa << 13);
    float magnitude = exponent == 0 ? static_cast<float>(mantissa) * 0x1p-24f
                                    : std::bit_cast<float>((exponent + 112) << 23 | mantissa << 13);
    return sign ? -magnitude : magnitude;
}

struct Half {
    uint16_t bits;
};

template <class To, class From>
To convert_element(From value) {
    if constexpr (std::is_same_v<From, Half>) {
        return convert_element<To>(half_to_float(value.bits));
    } else if constexpr (std::is_same_v<To, bool>) {
        return value != From{};
    } else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
        return static_cast<To>(Scalar(static_cast<double>(value)).as_int());
    } else {
        return static_cast<To>(value);
    }
}

template <class To, class From>
To* read_rows(const char* data, const Py_buffer& view, int dim, To* out) {
    if (dim == view.ndim) {
        From value;
        std::memcpy(&value, data, sizeof(From));  // it may be unaligned
        *out = convert_element<To>(value);
        return out + 1;
    }
    for (Py_ssize_t i = 0; i < view.shape[dim]; ++i) {
        out = read_rows<To, From>(data + i * view.strides[dim], view, dim + 1, out);
    }
    return out;
}

template <class F>
void with_element_type(const ElementFormat& format, F&& f) {
    switch (format.kind) {
        case 'b':
            return f(bool{});
        case 'f':
            if (format.size == 4) return f(float{});
            if (format.size == 8) return f(double{});
            return f(Half{});
        case 'u':
            if (format.size == 1) return f(uint8_t{});
            if (format.size == 2) return f(uint16_t{});
            if (format.size == 4) return f(uint32_t{});
            return f(uint64_t{});
        default:
            if (format.size == 1) return f(int8_t{});
            if (format.size == 2) return f(int16_t{});
            if (format.size == 4) return f(int32_t{});
            return f(int64_t{});
    }
}

std::string element_type_name(PyObject* array) {
    if (is_numpy_scalar(array)) return Py_TYPE(array)->tp_name;
    PyRef dtype(PyObject_GetAttrString(array, "dtype"));
    PyRef type(dtype ? PyObject_GetAttrString(dtype.get(), "type") : nullptr);
    if (type && PyType_Check(type.get())) {
        return reinterpret_cast<PyTypeObject*>(type.get())->tp_name;
    }
    PyErr_Clear();
    return Py_TYPE(array)->tp_name;
}

}  // namespace

bool is_numpy_array(PyObject* object) {
    static PyTypeObject* seen;
    return derives_from(object, "numpy.ndarray", seen);
}

bool is_numpy_scalar(PyObject* object) {
    static PyTypeObject* seen;
    return derives_from(object, "numpy.generic", seen);
}

std::optional<DType> ElementFormat::dtype() const {
    if (kind == 'b') return DType::Bool;
    if (kind == 'i' && size == 8) return DType::Int64;
    if (kind == 'f' && size == 4) return DType::Float32;
    if (kind == 'f' && size == 8) return DType::Float64;
    return std::nullopt;
}

ElementFormat element_format(const Py_buffer& view) {
    const char* text = view.format ? view.format : "B";
    ElementFormat out;
    out.size = view.itemsize;
    if (*text && std::strchr("@=<>!", *text)) {
        bool little = std::endian::native == std::endian::little;
        if (*text == '<') out.swapped = !little && view.itemsize > 1;
        if (*text == '>' || *text == '!') out.swapped = little && view.itemsize > 1;
        ++text;
    }
    if (text[0] == 'Z' && text[1] && !text[2]) out.kind = 'c';
    if (!text[0] || text[1]) return out;
    if (text[0] == '?') out.kind = 'b';
    else if (std::strchr("bhilqn", text[0])) out.kind = 'i';
    else if (std::strchr("BHILQNc", text[0])) out.kind = 'u';
    else if (std::strchr("efd", text[0])) out.kind = 'f';
    return out;
}

void refuse_elements(PyObject* array) {
    std::string name = element_type_name(array);
    fail(ErrorKind::Type, "can't convert np.ndarray of type ", name,
         ". The only supported types are: float64, float32, int64, and bool; convert it first, for "
         "example with array.astype('int64') or array.astype('float32').");
}

BufferView::BufferView(PyObject* object) : object_(PyRef::share(object)) {
    auto* view = new Py_buffer;
    if (PyObject_GetBuffer(object, view, PyBUF_STRIDES | PyBUF_FORMAT) < 0) {
        delete view;
        PyErr_Clear();  // dates and the like show no buffer
        refuse_elements(object);
    }
    view_ = view;
    format_ = element_format(*view);
    bool sizes[17] = {};
    sizes[1] = sizes[2] = sizes[4] = sizes[8] = true;
    if (!format_.kind || format_.kind == 'c' || format_.size > 8 || !sizes[format_.size]) {
        release(std::exchange(view_, nullptr));
        refuse_elements(object);
    }
    if (format_.swapped) {
        release(std::exchange(view_, nullptr));
        fail(ErrorKind::Value,
             "given numpy array has byte order different from the native byte order. Conversion "
             "between byte orders is currently not supported; use "
             "array.astype(array.dtype.newbyteorder('=')).");
    }
}

Dims BufferView::shape() const {
    Dims out;
    for (int i = 0; i < view_->ndim; ++i) out.push_back(view_->shape[i]);
    return out;
}

int64_t BufferView::numel() const {
    int64_t n = 1;
    for (int i = 0; i < view_->ndim; ++i) n *= view_->shape[i];
    return n;
}

void BufferView::read(DType dtype, void* out) const {
    if (format_.dtype() == dtype && PyBuffer_IsContiguous(view_, 'C')) {
        if (view_->len) std::memcpy(out, view_->buf, static_cast<size_t>(view_->len));
        return;
    }
    dispatch(dtype, [&](auto zero) {
        using To = decltype(zero);
        with_element_type(format_, [&](auto element) {
            using From = decltype(element);
            read_rows<To, From>(static_cast<const char*>(view_->buf), *view_, 0,
                                static_cast<To*>(out));
        });
    });
}

Tensor BufferView::share() {
    if (!format_.dtype()) refuse_elements(object_.get());
    DType dtype = *format_.dtype();
    auto item = static_cast<int64_t>(item_size(dtype));
    Dims sizes = shape(), bytes(view_->strides, sizes.size()), strides;
    if (is_numpy_array(object_.get())) {
        // The buffer tells other strides than the array for dimensions of size 1.
        PyRef own = checked(PyObject_GetAttrString(object_.get(), "strides"));
        bytes = dims_from(own.get(), "strides");
    }
    int64_t last = 0;
    for (int i = 0; i < view_->ndim; ++i) {
        int64_t stride = bytes[i];
        check(stride >= 0, ErrorKind::Value,
              "At least one stride in the given numpy array is negative, and tensors with negative "
              "strides are not currently supported. (You can probably work around this by making a "
              "copy of your array  with array.copy().) ");
        check(stride % item == 0, ErrorKind::Value,
              "given numpy array strides not a multiple of the element byte size. Copy the numpy "
              "array to reallocate the memory.");
        strides.push_back(stride / item);
        if (sizes[i] > 1) last += (sizes[i] - 1) * strides[i];
    }
    size_t nbytes = numel() == 0 ? 0 : static_cast<size_t>((last + 1) * item);
    Py_buffer* view = std::exchange(view_, nullptr);
    Storage* storage = Storage::over(static_cast<char*>(view->buf), nbytes, view,
                                     [](void* owner) { release(static_cast<Py_buffer*>(owner)); });
    TensorImpl* impl = TensorImpl::create();
    impl->storage = storage;
    impl->data = storage->data;
    impl->dtype = dtype;
    impl->set_geometry(sizes, strides);
    return Tensor(Ref<TensorImpl>::steal(impl));
}

Tensor share_numpy(PyObject* array) {
    BufferView view(array);
    if (view.get().readonly) {
        static bool warned = false;
        if (!std::exchange(warned, true)) {
            checked(PyErr_WarnEx(
                PyExc_UserWarning,
                "The given NumPy array is not writable, and PyTorch does not support non-writable "
                "tensors. This means writing to this tensor will result in undefined behavior. You "
                "may want to copy the array to protect its data or make it writable before "
                "converting it to a tensor. This type of warning will be suppressed for the rest "
                "of this program.",
                1));
        }
    }
    return view.share();
}

}  // namespace chainrule::bind
