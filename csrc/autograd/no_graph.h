#pragma once

#include <string>

#include "autograd/thread_state.h"
#include "base/source_location.h"
#include "tensor/tensor.h"

namespace chainrule {

// Why a tensor has no graph although something it was computed from had one: what an error names.
// Kept in place of the accumulator, which only tensors that require a gradient have, and handed on
// to what is computed from the tensor. It holds code objects and no tensor.
struct NoGraph {
    enum class Why : uint8_t {
        Detached,           // detach(), .data, torch.tensor(t)
        GradModeOff,        // the operation ran under no_grad or the like
        NotDifferentiable,  // argmax, a comparison
        IntegerResult,      // of a differentiable operation: indices of max, a conversion
        Frozen,             // requires_grad of the leaf was switched off
        Gradient,           // computed by a backward pass without create_graph
        ConstantGradient,   // computed with create_graph, of a function linear in its inputs
    };
    uint32_t refcount = 1;
    Why why = Why::Detached;
    const char* operation = "";  // "detach()", "argmax"; lives forever
    SourceLocation where;        // of the operation
    SourceLocation mode;         // where recording was switched off

    void retain() { count_up(refcount); }
    void release();
};

// Marks a fresh tensor without history; a tensor that requires a gradient is left alone.
void note_no_graph(TensorImpl& out, NoGraph::Why why, const char* operation);
inline void share_no_graph(TensorImpl& out, NoGraph* reason) {
    if ((out.flags & (kRequiresGrad | kNoGraph)) || out.accumulator) return;
    reason->retain();
    out.no_graph = reason;
    out.flags |= kNoGraph;
}
inline void share_no_graph(TensorImpl& out, const TensorImpl& from) {
    if (from.flags & kNoGraph) share_no_graph(out, from.no_graph);
}
void forget_no_graph(TensorImpl& t);

// Of an operation that was not recorded: its result, from its inputs; `input(i)` may be null.
template <class Input>
inline void note_unrecorded(TensorImpl& out, size_t count, Input input, bool differentiable,
                            const char* operation) {
    // What a backward pass computes without create_graph is not worth the time.
    if ((out.flags & kRequiresGrad) || (t_state.in_backward && !t_state.grad_enabled)) return;
    NoGraph* known = nullptr;
    for (size_t i = 0; i < count; ++i) {
        const TensorImpl* t = input(i);
        if (!t) continue;
        if (t->flags & kRequiresGrad) {
            bool off = !t_state.grad_enabled && differentiable;
            note_no_graph(out, off ? NoGraph::Why::GradModeOff : NoGraph::Why::NotDifferentiable,
                          operation);
            return;
        }
        if (!known && (t->flags & kNoGraph)) known = t->no_graph;
    }
    if (known) share_no_graph(out, known);
}
// Of an in-place change that was not recorded: `source` was written into `changed`, and with it
// into what that is a view of.
inline constexpr uint16_t kMayExplain = kRequiresGrad | kNoGraph;
void note_unrecorded_change(TensorImpl& changed, const TensorImpl& source, const char* operation);
// Of a copy or an alias of `from` made by something that cuts it off, such as detach().
void note_cut_off(TensorImpl& out, const TensorImpl& from, const char* operation);

// A reason for many tensors at once, such as the gradients of one backward pass; owned.
NoGraph* make_no_graph(NoGraph::Why why, const char* operation, const SourceLocation& where);

inline NoGraph* no_graph_of(const TensorImpl& t) {
    return (t.flags & kNoGraph) ? t.no_graph : nullptr;
}
// Further lines of an error: why t has no graph, and the way out.
std::string why_no_graph(const TensorImpl& t);

}  // namespace chainrule
