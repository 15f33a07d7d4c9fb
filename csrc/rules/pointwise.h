#pragma once

#include "autograd/node.h"
#include "kernels/kernel.h"
#include "rules/value.h"

namespace chainrule {

inline constexpr int kMaxPointwiseInputs = 3;
inline constexpr int kMaxPointwiseParams = 4;
inline constexpr uint8_t kUsesOut = 1 << 7;

enum class ResultKind : uint8_t {
    Same,   // the promoted dtype of the operands
    Float,  // integers become the default floating dtype
    Bool,   // predicates
};

// What a differentiable derivative formula may name.
struct FormulaArgs {
    Value grad;
    Value operands[kMaxPointwiseInputs];
    Value out;
    Scalar params[kMaxPointwiseParams];
};

// The gradient to one operand of a pointwise operator.
struct PointwiseVjp {
    enum class Kind : uint8_t { None, Identity, Formula, Zero };
    Kind kind = Kind::None;
    uint8_t uses = 0;  // bit i: operand i, kUsesOut: the result
    bool uses_params = false;
    int8_t identity_param = -1;  // while this parameter is 1 the gradient passes unchanged
    Kernel kernel{};             // reads grad, then what `uses` names, in order
    Value (*differentiable)(const FormulaArgs&) = nullptr;
    const char* formula = nullptr;
};

// A pointwise operator: all that its row of the table says, derived by opgen.
struct PointwiseOp {
    const char* name;
    const char* inplace_name;  // "add_"
    const char* node_name;
    const char* row;  // "ops/unary.py:12"
    uint8_t num_operands;
    uint8_t num_params;
    ResultKind result;
    bool differentiable;
    const char* operand_names[kMaxPointwiseInputs];
    const char* param_names[kMaxPointwiseParams];
    Kernel forward;
    PointwiseVjp vjp[kMaxPointwiseInputs];
};

// An operand: a tensor, or a number that stays a number.
struct Operand {
    TensorImpl* tensor = nullptr;  // borrowed
    Scalar scalar;
    Operand() = default;
    Operand(const Tensor& t) : tensor(t.get()) {}
    Operand(TensorImpl* t) : tensor(t) {}
    Operand(const Scalar& s) : scalar(s) {}
    Operand(const Value& v) {
        if (v.is_tensor()) tensor = v.tensor().get();
        else scalar = v.scalar();
    }
};

// `reuse` is the index of an operand that the caller holds as the only one and will drop: its
// memory may become the result's. -1: none.
Tensor pointwise(const PointwiseOp& op, const Operand* operands, const Scalar* params,
                 int reuse = -1);
// The in-place form: operand 0 receives the result.
void pointwise_inplace(const PointwiseOp& op, const Operand* operands, const Scalar* params);
// The common case of it, without the version: equal floating dtypes and shapes, dense memory,
// nothing recorded. False, with nothing done, in any other case.
bool plain_inplace(const PointwiseOp& op, const Operand* operands, const Scalar* params);

// dtype of the result of mixing operands: tensors with dimensions decide, then 0-d tensors, then
// numbers (torch's type promotion).
DType result_type(const Operand* operands, int count);

// The operator inside a derivative formula, where numbers meet numbers too.
Value apply_to_values(const PointwiseOp& op, const Value* const* operands, const Scalar* params);

}  // namespace chainrule
