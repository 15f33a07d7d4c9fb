#include "rules/assign.h"

#include <vector>

#include "autograd/history.h"
#include "autograd/observer.h"
#include "autograd/tangent.h"
#include "ops.h"
#include "tensor/convert.h"
#include "tensor/origin.h"
#include "tensor/pointwise_loop.h"

namespace chainrule {

namespace {

// A change that replaces all elements: what stood there gets gradient zero.
struct Overwrite : Node {
    explicit Overwrite(const char* label) : label_(label) {}
    const char* name() const override { return label_; }
    const char* formula(uint32_t input) const override { return input == 0 ? "0" : "grad"; }
    void backward(GradIO& io) override {
        if (!io.in[0]) return;
        const Tensor& grad = io.in[0];
        if (io.needs(0)) io.out[0] = Tensor::zeros(grad.shape(), grad.dtype());
        // The edge sums over what was broadcast and converts the dtype.
        if (num_inputs() > 1 && io.needs(1)) io.out[1] = grad;
    }

private:
    const char* label_;
};

bool recorded(const TensorImpl& self, const TensorImpl* src) {
    return t_state.grad_enabled && is_differentiable(self.dtype) &&
           (requires_grad(self) || (src && requires_grad(*src)));
}

Ref<Node> overwrite_node(const char* label, const Tensor& self, const TensorImpl* src) {
    Ref<Overwrite> node = Node::create<Overwrite>(src ? 2 : 1, label);
    node->set_edge(0, edge_of(*self));
    if (src) node->set_edge(1, edge_of(const_cast<TensorImpl&>(*src)));
    node->remember_location();
    return Ref<Node>::steal(node.leak());
}

// Writes a tangent (null: zero) where self's tangent stands, making one if need be.
void write_tangent(const Tensor& self, int64_t level, const Tensor& tangent) {
    Tensor old = tangent_of(*self, level);
    if (!old && !tangent) return;
    if (old && (self->flags & kView)) {
        // Some views carry a copy of a part of the base's tangent (as_strided): the whole counts.
        Tensor whole = tangent_of(*self->base, level);
        if (whole && whole->storage != old->storage) old = Tensor();
    }
    if (!old) {
        if (!(self->flags & kView)) {
            Tensor fresh = Tensor::zeros(self.shape(), self.dtype());
            set_tangent(*self, level, fresh);
            old = fresh;
        } else {
            // A view's tangent looks into the tangent of its base, at the same places.
            Tensor base(Ref<TensorImpl>::share(self->base));
            Tensor whole = tangent_of(*base, level);
            if (!whole) {
                whole = Tensor::zeros(base.shape(), base.dtype());
                if (!base.contiguous()) {
                    Tensor like = clone_dense(*base);
                    whole->set_geometry(like.shape(), like.strides());
                }
                set_tangent(*base, level, whole);
            }
            check(whole.strides() == base.strides(), ErrorKind::NotImplemented,
                  "an in-place change of a view in forward mode needs a tangent of its base with "
                  "the base's strides; use the out-of-place form");
            old = ops::as_strided(whole, self.shape(), self.strides(),
                                  whole.offset() + self.offset() - base.offset());
            set_tangent(*self, level, old);
        }
    }
    if (tangent) copy_inplace(old, tangent);
    else fill_inplace(old, Scalar(0));
}

void check_broadcastable(const TensorImpl& self, const TensorImpl& src) {
    Dims to(self.sizes(), self.ndim), from(src.sizes(), src.ndim);
    if (self.same_shape(src)) return;
    Dims common = broadcast_shapes(to, from);
    check(common == to, ErrorKind::Runtime, "output with shape ", to_string(to),
          " doesn't match the broadcast shape ", to_string(common), note_shape("destination", self),
          note_shape("source", src));
}

template <class T>
void fill_loop(char* const* data, const int64_t* strides, int64_t n, const void* context) {
    T value = *static_cast<const T*>(context);
    for (int64_t i = 0; i < n; ++i) *reinterpret_cast<T*>(data[0] + i * strides[0]) = value;
}

}  // namespace

void fill_memory(TensorImpl& self, const Scalar& value) {
    if (self.dtype == DType::Int64 && value.is_float()) {
        double v = value.as_double();
        check(v >= -9223372036854775808.0 && v < 9223372036854775808.0, ErrorKind::Runtime,
              "value cannot be converted to type int64_t without overflow: ", v);
    }
    dispatch(self.dtype, [&](auto zero) {
        using T = decltype(zero);
        T element = value.as<T>();
        if (self.numel == 1) {
            *reinterpret_cast<T*>(self.data) = element;
            return;
        }
        Dims shape(self.sizes(), self.ndim);
        LoopOperand operands[1] = {{self.data, broadcast_strides(self, shape)}};
        run_strided(shape, operands, 1, fill_loop<T>, &element);
    });
}

bool plain_inplace(std::initializer_list<const TensorImpl*> inputs) {
    bool wanted = false;
    uint16_t flags = t_state.flags;
    for (const TensorImpl* t : inputs) {
        if (!t) continue;
        flags |= t->flags;
        wanted |= requires_grad(*t);
    }
    return !(flags & kColdFlags) && !(wanted && t_state.grad_enabled);
}

namespace {

// Runs an in-place change, shown to the observers.
template <class Operand, class Run>
void observed(const char* name, const Tensor& self, const Operand& operand, Run&& run) {
    ObservedOp op{name, "", {}};
    op.add(self);
    op.add(operand);
    op.changes = 1;
    Observation seen(std::move(op));
    run();
    ObservedTensors outputs;
    outputs.add(self);
    seen.end(outputs);
}

}  // namespace

void copy_inplace(const Tensor& self, const Tensor& src) {
    if (__builtin_expect(t_state.flags & kObserveMode, 0)) {
        return observed("copy_", self, src, [&] { copy_inplace(self, src); });
    }
    check_inplace(*self, "copy_");
    if (self.get() == src.get()) return;
    if (__builtin_expect((self->flags | src->flags) & kColdFlags, 0)) {
        if (int64_t level = highest_level({self.get(), src.get()})) {
            HideLevels hide(level);
            copy_inplace(self, src);
            write_tangent(self, level, tangent_of(*src, level));
            return;
        }
    }
    check_broadcastable(*self, *src);
    Ref<Node> node;
    if (recorded(*self, src.get())) node = overwrite_node("CopyBackwards", self, src.get());
    if (self->storage->data == src->storage->data && partly_overlap(*self, *src)) {
        copy_elements(*self, *clone_dense(*src));
    } else {
        copy_elements(*self, *src);
    }
    self->storage->bump_version();
    if (node) rebase_history(self, std::move(node));
    else if (src->flags & kMayExplain) note_unrecorded_change(*self, *src, "copy_");
}

void fill_inplace(const Tensor& self, const Scalar& value) {
    if (__builtin_expect(t_state.flags & kObserveMode, 0)) {
        return observed("fill_", self, value, [&] { fill_inplace(self, value); });
    }
    check_inplace(*self, "fill_");
    if (self->dtype == DType::Int64 && value.is_float()) {
        double number = value.as_double();
        check(number >= -0x1p63 && number < 0x1p63, ErrorKind::Runtime,
              "value cannot be converted to type int64_t without overflow");
    }
    if (__builtin_expect(self->flags & kColdFlags, 0)) {
        if (int64_t level = highest_level({self.get()})) {
            HideLevels hide(level);
            fill_inplace(self, value);
            write_tangent(self, level, Tensor());
            return;
        }
    }
    Ref<Node> node;
    if (recorded(*self, nullptr)) node = overwrite_node("FillBackward2", self, nullptr);
    fill_memory(*self, value);
    self->storage->bump_version();
    if (node) rebase_history(self, std::move(node));
}

void fill_inplace(const Tensor& self, const Tensor& value) {
    check(value.dim() == 0, ErrorKind::Runtime,
          "fill_ only supports 0-dimension value tensor but got tensor with ", value.dim(),
          " dimensions.");
    copy_inplace(self, value);
}

void assign_inplace(const Tensor& self, const Tensor& result, const char* operation) {
    check_inplace(*self, operation);
    Node* node = result->grad_fn;
    bool simple = !((self->flags | result->flags) & kColdFlags) && result.dtype() == self.dtype() &&
                  result->same_shape(*self);
    if (simple && node) {
        // Its node serves as it is if it has self, and nothing else, as its first input.
        bool wants = requires_grad(*self);
        Node* source = self->grad_fn ? self->grad_fn : self->accumulator;
        simple = node->num_outputs() == 1 && node->num_inputs() > 0 &&
                 node->edges()[0].node == (wants ? source : nullptr);
    } else if (simple) {
        simple = !recorded(*self, nullptr);
    }
    if (!simple) {
        ObserversHidden hidden;  // they saw the operator
        copy_inplace(self, result);
        return;
    }
    copy_elements(*self, *result);
    self->storage->bump_version();
    if (node) rebase_history(self, Ref<Node>::share(node));
    else if (result->flags & kMayExplain) note_unrecorded_change(*self, *result, operation);
}

}  // namespace chainrule
