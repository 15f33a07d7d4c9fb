#include "ops.h"

// Copies made of other operators.
namespace chainrule::composite {

Tensor contiguous(const Tensor& self, const std::optional<std::string>& memory_format) {
    if (memory_format && *memory_format != "contiguous_format") {
        check(*memory_format != "preserve_format", ErrorKind::Runtime,
              "preserve memory format is unsupported by the contiguous operator");
        return ops::clone(self, memory_format);
    }
    return self.contiguous() ? self : ops::clone(self, "contiguous_format");
}

Tensor to(const Tensor& self, const std::optional<DType>& dtype, bool copy,
          const std::optional<std::string>& memory_format) {
    bool formatted = memory_format && *memory_format != "preserve_format";
    if (dtype && *dtype != self.dtype()) {
        Tensor out = ops::_to_dtype(self, dtype);
        return formatted ? ops::contiguous(out, memory_format) : out;
    }
    if (formatted && (copy || *memory_format != "contiguous_format" || !self.contiguous())) {
        return ops::clone(self, memory_format);
    }
    return copy ? ops::clone(self) : self;
}

Tensor fliplr(const Tensor& self) {
    check(self.dim() >= 2, ErrorKind::Runtime, "Input must be >= 2-d.");
    return ops::flip(self, {1});
}

Tensor flipud(const Tensor& self) {
    check(self.dim() >= 1, ErrorKind::Runtime, "Input must be >= 1-d.");
    return ops::flip(self, {0});
}

Tensor roll_int(const Tensor& self, int64_t shifts, int64_t dims) {
    return ops::roll(self, {shifts}, {dims});
}

Tensor diag(const Tensor& self, int64_t diagonal) {
    check(self.dim() == 1 || self.dim() == 2, ErrorKind::Runtime,
          "diag(): Supports 1D or 2D tensors. Got ", self.dim(), "D");
    if (self.dim() == 1) return ops::diag_embed(self, diagonal);
    return ops::clone(ops::diagonal(self, diagonal), "contiguous_format");
}

Tensor repeat_adjoint(const Tensor& self, const Dims& shape, const Dims& repeats) {
    size_t lead = repeats.size() - shape.size();
    Dims pairs, copies;
    for (size_t i = 0; i < repeats.size(); ++i) {
        copies.push_back(static_cast<int64_t>(pairs.size()));
        pairs.push_back(repeats[i]);
        if (i >= lead) pairs.push_back(shape[i - lead]);
    }
    if (copies.empty()) return self;
    return ops::sum(ops::reshape(self, pairs), copies);
}

Tensor tile(const Tensor& self, const Dims& dims) {
    Dims repeats = dims;
    while (static_cast<int64_t>(repeats.size()) < self.dim()) repeats.insert(0, 1);
    return ops::repeat(self, repeats);
}

Tensor repeat_interleave(const Tensor& self, int64_t repeats, const std::optional<int64_t>& dim) {
    check(repeats >= 0, ErrorKind::Runtime, "Repeats must be non-negative");
    Tensor x = dim && self.dim() > 0 ? self : ops::flatten(self);
    int64_t d = wrap_dim(dim.value_or(0), x.dim());
    Tensor spread = ops::unsqueeze(x, d + 1);
    Dims shape = spread.shape();
    shape[static_cast<size_t>(d) + 1] = repeats;
    Tensor copies = ops::clone(ops::expand(spread, shape), "contiguous_format");
    return ops::flatten(copies, d, d + 1);
}

Tensor repeat_interleave_tensor(const Tensor& self, const Tensor& repeats,
                                const std::optional<int64_t>& dim) {
    check(repeats.dtype() == DType::Int64, ErrorKind::Runtime,
          "repeats has to be Long or Int tensor");
    check(repeats.dim() <= 1, ErrorKind::Runtime, "repeats must be 0-dim or 1-dim tensor");
    if (repeats.numel() == 1) return repeat_interleave(self, repeats.item().as_int(), dim);
    Tensor x = dim && self.dim() > 0 ? self : ops::flatten(self);
    int64_t d = wrap_dim(dim.value_or(0), x.dim());
    check(repeats.numel() == x.size(d), ErrorKind::Runtime,
          "repeats must have the same size as input along dim, but got repeats.size(0) = ",
          repeats.numel(), " and input.size(", d, ") = ", x.size(d));
    return ops::index_select(x, d, ops::_repeat_positions(repeats));
}

}  // namespace chainrule::composite
