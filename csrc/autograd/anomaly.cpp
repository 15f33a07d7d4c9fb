#include "autograd/anomaly.h"

#include <algorithm>

#include "autograd/accumulate_grad.h"
#include "autograd/engine.h"
#include "autograd/saved.h"

namespace chainrule {

namespace {

bool fine(const TensorImpl* t) { return !t || is_finite(*t); }

uint8_t kinds_of(const TensorImpl* t) { return t ? not_finite_kinds(*t) : uint8_t{kNothing}; }

struct SavedKinds final : SavedVisitor {
    uint8_t kinds = kNothing;
    void tensor(const char*, Saved& value) override {
        if (value.defined()) kinds |= kinds_of(value.raw());
    }
    void tensor_list(const char*, std::vector<Saved>& values) override {
        for (Saved& value : values) tensor("", value);
    }
    void scalar(const char*, const Scalar& value) override {
        ObservedOp number{"", "", {}};
        number.add(value);
        kinds |= (number.number_nan ? kNan : 0) | (number.number_infinite ? kInfinite : 0);
    }
    void dims(const char*, const Dims&) override {}
    void flag(const char*, bool) override {}
};

// Of what came out, the kinds that nothing which went in explains. NaN explains all; an infinity
// explains infinities, but inf - inf and 0 * inf make a NaN that was not there.
uint8_t unexplained(uint8_t out, uint8_t in) {
    if (in & kNan) return kNothing;
    return out & static_cast<uint8_t>(~in);
}

// A view has the numbers of what it looks into.
bool is_view_of_inputs(const ObservedOp& op, const TensorImpl& output) {
    if (op.changes) return false;
    for (size_t i = 0; i < op.inputs.size(); ++i) {
        if (op.inputs[i]->storage == output.storage) return true;
    }
    return false;
}

// Whether the operator writes over its i-th input.
bool changed(const ObservedOp& op, size_t i) {
    for (size_t k = 0; k < op.changes; ++k) {
        if (op.inputs[k]->storage == op.inputs[i]->storage) return true;
    }
    return false;
}

// The first stays.
void note_origin(AnomalyTrap::Origin& origin, const char* operation, uint8_t kinds) {
    if (!kinds || origin.kinds) return;
    origin.kinds = kinds;
    origin.operation = operation;
    capture_location(&origin.where);
    origin.scope = t_state.scope;
    if (origin.scope) origin.scope->retain();
}

}  // namespace

void AnomalyTrap::Origin::clear() {
    release_location(&where);
    if (scope) scope->release();
    scope = nullptr;
    kinds = kNothing;
}

// What an operator changes in place is gone afterwards, so it is looked at before.
void AnomalyTrap::before_op(const ObservedOp& op) {
    if (__builtin_expect(op.changes == 0, 1)) return;
    before_ = kNothing;
    for (size_t i = 0; i < op.inputs.size(); ++i) {
        if (changed(op, i)) before_ |= kinds_of(op.inputs[i]);
    }
}

void AnomalyTrap::after_op(const ObservedOp& op, const ObservedTensors& outputs) {
    for (size_t i = 0; i < outputs.size(); ++i) {
        if (is_view_of_inputs(op, *outputs[i])) continue;
        if (__builtin_expect(!is_finite(*outputs[i]), 0)) return examine_operator(op, outputs, i);
    }
}

void AnomalyTrap::examine_operator(const ObservedOp& op, const ObservedTensors& outputs,
                                   size_t index) {
    if (op.quiet) return;
    uint8_t out = kNothing;
    size_t worst = index;
    for (size_t i = index; i < outputs.size(); ++i) {
        uint8_t kinds = kinds_of(outputs[i]);
        if ((kinds & kNan) && !(out & kNan)) worst = i;
        out |= kinds;
    }
    uint8_t in = op.changes ? before_ : uint8_t{kNothing};
    for (size_t i = op.changes; i < op.inputs.size(); ++i) {
        if (!changed(op, i)) in |= kinds_of(op.inputs[i]);
    }
    uint8_t numbers = (op.number_nan ? kNan : 0) | (op.number_infinite ? kInfinite : 0);
    uint8_t made = unexplained(out, in | numbers);
    if (!made) {
        note_origin(given_, op.name, in);
        return;
    }
    if (options.forward && (made & trapped())) {
        report_operator(op, outputs, worst, made, in);
        return;
    }
    note_origin(first_infinite_, op.name, made & kInfinite);
    note_origin(first_nan_, op.name, made & kNan);
}

void AnomalyTrap::before_backward(const std::vector<Edge>& roots, const BackwardOptions&) {
    excused_ = kNothing;
    roots_.clear();
    for (const Edge& root : roots) roots_.push_back(root.node);
}

void AnomalyTrap::after_backward() {
    roots_.clear();
    first_infinite_.clear();
    first_nan_.clear();
    given_.clear();
}

void AnomalyTrap::captured(const std::vector<Edge>& inputs, const std::vector<Tensor>& gradients) {
    if (!options.backward || !options.leaves) return;
    for (size_t i = 0; i < inputs.size(); ++i) {
        if (fine(gradients[i].get())) continue;
        Node& node = *inputs[i].node;
        uint8_t kinds = kinds_of(gradients[i].get()) & static_cast<uint8_t>(~excused_);
        if (is_root(node) || !(kinds & trapped())) continue;
        std::vector<Tensor> in(node.num_outputs()), out(node.num_inputs());
        in[inputs[i].index] = gradients[i];
        report_node(node, in.data(), out.data(), i, kinds, Cause::Captured);
    }
}

bool AnomalyTrap::is_root(const Node& node) const {
    return std::find(roots_.begin(), roots_.end(), &node) != roots_.end();
}

// What arrives at a leaf without a .grad may become its .grad: it must stay unshared. It is looked
// at there.
bool AnomalyTrap::wants_arrived(const Node& node) const {
    if (!options.backward || !trapped()) return false;
    if (!node.is_accumulate_grad()) return true;
    return options.leaves && static_cast<const AccumulateGrad&>(node).variable()->grad != nullptr;
}

void AnomalyTrap::before_node(Node& node, Tensor*) {
    if (options.leaves && __builtin_expect(node.is_accumulate_grad(), 0)) {
        before_leaf_ = kinds_of(static_cast<AccumulateGrad&>(node).variable()->grad);
    }
}

void AnomalyTrap::after_node(Node& node, Tensor* in, Tensor* out) {
    if (!options.backward || !trapped()) return;
    if (node.is_accumulate_grad()) {
        if (!options.leaves) return;
        const TensorImpl* grad = static_cast<AccumulateGrad&>(node).variable()->grad;
        if (__builtin_expect(!fine(grad), 0)) examine_leaf(node, in, out);
        return;
    }
    for (size_t i = 0; i < node.num_inputs(); ++i) {
        if (__builtin_expect(!fine(out[i].get()), 0)) return examine_gradient(node, in, out, i);
    }
}

void AnomalyTrap::examine_gradient(Node& node, Tensor* in, Tensor* out, size_t index) {
    uint8_t arrived = kNothing;
    for (size_t i = 0; i < node.num_outputs(); ++i) arrived |= kinds_of(in[i].get());
    SavedKinds saved;
    node.visit_saved(saved);
    for (size_t i = index; i < node.num_inputs(); ++i) {
        uint8_t kinds = kinds_of(out[i].get());
        if (!kinds) continue;
        Cause cause = Cause::Appeared;
        uint8_t found = unexplained(kinds, arrived | saved.kinds);
        if (!found) {
            // A NaN always counts, as it spoils whatever it reaches. An infinity that the program
            // brought in itself does not, where no operator made it.
            found = kinds;
            if (kinds & arrived & static_cast<uint8_t>(~excused_)) {
                cause = is_root(node) ? Cause::Arrived : Cause::Sum;
            } else if (kinds & arrived) {
                cause = Cause::Arrived;
            } else {
                cause = Cause::Value;
            }
            bool own = cause == Cause::Sum || (cause == Cause::Value && first_infinite_.kinds);
            if (!(found & kNan) && !own) {
                excused_ |= found;
                continue;
            }
        }
        if (found & trapped()) report_node(node, in, out, i, found, cause);
        excused_ |= found;
    }
}

// The gradient that a leaf now has: what arrived, or the sum with what was there.
void AnomalyTrap::examine_leaf(Node& node, Tensor* in, Tensor* out) {
    const TensorImpl* grad = static_cast<AccumulateGrad&>(node).variable()->grad;
    uint8_t known = before_leaf_ | excused_;
    uint8_t kinds = not_finite_kinds(*grad) & static_cast<uint8_t>(~known);
    if (kinds & trapped()) report_node(node, in, out, 0, kinds, Cause::Stored);
}

}  // namespace chainrule
