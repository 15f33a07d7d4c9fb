#pragma once

#include <optional>

#include "tensor/tensor.h"

namespace chainrule::forward {

// A tensor over the memory of `like`, beginning `shift` elements after like's first.
inline Tensor shifted_view(const TensorImpl& like, const Dims& shape, const Dims& strides,
                           int64_t shift) {
    TensorImpl* impl = TensorImpl::create();
    like.storage->retain();
    impl->storage = like.storage;
    impl->data = like.data + shift * static_cast<int64_t>(item_size(like.dtype));
    impl->dtype = like.dtype;
    impl->flags = like.flags & kInference;
    impl->set_geometry(shape, strides);
    return Tensor(Ref<TensorImpl>::steal(impl));
}

// The shape with its -1 filled in for `numel` elements; refuses shapes that do not fit.
Dims inferred_shape(const Dims& shape, int64_t numel);
// Strides that show the elements of `t` in another shape (of equal numel), if there are any.
std::optional<Dims> view_strides(const TensorImpl& t, const Dims& shape);
// The order of dimensions that undoes `dims`.
Dims inverse_order(const Dims& dims);
// Dimension numbers brought into [0, ndim); refuses repeated ones.
Dims wrap_dims(const Dims& dims, int64_t ndim);

}  // namespace chainrule::forward
