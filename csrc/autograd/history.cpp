#include "autograd/history.h"

#include <algorithm>

#include "autograd/accumulate_grad.h"
#include "autograd/engine.h"
#include "autograd/no_graph.h"
#include "autograd/origin.h"
#include "base/message.h"

namespace chainrule {

namespace {
Tensor shared(TensorImpl* impl) { return Tensor(Ref<TensorImpl>::share(impl)); }
}  // namespace

void replace_grad_fn(TensorImpl& t, Node* owned) {
    Node* old = t.grad_fn;
    t.grad_fn = owned;
    if (old) {
        // A retained gradient belongs to the tensor's newest value.
        if ((t.flags & kRetainGrad) && old->extra()) {
            std::erase_if(old->extra()->retained, [&](const auto& r) { return r.tensor == &t; });
            if (owned) owned->ensure_extra().retained.push_back({t.output_index, &t});
        }
        old->release();
    }
}

// Note [Views after in-place changes]: a view's grad_fn is that of the moment it was made. When the
// memory changed since (through the base or a sibling view), the view is read anew from its base.
bool refresh_view_history(TensorImpl& view) {
    uint32_t now = view.storage->version;
    if (view.view_version == now || !view.base) return view.flags & kRequiresGrad;
    view.view_version = now;
    if (!(view.base->flags & kRequiresGrad) || view.base->grad_fn == nullptr) {
        return view.flags & kRequiresGrad;
    }
    GradModeGuard recording(true);
    Tensor fresh = engine_ops::as_strided(shared(view.base), view);
    fresh->grad_fn->retain();
    forget_no_graph(view);
    view.output_index = fresh->output_index;
    replace_grad_fn(view, fresh->grad_fn);
    view.flags |= kRequiresGrad;
    return true;
}

Edge leaf_edge(TensorImpl& t) {
    forget_no_graph(t);
    if (t.accumulator) {
        t.accumulator->retain();
        return {t.accumulator, 0};
    }
    Ref<AccumulateGrad> node = Node::create<AccumulateGrad>(0, shared(&t));
    t.accumulator = node.get();
    return {node.leak(), 0};
}

Edge gradient_edge(TensorImpl& t) { return edge_of(t); }

void set_view(TensorImpl& view, const TensorImpl& of, ViewOrigin origin) {
    TensorImpl* base = of.base ? of.base : const_cast<TensorImpl*>(&of);
    base->retain();
    view.base = base;
    view.flags |= kView;
    view.view_version = view.storage->version;
    if (origin == ViewOrigin::Plain && !t_state.grad_enabled) origin = ViewOrigin::NoGrad;
    if (origin == ViewOrigin::Plain && of.origin != ViewOrigin::Plain) origin = of.origin;
    view.origin = origin;
}

void check_inplace(const TensorImpl& t, const char* operation) {
    check(
        !may_overlap(t), ErrorKind::Runtime,
        "unsupported operation: more than one element of the written-to tensor refers to a "
        "single memory location. Please clone() the tensor before performing the operation.",
        note(operation, " would write into a tensor of shape ", to_string(Dims(t.sizes(), t.ndim)),
             " and strides ", to_string(Dims(t.strides(), t.ndim)), ", as expand() makes them."));
    check(!(t.flags & kInference) || t_state.inference, ErrorKind::Runtime,
          "Inplace update to inference tensor outside InferenceMode is not allowed.",
          note(operation,
               " was called on a tensor made under torch.inference_mode(); make a "
               "normal one with clone(), or use torch.no_grad() in its place."));
    if (!t_state.grad_enabled) return;
    bool wants = requires_grad(t);
    if (wants && t.grad_fn == nullptr) {
        fail(ErrorKind::Runtime,
             "a leaf Variable that requires grad is being used in an in-place operation.",
             note(operation, " would overwrite the value, of shape ",
                  to_string(Dims(t.sizes(), t.ndim)), ", that its gradient is for."),
             note("Update parameters under torch.no_grad(), or by an optimizer; elsewhere use the "
                  "out-of-place form, x = x + 1."));
    }
    if (!(t.flags & kView)) return;
    bool base_is_leaf = (t.base->flags & kRequiresGrad) && t.base->grad_fn == nullptr;
    if (base_is_leaf && t.origin != ViewOrigin::NoGrad) {
        fail(ErrorKind::Runtime,
             "a view of a leaf Variable that requires grad is being used in an in-place "
             "operation.",
             note(operation, " would overwrite part of a leaf of shape ",
                  to_string(Dims(t.base->sizes(), t.base->ndim)), "."),
             note("Do it under torch.no_grad(), or change a clone() of it."));
    }
    if (t.origin == ViewOrigin::MultiOutput && wants) {
        fail(ErrorKind::Runtime, "Output ", t.output_index, " of ", operation_of(*t.grad_fn),
             " is a view and is being modified inplace. This view is the output of a function "
             "that returns multiple views. Such functions do not allow the output views to be "
             "modified inplace. You should replace the inplace operation by an out-of-place "
             "one.",
             note_at(t.grad_fn->where(), "The views were made at "),
             note("Write y = y + 1 instead of y += 1, or change a clone() of the view."));
    }
    if (t.origin == ViewOrigin::NoGrad && (t.base->flags & kRequiresGrad)) {
        fail(ErrorKind::Runtime,
             "A view was created in no_grad mode and is being modified inplace with grad mode "
             "enabled. Given that this use case is ambiguous and error-prone, it is forbidden. "
             "You can clarify your code by moving both the view and the inplace either both "
             "inside the no_grad block (if you don't want the inplace to be tracked) or both "
             "outside (if you want the inplace to be tracked).",
             no_graph_of(t) ? concat(note_at(t.no_graph->where, "The view was made at "),
                                     note_at(t.no_graph->mode, "Recording was switched off at "))
                            : "");
    }
}

void rebase_history(const Tensor& changed, Ref<Node> node) {
    TensorImpl& t = *changed;
    node->meta(0).set(t);
    if (!(t.flags & kView)) {
        t.output_index = 0;
        forget_no_graph(t);
        t.flags |= kRequiresGrad;
        replace_grad_fn(t, node.leak());
        return;
    }
    Tensor base = shared(t.base);
    Ref<Node> slices = engine_ops::copy_slices(base, t, std::move(node));
    slices->meta(0).set(*base);
    base->output_index = 0;
    forget_no_graph(*base);
    base->flags |= kRequiresGrad;
    replace_grad_fn(*base, slices.leak());
    t.view_version = t.storage->version - 1;  // stale on purpose: read anew from the base
    refresh_view_history(t);
}

void set_requires_grad(TensorImpl& t, bool value) {
    if (value) {
        check(is_differentiable(t.dtype), ErrorKind::Runtime,
              "only Tensors of floating point dtype can require gradients",
              note("This one is torch.", dtype_name(t.dtype),
                   ": convert it first, for example with .float()."));
        check(!(t.flags & kInference) || t_state.inference, ErrorKind::Runtime,
              "Setting requires_grad=True on inference tensor outside InferenceMode is not "
              "allowed.");
        forget_no_graph(t);
        t.flags |= kRequiresGrad;
        return;
    }
    if (requires_grad(t) && t.grad_fn) {
        fail(ErrorKind::Runtime,
             "you can only change requires_grad flags of leaf variables. If you want to use a "
             "computed variable in a subgraph that doesn't require differentiation use "
             "var_no_grad = var.detach().",
             note("The tensor is the result of ", t.grad_fn->described()));
    }
    if (!(t.flags & kRequiresGrad)) return;
    t.flags &= ~kRequiresGrad;
    note_no_graph(t, NoGraph::Why::Frozen, "requires_grad");
}

Tensor detach(const Tensor& t) {
    Tensor out = Tensor::alias(*t);
    requires_grad(*t);  // a view may have a newer history
    note_cut_off(*out, *t, "detach()");
    return out;
}

void detach_(const Tensor& t) {
    check(!(t->flags & kView), ErrorKind::Runtime,
          "Can't detach views in-place. Use detach() instead. If you are using "
          "DistributedDataParallel (DDP) for training, and gradient_as_bucket_view is set as True, "
          "gradients are views of DDP buckets, and hence detach_() cannot be called on these "
          "gradients.");
    bool had_history = t->grad_fn != nullptr;
    t->flags &= ~(kRequiresGrad | kRetainGrad);
    replace_grad_fn(*t, nullptr);
    t->output_index = 0;
    if (had_history) note_no_graph(*t, NoGraph::Why::Detached, "detach_()");
}

void retain_grad(TensorImpl& t) {
    check(requires_grad(t), ErrorKind::Runtime,
          "can't retain_grad on Tensor that has requires_grad=False", why_no_graph(t));
    if (!t.grad_fn || (t.flags & kRetainGrad)) return;
    t.flags |= kRetainGrad;
    t.grad_fn->ensure_extra().retained.push_back({t.output_index, &t});
}

}  // namespace chainrule
