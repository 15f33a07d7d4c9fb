#include <algorithm>

#include "base/interpreter_lock.h"
#include "forward.h"
#include "forward/index.h"
#include "forward/view.h"
#include "tensor/convert.h"

// One index for each element: gather, scatter, take.
namespace chainrule::forward {

namespace {

Dims at_least_1d(const Dims& dims, int64_t otherwise) {
    return dims.empty() ? Dims{otherwise} : dims;
}

// What a cpu::Places points into.
struct PlacesPlan {
    Dims sizes, index_strides, data_strides, plain_strides;
    cpu::Places places;

    PlacesPlan(const TensorImpl& data, const TensorImpl& plain, const TensorImpl& index,
               int64_t dim) {
        int64_t item = static_cast<int64_t>(item_size(data.dtype));
        auto bytes = [](const TensorImpl& t, int64_t unit) {
            Dims s = at_least_1d(Dims(t.strides(), t.ndim), 1);
            for (int64_t& x : s) x *= unit;
            return s;
        };
        sizes = at_least_1d(Dims(index.sizes(), index.ndim), 1);
        index_strides = bytes(index, 8);
        data_strides = bytes(data, item);
        plain_strides = bytes(plain, item);
        auto d = static_cast<size_t>(dim);
        places.step = data_strides[d];
        data_strides[d] = 0;
        places.ndim = static_cast<int>(sizes.size());
        places.sizes = sizes.data();
        places.index_strides = index_strides.data();
        places.data_strides = data_strides.data();
        places.plain_strides = plain_strides.data();
        places.size = data.ndim ? data.sizes()[dim] : 1;
        places.dim = dim;
        places.separate_rows = true;
    }
    PlacesPlan(const PlacesPlan&) = delete;
    PlacesPlan& operator=(const PlacesPlan&) = delete;
};

int64_t check_gather(const TensorImpl& self, int64_t dim, const Tensor& index, const char* name) {
    int64_t d = wrap_dim(dim, self.ndim);
    check(index.dtype() == DType::Int64, ErrorKind::Runtime, name,
          "(): Expected dtype int32/int64 for index");
    check(std::max<int64_t>(index.dim(), 1) == std::max<int64_t>(self.ndim, 1), ErrorKind::Runtime,
          "Index tensor must have the same number of dimensions as ",
          name[0] == 'g' ? "input" : "self", " tensor");
    return d;
}

void check_scatter(const Tensor& self, int64_t d, const Tensor& index, const Tensor* src) {
    if (index.numel() == 0) return;
    if (src) {
        check(std::max<int64_t>(index.dim(), 1) == std::max<int64_t>(src->dim(), 1),
              ErrorKind::Runtime,
              "Index tensor must have the same number of dimensions as src tensor");
    }
    bool fits = true;
    for (int64_t i = 0; i < index.dim(); ++i) {
        int64_t own = self.dim() ? self->sizes()[i] : 1;
        if (i != d && index->sizes()[i] > own) fits = false;
        if (src && index->sizes()[i] > (src->dim() ? (*src)->sizes()[i] : 1)) fits = false;
    }
    check(fits, ErrorKind::Runtime, "Expected index ", to_string(index.shape()),
          " to be no larger than self ", to_string(self.shape()), " apart from dimension ", d,
          src ? concat(" and to be no larger size than src ", to_string(src->shape())) : "");
}

// Runs of the last dimension meet in one place unless the index moves along it.
void scatter_plan(const Tensor& self, int64_t d, const Tensor& index, const Tensor& plain,
                  cpu::Put put) {
    if (index.numel() == 0) return;
    PlacesPlan plan(*self, *plain, *index, d);
    plan.places.separate_rows = d == std::max<int64_t>(self.dim(), 1) - 1;
    Unlocked unlocked(index.numel() >= kUnlockedFrom);
    cpu::scatter_places(self.dtype(), self->data, plain->data, index->data, plan.places, put);
}

}  // namespace

Tensor gather(const Tensor& self, int64_t dim, const Tensor& index, bool sparse_grad) {
    check(!sparse_grad, ErrorKind::NotImplemented,
          "gather: sparse_grad=True is not supported; leave it False");
    int64_t d = check_gather(*self, dim, index, "gather");
    for (int64_t i = 0; i < index.dim(); ++i) {
        int64_t own = self.dim() ? self->sizes()[i] : 1;
        check(i == d || index->sizes()[i] <= own, ErrorKind::Runtime,
              "Size does not match at dimension ", i, " expected index ", to_string(index.shape()),
              " to be no larger than self ", to_string(self.shape()), " apart from dimension ", d);
    }
    Tensor out = Tensor::empty(index.shape(), self.dtype());
    if (out.numel() == 0) return out;
    PlacesPlan plan(*self, *out, *index, d);
    Unlocked unlocked(out.numel() >= kUnlockedFrom);
    cpu::gather_places(out->data, self->data, index->data, plan.places, item_size(self.dtype()));
    return out;
}

void scatter_into(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src,
                  cpu::Put put) {
    const char* name = put == cpu::Put::Add ? "scatter_add" : "scatter";
    int64_t d = check_gather(*self, dim, index, name);
    check(src.dtype() == self.dtype(), ErrorKind::Runtime, name,
          "(): Expected self.dtype to be equal to src.dtype");
    check_scatter(self, d, index, &src);
    Tensor plain = src->storage->data == self->storage->data ? clone_dense(*src) : src;
    scatter_plan(self, d, index, plain, put);
}

void scatter_value_into(const Tensor& self, int64_t dim, const Tensor& index, const Scalar& value) {
    int64_t d = check_gather(*self, dim, index, "scatter");
    check_scatter(self, d, index, nullptr);
    Tensor one = Tensor::full({}, self.dtype(), value);
    Dims shape = index.shape();
    scatter_plan(self, d, index, shifted_view(*one, shape, Dims::filled(shape.size(), 0), 0),
                 cpu::Put::Write);
}

Tensor scatter(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src) {
    Tensor out = clone_dense(*self);
    scatter_into(out, dim, index, src, cpu::Put::Write);
    return out;
}

Tensor scatter_value(const Tensor& self, int64_t dim, const Tensor& index, const Scalar& value) {
    Tensor out = clone_dense(*self);
    scatter_value_into(out, dim, index, value);
    return out;
}

Tensor scatter_add(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src) {
    Tensor out = clone_dense(*self);
    scatter_into(out, dim, index, src, cpu::Put::Add);
    return out;
}

Tensor gather_adjoint(const Tensor& self, const Dims& shape, int64_t dim, const Tensor& index) {
    Tensor out = Tensor::zeros(shape, self.dtype());
    scatter_into(out, dim, index, self, cpu::Put::Add);
    return out;
}

namespace {
// Positions in a tensor of `numel` elements, all within it.
Tensor flat_positions(const Tensor& index, int64_t numel) {
    check(index.dtype() == DType::Int64, ErrorKind::Runtime,
          "take(): Expected a long tensor for index, but got ", dtype_title(index.dtype()));
    check(numel > 0 || index.numel() == 0, ErrorKind::Index,
          "take(): tried to take from an empty "
          "tensor");
    Tensor out = convert(*index, DType::Int64);
    for (int64_t i = 0; i < out.numel(); ++i) {
        int64_t& v = out.data<int64_t>()[i];
        check(v >= -numel && v < numel, ErrorKind::Index, "out of range: tried to access index ", v,
              " on a tensor of ", numel, " elements.");
        if (v < 0) v += numel;
    }
    return out;
}

Tensor flat(const Tensor& t) { return shifted_view(*t, {t.numel()}, {1}, 0); }
}  // namespace

Tensor take(const Tensor& self, const Tensor& index) {
    Tensor positions = flat_positions(index, self.numel());
    Tensor out = gather(flat(make_contiguous(self)), 0, flat(positions), false);
    out->set_geometry(index.shape(), contiguous_strides(index.shape()));
    return out;
}

Tensor take_adjoint(const Tensor& self, const Dims& shape, const Tensor& index) {
    Tensor out = Tensor::zeros(shape, self.dtype());
    Tensor positions = flat_positions(index, out.numel());
    scatter_into(flat(out), 0, flat(positions), flat(make_contiguous(self)), cpu::Put::Add);
    return out;
}

}  // namespace chainrule::forward
