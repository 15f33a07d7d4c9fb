#pragma once

#include "autograd/node.h"

namespace chainrule {

// A tensor that a node keeps for its backward, with the version it had. A saved output is kept as
// an alias without history, since the output owns the node: no cycle.
class Saved {
public:
    Saved() = default;
    Saved(const Saved&) = delete;
    Saved& operator=(const Saved&) = delete;
    Saved(Saved&& other) noexcept { *this = std::move(other); }
    Saved& operator=(Saved&& other) noexcept {
        std::swap(impl_, other.impl_);
        std::swap(version_, other.version_);
        std::swap(output_, other.output_);
        return *this;
    }
    ~Saved() { reset(); }

    void save_input(const Tensor& t) {
        if (__builtin_expect(t->flags & kInference, 0)) refuse_inference();
        t->retain();
        impl_ = t.get();
        version_ = t->storage->version;
        output_ = kInput;
    }
    void save_output(const Tensor& t, uint32_t index) {
        impl_ = Tensor::alias(*t).leak();
        version_ = t->storage->version;
        output_ = static_cast<int32_t>(index);
    }
    void reset() {
        if (impl_) {
            TensorImpl* old = impl_;
            impl_ = nullptr;
            old->release();
        }
    }
    bool defined() const { return impl_ != nullptr; }
    bool is_output() const { return output_ >= 0; }
    bool is_output(uint32_t index) const { return output_ == static_cast<int32_t>(index); }
    TensorImpl* raw() const { return impl_; }
    uint32_t version() const { return version_; }  // of the memory when it was saved

    // The value, after the version check. Of a saved output the result belongs to the graph again
    // when recording is on (a second derivative flows through it).
    Tensor unpack(Node& owner) const {
        if (__builtin_expect(!impl_, 0)) fail_released(owner);
        if (__builtin_expect(impl_->storage->version != version_, 0)) fail_changed(owner);
        if (output_ >= 0 && t_state.grad_enabled) return with_history(owner);
        return Tensor(Ref<TensorImpl>::share(impl_));
    }

private:
    static constexpr int32_t kInput = -1;
    Tensor with_history(Node& owner) const;
    [[noreturn]] static void fail_released(Node& owner);
    [[noreturn]] void fail_changed(Node& owner) const;
    [[noreturn]] static void refuse_inference();

    TensorImpl* impl_ = nullptr;
    uint32_t version_ = 0;
    int32_t output_ = kInput;
};

// The tangent that a result just got, for the node that saved this result: a derivative of the
// backward flows through it.
void give_tangent_to_saved(const TensorImpl& result, int64_t level, const Tensor& tangent);

}  // namespace chainrule
