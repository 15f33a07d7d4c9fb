#include "ops.h"

// Operators of other pointwise operators.
namespace chainrule::composite {

namespace {
Tensor div_mode_of(const Operand& self, const Operand& other,
                   const std::optional<std::string>& rounding_mode) {
    if (!rounding_mode) return ops::div(self, other);
    if (*rounding_mode == "floor") return ops::floor_divide(self, other);
    check(*rounding_mode == "trunc", ErrorKind::Runtime,
          "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '",
          *rounding_mode, "'");
    return ops::_div_trunc(self, other);
}
}  // namespace

Tensor div_mode(const Tensor& self, const Tensor& other,
                const std::optional<std::string>& rounding_mode) {
    return div_mode_of(self, other, rounding_mode);
}

Tensor div_mode_number(const Tensor& self, const Scalar& other,
                       const std::optional<std::string>& rounding_mode) {
    return div_mode_of(self, other, rounding_mode);
}

Tensor pow_scalar(const Tensor& self, const Scalar& exponent) {
    if (exponent.equals(2) && (!exponent.is_float() || is_floating(self.dtype())) &&
        self.dtype() != DType::Bool) {
        return ops::_pow2(self);
    }
    if (self.dtype() == DType::Bool && exponent.dtype() == DType::Bool) {
        return exponent.as_bool() ? ops::clone(self, std::nullopt)
                                  : Tensor::full(self.shape(), DType::Bool, Scalar::boolean(true));
    }
    check(!(is_integral(self.dtype()) && !exponent.is_float() && exponent.as_int() < 0),
          ErrorKind::Runtime, "Integers to negative integer powers are not allowed.");
    return ops::_pow(self, exponent);
}

Tensor pow_base(const Scalar& self, const Tensor& exponent) { return ops::_pow(self, exponent); }

Tensor pow_tensor(const Tensor& self, const Tensor& exponent) { return ops::_pow(self, exponent); }

Tensor gelu(const Tensor& self, const std::string& approximate) {
    if (approximate == "none") return ops::_gelu_erf(self);
    check(approximate == "tanh", ErrorKind::Runtime,
          "approximate argument must be either none or tanh, not '", approximate, "'");
    return ops::_gelu_tanh(self);
}

namespace {
constexpr const char* kNoBound = "torch.clamp: At least one of 'min' or 'max' must not be None";
}

Tensor clamp_tensor(const Tensor& self, const Tensor& min, const Tensor& max) {
    check(min || max, ErrorKind::Runtime, kNoBound);
    if (min && max) return ops::_clamp(self, min, max);
    return min ? ops::_clamp_min(self, min) : ops::_clamp_max(self, max);
}

Tensor clamp_scalar(const Tensor& self, const std::optional<Scalar>& min,
                    const std::optional<Scalar>& max) {
    check(min || max, ErrorKind::Runtime, kNoBound);
    if (min && max) return ops::_clamp(self, *min, *max);
    return min ? ops::_clamp_min(self, *min) : ops::_clamp_max(self, *max);
}

Tensor clamp_min(const Tensor& self, const Scalar& min) { return ops::_clamp_min(self, min); }
Tensor clamp_max(const Tensor& self, const Scalar& max) { return ops::_clamp_max(self, max); }

}  // namespace chainrule::composite
