#include <algorithm>

#include "base/interpreter_lock.h"
#include "base/parallel.h"
#include "forward.h"
#include "forward/view.h"
#include "tensor/convert.h"
#include "tensor/pointwise_loop.h"

// Copies: with other strides or another dtype, in another order, several times over.
namespace chainrule::forward {

namespace {

// Fresh memory for `shape` whose dimensions lie in memory in the order `order`, the last densest.
Tensor empty_ordered(const Dims& shape, DType dtype, std::initializer_list<size_t> order) {
    Tensor out = Tensor::empty(shape, dtype);
    Dims strides = Dims::filled(shape.size(), 1);
    int64_t step = 1;
    for (auto d = std::rbegin(order); d != std::rend(order); ++d) {
        strides[*d] = step;
        step *= std::max<int64_t>(shape[*d], 1);
    }
    out->set_geometry(shape, strides);
    return out;
}

// The strides of a permuted tensor, if it fills its memory without gaps.
std::optional<Dims> dense_strides(const TensorImpl& t) {
    Dims order = Dims::filled(t.ndim, 0);
    for (int i = 0; i < t.ndim; ++i) order[static_cast<size_t>(i)] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return t.strides()[a] < t.strides()[b]; });
    int64_t step = 1;
    for (int64_t d : order) {
        if (t.sizes()[d] == 1) continue;
        if (t.strides()[d] != step) return std::nullopt;
        step *= t.sizes()[d];
    }
    return Dims(t.strides(), t.ndim);
}

template <class T>
void copy_loop(char* const* data, const int64_t* strides, int64_t n, const void*) {
    if (strides[0] == sizeof(T) && strides[1] == sizeof(T)) {
        std::memcpy(data[0], data[1], static_cast<size_t>(n) * sizeof(T));
        return;
    }
    for (int64_t i = 0; i < n; ++i) {
        *reinterpret_cast<T*>(data[0] + i * strides[0]) =
            *reinterpret_cast<const T*>(data[1] + i * strides[1]);
    }
}

Tensor rolled(const Tensor& self, int64_t shift, size_t d) {
    int64_t size = self->sizes()[d];
    Tensor out = Tensor::empty(self.shape(), self.dtype());
    if (self.numel() == 0) return out;
    shift = (shift % size + size) % size;
    auto dim = static_cast<int64_t>(d);
    auto copy = [&](int64_t to, int64_t from, int64_t count) {
        if (count == 0) return;
        Tensor target = slice(out, dim, to, to + count, 1);
        copy_elements(*target, *slice(self, dim, from, from + count, 1));
    };
    copy(shift, 0, size - shift);
    copy(0, size - shift, shift);
    return out;
}

Tensor triangle(const Tensor& self, int64_t diagonal, bool upper) {
    check(self.dim() >= 2, ErrorKind::Runtime, upper ? "triu" : "tril",
          ": input tensor must have at least 2 dimensions");
    Tensor in = make_contiguous(self);
    Tensor out = Tensor::empty(self.shape(), self.dtype());
    int64_t rows = self.size(-2), columns = self.size(-1);
    if (self.numel() == 0) return out;
    // Beyond these bounds the result is all of the matrix or nothing of it.
    diagonal = std::clamp(diagonal, -rows, columns);
    size_t item = item_size(self.dtype());
    size_t line = static_cast<size_t>(columns) * item;
    const char* from = in->data;
    char* to = out->data;
    Unlocked unlocked(self.numel() >= kUnlockedFrom);
    parallel_for(0, self.numel() / columns, 1 + 32768 / columns, [&](int64_t lo, int64_t hi) {
        for (int64_t i = lo; i < hi; ++i) {
            // Columns [0, cut) lie left of the diagonal's next column, or left of the diagonal.
            int64_t cut = std::clamp<int64_t>(i % rows + diagonal + (upper ? 0 : 1), 0, columns);
            size_t left = static_cast<size_t>(cut) * item;
            const char* f = from + static_cast<size_t>(i) * line;
            char* t = to + static_cast<size_t>(i) * line;
            if (upper) {
                std::memset(t, 0, left);
                std::memcpy(t + left, f + left, line - left);
            } else {
                std::memcpy(t, f, left);
                std::memset(t + left, 0, line - left);
            }
        }
    });
    return out;
}

}  // namespace

Tensor clone(const Tensor& self, const std::optional<std::string>& memory_format) {
    if (!memory_format || *memory_format == "preserve_format") return clone_dense(*self);
    Tensor out;
    if (*memory_format == "contiguous_format") {
        out = Tensor::empty_like(*self, self.dtype());
    } else if (*memory_format == "channels_last") {
        check(self.dim() == 4, ErrorKind::Runtime,
              "required rank 4 tensor to use channels_last format, but the tensor has ", self.dim(),
              " dimensions");
        out = empty_ordered(self.shape(), self.dtype(), {0, 2, 3, 1});
    } else if (*memory_format == "channels_last_3d") {
        check(self.dim() == 5, ErrorKind::Runtime,
              "required rank 5 tensor to use channels_last_3d format, but the tensor has ",
              self.dim(), " dimensions");
        out = empty_ordered(self.shape(), self.dtype(), {0, 2, 3, 4, 1});
    } else {
        fail(ErrorKind::Runtime, "clone: unknown memory format '", *memory_format, "'");
    }
    copy_elements(*out, *self);
    return out;
}

Tensor to_dtype(const Tensor& self, const std::optional<DType>& dtype) {
    DType wanted = dtype.value_or(self.dtype());
    std::optional<Dims> strides;
    if (!self.contiguous()) strides = dense_strides(*self);
    if (!strides || !is_enabled(wanted)) return convert(*self, wanted);
    Tensor out = Tensor::empty_like(*self, wanted);
    out->set_geometry(self.shape(), *strides);
    copy_elements(*out, *self);
    return out;
}

Tensor flip(const Tensor& self, const Dims& dims) {
    Dims which = wrap_dims(dims, self.dim());
    Tensor out = Tensor::empty(self.shape(), self.dtype());
    if (self.numel() == 0) return out;
    if (auto strides = dense_strides(*self)) out->set_geometry(self.shape(), *strides);
    Dims shape = self.shape();
    LoopOperand operands[2] = {{out->data, broadcast_strides(*out, shape)},
                               {self->data, broadcast_strides(*self, shape)}};
    for (int64_t given : which) {
        if (shape.empty()) break;
        auto d = static_cast<size_t>(given);
        operands[1].data += (shape[d] - 1) * operands[1].strides[d];
        operands[1].strides[d] = -operands[1].strides[d];
    }
    StridedLoop loop =
        dispatch(self.dtype(), [](auto zero) -> StridedLoop { return copy_loop<decltype(zero)>; });
    run_strided(shape, operands, 2, loop, nullptr);
    return out;
}

Tensor roll(const Tensor& self, const Dims& shifts, const Dims& dims) {
    check(!shifts.empty(), ErrorKind::Runtime, "`shifts` required");
    if (dims.empty() && shifts.size() == 1) {
        Tensor flat = make_contiguous(self);
        flat = shifted_view(*flat, {flat.numel()}, {1}, 0);
        Tensor out = rolled(flat, shifts[0], 0);
        out->set_geometry(self.shape(), contiguous_strides(self.shape()));
        return out;
    }
    check(shifts.size() == dims.size(), ErrorKind::Runtime,
          "shifts and dimensions must align. shifts: ", shifts.size(), ", dims:", dims.size());
    if (self.dim() == 0) {
        for (int64_t d : dims) wrap_dim(d, 0);
        return clone_dense(*self);
    }
    Tensor out = self;
    for (size_t i = 0; i < dims.size(); ++i) {
        out = rolled(out, shifts[i], static_cast<size_t>(wrap_dim(dims[i], self.dim())));
    }
    return out;
}

Tensor roll_back(const Tensor& self, const Dims& shifts, const Dims& dims) {
    Dims back = shifts;
    for (int64_t& s : back) s = s == INT64_MIN ? s : -s;
    return roll(self, back, dims);
}

Tensor triu(const Tensor& self, int64_t diagonal) { return triangle(self, diagonal, true); }
Tensor tril(const Tensor& self, int64_t diagonal) { return triangle(self, diagonal, false); }

Tensor repeat(const Tensor& self, const Dims& repeats) {
    check(repeats.size() >= self->ndim, ErrorKind::Runtime,
          "Number of dimensions of repeat dims can not be smaller than number of dimensions of "
          "tensor");
    size_t lead = repeats.size() - self->ndim;
    Dims shape, pairs, strides;
    for (size_t i = 0; i < repeats.size(); ++i) {
        int64_t own = i < lead ? 1 : self->sizes()[i - lead];
        int64_t size;
        check(!__builtin_mul_overflow(own, repeats[i], &size), ErrorKind::Runtime,
              "repeat: the size of dimension ", i, " overflows 64 bits");
        shape.push_back(size);
        pairs.push_back(repeats[i]);
        pairs.push_back(own);
        strides.push_back(0);
        strides.push_back(i < lead ? 0 : self->strides()[i - lead]);
    }
    Tensor out = Tensor::empty(shape, self.dtype());
    if (out.numel() == 0) return out;
    // Dimension i of the result is (copy, place in the tensor).
    LoopOperand operands[2];
    int64_t item = static_cast<int64_t>(item_size(self.dtype()));
    Dims to = contiguous_strides(pairs);
    for (size_t i = 0; i < pairs.size(); ++i) {
        to[i] *= item;
        strides[i] *= item;
    }
    operands[0] = {out->data, to};
    operands[1] = {self->data, strides};
    StridedLoop loop =
        dispatch(self.dtype(), [](auto zero) -> StridedLoop { return copy_loop<decltype(zero)>; });
    run_strided(pairs, operands, 2, loop, nullptr);
    return out;
}

}  // namespace chainrule::forward
