#pragma once

#include <vector>

#include "tensor/tensor.h"

namespace chainrule {

// Advanced indices with the dimensions that they index, ascending.
struct IndexList {
    std::vector<Tensor> indices;  // int64
    Dims dims;

    bool empty() const { return indices.empty(); }
    // Adds an index of dimension `dim` of `of`, which a mask may make several; checks it. Returns
    // the number of dimensions that it takes.
    int64_t add(const Tensor& of, int64_t dim, const Tensor& index);
};

// In-place forms, recorded when need be.
void index_put_inplace(const Tensor& self, const IndexList& list, const Tensor& values,
                       bool accumulate);
void index_add_inplace(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                       const Scalar& alpha);
void index_copy_inplace(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source);
void index_fill_inplace(const Tensor& self, int64_t dim, const Tensor& index, const Scalar& value);
void index_fill_inplace(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& value);
void scatter_inplace(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src);
void scatter_inplace(const Tensor& self, int64_t dim, const Tensor& index, const Scalar& value);
void scatter_add_inplace(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src);
void masked_scatter_inplace(const Tensor& self, const Tensor& mask, const Tensor& source);

}  // namespace chainrule
