#include "base/dtype.h"

#include <algorithm>

#include "base/error.h"

namespace chainrule {

namespace {
DType g_default_dtype = DType::Float32;
}

const char* dtype_name(DType dtype) {
    static const char* const names[kNumDTypes] = {"bool",    "uint8",   "int8",      "int16",
                                                  "int32",   "int64",   "float16",   "bfloat16",
                                                  "float32", "float64", "complex64", "complex128"};
    return names[static_cast<int>(dtype)];
}

const char* legacy_type_name(DType dtype) {
    static const char* const names[kNumDTypes] = {
        "torch.BoolTensor",   "torch.ByteTensor",         "torch.CharTensor",
        "torch.ShortTensor",  "torch.IntTensor",          "torch.LongTensor",
        "torch.HalfTensor",   "torch.BFloat16Tensor",     "torch.FloatTensor",
        "torch.DoubleTensor", "torch.ComplexFloatTensor", "torch.ComplexDoubleTensor"};
    return names[static_cast<int>(dtype)];
}

DType promote(DType a, DType b) {
    if (a == b) return a;
    DType low = std::min(a, b), high = std::max(a, b);
    // uint8 with a signed type of the same width needs the next wider signed type.
    if (low == DType::UInt8 && high == DType::Int8) return DType::Int16;
    if (low == DType::Float16 && high == DType::BFloat16) return DType::Float32;
    if (low == DType::Float64 && high == DType::Complex64) return DType::Complex128;
    return high;
}

DType default_dtype() noexcept { return g_default_dtype; }

void set_default_dtype(DType dtype) {
    check(is_floating(dtype), ErrorKind::Type,
          "only floating-point types are supported as the default type");
    check(is_enabled(dtype), ErrorKind::Type, "Chainrule has no kernels for ", dtype_name(dtype),
          " yet; the default type can be float32 or float64");
    g_default_dtype = dtype;
}

}  // namespace chainrule
