#pragma once

#include <string>

#include "autograd/thread_state.h"
#include "base/source_location.h"
#include "tensor/tensor.h"

namespace chainrule {

// Why a tensor has no graph although something it was computed from had one: what an error names.
// Kept in place of the accumulator, which only tensors that require a gradient have, and handed on
// to what is computed from the tensor.
struct NoGraph {
    enum class Why : uint8_t {
        Detached,           // detach(), .data, torch.tensor(t)
        GradModeOff,        // the operation ran under no_grad or the like
        NotDifferentiable,  // argmax, a comparison, a conversion to integers
    };
    uint32_t refcount = 1;
    Why why = Why::Detached;
    const char* operation = "";  // "detach", "argmax"; lives forever
    SourceLocation where;        // of the operation
    SourceLocation mode;         // where recording was switched off

    void retain() { count_up(refcount); }
    void release();
};

// Marks a fresh tensor without history; a tensor that requires a gradient is left alone.
void note_no_graph(TensorImpl& out, NoGraph::Why why, const char* operation);
void share_no_graph(TensorImpl& out, const TensorImpl& from);
void forget_no_graph(TensorImpl& t);

// Of an operation that was not recorded: its result, from its inputs.
void note_unrecorded(TensorImpl& out, const TensorImpl* const* inputs, size_t count,
                     bool differentiable, const char* operation);

inline NoGraph* no_graph_of(const TensorImpl& t) {
    return (t.flags & kNoGraph) ? t.no_graph : nullptr;
}
// "no graph: train.py:12 called detach()", or "" when nothing is known.
std::string why_no_graph(const TensorImpl& t);

}  // namespace chainrule
