#include <algorithm>
#include <cstring>
#include <unordered_set>

#include "bind/memory_accounts.h"
#include "bind/tensor_object.h"

// Finds results that drag the graphs of earlier steps along: `total += loss` and lists of losses.
namespace chainrule::bind {

namespace {

using GraphNode = chainrule::Node;

constexpr size_t kNearby = 64;  // nodes looked at around one node
constexpr uint64_t kFewest = 3, kFewestWithoutBackward = 8;
constexpr size_t kMost = 16;   // findings
constexpr size_t kLooks = 64;  // nodes whose surroundings tell the steps apart

bool same_place(GraphNode& a, GraphNode& b) {
    return a.where().code && a.where().code == b.where().code &&
           a.where().instruction == b.where().instruction && std::strcmp(a.name(), b.name()) == 0;
}

// Calls f with the nodes behind `start`, nearest first, until it says to stop (true).
template <class F>
void look_around(GraphNode& start, F&& f) {
    GraphNode* queue[kNearby] = {&start};
    size_t count = 1;
    for (size_t i = 0; i < count; ++i) {
        for (uint32_t k = 0; k < queue[i]->num_inputs(); ++k) {
            GraphNode* next = queue[i]->edges()[k].node;
            if (!next || next->is_accumulate_grad()) continue;
            if (std::find(queue, queue + count, next) != queue + count) continue;
            if (f(*next)) return;
            if (count < kNearby) queue[count++] = next;
        }
    }
}

// How often the same line continues the graph of `start`: the length of the chain of nodes that it
// recorded, each behind the one before.
class Repeats {
public:
    uint64_t of(GraphNode& start) {
        std::vector<GraphNode*> chain;
        uint64_t behind = 0;
        for (GraphNode* node = &start; node; node = previous(*node)) {
            auto known = entries_.find(node);
            if (known != entries_.end()) {
                behind = known->second.count;
                break;
            }
            chain.push_back(node);
        }
        GraphNode* last = chain.empty() ? nullptr : previous(*chain.back());
        for (; !chain.empty(); chain.pop_back()) {
            entries_[chain.back()] = {++behind, last};
            last = chain.back();
        }
        return entries_[&start].count;
    }
    size_t size() const { return entries_.size(); }
    // The node before one that was counted.
    GraphNode* behind(GraphNode& node) { return entries_[&node].previous; }

private:
    static GraphNode* previous(GraphNode& node) {
        GraphNode* found = nullptr;
        look_around(node, [&](GraphNode& next) {
            if (same_place(node, next)) found = &next;
            return found != nullptr;
        });
        return found;
    }
    struct Entry {
        uint64_t count = 0;
        GraphNode* previous = nullptr;
    };
    std::unordered_map<GraphNode*, Entry> entries_;
};

// The backward call that ran through what stands near a node, or null.
void* backward_near(GraphNode& start) {
    void* found = start.released_by();
    if (found) return found;
    look_around(start, [&](GraphNode& next) {
        if (same_place(start, next)) return false;
        found = next.released_by();
        return found != nullptr;
    });
    return found;
}

bool in_module(GraphNode& node) { return node.scope() != nullptr; }

// The call of the outermost module that recorded what stands near a node; 0: none.
uint32_t module_call_near(GraphNode& start) {
    auto outermost = [](GraphNode& node) {
        const ModuleScope* scope = node.scope();
        while (scope && scope->parent) scope = scope->parent;
        return scope ? scope->call : 0;
    };
    uint32_t found = outermost(start);
    if (found) return found;
    look_around(start, [&](GraphNode& next) {
        if (same_place(start, next)) return false;
        found = outermost(next);
        return found != 0;
    });
    return found;
}

// What tells that results belong to different steps of the program.
class Steps {
public:
    void look_near(GraphNode& node) {
        if (void* pass = backward_near(node)) passes_.insert(pass);
        if (uint32_t call = module_call_near(node)) calls_.insert(call);
    }
    bool backwards() const { return passes_.size() >= 2; }
    // `numbers`: sums or lists of numbers, which are seldom kept for a gradient.
    bool several(uint64_t count, bool numbers) const {
        if (backwards()) return true;
        // Results of one call of a model, such as a list of its activations, are no steps.
        if (calls_.size() == 1) return false;
        return calls_.size() >= kFewest || (numbers && count >= kFewestWithoutBackward);
    }

private:
    std::unordered_set<void*> passes_;
    std::unordered_set<uint32_t> calls_;
};

}  // namespace

// How many results of a line stand in a list, also those that variables hold too.
uint64_t MemoryAccounts::count_items(uint32_t container, uint32_t line) {
    auto* object = static_cast<PyObject*>(search_.vertices()[container].pointer);
    if (!PyList_Check(object)) return 0;
    uint64_t count = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(object); ++i) {
        PyObject* item = PyList_GET_ITEM(object, i);
        if (!item || !is_tensor(item) || !impl_of(item) || !impl_of(item)->grad_fn) continue;
        count += line_of(impl_of(item)->grad_fn->where()) == line;
    }
    return count;
}

void MemoryAccounts::find_growth() {
    auto& all = search_.vertices();
    Repeats repeats;
    struct Total {
        uint32_t longest;  // vertex of the result with the longest chain
        uint64_t count = 0;
        uint64_t nodes = 0;  // of all results of the line
        uint64_t bytes = 0;
    };
    std::unordered_map<uint32_t, Total> totals;  // by line
    struct Members {
        std::vector<GraphNode*> nodes;
        bool numbers = true;  // tensors of one element, such as losses
    };
    std::unordered_map<uint64_t, Members> lists;  // by container and line
    for (const TensorAbout& t : tensors) {
        const Vertex& x = all[t.link];
        auto* impl = static_cast<TensorImpl*>(x.pointer);
        if (!impl->grad_fn || !(x.facts & kHeld) || (impl->flags & kView)) continue;
        GraphNode& node = *impl->grad_fn;
        uint32_t line = line_of(node.where());
        if (line == kNone) continue;
        size_t known = repeats.size();
        uint64_t count = repeats.of(node);
        if (count >= kFewest && !in_module(node)) {
            Total& total = totals.emplace(line, Total{t.link}).first->second;
            total.nodes += repeats.size() - known;
            total.bytes += weight_[t.link];
            if (count > total.count) {
                total.longest = t.link;
                total.count = count;
            }
        }
        // In a container, not in a variable or an attribute of its own.
        bool contained = all[x.parent].what == What::Object && top_[t.link] != t.link &&
                         x.via != Via::Stack && x.via != Via::Root;
        if (contained && count < kFewest) {
            Members& list = lists[static_cast<uint64_t>(x.parent) << 32 | line];
            list.nodes.push_back(&node);
            list.numbers = list.numbers && impl->numel == 1;
        }
    }
    for (auto& [line, total] : totals) {
        auto* impl = static_cast<TensorImpl*>(all[total.longest].pointer);
        Steps steps;
        uint64_t stride = total.count / kLooks + 1, i = 0;
        for (GraphNode* node = impl->grad_fn; node; node = repeats.behind(*node)) {
            if (i++ % stride == 0) steps.look_near(*node);
        }
        bool sum = impl->numel == 1 && std::strcmp(impl->grad_fn->name(), "AddBackward0") == 0;
        if (!steps.several(total.count, sum)) continue;
        growths.push_back(
            {false, steps.backwards(), line, total.longest, total.nodes, total.bytes});
    }
    for (auto& [key, members] : lists) {
        if (members.nodes.size() < kFewest) continue;
        Steps steps;
        size_t stride = members.nodes.size() / kLooks + 1;
        for (size_t i = 0; i < members.nodes.size(); i += stride) {
            steps.look_near(*members.nodes[i]);
        }
        if (!steps.several(members.nodes.size(), members.numbers)) continue;
        auto container = static_cast<uint32_t>(key >> 32);
        auto line = static_cast<uint32_t>(key);
        uint64_t count = std::max<uint64_t>(members.nodes.size(), count_items(container, line));
        growths.push_back({true, steps.backwards(), line, container, count, weight_[container]});
    }
    std::sort(growths.begin(), growths.end(), [](const Growth& a, const Growth& b) {
        return a.bytes != b.bytes ? a.bytes > b.bytes : a.line < b.line;
    });
    if (growths.size() > kMost) growths.resize(kMost);
}

}  // namespace chainrule::bind
