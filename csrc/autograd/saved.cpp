#include "autograd/saved.h"

#include "autograd/origin.h"
#include "autograd/tangent.h"
#include "base/message.h"

namespace chainrule {

namespace {
struct TangentGiver final : SavedVisitor {
    TangentGiver(uint32_t i, int64_t l, const Tensor& t) : index(i), level(l), tangent(t) {}
    uint32_t index;
    int64_t level;
    const Tensor& tangent;

    void tensor(const char*, Saved& value) override {
        if (!value.defined() || !value.is_output(index)) return;
        set_tangent(*value.raw(), level, tangent);
        // What made the tangent may use this node: a cycle, which ends with the level.
        if (tangent->flags & (kRequiresGrad | kDual)) clear_at_exit(level, *value.raw());
    }
    void scalar(const char*, const Scalar&) override {}
    void dims(const char*, const Dims&) override {}
    void flag(const char*, bool) override {}
    void tensor_list(const char*, std::vector<Saved>&) override {}
};
}  // namespace

void give_tangent_to_saved(const TensorImpl& result, int64_t level, const Tensor& tangent) {
    if (!tangent || !result.grad_fn) return;
    TangentGiver giver(result.output_index, level, tangent);
    result.grad_fn->visit_saved(giver);
}

Tensor Saved::with_history(Node& owner) const {
    Tensor t = Tensor::alias(*impl_);
    owner.retain();
    t->grad_fn = &owner;
    t->output_index = static_cast<uint16_t>(output_);
    t->flags |= kRequiresGrad;
    if (impl_->flags & kDual) {
        for (const Tangent& tangent : impl_->extra->tangents) {
            set_tangent(*t, tangent.level, tangent.value);
        }
    }
    return t;
}

void Saved::fail_released(Node& owner) {
    SourceLocation unknown;
    const SourceLocation& freed = owner.released_by() ? owner.released_by()->where : unknown;
    fail(ErrorKind::Runtime,
         "Trying to backward through the graph a second time (or directly access saved tensors "
         "after they have already been freed). Saved intermediate values of the graph are freed "
         "when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to "
         "backward through the graph a second time or if you need to access saved tensors after "
         "calling backward.",
         note("The value was saved by ", owner.described()),
         note_at(freed, "and freed by the backward at "),
         is_here(freed) ? note("Both are this line: in a loop, a value of an earlier step is used "
                               "again. Cut off what is carried from step to step: state = "
                               "state.detach(); or compute it anew in every step.")
                        : note("Pass retain_graph=True to that first backward, or compute the "
                               "value anew before each backward."));
}

namespace {
// The leaf that a saved value is or looks into; null if there is none.
const TensorImpl* leaf_of(const TensorImpl& t) {
    const TensorImpl& base = t.base ? *t.base : t;
    return (base.flags & kRequiresGrad) && !base.grad_fn ? &base : nullptr;
}

// "The value", or 'The value, parameter "0.weight",' where a module knows it.
std::string value_title(const Node& owner, const TensorImpl* leaf) {
    if (!leaf || !owner.scope() || !g_describe_parameter) return "The value";
    std::string name = g_describe_parameter(*owner.scope(), *leaf);
    return name.empty() ? "The value" : concat("The value, ", name, ",");
}
}  // namespace

void Saved::fail_changed(Node& owner) const {
    std::string producer;
    if (output_ >= 0) {
        producer = concat(", which is output ", output_, " of ", operation_of(owner), ",");
    } else if (impl_->grad_fn) {
        producer = concat(", which is output ", impl_->output_index, " of ",
                          operation_of(*impl_->grad_fn), ",");
    }
    const TensorImpl* leaf = output_ < 0 ? leaf_of(*impl_) : nullptr;
    fail(ErrorKind::Runtime,
         "one of the variables needed for gradient computation has been modified by an inplace "
         "operation: [",
         legacy_type_name(impl_->dtype), " ", to_string(Dims(impl_->sizes(), impl_->ndim)), "]",
         producer, " is at version ", impl_->storage->version, "; expected version ", version_,
         " instead.", note(value_title(owner, leaf), " was saved by ", owner.described()),
         note_at(impl_->storage->changed, "and changed at "),
         !leaf && same_place(impl_->storage->changed, owner.where())
             ? note("Both happen in that line: look for inplace=True in the modules that it calls.")
         : leaf ? note("A parameter changed between forward and backward: call backward() before "
                       "that change, or compute the loss anew after it.")
                : note("Use the out-of-place form there (x = x + 1 instead of x += 1), or change a "
                       "clone()."));
}

void Saved::refuse_inference() {
    fail(
        ErrorKind::Runtime,
        "Inference tensors cannot be saved for backward. Please do not use Tensors created in "
        "inference mode in computation tracked by autograd. To work around this, you can make a "
        "clone to get a normal tensor and use it in autograd, or use `torch.no_grad()` instead "
        "of `torch.inference_mode()`.",
        note(
            "A tensor made under torch.inference_mode() is an operand here: use a clone() of it."));
}

}  // namespace chainrule
