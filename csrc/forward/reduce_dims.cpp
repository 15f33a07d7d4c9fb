#include "forward/reduce_dims.h"

namespace chainrule::forward {

FoldedDims FoldedDims::of(const std::optional<Dims>& dim, int64_t ndim, bool empty_is_none) {
    FoldedDims dims;
    if (!dim || dim->empty()) {
        if (!empty_is_none) dims.set_ = all_of(ndim);
        return dims;
    }
    for (int64_t d : *dim) {
        const int64_t at = wrap_dim(d, ndim);
        check(!dims.has(at), ErrorKind::Runtime, "dim ", at,
              " appears multiple times in the list of dims");
        dims.set_ |= uint64_t{1} << at;
    }
    if (ndim == 0) dims.set_ = 0;
    return dims;
}

FoldedDims FoldedDims::of(const std::optional<int64_t>& dim, int64_t ndim) {
    FoldedDims dims;
    if (!dim) dims.set_ = all_of(ndim);
    else dims.set_ = (uint64_t{1} << wrap_dim(*dim, ndim)) & all_of(ndim);
    return dims;
}

Dims FoldedDims::result_shape(const TensorImpl& x, bool keepdim) const {
    Dims shape;
    for (int d = 0; d < x.ndim; ++d) {
        if (!has(d)) shape.push_back(x.sizes()[d]);
        else if (keepdim) shape.push_back(1);
    }
    return shape;
}

void FoldedDims::refuse_empty(const char* name, const TensorImpl& x, bool dim_given) const {
    check(dim_given, ErrorKind::Runtime, name,
          "(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
          "reduction dim with the 'dim' argument.");
    for (int d = 0; d < x.ndim; ++d) {
        check(!has(d) || x.sizes()[d] != 0, ErrorKind::Index, name, "(): Expected reduction dim ",
              d, " to have non-zero size.");
    }
}

void FoldedDims::refuse_empty_norm(double p, const TensorImpl& x,
                                   const std::optional<Dims>& dim) const {
    check(dim && !dim->empty(), ErrorKind::Runtime, "linalg.vector_norm cannot compute the ", p,
          " norm on an empty tensor because the operation does not have an identity");
    for (int d = 0; d < x.ndim; ++d) {
        check(!has(d) || x.sizes()[d] != 0, ErrorKind::Runtime,
              "linalg.vector_norm cannot compute the ", p, " norm on the dimension ", d,
              " because this dimension is empty and the operation does not have an identity");
    }
}

}  // namespace chainrule::forward
