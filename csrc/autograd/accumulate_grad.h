#pragma once

#include "autograd/node.h"

namespace chainrule {

// The end of every path in a graph: adds the arriving gradient to a leaf's .grad.
class AccumulateGrad final : public Node {
public:
    explicit AccumulateGrad(const Tensor& variable);
    ~AccumulateGrad() override;
    const char* name() const override { return "AccumulateGrad"; }
    bool is_accumulate_grad() const override { return true; }
    void backward(GradIO& io) override;
    const Tensor& variable() const { return variable_; }

private:
    Tensor variable_;
};

// Adds `grad` into variable.grad by torch's rules: stolen or copied when there is none yet, in
// place while no graph of the gradient is recorded, else replaced by a new sum.
void accumulate_grad(TensorImpl& variable, Tensor grad);

}  // namespace chainrule
