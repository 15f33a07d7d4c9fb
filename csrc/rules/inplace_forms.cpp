#include "rules/inplace_forms.h"

#include "autograd/history.h"
#include "autograd/tangent.h"
#include "ops.h"
#include "tensor/convert.h"

namespace chainrule {

Tensor value_before(const Tensor& self, const char* operation) {
    check_inplace(*self, operation);
    if ((self->flags | t_state.flags) & kColdFlags) return ops::clone(self, std::nullopt);
    if (!t_state.grad_enabled) return self;
    // A plain copy in self's place in the graph: its node can become self's new history as it is.
    Tensor copy = clone_dense(*self);
    if (requires_grad(*self)) {
        copy->grad_fn = self->grad_fn;
        copy->grad_fn->retain();
        copy->output_index = self->output_index;
        copy->flags |= kRequiresGrad;
    }
    return copy;
}

void take_geometry(const Tensor& self, const Tensor& view) {
    int64_t level = highest_level({self.get()});
    Tensor tangent = level ? tangent_of(*view, level) : Tensor();
    // Held from here on: the bump below makes the view read its history anew.
    Ref<Node> node = Ref<Node>::share(requires_grad(*view) ? view->grad_fn : nullptr);
    uint16_t output = view->output_index;
    self->set_geometry(view.shape(), view.strides());
    self->storage->bump_version();
    if (tangent) set_tangent(*self, level, tangent);
    if (requires_grad(*self) && self->accumulator) self->accumulator->meta(0).set(*self);
    if (!node) return;
    if (!(self->flags & kView)) {
        rebase_history(self, std::move(node));
        return;
    }
    // Its base keeps its elements, so only the way from there to this view changes.
    Node* old = self->grad_fn;
    self->grad_fn = node.leak();
    self->output_index = output;
    forget_no_graph(*self);
    self->flags |= kRequiresGrad;
    self->view_version = self->storage->version;
    if (old) old->release();
}

}  // namespace chainrule
