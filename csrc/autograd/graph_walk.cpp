#include "autograd/graph_walk.h"

#include <algorithm>
#include <cstring>
#include <unordered_set>

namespace chainrule {

namespace {

// The saved tensors of one node, with the inputs they belong to.
class SavedCollector final : public SavedVisitor {
public:
    SavedCollector(Node& node, std::vector<GraphWalk::SavedValue>& into)
        : node_(node), into_(into) {}
    void tensor(const char* name, Saved& value) override { add(name, value, input_named(name)); }
    void tensor_list(const char* name, std::vector<Saved>& values) override {
        int32_t first = input_named(name);
        for (size_t i = 0; i < values.size(); ++i) {
            add(name, values[i], first < 0 ? -1 : first + static_cast<int32_t>(i));
        }
    }
    void scalar(const char*, const Scalar&) override {}
    void dims(const char*, const Dims&) override {}
    void flag(const char*, bool) override {}

private:
    int32_t input_named(const char* name) const {
        for (uint32_t i = 0; i < node_.num_inputs(); ++i) {
            const char* own = node_.input_name(i);
            if (own && std::strcmp(own, name) == 0) return static_cast<int32_t>(i);
        }
        return -1;
    }
    void add(const char* name, Saved& value, int32_t input) {
        if (!value.defined()) return;
        bool output = value.is_output();
        into_.push_back({0, output ? -1 : input, name, Tensor(Ref<TensorImpl>::share(value.raw())),
                         output, value.version()});
    }

    Node& node_;
    std::vector<GraphWalk::SavedValue>& into_;
};

}  // namespace

GraphWalk::GraphWalk(const std::vector<Node*>& roots) {
    collect(roots);
    // An input existed before the operation that reads it, so the order of recording is one in
    // which inputs come before users.
    std::sort(operations_.begin(), operations_.end(),
              [](Node* a, Node* b) { return a->sequence() < b->sequence(); });
    entries_.reserve(operations_.size() + operations_.size() / 2);
    positions_.reserve(2 * operations_.size());
    for (Node* node : operations_) {
        size_t first_saved = saved_.size();
        SavedCollector collector(*node, saved_);
        node->visit_saved(collector);
        place_inputs(*node, first_saved);
    }
    for (Node* root : roots) {  // a leaf that is its own graph
        if (position(root) < 0) place(Ref<Node>::share(root));
    }
    operations_.clear();
}

void GraphWalk::collect(const std::vector<Node*>& roots) {
    std::unordered_set<Node*> seen;
    std::vector<Node*> stack;
    auto meet = [&](Node* node) {
        if (node->is_accumulate_grad() || !seen.insert(node).second) return;
        operations_.push_back(node);
        stack.push_back(node);
    };
    for (Node* root : roots) meet(root);
    while (!stack.empty()) {
        Node* node = stack.back();
        stack.pop_back();
        for (uint32_t i = 0; i < node->num_inputs(); ++i) {
            if (Node* next = node->edges()[i].node) meet(next);
        }
    }
}

uint32_t GraphWalk::place(Ref<Node> node) {
    auto at = static_cast<uint32_t>(entries_.size());
    positions_.emplace(node.get(), at);
    entries_.push_back({std::move(node), {}});
    return at;
}

// Leaves and constants stand right before the first operation that reads them.
void GraphWalk::place_inputs(Node& node, size_t first_saved) {
    size_t first_link = links_.size();
    for (uint32_t i = 0; i < node.num_inputs(); ++i) {
        Edge edge = node.edges()[i];
        if (!edge.node) continue;
        auto found = positions_.find(edge.node);
        uint32_t source =
            found != positions_.end() ? found->second : place(Ref<Node>::share(edge.node));
        links_.push_back({source, edge.index, 0, i});
    }
    for (size_t s = first_saved; s < saved_.size(); ++s) {
        const SavedValue& value = saved_[s];
        if (value.input < 0 || node.edges()[value.input].node) continue;
        auto [found, fresh] =
            positions_.emplace(value.value.get(), static_cast<uint32_t>(entries_.size()));
        if (fresh) entries_.push_back({{}, value.value});
        links_.push_back({found->second, 0, 0, static_cast<uint32_t>(value.input)});
    }
    uint32_t at = place(Ref<Node>::share(&node));
    for (size_t i = first_link; i < links_.size(); ++i) links_[i].target = at;
    for (size_t s = first_saved; s < saved_.size(); ++s) saved_[s].entry = at;
}

int64_t GraphWalk::position(const Node* node) const {
    auto found = positions_.find(node);
    return found == positions_.end() ? -1 : static_cast<int64_t>(found->second);
}

int64_t GraphWalk::position_of_constant(const TensorImpl* t) const {
    auto found = positions_.find(t);
    return found == positions_.end() ? -1 : static_cast<int64_t>(found->second);
}

}  // namespace chainrule
