#include "autograd/accumulate_grad.h"

#include "autograd/engine.h"

namespace chainrule {

// The highest sequence number: a leaf's gradient is stored as soon as it is complete.
AccumulateGrad::AccumulateGrad(const Tensor& variable) : Node(UINT64_MAX), variable_(variable) {
    meta(0).set(*variable);
}

AccumulateGrad::~AccumulateGrad() {
    if (variable_ && variable_->accumulator == this) variable_->accumulator = nullptr;
}

void AccumulateGrad::backward(GradIO& io) {
    if (!io.in[0]) return;
    TensorImpl& leaf = *variable_;
    accumulate_grad(leaf, std::move(io.in[0]));
    if (leaf.extra) {
        for_each_hook(leaf.extra->post_accumulate_hooks,
                      [&](PostAccumulateHook& hook) { hook.call(variable_); });
    }
}

void accumulate_grad(TensorImpl& variable, Tensor grad) {
    if (!t_state.grad_enabled) {
        if (variable.grad) {
            if (!((variable.grad->flags | grad->flags) & kColdFlags)) {
                engine_ops::add_in_place(*variable.grad, grad);
                return;
            }
            grad = engine_ops::add(Tensor(Ref<TensorImpl>::share(variable.grad)), grad);
        } else {
            bool unshared = grad->refcount == 1 && grad->storage->refcount == 1 &&
                            !(grad->flags & kRequiresGrad) && grad->base == nullptr;
            bool like_variable =
                grad->same_shape(variable) &&
                std::memcmp(grad->strides(), variable.strides(), 8u * variable.ndim) == 0;
            if (!unshared || !(like_variable || ((grad->flags & variable.flags) & kContiguous))) {
                grad = engine_ops::clone_dense(grad, variable);
            }
            note_gradient(*grad);
        }
    } else {
        if (variable.grad) {
            grad = engine_ops::add(Tensor(Ref<TensorImpl>::share(variable.grad)), grad);
        }
        // Note [Gradients that carry a graph]: the graph of the gradient holds the leaf. While the
        // leaf is in the user's hands that is no cycle of ours: the Python object drops such a
        // .grad when it dies (bind/). A leaf nobody holds gets the value without its graph.
        if (!variable.python_object || variable.owns_python) {
            Tensor value = Tensor::alias(*grad);
            grad = value;
        }
    }
    TensorImpl* old = variable.grad;
    variable.grad = grad.leak();
    if (old) old->release();
}

}  // namespace chainrule
