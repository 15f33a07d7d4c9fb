#include <algorithm>

#include "base/message.h"
#include "ops.h"
#include "tensor/origin.h"

// Joining made of other operators.
namespace chainrule::composite {

using TensorList = std::vector<Tensor>;

namespace {
// Tensor `at` differs from tensor `model` in dimension k, and is joined in dimension d.
[[noreturn]] void refuse_sizes(const TensorList& tensors, size_t model, size_t at, int64_t d,
                               int64_t k) {
    const Tensor &a = tensors[model], &b = tensors[at];
    bool only_k = true;  // then k is the dimension to join in
    for (int64_t i = 0; i < a.dim(); ++i) only_k &= i == k || a->sizes()[i] == b->sizes()[i];
    fail(ErrorKind::Runtime, "Sizes of tensors must match except in dimension ", d,
         ". Expected size ", a->sizes()[k], " but got size ", b->sizes()[k], " for tensor number ",
         at, " in the list.", note_shape(concat("tensor ", model).c_str(), *a),
         note_shape(concat("tensor ", at).c_str(), *b),
         only_k ? note("They differ in dimension ", k, " only: did you mean dim=", k, "?") : "");
}
}  // namespace

Tensor cat(const TensorList& tensors, int64_t dim) {
    check(!tensors.empty(), ErrorKind::Value, "torch.cat(): expected a non-empty list of Tensors");
    // Tensors of shape [0] are left out, whatever the shape of the others.
    auto nothing = [](const Tensor& t) { return t.dim() == 1 && t.numel() == 0; };
    const Tensor* model = nullptr;
    bool skips = false;
    for (size_t i = 0; i < tensors.size(); ++i) {
        check(tensors[i].dim() > 0, ErrorKind::Runtime, "zero-dimensional tensor (at position ", i,
              ") cannot be concatenated", note("Make one tensor of numbers with torch.stack."));
        if (nothing(tensors[i])) skips = true;
        else if (!model) model = &tensors[i];
    }
    if (!model) model = &tensors[0];
    int64_t d = wrap_dim(dim, model->dim());
    TensorList kept;
    DType dtype = tensors[0].dtype();
    Dims sizes;
    for (size_t i = 0; i < tensors.size(); ++i) {
        const Tensor& t = tensors[i];
        dtype = promote(dtype, t.dtype());
        if (nothing(t) && model->dim() != 1) continue;
        check(t.dim() == model->dim(), ErrorKind::Runtime,
              "Tensors must have same number of dimensions: got ", model->dim(), " and ", t.dim(),
              note_shape(concat("tensor ", model - tensors.data()).c_str(), **model),
              note_shape(concat("tensor ", i).c_str(), *t));
        for (int64_t k = 0; k < t.dim(); ++k) {
            if (k != d && t->sizes()[k] != (*model)->sizes()[k]) {
                refuse_sizes(tensors, static_cast<size_t>(model - tensors.data()), i, d, k);
            }
        }
        sizes.push_back(t->sizes()[d]);
        if (skips) kept.push_back(t);
    }
    const TensorList& joined = skips ? kept : tensors;
    Tensor out = ops::_cat(joined, d, sizes);
    // What was left out takes part in the choice of the dtype.
    return out.dtype() == dtype ? out : ops::_to_dtype(out, dtype);
}

Tensor atleast_1d(const Tensor& self) { return self.dim() >= 1 ? self : ops::reshape(self, {1}); }

Tensor atleast_2d(const Tensor& self) {
    if (self.dim() == 0) return ops::reshape(self, {1, 1});
    return self.dim() == 1 ? ops::unsqueeze(self, 0) : self;
}

Tensor atleast_3d(const Tensor& self) {
    if (self.dim() == 0) return ops::reshape(self, {1, 1, 1});
    if (self.dim() == 1) return ops::unsqueeze(ops::unsqueeze(self, 0), -1);
    return self.dim() == 2 ? ops::unsqueeze(self, -1) : self;
}

namespace {
template <class F>
TensorList each(const TensorList& tensors, const char* name, F&& f) {
    check(!tensors.empty(), ErrorKind::Runtime, name, " expects a non-empty TensorList");
    TensorList out;
    for (const Tensor& t : tensors) out.push_back(f(t));
    return out;
}
}  // namespace

Tensor hstack(const TensorList& tensors) {
    TensorList list = each(tensors, "hstack", atleast_1d);
    return cat(list, list[0].dim() == 1 ? 0 : 1);
}

Tensor vstack(const TensorList& tensors) { return cat(each(tensors, "vstack", atleast_2d), 0); }

Tensor dstack(const TensorList& tensors) { return cat(each(tensors, "dstack", atleast_3d), 2); }

Tensor column_stack(const TensorList& tensors) {
    TensorList list = each(tensors, "column_stack", [](const Tensor& t) {
        return t.dim() <= 1 ? ops::reshape(t, {t.numel(), 1}) : t;
    });
    return hstack(list);
}

TensorList broadcast_tensors(const TensorList& tensors) {
    Dims shape;
    for (const Tensor& t : tensors) shape = broadcast_shapes(shape, t.shape());
    TensorList out;
    for (const Tensor& t : tensors) out.push_back(ops::expand(t, shape));
    return out;
}

TensorList meshgrid(const TensorList& tensors, const std::string& indexing) {
    check(!tensors.empty(), ErrorKind::Runtime, "meshgrid expects a non-empty TensorList");
    check(indexing == "ij" || indexing == "xy", ErrorKind::Runtime,
          "torch.meshgrid: indexing must be one of \"xy\" or \"ij\", but received: ", indexing);
    // "xy" is "ij" of the first two inputs in the other order, given back in theirs.
    bool swap = indexing == "xy" && tensors.size() >= 2;
    TensorList inputs = tensors;
    if (swap) std::swap(inputs[0], inputs[1]);
    Dims shape;
    for (const Tensor& t : inputs) {
        check(t.dim() <= 1, ErrorKind::Runtime,
              "torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got one of shape ",
              to_string(t.shape()));
        check(t.dtype() == inputs[0].dtype(), ErrorKind::Runtime,
              "torch.meshgrid expects all tensors to have the same dtype");
        shape.push_back(t.numel());
    }
    TensorList out;
    for (size_t i = 0; i < inputs.size(); ++i) {
        Dims lone = Dims::filled(inputs.size(), 1);
        lone[i] = shape[i];
        out.push_back(ops::expand(ops::view(inputs[i], lone), shape));
    }
    if (swap) std::swap(out[0], out[1]);
    return out;
}

}  // namespace chainrule::composite
