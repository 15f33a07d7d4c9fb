#include "autograd/observer.h"

#include <algorithm>

#include "autograd/engine.h"

namespace chainrule {

namespace {

// Leaked on purpose: threads may still run while the process ends.
thread_local std::vector<Observer*>* t_observers = nullptr;

// Over a copy: an observer may remove itself.
template <class F>
void each(F&& f) {
    ObserversHidden hidden;
    if (!t_observers) return;
    std::vector<Observer*> list = *t_observers;
    for (Observer* observer : list) f(*observer);
}

bool anyone_inside_nodes() {
    return t_observers && std::any_of(t_observers->begin(), t_observers->end(),
                                      [](Observer* o) { return o->inside_nodes(); });
}

void show_again() {
    if (t_observers && !t_observers->empty()) t_state.flags |= kObserveMode;
}

}  // namespace

void add_observer(Observer& observer) {
    if (!t_observers) t_observers = new std::vector<Observer*>;
    t_observers->push_back(&observer);
    t_state.flags |= kObserveMode;
}

void remove_observer(Observer& observer) {
    if (!t_observers) return;
    std::erase(*t_observers, &observer);
    if (t_observers->empty()) t_state.flags &= static_cast<uint16_t>(~kObserveMode);
}

void Observation::begin() {
    try {
        each([&](Observer& o) { o.before_op(op_); });
    } catch (...) {
        done_ = true;
        throw;
    }
    t_state.flags &= static_cast<uint16_t>(~kObserveMode);
}

void Observation::end(const ObservedTensors& outputs) {
    done_ = true;
    show_again();
    each([&](Observer& o) { o.after_op(op_, outputs); });
}

void Observation::failed() {
    show_again();
    each([&](Observer& o) { o.op_failed(op_); });
}

void observed_node(Node& node, GradIO& io) {
    each([&](Observer& o) { o.before_node(node, io.in); });
    // The node may take its gradients over: what observers see afterwards are their own handles.
    std::vector<Tensor> in(io.in, io.in + node.num_outputs());
    try {
        if (anyone_inside_nodes()) {
            node.backward(io);
        } else {
            ObserversHidden hidden;
            node.backward(io);
        }
    } catch (...) {
        each([&](Observer& o) { o.node_failed(node); });
        throw;
    }
    each([&](Observer& o) { o.after_node(node, in.data(), io.out); });
}

void observe_backward_begin(const std::vector<Edge>& roots, const BackwardOptions& options) {
    each([&](Observer& o) { o.before_backward(roots, options); });
}

void observe_backward_end() {
    each([](Observer& o) { o.after_backward(); });
}

}  // namespace chainrule
