#pragma once

#include <unordered_map>
#include <vector>

#include "autograd/node.h"
#include "autograd/saved.h"

namespace chainrule {

// The graph behind some nodes as a list: what stands in it, inputs before their users. Holds the
// nodes (their saved values may still be released by a backward pass).
class GraphWalk {
public:
    // One place of the list: a recorded operation or a leaf's accumulator (`node`), or a constant
    // (`constant`): a tensor without gradient that a node saved.
    struct Entry {
        Ref<Node> node;
        Tensor constant;
    };
    struct Link {
        uint32_t source, output, target, input;
    };
    struct SavedValue {
        uint32_t entry;
        int32_t input;  // position among the inputs, -1 for a result or what has no position
        const char* name;
        Tensor value;
        bool is_output;
        uint32_t version;
        bool changed() const { return value->storage->version != version; }
    };

    explicit GraphWalk(const std::vector<Node*>& roots);

    const std::vector<Entry>& entries() const { return entries_; }
    const std::vector<Link>& links() const { return links_; }
    const std::vector<SavedValue>& saved() const { return saved_; }
    int64_t position(const Node* node) const;  // -1: not in the graph
    int64_t position_of_constant(const TensorImpl* t) const;

private:
    void collect(const std::vector<Node*>& roots);
    void place_inputs(Node& node, size_t first_saved);
    uint32_t place(Ref<Node> node);

    std::vector<Node*> operations_;
    std::vector<Entry> entries_;
    std::vector<Link> links_;
    std::vector<SavedValue> saved_;
    std::unordered_map<const void*, uint32_t> positions_;  // of nodes and constants
};

}  // namespace chainrule
