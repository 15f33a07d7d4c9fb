#include "autograd/saved.h"

namespace chainrule {

Tensor Saved::with_history(Node& owner) const {
    Tensor t = Tensor::alias(*impl_);
    owner.retain();
    t->grad_fn = &owner;
    t->output_index = static_cast<uint16_t>(output_);
    t->flags |= kRequiresGrad;
    return t;
}

void Saved::fail_released(Node& owner) {
    std::string freed =
        owner.released_by() ? describe_location(owner.released_by()->where) : std::string();
    fail(ErrorKind::Runtime,
         "Trying to backward through the graph a second time (or directly access saved tensors "
         "after they have already been freed). Saved intermediate values of the graph are freed "
         "when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to "
         "backward through the graph a second time or if you need to access saved tensors after "
         "calling backward.\n  The value was saved by ",
         owner.described(), freed.empty() ? "" : "\n  and freed by the backward at ", freed,
         "\n  Pass retain_graph=True to that first backward, or compute the value anew before "
         "each backward.");
}

void Saved::fail_changed(Node& owner) const {
    std::string changed = describe_location(impl_->storage->changed);
    std::string producer;
    if (output_ >= 0) {
        producer = concat(", which is output ", output_, " of ", owner.name(), ",");
    } else if (impl_->grad_fn) {
        producer =
            concat(", which is output ", impl_->output_index, " of ", impl_->grad_fn->name(), ",");
    }
    fail(ErrorKind::Runtime,
         "one of the variables needed for gradient computation has been modified by an inplace "
         "operation: [",
         legacy_type_name(impl_->dtype), " ", to_string(Dims(impl_->sizes(), impl_->ndim)), "]",
         producer, " is at version ", impl_->storage->version, "; expected version ", version_,
         " instead.\n  The value was saved by ", owner.described(),
         changed.empty() ? "" : "\n  and changed at ", changed,
         "\n  Use the out-of-place form there (x = x + 1 instead of x += 1), or change a clone().");
}

void Saved::refuse_inference() {
    fail(ErrorKind::Runtime,
         "Inference tensors cannot be saved for backward. Please do not use Tensors created in "
         "inference mode in computation tracked by autograd. To work around this, you can make a "
         "clone to get a normal tensor and use it in autograd, or use `torch.no_grad()` instead "
         "of `torch.inference_mode()`.");
}

}  // namespace chainrule
