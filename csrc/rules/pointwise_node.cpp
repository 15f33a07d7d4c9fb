#include "rules/pointwise_node.h"

#include <algorithm>

#include "autograd/history.h"
#include "autograd/saved.h"
#include "tensor/convert.h"

namespace chainrule {

namespace {

// Which operands (and the result, kUsesOut) the wanted derivatives read.
struct Uses {
    uint8_t mask = 0;
    bool params = false;
};

// Processors of the x86-64 baseline have no instruction for it.
int count_bits(uint8_t mask) {
    static constexpr uint8_t bits[16] = {0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4};
    return bits[mask & 15] + bits[mask >> 4];
}

bool passes_unchanged(const PointwiseVjp& vjp, const Scalar* params) {
    return vjp.kind == PointwiseVjp::Kind::Identity ||
           (vjp.identity_param >= 0 && params[vjp.identity_param].equals(1));
}

Uses uses_of(const PointwiseOp& op, const Operand* operands, const Scalar* params) {
    Uses uses;
    for (int i = 0; i < op.num_operands; ++i) {
        if (!operands[i].tensor || !requires_grad(*operands[i].tensor)) continue;
        if (passes_unchanged(op.vjp[i], params)) continue;
        uses.mask |= op.vjp[i].uses;
        uses.params |= op.vjp[i].uses_params;
    }
    return uses;
}

// The node of any pointwise operator. Its saved tensors and numbers follow the node in memory, in
// the order operand 0, 1, 2, result; then the parameters.
class PointwiseNode final : public Node {
public:
    PointwiseNode(const PointwiseOp& op, uint8_t tensors, uint8_t scalars, bool params)
        : op_(op), tensors_(tensors), scalars_(scalars), params_(params) {}
    ~PointwiseNode() override {
        for (int i = 0; i < count_bits(tensors_); ++i) tail()[i].~Saved();
    }

    static size_t tail_bytes(uint8_t tensors, uint8_t scalars, int params) {
        return static_cast<size_t>(count_bits(tensors)) * sizeof(Saved) +
               (static_cast<size_t>(count_bits(scalars) + params)) * sizeof(Scalar);
    }
    void init(const Operand* saved, const Scalar* params) {
        Saved* t = tail();
        for (int i = 0; i < op_.num_operands; ++i) {
            if (tensors_ & (1 << i)) {
                new (t) Saved;
                (t++)->save_input(Tensor(Ref<TensorImpl>::share(saved[i].tensor)));
            }
        }
        if (tensors_ & kUsesOut) new (t) Saved;
        Scalar* s = scalar_tail();
        for (int i = 0; i < op_.num_operands; ++i) {
            if (scalars_ & (1 << i)) *s++ = saved[i].scalar;
        }
        if (params_) std::copy(params, params + op_.num_params, s);
    }
    void save_result(const Tensor& out) {
        if (tensors_ & kUsesOut) slot(kUsesOut).save_output(out, 0);
    }

    const char* name() const override { return op_.node_name; }
    const char* formula(uint32_t i) const override { return op_.vjp[i].formula; }
    const char* input_name(uint32_t i) const override { return op_.operand_names[i]; }

    void release_saved() override {
        for (int i = 0; i < count_bits(tensors_); ++i) tail()[i].reset();
    }

    void visit_saved(SavedVisitor& visitor) override {
        for (int i = 0; i < op_.num_operands; ++i) {
            if (tensors_ & (1 << i)) {
                visitor.tensor(op_.operand_names[i], slot(static_cast<uint8_t>(1 << i)));
            }
            if (scalars_ & (1 << i)) visitor.scalar(op_.operand_names[i], number(i));
        }
        if (tensors_ & kUsesOut) visitor.tensor("result", slot(kUsesOut));
        for (int i = 0; params_ && i < op_.num_params; ++i) {
            visitor.scalar(op_.param_names[i], param_tail()[i]);
        }
    }

    void backward(GradIO& io) override {
        if (!io.in[0]) return;
        if (t_state.grad_enabled || cold(*io.in[0])) backward_differentiable(io);
        else backward_fused(io);
    }

private:
    Saved* tail() const {
        auto* self = const_cast<PointwiseNode*>(this);
        return reinterpret_cast<Saved*>(self->edges() + num_inputs());
    }
    Scalar* scalar_tail() const { return reinterpret_cast<Scalar*>(tail() + count_bits(tensors_)); }
    Scalar* param_tail() const { return scalar_tail() + count_bits(scalars_); }
    Saved& slot(uint8_t bit) const {
        return tail()[count_bits(static_cast<uint8_t>(tensors_ & (bit - 1)))];
    }
    const Scalar& number(int i) const {
        return scalar_tail()[count_bits(static_cast<uint8_t>(scalars_ & ((1 << i) - 1)))];
    }
    // Parameters are kept only where a formula needs them, so: none kept, default 1.
    bool unchanged(const PointwiseVjp& vjp) const {
        if (vjp.identity_param >= 0 && !params_) return true;
        return passes_unchanged(vjp, params_ ? param_tail() : nullptr);
    }
    bool cold(const TensorImpl& grad) const {
        uint16_t flags = grad.flags | t_state.flags;
        for (int i = 0; i < count_bits(tensors_); ++i) {
            if (tail()[i].defined()) flags |= tail()[i].raw()->flags;
        }
        return flags & kColdFlags;
    }

    void backward_differentiable(GradIO& io) {
        FormulaArgs args;
        args.grad = io.in[0];
        for (int i = 0; i < op_.num_operands; ++i) {
            if (tensors_ & (1 << i)) {
                args.operands[i] = slot(static_cast<uint8_t>(1 << i)).unpack(*this);
            }
            if (scalars_ & (1 << i)) args.operands[i] = number(i);
        }
        if (tensors_ & kUsesOut) args.out = slot(kUsesOut).unpack(*this);
        if (params_) std::copy(param_tail(), param_tail() + op_.num_params, args.params);
        for (uint32_t k = 0; k < num_inputs(); ++k) {
            if (!io.needs(k)) continue;
            const PointwiseVjp& vjp = op_.vjp[k];
            if (unchanged(vjp)) io.out[k] = io.in[0];
            else if (vjp.kind == PointwiseVjp::Kind::Formula) {
                io.out[k] = vjp.differentiable(args).tensor();
            } else if (vjp.kind == PointwiseVjp::Kind::Zero) {
                io.out[k] = Tensor::zeros(io.in[0].shape(), io.in[0].dtype());
            }
        }
    }

    void backward_fused(GradIO& io) {
        for (uint32_t k = 0; k < num_inputs(); ++k) {
            if (!io.needs(k)) continue;
            const PointwiseVjp& vjp = op_.vjp[k];
            bool last = true;  // nobody after this input reads the gradient
            for (uint32_t j = k + 1; j < num_inputs(); ++j) last &= !io.needs(j);
            if (unchanged(vjp)) {
                if (last) io.out[k] = std::move(io.in[0]);
                else io.out[k] = io.in[0];
            } else if (vjp.kind == PointwiseVjp::Kind::Formula) {
                io.out[k] = fused(vjp, io.in[0], last);
            } else if (vjp.kind == PointwiseVjp::Kind::Zero) {
                io.out[k] = Tensor::zeros(io.in[0].shape(), io.in[0].dtype());
            }
        }
    }

    // One loop over grad and what the formula names; into grad's own memory when it is unshared
    // and this is its last reader.
    Tensor fused(const PointwiseVjp& vjp, Tensor& grad, bool last) {
        DType dtype = grad.dtype();
        Operand inputs[kMaxOperands];
        Tensor keep[kMaxOperands];
        int count = 1;
        inputs[0] = Operand(grad.get());
        auto add_tensor = [&](uint8_t bit) {
            Tensor t = slot(bit).unpack(*this);
            if (t.dtype() != dtype) t = convert(*t, dtype);
            keep[count] = std::move(t);
            inputs[count] = Operand(keep[count].get());
            ++count;
        };
        for (int i = 0; i < op_.num_operands; ++i) {
            if (!(vjp.uses & (1 << i))) continue;
            if (tensors_ & (1 << i)) add_tensor(static_cast<uint8_t>(1 << i));
            else inputs[count++] = Operand(number(i));
        }
        if (vjp.uses & kUsesOut) add_tensor(kUsesOut);
        KernelParam params[kMaxPointwiseParams];
        if (params_) {
            for (int i = 0; i < op_.num_params; ++i) {
                params[i] = {param_tail()[i].as_double(), param_tail()[i].as_int()};
            }
        }
        Tensor out;
        if (last && grad->refcount == 1 && grad->storage->refcount == 1 &&
            (grad->flags & kContiguous) && !grad->storage->release_owner) {
            out = grad;
        } else {
            out = Tensor::empty_like(*grad, dtype);
        }
        run_kernel(vjp.kernel, dtype, *out, inputs, count, params);
        return out;
    }

    const PointwiseOp& op_;
    uint8_t tensors_;
    uint8_t scalars_;
    bool params_;
};

}  // namespace

bool saves_operand(const PointwiseOp& op, const Operand* operands, const Scalar* params, int i) {
    return t_state.grad_enabled && op.differentiable &&
           (uses_of(op, operands, params).mask & (1 << i));
}

Ref<Node> make_pointwise_node(const PointwiseOp& op, const Operand* operands, const Operand* saved,
                              const Scalar* params) {
    Uses uses = uses_of(op, operands, params);
    uint8_t tensors = uses.mask & kUsesOut, scalars = 0;
    for (int i = 0; i < op.num_operands; ++i) {
        if (!(uses.mask & (1 << i))) continue;
        if (operands[i].tensor) tensors |= static_cast<uint8_t>(1 << i);
        else scalars |= static_cast<uint8_t>(1 << i);
    }
    size_t tail = PointwiseNode::tail_bytes(tensors, scalars, uses.params ? op.num_params : 0);
    auto node = Node::create_with_tail<PointwiseNode>(op.num_operands, tail, op, tensors, scalars,
                                                      uses.params);
    node->init(saved, params);
    // One input per operand, also for numbers: torch shows (None, 0) there.
    for (uint32_t i = 0; i < op.num_operands; ++i) {
        if (operands[i].tensor) node->set_edge(i, edge_of(*operands[i].tensor));
    }
    node->remember_location();
    return Ref<Node>::steal(node.leak());
}

void save_pointwise_output(Node& node, const Tensor& out) {
    static_cast<PointwiseNode&>(node).save_result(out);
}

void record_pointwise(const PointwiseOp& op, const Operand* operands, const Scalar* params,
                      const Tensor& out) {
    if (!is_differentiable(out->dtype)) return;
    bool wanted = false;
    for (int i = 0; i < op.num_operands; ++i) {
        wanted |= operands[i].tensor && requires_grad(*operands[i].tensor);
    }
    if (!wanted) return;
    Ref<Node> node = make_pointwise_node(op, operands, operands, params);
    save_pointwise_output(*node, out);
    set_history(*out, *node);
}

}  // namespace chainrule
