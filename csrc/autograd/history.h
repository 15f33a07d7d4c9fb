#pragma once

#include "autograd/no_graph.h"
#include "autograd/node.h"

namespace chainrule {

// True if operations on t are to be recorded (when grad mode is on). A view whose base was changed
// in place may have become part of a graph since it was made.
bool refresh_view_history(TensorImpl& view);
inline bool requires_grad(const TensorImpl& t) {
    if (__builtin_expect((t.flags & kView) && t.view_version != t.storage->version, 0)) {
        return refresh_view_history(const_cast<TensorImpl&>(t));
    }
    return t.flags & kRequiresGrad;
}

// Where a gradient of t goes: its grad_fn, or the node that accumulates into a leaf's .grad. The
// returned reference is owned; null if t requires no gradient.
Edge gradient_edge(TensorImpl& t);
Edge leaf_edge(TensorImpl& t);
inline Edge edge_of(TensorImpl& t) {
    if (!requires_grad(t)) return {};
    if (t.grad_fn) {
        t.grad_fn->retain();
        return {t.grad_fn, t.output_index};
    }
    return leaf_edge(t);
}

// Makes `out` (fresh, without history) output `index` of `node`; takes a reference to the node.
inline void set_history(TensorImpl& out, Node& node, uint32_t index = 0) {
    if (__builtin_expect(out.flags & kNoGraph, 0)) forget_no_graph(out);
    node.retain();
    out.grad_fn = &node;
    out.output_index = static_cast<uint16_t>(index);
    out.flags |= kRequiresGrad;
    node.meta(index).set(out);
}

// Makes `view` (fresh) a differentiable view of `of`; call after set_history.
void set_view(TensorImpl& view, const TensorImpl& of, ViewOrigin origin = ViewOrigin::Plain);

// In-place changes. `check_inplace` refuses what torch refuses, before memory is touched;
// `rebase_history` makes a changed tensor the output of `node` (and of a view, its base too).
void check_inplace(const TensorImpl& t, const char* operation);
void rebase_history(const Tensor& changed, Ref<Node> node);
// Exchanges only the node, after output_index is set; takes over the reference in `owned`.
void replace_grad_fn(TensorImpl& t, Node* owned);

// Leaf status and the user's switches.
inline bool is_leaf(const TensorImpl& t) { return !requires_grad(t) || t.grad_fn == nullptr; }
void set_requires_grad(TensorImpl& t, bool value);
Tensor detach(const Tensor& t);
void detach_(const Tensor& t);
void retain_grad(TensorImpl& t);

}  // namespace chainrule
