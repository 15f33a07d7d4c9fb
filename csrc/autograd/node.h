#pragma once

#include <new>
#include <string>
#include <vector>

#include "autograd/hooks.h"
#include "autograd/module_scope.h"
#include "autograd/thread_state.h"
#include "base/freelist.h"
#include "base/source_location.h"
#include "tensor/tensor.h"

namespace chainrule {

class Node;
class GraphTask;

// To an input of the operation: the node that made it (null: no gradient wanted) and which output.
struct Edge {
    Node* node = nullptr;  // owned by the node that has the edge
    uint32_t index = 0;
};

// Shape and dtype that a gradient arriving at an output of a node must have.
class OutputMeta {
public:
    OutputMeta() = default;
    explicit OutputMeta(const TensorImpl& t) { set(t); }
    OutputMeta(const OutputMeta&) = delete;
    OutputMeta& operator=(const OutputMeta&) = delete;
    ~OutputMeta() {
        if (ndim_ > kInline) delete[] heap_;
    }
    void set(const TensorImpl& t) {
        if (ndim_ > kInline) delete[] heap_;
        dtype_ = t.dtype;
        ndim_ = t.ndim;
        int64_t* to = inline_;
        if (ndim_ > kInline) to = heap_ = new int64_t[ndim_];
        for (int i = 0; i < ndim_; ++i) to[i] = t.dims[i];
    }
    DType dtype() const { return dtype_; }
    int ndim() const { return ndim_; }
    const int64_t* sizes() const { return ndim_ > kInline ? heap_ : inline_; }
    Dims shape() const { return Dims(sizes(), ndim_); }
    bool same_shape(const TensorImpl& t) const {
        if (t.ndim != ndim_) return false;
        const int64_t* own = sizes();
        for (int i = 0; i < ndim_; ++i) {
            if (t.dims[i] != own[i]) return false;
        }
        return true;
    }

private:
    static constexpr int kInline = 4;
    DType dtype_ = DType::Float32;
    uint8_t ndim_ = 0;
    union {
        int64_t inline_[kInline];
        int64_t* heap_;
    };
};

// A backward call: shared by the nodes it freed, so that a second use can name its line.
struct BackwardCall {
    uint32_t refcount = 1;
    SourceLocation where;
    void retain() { count_up(refcount); }
    void release() {
        if (count_down(refcount)) {
            release_location(&where);
            delete this;
        }
    }
};

struct NodeExtra {
    struct IndexedTensorHook {
        uint32_t output;
        std::shared_ptr<TensorHook> hook;
    };
    struct RetainedGrad {
        uint32_t output;
        TensorImpl* tensor;  // borrowed: the tensor removes itself when it dies
    };
    std::vector<IndexedTensorHook> tensor_hooks;
    std::vector<RetainedGrad> retained;
    HookList<NodePreHook> pre_hooks;
    HookList<NodePostHook> post_hooks;
};

class Saved;
// Shows the saved values of a node by name: for `_saved_self` and the viewer.
struct SavedVisitor {
    virtual ~SavedVisitor() = default;
    virtual void tensor(const char* name, Saved& value) = 0;
    virtual void scalar(const char* name, const Scalar& value) = 0;
    virtual void dims(const char* name, const Dims& value) = 0;
    virtual void flag(const char* name, bool value) = 0;
    virtual void tensor_list(const char* name, std::vector<Saved>& values) = 0;
};

// Gradients in and out of one node's backward.
struct GradIO {
    Tensor* in;   // one per output of the operation; null where nothing arrived
    Tensor* out;  // one per input of the operation; to be filled where `needs`
    const bool* wanted;
    bool needs(uint32_t i) const { return wanted[i]; }
};

// One recorded operation. Node, edges and saved values stand in one block of memory.
class Node {
public:
    // Engine state of the task that works on the node; other tasks use a table of their own.
    struct State {
        GraphTask* task = nullptr;
        uint32_t dependencies = 0;
        bool needed = true;
        bool entered = false;
        Tensor* grads = nullptr;  // num_outputs() gradients; `single` for one output
        Tensor single;
    };

    virtual const char* name() const = 0;
    virtual void backward(GradIO& io) = 0;
    virtual void release_saved() {}
    virtual void visit_saved(SavedVisitor&) {}
    virtual bool is_accumulate_grad() const { return false; }
    virtual bool has_python_object() const { return false; }  // a custom Function's node
    // Formula of the gradient to input i, for people; null when there is none.
    virtual const char* formula(uint32_t) const { return nullptr; }
    virtual const char* input_name(uint32_t) const { return nullptr; }  // of the operator table

    void retain() { count_up(refcount_); }
    void release() {
        if (count_down(refcount_)) destroy();
    }
    uint32_t refcount() const { return refcount_; }

    uint32_t num_inputs() const { return num_inputs_; }
    uint32_t num_outputs() const { return num_outputs_; }
    uint64_t sequence() const { return sequence_; }
    Edge* edges() { return edges_; }
    const SourceLocation& where() const { return where_; }
    const ModuleScope* scope() const { return scope_; }
    bool released() const { return released_by_ != nullptr; }
    BackwardCall* released_by() const { return released_by_; }
    void mark_released(BackwardCall* call) {
        if (!released_by_) {
            call->retain();
            released_by_ = call;
        }
    }

    // The edge of input i; takes over the reference in `edge`.
    void set_edge(uint32_t i, Edge edge) { edges_[i] = edge; }
    // Makes `output` the i-th result of this node.
    void set_outputs(uint32_t n);
    OutputMeta& meta(uint32_t i) { return more_meta_ ? more_meta_[i] : meta_; }

    State& state() { return state_; }
    NodeExtra* extra() const { return extra_; }
    NodeExtra& ensure_extra() {
        if (!extra_) extra_ = new NodeExtra;
        return *extra_;
    }
    void* python_object = nullptr;  // borrowed: the wrapper clears it when it dies

    void remember_location() {
        capture_location(&where_);
        if (t_state.scope) {
            t_state.scope->retain();
            scope_ = t_state.scope;
        }
    }
    std::string described() const;  // "MulBackward0 recorded at train.py:12"

    // Allocates N and its edges in one block.
    template <class N, class... Args>
    static Ref<N> create(uint32_t num_inputs, Args&&... args) {
        return create_with_tail<N>(num_inputs, 0, std::forward<Args>(args)...);
    }
    // The same with room behind the edges, which N fills and destroys itself.
    template <class N, class... Args>
    static Ref<N> create_with_tail(uint32_t num_inputs, size_t tail, Args&&... args) {
        size_t size = (sizeof(N) + 7) / 8 * 8;
        size_t total = size + num_inputs * sizeof(Edge) + tail;
        char* block = static_cast<char*>(node_alloc(total));
        N* node = new (block) N(std::forward<Args>(args)...);
        node->block_size_ = static_cast<uint32_t>(total);
        node->num_inputs_ = num_inputs;
        node->edges_ = reinterpret_cast<Edge*>(block + size);
        for (uint32_t i = 0; i < num_inputs; ++i) new (&node->edges_[i]) Edge;
        return Ref<N>::steal(node);
    }

protected:
    Node() : sequence_(g_next_sequence++) {}
    explicit Node(uint64_t sequence) : sequence_(sequence) {}
    virtual ~Node();

private:
    void destroy();
    static void dispose(Node* node);
    static uint64_t g_next_sequence;

    uint32_t refcount_ = 1;
    uint32_t num_inputs_ = 0;
    uint32_t num_outputs_ = 1;
    uint32_t block_size_ = 0;
    uint64_t sequence_;
    Edge* edges_ = nullptr;
    OutputMeta* more_meta_ = nullptr;  // for more than one output
    OutputMeta meta_;
    SourceLocation where_;
    ModuleScope* scope_ = nullptr;
    State state_;
    BackwardCall* released_by_ = nullptr;
    NodeExtra* extra_ = nullptr;
    Node* next_disposed_ = nullptr;
};

}  // namespace chainrule
