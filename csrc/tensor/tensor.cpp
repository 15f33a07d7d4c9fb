#include "tensor/tensor.h"

#include <algorithm>
#include <new>

#include "base/freelist.h"
#include "base/message.h"

namespace chainrule {

void (*g_release_python_object)(void* object) = nullptr;

TensorImpl* TensorImpl::create() { return new (node_alloc(sizeof(TensorImpl))) TensorImpl; }

void TensorImpl::destroy() {
    if (owns_python) {
        owns_python = false;
        g_release_python_object(python_object);
    }
    if (grad_fn || grad || extra || accumulator) release_history(*this);
    if (storage) storage->release();
    if (base) base->release();
    if (dims != inline_dims) delete[] dims;
    node_free(this, sizeof(TensorImpl));
}

void TensorImpl::reserve_dims(size_t n) {
    if (dims != inline_dims) {
        delete[] dims;
        dims = inline_dims;
    }
    check(n <= kMaxDims, ErrorKind::Runtime, "a tensor has at most ", kMaxDims, " dimensions, got ",
          n);
    if (2 * n > sizeof(inline_dims) / sizeof(int64_t)) dims = new int64_t[2 * n];
    ndim = static_cast<uint8_t>(n);
}

void TensorImpl::set_geometry(const Dims& sizes, const Dims& strides) {
    reserve_dims(sizes.size());
    numel = 1;
    bool contiguous = true;
    int64_t step = 1;
    for (size_t i = ndim; i-- > 0;) {
        dims[i] = sizes[i];
        dims[ndim + i] = strides[i];
        if (sizes[i] != 1) {
            if (strides[i] != step) contiguous = false;
            step *= sizes[i];
        }
        numel *= sizes[i];
    }
    if (contiguous || numel == 0) flags |= kContiguous;
    else flags &= ~kContiguous;
}

void TensorImpl::set_contiguous(const int64_t* sizes, size_t n, int64_t count) {
    reserve_dims(n);
    int64_t step = 1;
    for (size_t i = n; i-- > 0;) {
        dims[i] = sizes[i];
        dims[n + i] = step;
        step *= std::max<int64_t>(sizes[i], 1);
    }
    numel = count;
    flags |= kContiguous;
}

Tensor Tensor::empty(const Dims& shape, DType dtype) {
    int64_t numel = checked_numel(shape);
    size_t nbytes;
    check(!__builtin_mul_overflow(static_cast<size_t>(numel), item_size(dtype), &nbytes) &&
              nbytes <= static_cast<size_t>(INT64_MAX),
          ErrorKind::Runtime, "a tensor of shape ", to_string(shape), " and dtype torch.",
          dtype_name(dtype), " is too large for 64-bit sizes");
    Storage* storage = Storage::create(nbytes);
    TensorImpl* impl = TensorImpl::create();
    impl->storage = storage;
    impl->data = storage->data;
    impl->dtype = dtype;
    impl->set_contiguous(shape.data(), shape.size(), numel);
    return Tensor(Ref<TensorImpl>::steal(impl));
}

Tensor Tensor::empty_like(const TensorImpl& like, DType dtype) {
    Storage* storage = Storage::create(static_cast<size_t>(like.numel) * item_size(dtype));
    TensorImpl* impl = TensorImpl::create();
    impl->storage = storage;
    impl->data = storage->data;
    impl->dtype = dtype;
    impl->set_contiguous(like.sizes(), like.ndim, like.numel);
    return Tensor(Ref<TensorImpl>::steal(impl));
}

Tensor Tensor::full(const Dims& shape, DType dtype, const Scalar& value) {
    Tensor t = empty(shape, dtype);
    dispatch(dtype, [&](auto zero) {
        using T = decltype(zero);
        std::fill_n(t.data<T>(), t.numel(), value.as<T>());
    });
    return t;
}

Tensor Tensor::wrapped_number(const Scalar& value) {
    Tensor t = full({}, value.is_float() ? DType::Float64 : value.dtype(), value);
    t->flags |= kWrappedNumber;
    return t;
}

Tensor Tensor::alias(const TensorImpl& like) {
    TensorImpl* impl = TensorImpl::create();
    like.storage->retain();
    impl->storage = like.storage;
    impl->data = like.data;
    impl->dtype = like.dtype;
    impl->reserve_dims(like.ndim);
    std::memcpy(impl->dims, like.dims, 2 * like.ndim * sizeof(int64_t));
    impl->numel = like.numel;
    impl->flags = like.flags & (kContiguous | kWrappedNumber | kInference);
    return Tensor(Ref<TensorImpl>::steal(impl));
}

Tensor Tensor::view_of(const TensorImpl& like, const Dims& shape, const Dims& strides,
                       int64_t offset) {
    TensorImpl* impl = TensorImpl::create();
    like.storage->retain();
    impl->storage = like.storage;
    impl->data = like.storage->data + offset * static_cast<int64_t>(item_size(like.dtype));
    impl->dtype = like.dtype;
    impl->flags = like.flags & kInference;
    impl->set_geometry(shape, strides);
    return Tensor(Ref<TensorImpl>::steal(impl));
}

Scalar Tensor::item() const {
    check(numel() == 1, ErrorKind::Runtime, "a Tensor with ", numel(),
          " elements cannot be converted to Scalar",
          note("Its shape is ", to_string(shape()),
               ": reduce it, for example with .sum() or .mean(), index one element, or use "
               ".tolist()."));
    return dispatch(dtype(), [&](auto zero) -> Scalar {
        using T = decltype(zero);
        T value = *data<T>();
        if constexpr (std::is_same_v<T, bool>) return Scalar::boolean(value);
        else if constexpr (std::is_integral_v<T>) return Scalar(static_cast<int64_t>(value));
        else return Scalar(static_cast<double>(value));
    });
}

void check_in_storage(const Dims& shape, const Dims& strides, int64_t offset,
                      const Storage& storage, DType dtype) {
    check(shape.size() == strides.size(), ErrorKind::Runtime,
          "mismatch in length of strides and shape: ", to_string(strides), " and ",
          to_string(shape));
    check(offset >= 0, ErrorKind::Runtime, "storage_offset must be non-negative, got ", offset);
    int64_t numel = checked_numel(shape);
    if (numel == 0) return;
    int64_t last = offset;
    for (size_t i = 0; i < shape.size(); ++i) {
        check(strides[i] >= 0, ErrorKind::Runtime,
              "as_strided: Negative strides are not supported at the moment, got strides: ",
              to_string(strides));
        int64_t span;
        check(!__builtin_mul_overflow(shape[i] - 1, strides[i], &span) &&
                  !__builtin_add_overflow(last, span, &last),
              ErrorKind::Runtime, "as_strided: the last index overflows 64 bits");
    }
    int64_t capacity = static_cast<int64_t>(storage.nbytes / item_size(dtype));
    check(last < capacity, ErrorKind::Runtime, "setStorage: sizes ", to_string(shape), ", strides ",
          to_string(strides), ", storage offset ", offset, ", and itemsize ", item_size(dtype),
          " requiring a storage size of ", (last + 1) * item_size(dtype),
          " are out of bounds for storage of size ", storage.nbytes);
}

bool may_overlap(const TensorImpl& impl) {
    if (impl.flags & kContiguous) return false;
    for (int i = 0; i < impl.ndim; ++i) {
        if (impl.strides()[i] == 0 && impl.sizes()[i] > 1) return true;
    }
    return false;
}

}  // namespace chainrule
