#include "autograd/no_graph.h"

#include "base/error.h"
#include "base/freelist.h"

namespace chainrule {

void NoGraph::release() {
    if (!count_down(refcount)) return;
    release_location(&where);
    release_location(&mode);
    node_free(this, sizeof(NoGraph));
}

void forget_no_graph(TensorImpl& t) {
    if (!(t.flags & kNoGraph)) return;
    NoGraph* old = t.no_graph;
    t.flags &= static_cast<uint16_t>(~kNoGraph);
    t.accumulator = nullptr;
    old->release();
}

void note_no_graph(TensorImpl& out, NoGraph::Why why, const char* operation) {
    if (out.flags & kRequiresGrad) return;
    forget_no_graph(out);
    if (out.accumulator) return;
    auto* reason = new (node_alloc(sizeof(NoGraph))) NoGraph;
    reason->why = why;
    reason->operation = operation;
    capture_location(&reason->where);
    if (why == NoGraph::Why::GradModeOff) reason->mode = copy_location(t_state.mode_switched);
    out.no_graph = reason;
    out.flags |= kNoGraph;
}

void share_no_graph(TensorImpl& out, const TensorImpl& from) {
    if ((out.flags & (kRequiresGrad | kNoGraph)) || !(from.flags & kNoGraph) || out.accumulator) {
        return;
    }
    from.no_graph->retain();
    out.no_graph = from.no_graph;
    out.flags |= kNoGraph;
}

void note_unrecorded(TensorImpl& out, const TensorImpl* const* inputs, size_t count,
                     bool differentiable, const char* operation) {
    // What a backward pass computes without create_graph is not worth the time.
    if ((out.flags & kRequiresGrad) || (t_state.in_backward && !t_state.grad_enabled)) return;
    for (size_t i = 0; i < count; ++i) {
        if (!inputs[i] || !(inputs[i]->flags & kRequiresGrad)) continue;
        bool off = !t_state.grad_enabled && differentiable;
        note_no_graph(out, off ? NoGraph::Why::GradModeOff : NoGraph::Why::NotDifferentiable,
                      operation);
        return;
    }
    for (size_t i = 0; i < count; ++i) {
        if (inputs[i] && (inputs[i]->flags & kNoGraph)) return share_no_graph(out, *inputs[i]);
    }
}

std::string why_no_graph(const TensorImpl& t) {
    NoGraph* reason = no_graph_of(t);
    if (!reason) return "";
    std::string place = describe_location(reason->where);
    std::string at = place.empty() ? "" : concat(" at ", place);
    switch (reason->why) {
        case NoGraph::Why::Detached:
            return concat("It has no graph, because ", reason->operation, at, " cut it off.");
        case NoGraph::Why::NotDifferentiable:
            return concat("It has no graph, because ", reason->operation, at,
                          " has no derivative.");
        case NoGraph::Why::GradModeOff:
            break;
    }
    std::string mode = describe_location(reason->mode);
    return concat("It has no graph, because ", reason->operation, at,
                  " ran while recording was off",
                  mode.empty() ? "" : concat(" (switched off at ", mode, ")"), ".");
}

}  // namespace chainrule
