#pragma once

#include "rules/pointwise.h"
#include "tensor/pointwise_loop.h"

namespace chainrule {

// True if recording op (as its inputs require gradients) keeps operand i.
bool saves_operand(const PointwiseOp& op, const Operand* operands, const Scalar* params, int i);

// Makes the graph node: edges from `operands`, kept values from `saved` (they differ for in-place
// operations, which keep a copy of the old value).
Ref<Node> make_pointwise_node(const PointwiseOp& op, const Operand* operands, const Operand* saved,
                              const Scalar* params);
void save_pointwise_output(Node& node, const Tensor& out);
void record_pointwise(const PointwiseOp& op, const Operand* operands, const Scalar* params,
                      const Tensor& out);

// Runs a derivative kernel, or any kernel over same-dtype operands, into `out`.
void run_kernel(const Kernel& kernel, DType dtype, TensorImpl& out, const Operand* inputs,
                int count, const KernelParam* params);

Tensor engine_add(const Tensor& a, const Tensor& b);    // recorded addition
Tensor expand_to(const Tensor& t, const Tensor& like);  // recorded expand
void replace_tangent(const Tensor& t, int64_t level, const Tensor& tangent);

}  // namespace chainrule
