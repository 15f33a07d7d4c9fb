#include <algorithm>
#include <vector>

#include "base/interpreter_lock.h"
#include "forward.h"
#include "forward/view.h"
#include "kernels/cpu/sort.h"
#include "tensor/convert.h"

// Sorting along a dimension, and searching in what is sorted.
namespace chainrule::forward {

namespace {

// The first `keep` along dimension d in order, and their indices.
std::tuple<Tensor, Tensor> sorted_along(const Tensor& self, int64_t d, int64_t keep,
                                        bool descending) {
    Dims shape = self.shape(), order, outer;
    int64_t size = self.dim() ? shape[static_cast<size_t>(d)] : 1;
    // Lines are computed one after the other: dimension d comes last in memory, and is then moved.
    Dims lines_shape;
    for (int64_t i = 0; i < self.dim(); ++i) {
        if (i == d) continue;
        outer.push_back(i);
        lines_shape.push_back(shape[static_cast<size_t>(i)]);
    }
    std::vector<int64_t> starts = {0};
    for (int64_t i : outer) {
        std::vector<int64_t> longer;
        for (int64_t base : starts) {
            for (int64_t k = 0; k < self->sizes()[i]; ++k) {
                longer.push_back(base + k * self->strides()[i]);
            }
        }
        starts = std::move(longer);
    }
    if (self.dim()) lines_shape.push_back(keep);
    Tensor values = Tensor::empty(lines_shape, self.dtype());
    Tensor indices = Tensor::empty(lines_shape, DType::Int64);
    if (values.numel() > 0) {
        cpu::SortLines lines{self->data, starts.data(), static_cast<int64_t>(starts.size()), size,
                             self.dim() ? self->strides()[d] : 1};
        Unlocked unlocked(self.numel() >= 4096);
        cpu::sort_lines(self.dtype(), lines, keep, descending, values->data,
                        indices.data<int64_t>());
    }
    if (d == self.dim() - 1 || self.dim() == 0) return {values, indices};
    auto moved = [&](const Tensor& t) {
        Dims out_shape, out_strides;
        for (int64_t i = 0, k = 0; i < t.dim(); ++i) {
            int64_t from = i == d ? t.dim() - 1 : k++;
            out_shape.push_back(t->sizes()[from]);
            out_strides.push_back(t->strides()[from]);
        }
        return make_contiguous(shifted_view(*t, out_shape, out_strides, 0));
    };
    return {moved(values), moved(indices)};
}

}  // namespace

std::tuple<Tensor, Tensor> sort(const Tensor& self, int64_t dim, bool descending, bool) {
    int64_t d = wrap_dim(dim, self.dim());
    return sorted_along(self, d, self.dim() ? self->sizes()[d] : 1, descending);
}

Tensor argsort(const Tensor& self, int64_t dim, bool descending, bool stable) {
    return std::get<1>(sort(self, dim, descending, stable));
}

std::tuple<Tensor, Tensor> topk(const Tensor& self, int64_t k, int64_t dim, bool largest, bool) {
    int64_t d = wrap_dim(dim, self.dim());
    int64_t size = self.dim() ? self->sizes()[d] : 1;
    check(k >= 0 && k <= size, ErrorKind::Runtime, "selected index k out of range: k is ", k,
          " and dimension ", d, " has size ", size);
    return sorted_along(self, d, k, largest);
}

std::tuple<Tensor, Tensor, Tensor> unique(const Tensor& self, bool, bool, bool) {
    Tensor dense = make_contiguous(self);
    Tensor flat = shifted_view(*dense, {dense.numel()}, {1}, 0);
    auto [values, order] = sorted_along(flat, 0, flat.numel(), false);
    int64_t n = flat.numel();
    Tensor inverse = Tensor::empty(self.shape(), DType::Int64);
    std::vector<int64_t> counts;
    Tensor output = dispatch(self.dtype(), [&](auto zero) {
        using T = decltype(zero);
        const T* v = values.template data<T>();
        std::vector<T> distinct;
        for (int64_t i = 0; i < n; ++i) {
            if (i == 0 || v[i] != v[i - 1]) {  // every NaN is different from every other
                distinct.push_back(v[i]);
                counts.push_back(0);
            }
            ++counts.back();
            inverse.data<int64_t>()[order.template data<int64_t>()[i]] =
                static_cast<int64_t>(counts.size()) - 1;
        }
        Tensor out = Tensor::empty({static_cast<int64_t>(distinct.size())}, self.dtype());
        std::copy(distinct.begin(), distinct.end(), out.data<T>());
        return out;
    });
    Tensor count = Tensor::empty({static_cast<int64_t>(counts.size())}, DType::Int64);
    std::copy(counts.begin(), counts.end(), count.data<int64_t>());
    return {output, inverse, count};
}

Tensor searchsorted(const Tensor& self, const Tensor& input, bool out_int32, bool right,
                    const std::optional<std::string>& side, const Tensor& sorter) {
    check(!out_int32, ErrorKind::NotImplemented,
          "searchsorted: out_int32=True is not supported; the result is int64");
    check(!side || *side == "left" || *side == "right", ErrorKind::Runtime,
          "torch.searchsorted(): side can only be 'left' or 'right' but got ", side.value_or(""));
    check(!(side && *side == "left" && right), ErrorKind::Runtime,
          "torch.searchsorted(): side and right can't be set to opposites, got side of left while "
          "right was True");
    check(self.dim() > 0, ErrorKind::Runtime,
          "torch.searchsorted(): boundaries tensor must have positive dimension, but got 0 "
          "dimension");
    bool shared = self.dim() == 1;
    bool match =
        shared || (input.dim() == self.dim() &&
                   std::equal(self->sizes(), self->sizes() + self.dim() - 1, input->sizes()));
    check(match, ErrorKind::Runtime,
          "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 "
          "dimensions of boundaries tensor and input value tensor must match, but we got "
          "boundaries tensor ",
          to_string(self.shape()), " and input value tensor ", to_string(input.shape()));
    DType dtype = promote(self.dtype(), input.dtype());
    Tensor line = self.dtype() == dtype ? make_contiguous(self) : convert(*self, dtype);
    Tensor values = input.dtype() == dtype ? make_contiguous(input) : convert(*input, dtype);
    Tensor places;
    if (sorter) {
        check(sorter->same_shape(*self) && sorter.dtype() == DType::Int64, ErrorKind::Runtime,
              "torch.searchsorted(): sorter must be an int64 tensor of the same shape as the "
              "boundaries, but got ",
              to_string(sorter.shape()));
        places = make_contiguous(sorter);
        int64_t size = self.size(-1);
        for (int64_t i = 0; i < places.numel(); ++i) {
            int64_t p = places.data<int64_t>()[i];
            check(p >= 0 && p < size, ErrorKind::Index,
                  "torch.searchsorted(): sorter index out of range");
        }
    }
    Tensor out = Tensor::empty(input.shape(), DType::Int64);
    if (out.numel() == 0) return out;
    int64_t size = self.size(-1);
    int64_t lines = shared ? 1 : values.numel() / std::max<int64_t>(1, values.size(-1));
    cpu::search_lines(dtype, line->data, places ? places.data<int64_t>() : nullptr, lines, size,
                      values->data, out.numel(), right || (side && *side == "right"),
                      out.data<int64_t>());
    return out;
}

Tensor bucketize(const Tensor& self, const Tensor& boundaries, bool out_int32, bool right) {
    check(boundaries.dim() == 1, ErrorKind::Runtime,
          "boundaries tensor must be 1 dimension, but got dim(", boundaries.dim(), ")");
    return searchsorted(boundaries, self, out_int32, right, std::nullopt, Tensor());
}

}  // namespace chainrule::forward
