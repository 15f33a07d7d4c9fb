#pragma once

#include "tensor/tensor.h"

namespace chainrule {

// A tensor or a number: what derivative formulas compute with, so that a constant in a formula
// never becomes a tensor by itself.
class Value {
public:
    Value() = default;
    Value(const Tensor& t) : tensor_(t) {}
    Value(Tensor&& t) : tensor_(std::move(t)) {}
    Value(const Scalar& s) : scalar_(s) {}
    Value(double d) : scalar_(d) {}
    Value(int i) : scalar_(static_cast<int64_t>(i)) {}
    Value(int64_t i) : scalar_(i) {}

    bool is_tensor() const { return static_cast<bool>(tensor_); }
    const Tensor& tensor() const { return tensor_; }
    const Scalar& scalar() const { return scalar_; }
    operator const Tensor&() const { return tensor_; }

private:
    Tensor tensor_;
    Scalar scalar_;
};

Value operator+(const Value& a, const Value& b);
Value operator-(const Value& a, const Value& b);
Value operator*(const Value& a, const Value& b);
Value operator/(const Value& a, const Value& b);
Value operator-(const Value& a);

}  // namespace chainrule
