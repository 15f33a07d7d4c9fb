#pragma once

#include "autograd/hooks.h"

namespace chainrule {

// Forward mode. A dual tensor carries tangents, each at a level; levels nest. An operator that
// meets dual inputs takes the highest level, computes its primal result with that level (and all
// above) out of sight, and attaches the tangent that its rule gives. See Note [Levels out of
// sight].
int64_t enter_dual_level();
void exit_dual_level(int64_t level);
int64_t current_dual_level();  // 0: none
bool is_active_level(int64_t level);

// The highest active and visible level among the tensors; 0 if none carries a tangent.
int64_t highest_level(std::initializer_list<const TensorImpl*> tensors);
int64_t highest_level(const std::vector<Tensor>& tensors);
// t's tangent at a level, or null.
Tensor tangent_of(const TensorImpl& t, int64_t level);
void set_tangent(TensorImpl& t, int64_t level, Tensor tangent);
// Takes t's tangent away when the level is left.
void clear_at_exit(int64_t level, TensorImpl& t);

// While it lives, tangents at `level` and above are out of sight.
class HideLevels {
public:
    explicit HideLevels(int64_t level);
    ~HideLevels();
    HideLevels(const HideLevels&) = delete;
    HideLevels& operator=(const HideLevels&) = delete;

private:
    int64_t previous_;
};

}  // namespace chainrule
