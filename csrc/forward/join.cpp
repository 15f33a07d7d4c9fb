#include <algorithm>

#include "base/interpreter_lock.h"
#include "base/message.h"
#include "base/parallel.h"
#include "forward.h"
#include "forward/view.h"
#include "tensor/convert.h"
#include "tensor/origin.h"

// Tensors one after the other in fresh memory.
namespace chainrule::forward {

namespace {

DType common_dtype(const std::vector<Tensor>& tensors) {
    // As in arithmetic, tensors without dimensions yield to those that have some.
    std::optional<DType> with_dims, without_dims;
    for (const Tensor& t : tensors) {
        std::optional<DType>& slot = t.dim() > 0 ? with_dims : without_dims;
        slot = slot ? promote(*slot, t.dtype()) : t.dtype();
    }
    return with_dims ? *with_dims : *without_dims;
}

// Copies tensors into `out` side by side along `d`, where tensor i has `sizes[i]` entries.
void fill(const Tensor& out, const std::vector<Tensor>& tensors, size_t d, const Dims& sizes) {
    if (out.numel() == 0) return;
    bool dense = true;
    for (const Tensor& t : tensors) dense &= t.contiguous() && t.dtype() == out.dtype();
    int64_t outer = 1, inner = 1;
    for (size_t i = 0; i < d; ++i) outer *= out->sizes()[i];
    for (size_t i = d + 1; i < out->ndim; ++i) inner *= out->sizes()[i];
    if (dense && (outer == 1 || inner * out->sizes()[d] / static_cast<int64_t>(sizes.size()) >= 4 ||
                  out.numel() < 4096)) {
        int64_t item = static_cast<int64_t>(item_size(out.dtype()));
        int64_t line = out->sizes()[d] * inner * item;
        Unlocked unlocked(out.numel() >= kUnlockedFrom);
        parallel_for(0, outer, std::max<int64_t>(1, 131072 / line), [&](int64_t lo, int64_t hi) {
            for (int64_t o = lo; o < hi; ++o) {
                char* to = out->data + o * line;
                for (size_t i = 0; i < tensors.size(); ++i) {
                    int64_t bytes = sizes[i] * inner * item;
                    std::memcpy(to, tensors[i]->data + o * bytes, static_cast<size_t>(bytes));
                    to += bytes;
                }
            }
        });
        return;
    }
    Dims shape = out.shape(), strides = out.strides();
    int64_t at = 0;
    for (size_t i = 0; i < tensors.size(); ++i) {
        shape[d] = sizes[i];
        if (tensors[i].numel() > 0) {
            Tensor place = shifted_view(*out, shape, strides, at * strides[d]);
            Tensor source = shifted_view(
                *tensors[i], shape,
                [&] {
                    Dims s = tensors[i].strides();
                    if (s.size() < shape.size()) s.insert(d, 0);  // `stack` adds the dimension
                    return s;
                }(),
                0);
            copy_elements(*place, *source);
        }
        at += sizes[i];
    }
}

}  // namespace

Tensor cat(const std::vector<Tensor>& tensors, int64_t dim, const Dims& sizes) {
    const Tensor& first = tensors[0];
    auto d = static_cast<size_t>(wrap_dim(dim, first.dim()));
    Dims shape = first.shape();
    shape[d] = 0;
    for (int64_t s : sizes) shape[d] += s;
    Tensor out = Tensor::empty(shape, common_dtype(tensors));
    fill(out, tensors, d, sizes);
    return out;
}

Tensor stack(const std::vector<Tensor>& tensors, int64_t dim) {
    check(!tensors.empty(), ErrorKind::Runtime, "stack expects a non-empty TensorList");
    const Tensor& first = tensors[0];
    for (size_t i = 1; i < tensors.size(); ++i) {
        check(first->same_shape(*tensors[i]), ErrorKind::Runtime,
              "stack expects each tensor to be equal size, but got ", to_string(first.shape()),
              " at entry 0 and ", to_string(tensors[i].shape()), " at entry ", i,
              note_shape("entry 0", *first), note_shape(concat("entry ", i).c_str(), *tensors[i]),
              note("torch.cat joins tensors that differ in one dimension; to stack them, pad or "
                   "reshape them to one shape."));
    }
    auto d = static_cast<size_t>(wrap_dim(dim, first.dim() + 1));
    Dims shape = first.shape();
    shape.insert(d, static_cast<int64_t>(tensors.size()));
    Tensor out = Tensor::empty(shape, common_dtype(tensors));
    fill(out, tensors, d, Dims::filled(tensors.size(), 1));
    return out;
}

}  // namespace chainrule::forward
