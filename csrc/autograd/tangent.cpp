#include "autograd/tangent.h"

#include <algorithm>

namespace chainrule {

namespace {
// Level numbers are never used twice, so a tangent left over from a closed level is recognised.
struct Levels {
    std::vector<int64_t> open;
    int64_t last = 0;
    int64_t visible_below = INT64_MAX;
    std::vector<std::pair<int64_t, Ref<TensorImpl>>> cleared_at_exit;
};
thread_local Levels t_levels;
int64_t g_next_level = 0;

int64_t highest_of(const TensorImpl& t, int64_t best) {
    if (!(t.flags & kDual)) return best;
    for (const Tangent& tangent : t.extra->tangents) {
        if (tangent.level > best && tangent.level < t_levels.visible_below &&
            is_active_level(tangent.level)) {
            best = tangent.level;
        }
    }
    return best;
}
}  // namespace

int64_t enter_dual_level() {
    t_levels.open.push_back(++g_next_level);
    return g_next_level;
}

void exit_dual_level(int64_t level) {
    auto& open = t_levels.open;
    check(!open.empty() && open.back() == level, ErrorKind::Runtime,
          "Trying to exit a forward AD level that was not the last one that was created: levels "
          "are left in the reverse order of entering. Use `with forward_ad.dual_level():`.");
    open.pop_back();
    std::vector<Tensor> dropped;  // freed last: that may run any code
    std::erase_if(t_levels.cleared_at_exit, [&](auto& entry) {
        if (entry.first != level) return false;
        for (Tangent& tangent : entry.second->extra->tangents) {
            if (tangent.level == level) dropped.push_back(std::move(tangent.value));
        }
        std::erase_if(entry.second->extra->tangents,
                      [&](const Tangent& tangent) { return tangent.level == level; });
        dropped.push_back(Tensor(std::move(entry.second)));
        return true;
    });
}

void clear_at_exit(int64_t level, TensorImpl& t) {
    t_levels.cleared_at_exit.emplace_back(level, Ref<TensorImpl>::share(&t));
}

int64_t current_dual_level() { return t_levels.open.empty() ? 0 : t_levels.open.back(); }

bool is_active_level(int64_t level) {
    const auto& open = t_levels.open;
    return std::find(open.begin(), open.end(), level) != open.end();
}

int64_t highest_level(std::initializer_list<const TensorImpl*> tensors) {
    int64_t best = 0;
    for (const TensorImpl* t : tensors) {
        if (t) best = highest_of(*t, best);
    }
    return best;
}

int64_t highest_level(const std::vector<Tensor>& tensors) {
    int64_t best = 0;
    for (const Tensor& t : tensors) {
        if (t) best = highest_of(*t, best);
    }
    return best;
}

Tensor tangent_of(const TensorImpl& t, int64_t level) {
    if (!(t.flags & kDual)) return {};
    for (const Tangent& tangent : t.extra->tangents) {
        if (tangent.level == level) return tangent.value;
    }
    return {};
}

void set_tangent(TensorImpl& t, int64_t level, Tensor tangent) {
    if (!tangent) return;
    AutogradExtra& extra = extra_of(t);
    std::erase_if(extra.tangents, [&](const Tangent& old) {
        return old.level == level || !is_active_level(old.level);
    });
    extra.tangents.push_back({level, std::move(tangent)});
    t.flags |= kDual;
}

// Note [Levels out of sight]: perturbations of nested levels must not be confused. Computing the
// primal part of a result at level L uses tangents below L only; so do the rule's own operations.
HideLevels::HideLevels(int64_t level) : previous_(t_levels.visible_below) {
    t_levels.visible_below = std::min(previous_, level);
}

HideLevels::~HideLevels() { t_levels.visible_below = previous_; }

}  // namespace chainrule
