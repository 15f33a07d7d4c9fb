#include "autograd/no_graph.h"

#include <string_view>

#include "base/freelist.h"
#include "base/message.h"

namespace chainrule {

namespace {

// A loop gives the same reasons over and over: the last ones are kept, by their place in the
// program, so that most tensors only count one up.
constexpr size_t kKept = 64;
NoGraph* g_kept[kKept];

NoGraph* reason_here(NoGraph::Why why, const char* operation) {
    SourceLocation here;
    if (__builtin_expect(g_front_end.peek != nullptr, 1)) g_front_end.peek(&here);
    bool off = why == NoGraph::Why::GradModeOff;
    auto place = (reinterpret_cast<uintptr_t>(here.code) >> 5) +
                 static_cast<uintptr_t>(here.instruction >> 1);
    NoGraph*& kept = g_kept[place % kKept];
    if (__builtin_expect(kept && same_place(kept->where, here) && kept->operation == operation &&
                             kept->why == why &&
                             (!off || same_place(kept->mode, t_state.mode_switched)),
                         1)) {
        kept->retain();
        return kept;
    }
    NoGraph* reason = make_no_graph(why, operation, here);
    if (off) reason->mode = copy_location(t_state.mode_switched);
    if (kept) kept->release();
    reason->retain();
    kept = reason;
    return reason;
}

// The name of an operator as the user knows it.
std::string_view known_name(std::string_view operation) {
    if (operation.starts_with('_')) operation.remove_prefix(1);
    return operation;
}

}  // namespace

void NoGraph::release() {
    if (!count_down(refcount)) return;
    release_location(&where);
    release_location(&mode);
    node_free(this, sizeof(NoGraph));
}

NoGraph* make_no_graph(NoGraph::Why why, const char* operation, const SourceLocation& where) {
    auto* reason = new (node_alloc(sizeof(NoGraph))) NoGraph;
    reason->why = why;
    reason->operation = operation;
    reason->where = copy_location(where);
    return reason;
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
    if (out.flags & kNoGraph) forget_no_graph(out);
    if (out.accumulator) return;
    out.no_graph = reason_here(why, operation);
    out.flags |= kNoGraph;
}

void note_unrecorded_change(TensorImpl& changed, const TensorImpl& source, const char* operation) {
    bool differentiable = is_differentiable(changed.dtype);
    auto from = [&](size_t) { return &source; };
    note_unrecorded(changed, 1, from, differentiable, operation);
    if (changed.base) note_unrecorded(*changed.base, 1, from, differentiable, operation);
}

void note_cut_off(TensorImpl& out, const TensorImpl& from, const char* operation) {
    if (from.flags & kRequiresGrad) note_no_graph(out, NoGraph::Why::Detached, operation);
    else share_no_graph(out, from);
}

std::string why_no_graph(const TensorImpl& t) {
    constexpr const char* kBecause = "It has no graph, because ";
    NoGraph* reason = no_graph_of(t);
    if (!reason) {
        if (!is_differentiable(t.dtype)) {
            return concat(note("It is torch.", dtype_name(t.dtype),
                               ", and only floating-point tensors have gradients."),
                          note("Compute in floating point, from tensors with requires_grad=True."));
        }
        return concat(note("No recorded operation on a tensor that requires a gradient led to it."),
                      note("Set requires_grad=True on what is to be differentiated before it is "
                           "used; module parameters have it. A number taken out with .item(), "
                           "float() or .numpy() has left the graph."));
    }
    std::string line = describe_line(reason->where);
    std::string at = line.empty() ? "" : concat(" at ", line);
    std::string colon = line.empty() ? "" : concat(": ", line);
    std::string_view operation = known_name(reason->operation);
    switch (reason->why) {
        case NoGraph::Why::Detached: {
            bool copies = operation.starts_with("copying");
            return concat(note(kBecause, operation, " cut it off", at),
                          copies
                              ? note("To combine losses use torch.stack(losses), or add them up; "
                                     "to take one over, use it as it is.")
                              : note("Leave it out, or apply it only to what needs no gradient."));
        }
        case NoGraph::Why::IntegerResult:
            return concat(note(kBecause,
                               operation == "to_dtype"
                                   ? std::string("the conversion to integers has")
                                   : concat("the integers that ", operation, " gives have"),
                               " no derivative", colon),
                          note("Compute the loss from the values before that step."));
        case NoGraph::Why::NotDifferentiable:
            return concat(note(kBecause, operation, " has no derivative", colon),
                          note("Compute the loss from the values before that step."));
        case NoGraph::Why::GradModeOff:
            return concat(note(kBecause, operation, " was not recorded", at),
                          note_at(reason->mode, "Recording was switched off at "),
                          note("Compute it while recording is on: outside that block, or under "
                               "torch.enable_grad()."));
        case NoGraph::Why::Frozen:
            return concat(
                note("It has no graph: what it was computed from is frozen."),
                note_at(reason->where, "requires_grad was switched off at "),
                note("Leave requires_grad=True on at least one of the tensors to be trained."));
        case NoGraph::Why::Gradient:
            return concat(note("It was computed from a gradient, and gradients have no graph "
                               "unless create_graph=True is given."),
                          note_at(reason->where, "The gradient was computed at "),
                          note("Pass create_graph=True there to differentiate it again."));
        case NoGraph::Why::ConstantGradient:
            break;
    }
    return concat(
        note("It was computed from a gradient that is constant: despite create_graph=True "
             "nothing that requires a gradient entered it."),
        note_at(reason->where, "The gradient was computed at "),
        note("The function is linear there, or its backward is marked as "
             "once_differentiable."));
}

}  // namespace chainrule
