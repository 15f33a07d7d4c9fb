#include "autograd/node.h"

#include "autograd/no_graph.h"
#include "autograd/origin.h"
#include "autograd/saved.h"
#include "base/message.h"

namespace chainrule {

thread_local constinit ThreadState t_state;
uint64_t Node::g_next_sequence = 0;

uint64_t next_hook_id() {
    static uint64_t id = 0;
    return ++id;
}

AutogradExtra& extra_of(TensorImpl& impl) {
    if (!impl.extra) impl.extra = new AutogradExtra;
    return *impl.extra;
}

void Node::set_outputs(uint32_t n) {
    num_outputs_ = n;
    if (n != 1) more_meta_ = new OutputMeta[n ? n : 1];
}

Node::~Node() {
    for (uint32_t i = 0; i < num_inputs_; ++i) {
        if (edges_[i].node) edges_[i].node->release();
    }
    release_location(&where_);
    if (scope_) scope_->release();
    if (released_by_) released_by_->release();
    delete[] more_meta_;
    delete extra_;
}

// Note [Freeing without recursion]: dropping the last reference to a node may drop the next one,
// a million times over. A node that dies while another is being disposed of waits in a list.
void Node::destroy() {
    static Node* waiting = nullptr;
    static bool disposing = false;
    next_disposed_ = waiting;
    waiting = this;
    if (disposing) return;
    disposing = true;
    while (waiting) {
        Node* node = waiting;
        waiting = node->next_disposed_;
        dispose(node);
    }
    disposing = false;
}

void Node::dispose(Node* node) {
    size_t size = node->block_size_;
    node->~Node();
    node_free(node, size);
}

std::string Node::described() const {
    std::string module = scope_ && g_describe_module ? g_describe_module(*scope_) : std::string();
    std::string what = module.empty() ? std::string(name()) : concat(name(), " of ", module);
    std::string place = describe_line(where_);
    return place.empty() ? what : concat(what, " recorded at ", place);
}

void release_history(TensorImpl& impl) {
    if (impl.flags & kNoGraph) {
        forget_no_graph(impl);
        if (!impl.grad_fn && !impl.grad && !impl.extra) return;
    }
    // Detached first: what dies below may look at this tensor.
    Node* grad_fn = impl.grad_fn;
    TensorImpl* grad = impl.grad;
    AutogradExtra* extra = impl.extra;
    impl.grad_fn = nullptr;
    impl.grad = nullptr;
    impl.extra = nullptr;
    if (grad_fn) {
        if ((impl.flags & kRetainGrad) && grad_fn->extra()) {
            std::erase_if(grad_fn->extra()->retained,
                          [&](const auto& r) { return r.tensor == &impl; });
        }
        grad_fn->release();
    }
    if (grad) grad->release();
    delete extra;
}

}  // namespace chainrule
