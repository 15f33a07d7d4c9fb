#pragma once

#include <cstddef>
#include <cstdint>

namespace chainrule {

// The order is final (it is stored in files and indexes kernel tables); a dtype without kernels
// is known by name and refused with an error until its kernels exist.
enum class DType : uint8_t {
    Bool,
    UInt8,
    Int8,
    Int16,
    Int32,
    Int64,
    Float16,
    BFloat16,
    Float32,
    Float64,
    Complex64,
    Complex128,
};
inline constexpr int kNumDTypes = 12;

inline constexpr uint8_t kItemSizes[kNumDTypes] = {1, 1, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16};

constexpr size_t item_size(DType dtype) { return kItemSizes[static_cast<int>(dtype)]; }
constexpr bool is_floating(DType dtype) {
    return dtype >= DType::Float16 && dtype <= DType::Float64;
}
constexpr bool is_complex(DType dtype) { return dtype >= DType::Complex64; }
constexpr bool is_differentiable(DType dtype) { return dtype >= DType::Float16; }
constexpr bool is_integral(DType dtype) { return dtype <= DType::Int64; }  // bool included
constexpr bool is_enabled(DType dtype) {
    return dtype == DType::Bool || dtype == DType::Int64 || dtype == DType::Float32 ||
           dtype == DType::Float64;
}

const char* dtype_name(DType dtype);        // "float32"
const char* legacy_type_name(DType dtype);  // "torch.FloatTensor", as error messages say it
DType promote(DType a, DType b);            // both from tensors with dimensions
DType default_dtype() noexcept;
void set_default_dtype(DType dtype);

// Calls f with a value of the C++ type that stands for dtype.
template <class F>
decltype(auto) dispatch(DType dtype, F&& f) {
    switch (dtype) {
        case DType::Bool:
            return f(bool{});
        case DType::Int64:
            return f(int64_t{});
        case DType::Float64:
            return f(double{});
        default:
            return f(float{});
    }
}

template <class T>
inline constexpr DType dtype_of = DType::Float32;
template <>
inline constexpr DType dtype_of<bool> = DType::Bool;
template <>
inline constexpr DType dtype_of<int64_t> = DType::Int64;
template <>
inline constexpr DType dtype_of<double> = DType::Float64;

}  // namespace chainrule
