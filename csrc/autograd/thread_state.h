#pragma once

#include <cstdint>

#include "base/source_location.h"

namespace chainrule {

struct ModuleScope;

// Modes of the running thread. Initial-exec access keeps it at one instruction.
struct ThreadState {
    uint16_t flags = 0;  // TensorFlag bits that every operator of this thread must look at
    bool grad_enabled = true;
    bool inference = false;
    bool forward_grad_enabled = true;
    bool multithreading_enabled = true;
    bool in_backward = false;      // the engine runs on this thread
    ModuleScope* scope = nullptr;  // owned; the nn.Module call that runs
    SourceLocation mode_switched;  // owned; where the user switched recording on or off
};

#if defined(__linux__)
__attribute__((tls_model("initial-exec")))
#endif
extern thread_local constinit ThreadState t_state;

// Switches recording for a scope.
class GradModeGuard {
public:
    explicit GradModeGuard(bool enabled) : previous_(t_state.grad_enabled) {
        t_state.grad_enabled = enabled;
    }
    ~GradModeGuard() { t_state.grad_enabled = previous_; }
    GradModeGuard(const GradModeGuard&) = delete;
    GradModeGuard& operator=(const GradModeGuard&) = delete;

private:
    bool previous_;
};

}  // namespace chainrule
