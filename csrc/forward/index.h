#pragma once

#include <vector>

#include "kernels/cpu/index.h"
#include "tensor/tensor.h"

namespace chainrule::forward {

// Where the elements of x[indices] stand, and the shape of the result: a result of
// [outer][count][inner] elements (see cpu::Blocks).
struct IndexPlan {
    Dims shape;
    std::vector<int64_t> outer, at, inner;
    int64_t num_inner = 1;
    bool dense_inner = true;

    cpu::Blocks blocks() const {
        return {outer.data(),
                static_cast<int64_t>(outer.size()),
                at.data(),
                static_cast<int64_t>(at.size()),
                dense_inner ? nullptr : inner.data(),
                num_inner};
    }
};

// indices[i] (int64, broadcast together) indexes dimension dims[i] (ascending). Checks bounds.
IndexPlan plan_index(const TensorImpl& self, const std::vector<Tensor>& indices, const Dims& dims,
                     bool negatives);
// For one index vector (or 0-d index) along one dimension.
IndexPlan plan_select(const TensorImpl& self, int64_t dim, const Tensor& index);

// The in-place kernels: they write into the memory of `self`, whatever its strides. Not recorded.
void write_index(const TensorImpl& self, const IndexPlan& plan, const Tensor& values,
                 bool accumulate);
void index_put_into(const Tensor& self, const Tensor& values, const std::vector<Tensor>& indices,
                    const Dims& dims, bool accumulate);
void index_add_into(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                    const Scalar& alpha);
void index_copy_into(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source);
void index_fill_into(const Tensor& self, int64_t dim, const Tensor& index, const Scalar& value);
void scatter_into(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src,
                  cpu::Put put);
void scatter_value_into(const Tensor& self, int64_t dim, const Tensor& index, const Scalar& value);
void masked_scatter_into(const Tensor& self, const Tensor& mask, const Tensor& source);

}  // namespace chainrule::forward
