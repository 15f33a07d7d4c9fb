#pragma once

#include <cmath>
#include <optional>

#include "tensor/tensor.h"

namespace chainrule::forward {

// The dimensions that a reduction folds, as a set.
class FoldedDims {
public:
    // Of a `dim` argument; none and the empty list mean all dimensions unless `empty_is_none`.
    static FoldedDims of(const std::optional<Dims>& dim, int64_t ndim, bool empty_is_none = false);
    static FoldedDims of(const std::optional<int64_t>& dim, int64_t ndim);

    bool has(int64_t d) const { return set_ >> d & 1; }
    bool all(int64_t ndim) const { return set_ == all_of(ndim); }
    Dims result_shape(const TensorImpl& x, bool keepdim) const;

    // Of an input without elements, for folds of nothing that have no value.
    void refuse_empty(const char* name, const TensorImpl& x, bool dim_given) const;
    void refuse_empty_norm(double p, const TensorImpl& x, const std::optional<Dims>& dim) const;

private:
    static uint64_t all_of(int64_t ndim) {
        return ndim == 64 ? ~uint64_t{0} : (uint64_t{1} << ndim) - 1;
    }
    uint64_t set_ = 0;
};

}  // namespace chainrule::forward
