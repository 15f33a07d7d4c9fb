#include "rules/index.h"

#include "autograd/history.h"
#include "autograd/observer.h"
#include "base/message.h"
#include "forward/index.h"
#include "ops.h"
#include "rules/assign.h"
#include "tensor/origin.h"

// Indexing made of other operators, and its in-place forms.
namespace chainrule {

int64_t IndexList::add(const Tensor& of, int64_t dim, const Tensor& index) {
    if (index.dtype() == DType::Int64) {
        check(dim < of.dim(), ErrorKind::Index, "too many indices for tensor of dimension ",
              of.dim(), note_shape("the tensor", *of));
        indices.push_back(index);
        dims.push_back(dim);
        return 1;
    }
    check(index.dtype() == DType::Bool, ErrorKind::Index,
          "tensors used as indices must be long, int, byte or bool tensors",
          note_dtype("the index", *index), note("Convert it with .long()."));
    check(dim + index.dim() <= of.dim(), ErrorKind::Index,
          "too many indices for tensor of dimension ", of.dim(), note_shape("the tensor", *of),
          note_shape("the mask", *index));
    for (int64_t d = 0; d < index.dim(); ++d) {
        check(index->sizes()[d] == of->sizes()[dim + d], ErrorKind::Index, "The shape of the mask ",
              to_string(index.shape()), " at index ", d,
              " does not match the shape of the indexed tensor ", to_string(of.shape()),
              " at index ", dim + d,
              note("A mask has the sizes of the dimensions that it chooses from."));
    }
    Tensor places = ops::_nonzero(index);
    for (int64_t d = 0; d < index.dim(); ++d) {
        indices.push_back(Tensor::view_of(*places, {places->sizes()[0]}, {places->strides()[0]},
                                          d * places->strides()[1]));
        dims.push_back(dim + d);
    }
    return index.dim();
}

namespace {

// Changes self by `direct`, or where history or tangents are at stake by what `recorded` gives.
template <class Direct, class Recorded>
void change(const Tensor& self, std::initializer_list<const TensorImpl*> inputs,
            const char* operation, Direct&& direct, Recorded&& recorded,
            const Scalar& number = Scalar(0)) {
    if (__builtin_expect(t_state.flags & kObserveMode, 0)) {
        ObservedOp op{operation, "", {}};
        for (const TensorImpl* t : inputs) op.inputs.add(const_cast<TensorImpl*>(t));
        op.add(number);
        op.changes = 1;
        Observation seen(std::move(op));
        change(self, inputs, operation, direct, recorded);
        ObservedTensors outputs;
        outputs.add(self);
        return seen.end(outputs);
    }
    check_inplace(*self, operation);
    if (plain_inplace(inputs)) {
        direct();
        self->storage->bump_version();
        for (const TensorImpl* t : inputs) {
            if (t && t != self.get() && (t->flags & kMayExplain)) {
                note_unrecorded_change(*self, *t, operation);
            }
        }
    } else {
        assign_inplace(self, recorded(), operation);
    }
}

Tensor zeros_like_of(const Tensor& t) { return Tensor::zeros({}, t.dtype()); }

void check_indices(const Tensor& self, const std::vector<Tensor>& indices, IndexList& list) {
    int64_t count = 0;
    for (const Tensor& index : indices) {
        count += index.dtype() == DType::Bool ? index.dim() : 1;
    }
    check(count <= self.dim(), ErrorKind::Index, "too many indices for tensor of dimension ",
          self.dim(), " (got ", count, ")");
    int64_t dim = 0;
    for (const Tensor& index : indices) dim += list.add(self, dim, index);
}

}  // namespace

void index_put_inplace(const Tensor& self, const IndexList& list, const Tensor& values,
                       bool accumulate) {
    change(
        self, {self.get(), values.get()}, "index_put_",
        [&] { forward::index_put_into(self, values, list.indices, list.dims, accumulate); },
        [&] { return ops::_index_put(self, values, list.indices, list.dims, accumulate); });
}

void index_add_inplace(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                       const Scalar& alpha) {
    change(
        self, {self.get(), source.get()}, "index_add_",
        [&] { forward::index_add_into(self, dim, index, source, alpha); },
        [&] { return ops::index_add(self, dim, index, source, alpha); });
}

void index_copy_inplace(const Tensor& self, int64_t dim, const Tensor& index,
                        const Tensor& source) {
    change(
        self, {self.get(), source.get()}, "index_copy_",
        [&] { forward::index_copy_into(self, dim, index, source); },
        [&] { return ops::index_copy(self, dim, index, source); });
}

void index_fill_inplace(const Tensor& self, int64_t dim, const Tensor& index, const Scalar& value) {
    change(
        self, {self.get()}, "index_fill_",
        [&] { forward::index_fill_into(self, dim, index, value); },
        [&] { return ops::index_fill(self, dim, index, value); }, value);
}

void index_fill_inplace(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& value) {
    change(
        self, {self.get(), value.get()}, "index_fill_",
        [&] { forward::index_fill_into(self, dim, index, value.item()); },
        [&] { return ops::index_fill_tensor(self, dim, index, value); });
}

void scatter_inplace(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src) {
    change(
        self, {self.get(), src.get()}, "scatter_",
        [&] { forward::scatter_into(self, dim, index, src, cpu::Put::Write); },
        [&] { return ops::scatter(self, dim, index, src); });
}

void scatter_inplace(const Tensor& self, int64_t dim, const Tensor& index, const Scalar& value) {
    change(
        self, {self.get()}, "scatter_",
        [&] { forward::scatter_value_into(self, dim, index, value); },
        [&] { return ops::scatter_value(self, dim, index, value); }, value);
}

void scatter_add_inplace(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src) {
    change(
        self, {self.get(), src.get()}, "scatter_add_",
        [&] { forward::scatter_into(self, dim, index, src, cpu::Put::Add); },
        [&] { return ops::scatter_add(self, dim, index, src); });
}

void masked_scatter_inplace(const Tensor& self, const Tensor& mask, const Tensor& source) {
    Tensor wide = mask->same_shape(*self) ? mask : ops::expand(mask, self.shape());
    change(
        self, {self.get(), source.get()}, "masked_scatter_",
        [&] { forward::masked_scatter_into(self, wide, source); },
        [&] { return ops::_masked_scatter(self, wide, source); });
}

namespace composite {

Tensor gather_for(const Tensor& self, int64_t dim, const Tensor& index, const Dims& shape) {
    Tensor out = ops::gather(self, dim, index);
    // The gradient of a source of which only the start was read: zeros behind it.
    for (int64_t d = 0; d < out.dim(); ++d) {
        int64_t whole = shape[static_cast<size_t>(d)];
        if (out->sizes()[d] == whole) continue;
        Dims padded = out.shape();
        padded[static_cast<size_t>(d)] = whole;
        out = ops::_slice_adjoint(out, padded, d, 0, out->sizes()[d], 1);
    }
    return out->ndim == shape.size() ? out : ops::reshape(out, shape);
}

Tensor take_along_dim(const Tensor& self, const Tensor& indices,
                      const std::optional<int64_t>& dim) {
    if (!dim) return ops::gather(ops::reshape(self, {-1}), 0, ops::reshape(indices, {-1}));
    check(self.dim() == indices.dim(), ErrorKind::Runtime,
          "torch.take_along_dim(): input and indices should have the same number of dimensions, "
          "but got ",
          self.dim(), " dimensions for input, and ", indices.dim(), " dimensions for indices");
    check(indices.dtype() == DType::Int64, ErrorKind::Runtime,
          "torch.take_along_dim(): dtype of indices should be Long but got torch.",
          dtype_name(indices.dtype()));
    int64_t d = wrap_dim(*dim, self.dim());
    Dims a = self.shape(), b = indices.shape();
    if (self.dim() == 0) return ops::gather(self, 0, indices);
    auto at = static_cast<size_t>(d);
    int64_t own = a[at], wanted = b[at];
    a[at] = b[at] = 1;
    Dims common = broadcast_shapes(a, b);
    Dims source = common, places = common;
    source[at] = own;
    places[at] = wanted;
    Tensor from = self.shape() == source ? self : ops::expand(self, source);
    Tensor index = indices.shape() == places ? indices : ops::expand(indices, places);
    // Negative places count from the end, as in advanced indexing.
    Tensor wrapped = ops::remainder(index, Scalar(std::max<int64_t>(own, 1)));
    bool inside = true;
    {
        const int64_t* plain = index.contiguous() ? index.data<int64_t>() : nullptr;
        Tensor dense;
        if (!plain) {
            dense = ops::contiguous(index);
            plain = dense.data<int64_t>();
        }
        for (int64_t i = 0; i < index.numel(); ++i) {
            inside &= plain[i] >= -own && plain[i] < own;
        }
    }
    return ops::gather(from, d, inside ? wrapped : index);
}

Tensor index_clear(const Tensor& self, const std::vector<Tensor>& indices, const Dims& dims,
                   bool keep) {
    return keep ? self : ops::_index_put(self, zeros_like_of(self), indices, dims, false);
}

Tensor index_put(const Tensor& self, const std::vector<Tensor>& indices, const Tensor& values,
                 bool accumulate) {
    IndexList list;
    check_indices(self, indices, list);
    if (list.empty()) {
        Tensor all = ops::expand(values, self.shape());
        return accumulate ? ops::add(self, all) : ops::clone(all);
    }
    return ops::_index_put(self, values, list.indices, list.dims, accumulate);
}

Tensor masked_select(const Tensor& self, const Tensor& mask) {
    Dims shape = broadcast_shapes(self.shape(), mask.shape());
    Tensor from = self.shape() == shape ? self : ops::expand(self, shape);
    return ops::_masked_select(from, mask.shape() == shape ? mask : ops::expand(mask, shape));
}

Tensor masked_scatter(const Tensor& self, const Tensor& mask, const Tensor& source) {
    Dims shape = broadcast_shapes(self.shape(), mask.shape());
    Tensor into = self.shape() == shape ? self : ops::expand(self, shape);
    return ops::_masked_scatter(into, mask.shape() == shape ? mask : ops::expand(mask, shape),
                                source);
}

Tensor mask_clear(const Tensor& self, const Tensor& mask) {
    return ops::masked_fill(self, mask, Scalar(0));
}

Tensor mask_source(const Tensor& self, const Tensor& mask, const Dims& shape) {
    Tensor picked = ops::_masked_select(self, mask);
    int64_t numel = checked_numel(shape);
    if (picked.numel() < numel) {
        picked = ops::_slice_adjoint(picked, {numel}, 0, 0, picked.numel(), 1);
    }
    return ops::reshape(picked, shape);
}

Tensor msort(const Tensor& self) { return std::get<0>(ops::sort(self, 0, false, false)); }

}  // namespace composite
}  // namespace chainrule
