#pragma once

#include <initializer_list>
#include <optional>

#include "base/dims.h"
#include "base/dtype.h"
#include "bind/python.h"
#include "kernels/cpu/random.h"
#include "tensor/tensor.h"

// The arguments of hand-written functions.
namespace chainrule::bind {

// Keywords that functions making tensors share, besides the parameters of their own.
enum SharedKeyword : unsigned {
    kNoKeywords = 0,
    kTensorKeywords = 1,  // dtype, device, requires_grad, layout, pin_memory
    kGeneratorKeyword = 2,
    kFormatKeyword = 4,  // memory_format
    kOutKeyword = 8,     // known, refused
};

struct TensorOptions {
    std::optional<DType> dtype;
    bool requires_grad = false;
    bool row_major = false;  // memory_format=contiguous_format
    PyObject* generator = nullptr;

    cpu::Generator& random() const;  // of the keyword, else the default one
};

// One call, matched to parameter names. Raises TypeError in torch's words for what does not fit.
class Call {
public:
    static constexpr int kMaxParams = 8;

    // `positional`: how many of the params may come without their name; all if negative.
    Call(const char* function, std::initializer_list<const char*> params, unsigned shared,
         PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames, int positional = -1);

    PyObject* operator[](int i) const { return values_[i]; }  // null: not given
    bool given(int i) const { return values_[i] && values_[i] != Py_None; }
    PyObject* required(int i) const;
    Tensor tensor(int i) const;
    Scalar number(int i) const;  // required
    double real(int i, double otherwise) const;
    int64_t integer(int i) const;  // required
    int64_t integer(int i, int64_t otherwise) const;
    bool flag(int i, bool otherwise) const;
    Dims size(int i) const;  // required: a sequence of ints
    [[noreturn]] void wrong_type(int i, const char* expected) const;

    const TensorOptions& options() const { return options_; }
    const char* function() const { return function_; }

private:
    bool take_shared(PyObject* keyword, PyObject* value, unsigned shared);

    const char* function_;
    const char* names_[kMaxParams];
    PyObject* values_[kMaxParams] = {};  // borrowed
    int count_ = 0;
    TensorOptions options_;
};

// The size of zeros(2, 3), zeros((2, 3)) and zeros(size=(2, 3)), with the keywords of `shared`.
struct SizedCall {
    Dims size;
    TensorOptions options;
    SizedCall(const char* function, unsigned shared, PyObject* const* args, Py_ssize_t nargs,
              PyObject* kwnames);
};

// A sequence of ints, with torch's error for anything else.
Dims size_from(const char* function, int position, PyObject* object);
DType dtype_option(const char* function, PyObject* object);

}  // namespace chainrule::bind
