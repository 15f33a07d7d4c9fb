#pragma once

#include <vector>

#include "autograd/node.h"

namespace chainrule {

struct BackwardOptions {
    bool retain_graph = false;
    bool create_graph = false;
    bool accumulate = true;     // into leaves (backward), or only return gradients (grad)
    bool allow_unused = false;  // for grad
};

// Runs backward from `roots` with `grads` arriving there. With `inputs` only the part of the graph
// that leads to them runs; for grad, one gradient per input comes back (null: unused).
std::vector<Tensor> run_backward(const std::vector<Edge>& roots, std::vector<Tensor> grads,
                                 const std::vector<Edge>& inputs, const BackwardOptions& options);

// The backward call that runs on this thread (-1: none), and whether it will reach a node: hooks
// on several tensors ask.
int64_t current_backward_id();
bool will_execute_in_current_backward(Node& node);
// Notes on a gradient without graph that it came from the backward call that runs.
void note_gradient(TensorImpl& grad);

// Differentiable arithmetic the engine needs; implemented over the operators in rules/.
namespace engine_ops {
Tensor add(const Tensor& a, const Tensor& b);
void add_in_place(TensorImpl& into, const Tensor& b);  // not recorded
Tensor sum_to_shape(const Tensor& t, const Dims& shape);
Tensor cast(const Tensor& t, DType dtype);
Tensor clone_dense(const Tensor& t, const TensorImpl& like);        // like's strides if dense
Tensor as_strided(const Tensor& base, const TensorImpl& geometry);  // recorded
// The node that stands for an in-place change of a view: `fn` made the new value of the view.
Ref<Node> copy_slices(const Tensor& base, const TensorImpl& view, Ref<Node> fn);
}  // namespace engine_ops

}  // namespace chainrule
