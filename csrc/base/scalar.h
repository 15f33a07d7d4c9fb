#pragma once

#include <cmath>
#include <cstdint>

#include "base/dtype.h"

namespace chainrule {

// A Python number on its way into an operator: it never becomes a tensor on the hot path.
class Scalar {
public:
    enum class Kind : uint8_t { Bool, Int, Float };

    constexpr Scalar() : kind_(Kind::Int), int_(0) {}
    constexpr Scalar(double value) : kind_(Kind::Float), float_(value) {}
    constexpr Scalar(int64_t value) : kind_(Kind::Int), int_(value) {}
    constexpr Scalar(int value) : kind_(Kind::Int), int_(value) {}
    static constexpr Scalar boolean(bool value) {
        Scalar s(static_cast<int64_t>(value));
        s.kind_ = Kind::Bool;
        return s;
    }

    constexpr Kind kind() const { return kind_; }
    constexpr bool is_float() const { return kind_ == Kind::Float; }
    constexpr double as_double() const {
        return kind_ == Kind::Float ? float_ : static_cast<double>(int_);
    }
    int64_t as_int() const {
        if (kind_ != Kind::Float) return int_;
        // A float outside the range is undefined behaviour to convert: saturate instead.
        if (!(float_ > -9.2e18)) return INT64_MIN;
        if (!(float_ < 9.2e18)) return INT64_MAX;
        return static_cast<int64_t>(float_);
    }
    constexpr bool as_bool() const { return kind_ == Kind::Float ? float_ != 0 : int_ != 0; }

    template <class T>
    T as() const {
        if constexpr (std::is_same_v<T, bool>) return as_bool();
        else if constexpr (std::is_integral_v<T>) return static_cast<T>(as_int());
        else return static_cast<T>(as_double());
    }

    // The dtype that a bare number of this kind has.
    DType dtype() const {
        return kind_ == Kind::Bool  ? DType::Bool
               : kind_ == Kind::Int ? DType::Int64
                                    : default_dtype();
    }
    bool equals(double value) const { return as_double() == value; }

private:
    Kind kind_;
    union {
        double float_;
        int64_t int_;
    };
};

}  // namespace chainrule
