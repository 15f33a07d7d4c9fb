#include "rules/overwrite.h"

#include "autograd/history.h"

namespace chainrule::rules {

namespace {

struct OverwriteNode final : Node {
    explicit OverwriteNode(const char* name) : name_(name) {}
    const char* name() const override { return name_; }
    void backward(GradIO& io) override {
        if (!io.in[0] || !io.needs(0)) return;
        io.out[0] = Tensor::zeros(io.in[0].shape(), io.in[0].dtype());
    }

private:
    const char* name_;
};

}  // namespace

void record_overwrite(const Tensor& t, const char* node_name) {
    bool record = t_state.grad_enabled && requires_grad(*t);
    Ref<Node> node;
    if (record) {
        auto made = Node::create<OverwriteNode>(1, node_name);
        made->set_edge(0, edge_of(*t));
        made->remember_location();
        node = Ref<Node>::steal(made.leak());
    }
    t->storage->bump_version();
    if (record) rebase_history(t, std::move(node));
}

}  // namespace chainrule::rules
