#include "autograd/engine.h"

#include <algorithm>
#include <memory>
#include <unordered_map>

#include "autograd/accumulate_grad.h"
#include "autograd/no_graph.h"
#include "autograd/observer.h"
#include "base/message.h"

namespace chainrule {

namespace {
thread_local GraphTask* t_running = nullptr;
int64_t g_next_task_id = 0;
}  // namespace

// Note [Engine state in nodes]: what a backward call knows of a node (how many gradients are
// still to come, what arrived) stands in the node itself, claimed by setting state().task. A
// second call that meets a claimed node (reentrant, or from another thread) keeps its state for
// that node in a table.
class GraphTask {
public:
    GraphTask(const BackwardOptions& options, const std::vector<Edge>& inputs)
        : options_(options), inputs_(inputs) {
        call_ = new BackwardCall;
        capture_location(&call_->where);
    }
    ~GraphTask() {
        // After an error, and of nodes that were not needed, claims are left.
        for (size_t i = 0; claimed_count_ && i < claimed_nodes_.size(); ++i) {
            if (claimed(claimed_nodes_[i])) forget(claimed_nodes_[i], state(claimed_nodes_[i]));
        }
        for (const Edge& root : held_) root.node->release();
        if (reason_) reason_->release();
        call_->release();
    }
    GraphTask(const GraphTask&) = delete;
    GraphTask& operator=(const GraphTask&) = delete;

    std::vector<Tensor> run(const std::vector<Edge>& roots, std::vector<Tensor> grads);
    int64_t id() const { return id_; }
    void note_gradient(TensorImpl& grad) {
        if (!reason_) {
            reason_ = make_no_graph(
                options_.create_graph ? NoGraph::Why::ConstantGradient : NoGraph::Why::Gradient, "",
                call_->where);
        }
        share_no_graph(grad, reason_);
    }
    // Also true of nodes that ran already: they are claimed no more.
    bool will_execute(Node& node) {
        if (claimed(&node)) return state(&node).needed;
        return std::find(claimed_nodes_.begin(), claimed_nodes_.end(), &node) !=
               claimed_nodes_.end();
    }

private:
    struct Capture {
        Node* node;
        uint32_t index;
        size_t position;
    };

    Node::State& state(Node* node) {
        Node::State& s = node->state();
        if (__builtin_expect(s.task == this, 1)) return s;
        return *elsewhere_.at(node);
    }
    bool claimed(Node* node) {
        return node->state().task == this || (!elsewhere_.empty() && elsewhere_.count(node));
    }
    Node::State& claim(Node* node) {
        Node::State* s = &node->state();
        if (__builtin_expect(s->task != nullptr, 0)) {
            auto& slot = elsewhere_[node];
            slot = std::make_unique<Node::State>();
            s = slot.get();
        }
        s->task = this;
        s->dependencies = 0;
        s->needed = inputs_.empty();
        s->entered = false;
        s->grads = node->num_outputs() == 1 ? &s->single : new Tensor[node->num_outputs()];
        ++claimed_count_;
        claimed_nodes_.push_back(node);
        return *s;
    }
    void forget(Node* node, Node::State& s) {
        if (s.grads != &s.single) delete[] s.grads;
        else s.single.reset();
        s.grads = nullptr;
        s.task = nullptr;
        --claimed_count_;
        if (&s != &node->state()) elsewhere_.erase(node);
    }

    void discover(Node* root);
    void mark_needed(Node* root);
    void execute(Node* node);
    void deliver(Node* from, uint32_t input, Tensor grad);
    void run_tensor_hooks(Node* node, Tensor* grads);
    void run_pre_hooks(Node* node, Tensor* grads);
    void push(Node* node);
    Node* pop();

    BackwardOptions options_;
    const std::vector<Edge>& inputs_;
    std::vector<Capture> captures_;
    std::vector<Tensor> results_;
    std::vector<Node*> ready_;
    std::vector<Node*> stack_;
    std::vector<Edge> held_;  // keeps all nodes of the call alive
    std::vector<Node*> claimed_nodes_;
    std::unordered_map<Node*, std::unique_ptr<Node::State>> elsewhere_;
    size_t claimed_count_ = 0;
    BackwardCall* call_;
    NoGraph* reason_ = nullptr;  // made when the first gradient asks for it
    int64_t id_ = g_next_task_id++;
};

namespace {
bool runs_later(Node* a, Node* b) { return a->sequence() < b->sequence(); }

// Adds into a gradient that is being collected. In place when nobody else can see the memory.
void collect(Tensor& into, Tensor grad) {
    if (!into) {
        into = std::move(grad);
        return;
    }
    bool unshared = into->refcount == 1 && into->storage->refcount == 1 &&
                    (into->flags & kContiguous) && !((into->flags | grad->flags) & kColdFlags);
    if (unshared && !t_state.grad_enabled && into->dtype == grad->dtype &&
        into->same_shape(*grad)) {
        engine_ops::add_in_place(*into, grad);
    } else {
        into = engine_ops::add(into, grad);
    }
}

[[noreturn]] void refuse_gradient(Node* from, uint32_t input, const Dims& got, const Dims& want) {
    fail(ErrorKind::Runtime, "Function ", from->name(), " returned an invalid gradient at index ",
         input, " - got ", to_string(got), " but expected shape compatible with ", to_string(want),
         note_at(from->where(), from->name(), " was recorded at "),
         note("A backward returns for each input a gradient of that input's shape",
              from->has_python_object() ? concat(": look at backward() of ", from->name(), ".")
                                        : "."));
}

// Gives an arriving gradient the shape and dtype of the value it belongs to. Broadcasting is
// undone here, once, for all operators.
Tensor fit(Tensor grad, OutputMeta& meta, Node* from, uint32_t input) {
    if (__builtin_expect(!meta.same_shape(*grad), 0)) {
        Dims want = meta.shape(), got = grad.shape();
        bool expandable = got.size() >= want.size();
        for (size_t i = 0; expandable && i < want.size(); ++i) {
            int64_t w = want[want.size() - 1 - i], g = got[got.size() - 1 - i];
            expandable = w == g || w == 1;
        }
        if (!expandable) refuse_gradient(from, input, got, want);
        grad = engine_ops::sum_to_shape(grad, want);
    }
    if (__builtin_expect(grad->dtype != meta.dtype(), 0)) {
        grad = engine_ops::cast(grad, meta.dtype());
    }
    return grad;
}
}  // namespace

void GraphTask::push(Node* node) {
    ready_.push_back(node);
    std::push_heap(ready_.begin(), ready_.end(), runs_later);
}

Node* GraphTask::pop() {
    if (ready_.size() > 1) std::pop_heap(ready_.begin(), ready_.end(), runs_later);
    Node* node = ready_.back();
    ready_.pop_back();
    return node;
}

// Counts, for the part of the graph reachable from root, how many gradients each node waits for.
void GraphTask::discover(Node* root) {
    if (claimed(root)) return;
    claim(root);
    stack_.push_back(root);
    while (!stack_.empty()) {
        Node* node = stack_.back();
        stack_.pop_back();
        Edge* edges = node->edges();
        for (uint32_t i = 0; i < node->num_inputs(); ++i) {
            Node* next = edges[i].node;
            if (!next) continue;
            if (claimed(next)) {
                ++state(next).dependencies;
            } else {
                claim(next).dependencies = 1;
                stack_.push_back(next);
            }
        }
    }
}

// With inputs: claims the reachable part, finds which nodes lead to an input (post order, no
// recursion) and counts dependencies among those only.
void GraphTask::mark_needed(Node* root) {
    if (claimed(root)) return;
    std::vector<std::pair<Node*, uint32_t>> path;
    auto enter = [&](Node* node) {
        claim(node);
        for (const Capture& c : captures_) {
            if (c.node == node) state(node).needed = true;
        }
        path.push_back({node, 0});
    };
    enter(root);
    while (!path.empty()) {
        auto& [node, next_edge] = path.back();
        if (next_edge < node->num_inputs()) {
            Node* next = node->edges()[next_edge++].node;
            if (next && !claimed(next)) enter(next);
            continue;
        }
        Node* done = node;
        path.pop_back();
        Node::State& s = state(done);
        bool leads = false;
        for (uint32_t i = 0; i < done->num_inputs(); ++i) {
            Node* next = done->edges()[i].node;
            if (next && state(next).needed) leads = true;
        }
        s.entered = leads;  // has something to do beyond being captured
        if (leads) s.needed = true;
        if (!s.needed) continue;
        for (uint32_t i = 0; i < done->num_inputs(); ++i) {
            Node* next = done->edges()[i].node;
            if (next && state(next).needed && leads) ++state(next).dependencies;
        }
    }
}

// Tensor hooks fire whenever the gradient of their tensor is computed, whether the node runs or
// not; then the retained gradient is set.
void GraphTask::run_tensor_hooks(Node* node, Tensor* grads) {
    if (node->is_accumulate_grad()) {
        TensorImpl& leaf = *static_cast<AccumulateGrad*>(node)->variable();
        if (leaf.extra && grads[0]) {
            for_each_hook(leaf.extra->hooks, [&](TensorHook& hook) {
                if (Tensor changed = hook.call(grads[0])) grads[0] = changed;
            });
        }
    }
    NodeExtra* extra = node->extra();
    if (!extra) return;
    auto tensor_hooks = extra->tensor_hooks;
    for (auto& [output, hook] : tensor_hooks) {
        if (!grads[output]) continue;
        if (Tensor changed = hook->call(grads[output])) grads[output] = changed;
    }
    auto retained = extra->retained;
    for (auto& [output, tensor] : retained) {
        if (!grads[output]) continue;
        TensorImpl* old = tensor->grad;
        // The engine may add into or donate its own copy: what the user sees must not change.
        tensor->grad = engine_ops::clone_dense(grads[output], *tensor).leak();
        if (old) old->release();
    }
}

void GraphTask::run_pre_hooks(Node* node, Tensor* grads) {
    NodeExtra* extra = node->extra();
    if (!extra || extra->pre_hooks.empty()) return;
    std::vector<Tensor> list(grads, grads + node->num_outputs());
    for_each_hook(extra->pre_hooks, [&](NodePreHook& hook) { hook.call(list); });
    for (uint32_t i = 0; i < node->num_outputs(); ++i) grads[i] = list[i];
}

void GraphTask::deliver(Node* from, uint32_t input, Tensor grad) {
    Edge edge = from->edges()[input];
    Node* next = edge.node;
    if (!next) return;
    Node::State& s = state(next);
    if (!s.needed) return;
    if (grad) {
        grad = fit(std::move(grad), next->meta(edge.index), from, input);
        collect(s.grads[edge.index], std::move(grad));
    }
    if (--s.dependencies == 0) push(next);
}

namespace {
inline void run_node(Node& node, GradIO& io) {
    if (__builtin_expect(t_state.flags & kObserveMode, 0)) observed_node(node, io);
    else node.backward(io);
}
}  // namespace

void GraphTask::execute(Node* node) {
    uint32_t outputs = node->num_outputs(), inputs = node->num_inputs();
    constexpr uint32_t kInline = 4;
    Tensor in_space[kInline], out_space[kInline];
    bool wanted_space[kInline];
    std::vector<Tensor> more;
    std::unique_ptr<bool[]> more_wanted;
    Tensor *in = in_space, *out = out_space;
    bool* wanted = wanted_space;
    if (__builtin_expect(outputs > kInline || inputs > kInline, 0)) {
        more.resize(outputs + inputs);
        in = more.data();
        out = in + outputs;
        more_wanted.reset(new bool[inputs]);
        wanted = more_wanted.get();
    }
    bool leads_on = true;
    {
        Node::State& s = state(node);
        for (uint32_t i = 0; i < outputs; ++i) in[i] = std::move(s.grads[i]);
        if (!inputs_.empty()) leads_on = s.entered;
        forget(node, s);
    }
    if (node->extra() || node->is_accumulate_grad()) run_tensor_hooks(node, in);
    if (__builtin_expect(!captures_.empty(), 0)) {
        for (const Capture& c : captures_) {
            if (c.node != node) continue;
            results_[c.position] = in[c.index];
            // One that the user holds already, such as the gradient given to start with, is not
            // ours.
            if (in[c.index] && !in[c.index]->python_object) note_gradient(*in[c.index]);
        }
        if (!options_.accumulate && !leads_on) return;
    }
    if (__builtin_expect(node->extra() != nullptr, 0)) run_pre_hooks(node, in);
    for (uint32_t i = 0; i < inputs; ++i) {
        Node* next = node->edges()[i].node;
        wanted[i] = next && (inputs_.empty() || (claimed(next) && state(next).needed));
    }
    NodeExtra* extra = node->extra();
    GradIO io{in, out, wanted};
    if (__builtin_expect(extra && !extra->post_hooks.empty(), 0)) {
        std::vector<Tensor> arrived(in, in + outputs);
        run_node(*node, io);
        std::vector<Tensor> left(out, out + inputs);
        for_each_hook(extra->post_hooks, [&](NodePostHook& hook) { hook.call(left, arrived); });
        for (uint32_t i = 0; i < inputs; ++i) out[i] = left[i];
    } else {
        run_node(*node, io);
    }
    if (!options_.retain_graph) {
        node->release_saved();
        node->mark_released(call_);
    }
    for (uint32_t i = 0; i < outputs; ++i) in[i].reset();
    for (uint32_t i = 0; i < inputs; ++i) {
        if (wanted[i]) deliver(node, i, std::move(out[i]));
    }
}

std::vector<Tensor> GraphTask::run(const std::vector<Edge>& roots, std::vector<Tensor> grads) {
    results_.resize(inputs_.size());
    for (size_t i = 0; i < inputs_.size(); ++i) {
        if (inputs_[i].node) captures_.push_back({inputs_[i].node, inputs_[i].index, i});
    }
    for (const Edge& root : roots) {
        root.node->retain();
        held_.push_back(root);
    }
    for (const Edge& root : roots) {
        if (inputs_.empty()) discover(root.node);
        else mark_needed(root.node);
    }
    for (size_t i = 0; i < roots.size(); ++i) {
        Node::State& s = state(roots[i].node);
        if (!s.needed) continue;
        DType dtype = roots[i].node->meta(roots[i].index).dtype();
        if (grads[i]->dtype != dtype) grads[i] = engine_ops::cast(grads[i], dtype);
        collect(s.grads[roots[i].index], std::move(grads[i]));
    }
    for (const Edge& root : roots) {
        if (!claimed(root.node)) continue;
        Node::State& s = state(root.node);
        // A root that other roots lead to waits for them; one named twice is queued once.
        if (s.needed && s.dependencies == 0 &&
            std::find(ready_.begin(), ready_.end(), root.node) == ready_.end()) {
            push(root.node);
        }
    }
    while (!ready_.empty()) execute(pop());
    return std::move(results_);
}

std::vector<Tensor> run_backward(const std::vector<Edge>& roots, std::vector<Tensor> grads,
                                 const std::vector<Edge>& inputs, const BackwardOptions& options) {
    GradModeGuard mode(options.create_graph);
    GraphTask task(options, inputs);
    struct Running {
        explicit Running(GraphTask* task) : outer(t_running) {
            t_running = task;
            t_state.in_backward = true;
        }
        ~Running() {
            t_running = outer;
            t_state.in_backward = outer != nullptr;
        }
        GraphTask* outer;
    } running(&task);
    if (__builtin_expect((t_state.flags & kObserveMode) && !running.outer, 0)) {
        observe_backward_begin(roots, options);
        std::vector<Tensor> results;
        try {
            results = task.run(roots, std::move(grads));
            if (!inputs.empty()) observe_captured(inputs, results);
        } catch (...) {
            observe_backward_end(true);
            throw;
        }
        observe_backward_end(false);
        return results;
    }
    return task.run(roots, std::move(grads));
}

int64_t current_backward_id() { return t_running ? t_running->id() : -1; }

void note_gradient(TensorImpl& grad) {
    if (t_running) t_running->note_gradient(grad);
}

bool will_execute_in_current_backward(Node& node) {
    return t_running && t_running->will_execute(node);
}

}  // namespace chainrule
