#pragma once

#include <string>
#include <vector>

#include "autograd/node.h"
#include "autograd/observer.h"
#include "tensor/finite.h"

namespace chainrule {

// Stops a program at the operation where a number that is not finite first appears: its result has
// one, and nothing it was computed from had. Numbers that the program wrote itself are no finding.
class AnomalyTrap : public Observer {
public:
    struct Options {
        bool nan = true;
        bool infinite = true;
        bool forward = true;   // raise at operators; else only remember them for `backward`
        bool backward = true;  // raise at nodes
        bool leaves = true;    // look at the .grad of leaves too
    };

    // Where a value that is not finite came up in the forward pass, of the running step.
    struct Origin {
        uint8_t kinds = kNothing;  // NotFinite; nothing: none came up
        std::string operation;
        SourceLocation where;          // owned
        ModuleScope* scope = nullptr;  // owned
        void clear();
    };

    // Why a gradient is held to have gone bad.
    enum class Cause {
        Appeared,  // the node made it of finite numbers
        Value,     // a value of the forward pass was not finite already
        Sum,       // gradients that are finite one by one, added up before the node
        Arrived,   // the gradient given to backward() has it
        Stored,    // added into a leaf's .grad
        Captured,  // what grad() gives back, the sum of gradients that are finite one by one
    };

    Options options;

    void before_op(const ObservedOp& op) final;
    void after_op(const ObservedOp& op, const ObservedTensors& outputs) final;
    void before_node(Node& node, Tensor* in) final;
    void after_node(Node& node, Tensor* in, Tensor* out) final;
    void before_backward(const std::vector<Edge>& roots, const BackwardOptions& options) final;
    void after_backward() final;
    void captured(const std::vector<Edge>& inputs, const std::vector<Tensor>& gradients) final;
    // The program's own operators: the line there is what helps.
    bool inside_node(const Node& node) const final { return runs_user_code(node); }
    bool wants_arrived(const Node& node) const final;

protected:
    ~AnomalyTrap() override = default;
    // Tell the user, by an exception. `kinds`: of output or gradient `index`; `given_kinds`: what
    // the inputs had.
    virtual void report_operator(const ObservedOp& op, const ObservedTensors& outputs, size_t index,
                                 uint8_t kinds, uint8_t given_kinds) = 0;
    virtual void report_node(Node& node, Tensor* in, Tensor* out, size_t index, uint8_t kinds,
                             Cause cause) = 0;

    Origin first_infinite_, first_nan_;  // that an operator made
    Origin given_;                       // that came from outside

private:
    uint8_t trapped() const {
        return static_cast<uint8_t>((options.nan ? kNan : 0) | (options.infinite ? kInfinite : 0));
    }
    void examine_operator(const ObservedOp& op, const ObservedTensors& outputs, size_t index);
    void examine_gradient(Node& node, Tensor* in, Tensor* out, size_t index);
    void examine_leaf(Node& node, Tensor* in, Tensor* out);
    bool is_root(const Node& node) const;

    uint8_t before_ = kNothing;       // in what an operator is about to change in place
    uint8_t before_leaf_ = kNothing;  // in the .grad that is about to be added to
    std::vector<const Node*> roots_;  // of the running backward
    uint8_t excused_ = kNothing;      // in gradients, and not the engine's doing
};

}  // namespace chainrule
