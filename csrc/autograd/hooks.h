#pragma once

#include <memory>
#include <vector>

#include "tensor/tensor.h"

namespace chainrule {

class Node;

// Hooks are abstract here; bind/ derives the ones that call Python.
struct TensorHook {
    uint64_t id = 0;
    virtual ~TensorHook() = default;
    virtual Tensor call(const Tensor& grad) = 0;  // null: leave the gradient as it is
    virtual void* python_callable() const { return nullptr; }
};

struct NodePreHook {
    uint64_t id = 0;
    virtual ~NodePreHook() = default;
    virtual void call(std::vector<Tensor>& grad_outputs) = 0;
    virtual void* python_callable() const { return nullptr; }
};

struct NodePostHook {
    uint64_t id = 0;
    virtual ~NodePostHook() = default;
    virtual void call(std::vector<Tensor>& grad_inputs,
                      const std::vector<Tensor>& grad_outputs) = 0;
    virtual void* python_callable() const { return nullptr; }
};

struct PostAccumulateHook {
    uint64_t id = 0;
    virtual ~PostAccumulateHook() = default;
    virtual void call(const Tensor& variable) = 0;
    virtual void* python_callable() const { return nullptr; }
};

template <class Hook>
using HookList = std::vector<std::shared_ptr<Hook>>;

uint64_t next_hook_id();

// Runs over a copy, because a hook may add or remove hooks of the list it stands in.
template <class Hook, class F>
void for_each_hook(const HookList<Hook>& hooks, F&& f) {
    if (hooks.empty()) return;
    HookList<Hook> copy = hooks;
    for (auto& hook : copy) f(*hook);
}

template <class Hook>
bool remove_hook(HookList<Hook>& hooks, uint64_t id) {
    for (size_t i = 0; i < hooks.size(); ++i) {
        if (hooks[i]->id == id) {
            auto keep_alive = hooks[i];
            hooks.erase(hooks.begin() + static_cast<long>(i));
            return true;
        }
    }
    return false;
}

// A tangent of a tensor at one forward-mode level.
struct Tangent {
    int64_t level;
    Tensor value;
};

// What few tensors have.
struct AutogradExtra {
    HookList<TensorHook> hooks;  // of a leaf; a result's hooks stand at its node
    HookList<PostAccumulateHook> post_accumulate_hooks;
    std::vector<Tangent> tangents;
};

AutogradExtra& extra_of(TensorImpl& impl);  // creates it

}  // namespace chainrule
