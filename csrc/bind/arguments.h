#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "base/dims.h"
#include "base/dtype.h"
#include "base/scalar.h"
#include "bind/python.h"
#include "rules/pointwise.h"

namespace chainrule::bind {

enum class ParamType : uint8_t {
    Tensor,
    TensorOrNumber,
    OptionalTensor,
    TensorList,
    Number,
    OptionalNumber,
    Int,
    OptionalInt,
    Float,
    OptionalFloat,
    Bool,
    IntList,
    OptionalIntList,
    OptionalDType,
    Str,
    OptionalStr,
};

struct ParamSpec {
    const char* name;
    ParamType type;
    bool has_default;
    bool keyword_only;
};

struct Signature {
    const char* name;
    const ParamSpec* params;
    int count;
    const char* text;
};

inline constexpr int kMaxParams = 16;

// The arguments of one call, matched to a signature.
class Arguments {
public:
    // True if the call fits; otherwise nothing is raised. `self` is null for plain functions.
    bool bind(const Signature& signature, PyObject* self, PyObject* const* args, Py_ssize_t nargs,
              PyObject* kwnames);

    Tensor tensor(int i) const;
    Tensor optional_tensor(int i) const;
    std::vector<Tensor> tensors(int i) const;
    Operand operand(int i);
    Scalar scalar(int i, const Scalar& otherwise) const;
    std::optional<Scalar> optional_scalar(int i) const;
    int64_t integer(int i, int64_t otherwise) const;
    std::optional<int64_t> optional_integer(int i) const;
    double number(int i, double otherwise) const;
    std::optional<double> optional_number(int i) const;
    bool flag(int i, bool otherwise) const;
    Dims dims(int i, const Dims& otherwise) const;
    std::optional<Dims> optional_dims(int i) const;
    std::optional<DType> optional_dtype(int i) const;
    std::string text(int i, const char* otherwise) const;
    std::optional<std::string> optional_text(int i) const;

    PyObject* out() const { return out_; }
    PyObject* value(int i) const { return values_[i]; }

private:
    bool fits() const;

    PyObject* values_[kMaxParams];  // borrowed; null: the default
    const Signature* signature_ = nullptr;
    PyObject* const* rest_ = nullptr;  // positional integers that make up an int[]
    Py_ssize_t num_rest_ = 0;
    PyObject* out_ = nullptr;
};

// Raises the TypeError of a call that fits none of the signatures.
PyObject* no_match(std::initializer_list<const Signature*> signatures, PyObject* self,
                   PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames);

// Conversions from Python, shared with hand-written bindings. They raise TypeError with `what` in
// it.
bool is_number(PyObject* object);   // bool, int, float, NumPy scalars; not tensors
bool is_integer(PyObject* object);  // int, NumPy integers, 0-d integer tensors; not bool
Scalar scalar_from(PyObject* object);
int64_t integer_from(PyObject* object, const char* what);
double number_from(PyObject* object, const char* what);
Dims dims_from(PyObject* object, const char* what);
bool is_int_sequence(PyObject* object);

}  // namespace chainrule::bind
