#include "autograd/observer.h"

#include <algorithm>
#include <exception>

#include "autograd/engine.h"

namespace chainrule {

namespace {

struct Entry {
    Observer* observer;  // null: removed while a round of calls runs
    uint64_t serial;
};

// What a thread keeps of its observers. Leaked on purpose: threads may still run while the process
// ends.
struct Watch {
    std::vector<Entry> entries;
    uint64_t next_serial = 1;
    int hidden = 0;          // nobody is called
    int rounds = 0;          // running rounds of calls: entries keep their places
    bool removed = false;    // meanwhile
    Node* inside = nullptr;  // the node whose backward runs
    bool backward_failed = false;
};
#if defined(__linux__)
__attribute__((tls_model("initial-exec")))
#endif
constinit thread_local Watch* t_watch = nullptr;

inline void hide() {
    ++t_watch->hidden;
    t_state.flags &= static_cast<uint16_t>(~kObserveMode);
}
inline void show() {
    if (--t_watch->hidden == 0 && !t_watch->entries.empty()) t_state.flags |= kObserveMode;
}

void forget_removed() {
    std::erase_if(t_watch->entries, [](const Entry& e) { return !e.observer; });
    t_watch->removed = false;
    if (t_watch->entries.empty()) t_state.flags &= static_cast<uint16_t>(~kObserveMode);
}

// A round of calls; observers are hidden meanwhile.
class Round {
public:
    Round() { ++t_watch->rounds; }
    ~Round() {
        if (--t_watch->rounds == 0 && __builtin_expect(t_watch->removed, 0)) forget_removed();
    }
    Round(const Round&) = delete;
    Round& operator=(const Round&) = delete;
};
class HiddenRound : Round {
public:
    HiddenRound() { hide(); }
    ~HiddenRound() { show(); }
};

// By position: a hook may add observers (which this round does not reach) and remove any.
template <class F>
void each_until(size_t count, uint64_t limit, F&& f) {
    for (size_t i = 0; i < count; ++i) {
        Entry entry = t_watch->entries[i];
        if (entry.observer && entry.serial < limit) f(*entry.observer, i);
    }
}

// Calls `f` for every observer that was there before `limit`. After an exception the rest hear
// `otherwise`; if `undo`, those before the thrower do instead.
template <class F, class Otherwise>
void each(uint64_t limit, bool undo, F&& f, Otherwise&& otherwise) {
    size_t count = t_watch->entries.size();
    size_t thrower = count;
    std::exception_ptr thrown;
    each_until(count, limit, [&](Observer& o, size_t i) {
        if (thrown) {
            if (!undo) otherwise(o);
            return;
        }
        try {
            f(o);
        } catch (...) {
            thrown = std::current_exception();
            thrower = i;
        }
    });
    if (!thrown) return;
    if (undo) each_until(thrower, limit, [&](Observer& o, size_t) { otherwise(o); });
    std::rethrow_exception(thrown);
}

// Inside a node's backward only those who asked for it see the operators.
bool sees_operators(const Observer& o) {
    return !t_watch->inside || o.inside_node(*t_watch->inside);
}

template <class Predicate>
bool any_of(Predicate&& predicate) {
    return std::any_of(t_watch->entries.begin(), t_watch->entries.end(),
                       [&](const Entry& e) { return e.observer && predicate(*e.observer); });
}

}  // namespace

void add_observer(Observer& observer) {
    if (!t_watch) t_watch = new Watch;
    t_watch->entries.push_back({&observer, t_watch->next_serial++});
    if (t_watch->hidden == 0) t_state.flags |= kObserveMode;
}

void remove_observer(Observer& observer) {
    if (!t_watch) return;
    for (Entry& e : t_watch->entries) {
        if (e.observer == &observer) e.observer = nullptr;
    }
    if (t_watch->rounds == 0) forget_removed();
    else t_watch->removed = true;
}

bool Observer::runs_user_code(const Node& node) {
    return node.has_python_object() || node.is_accumulate_grad();
}

bool backward_failed() { return t_watch && t_watch->backward_failed; }

namespace detail {
void hide_observers() { hide(); }
void show_observers() { show(); }
}  // namespace detail

// From here to `end` the observers are hidden: from each other's hooks and from what the operator
// calls. A transparent operator shows them in between.
void Observation::begin() {
    begun_ = t_watch->next_serial;
    hide();
    try {
        Round round;
        each(
            begun_, true,
            [&](Observer& o) {
                if (sees_operators(o)) o.before_op(op_);
            },
            [&](Observer& o) {
                if (sees_operators(o)) o.op_failed(op_);
            });
    } catch (...) {
        done_ = true;
        show();
        throw;
    }
    if (op_.transparent) show();
}

void Observation::end(const ObservedTensors& outputs) {
    done_ = true;
    if (op_.transparent) hide();
    struct Shown {
        ~Shown() { show(); }
    } shown;
    Round round;
    each(
        begun_, false,
        [&](Observer& o) {
            if (sees_operators(o)) o.after_op(op_, outputs);
        },
        [&](Observer& o) {
            if (sees_operators(o)) o.op_failed(op_);
        });
}

void Observation::failed() noexcept {
    if (op_.transparent) hide();
    {
        Round round;
        each_until(t_watch->entries.size(), begun_, [&](Observer& o, size_t) {
            if (sees_operators(o)) o.op_failed(op_);
        });
    }
    show();
}

void observed_node(Node& node, GradIO& io) {
    uint64_t begun = t_watch->next_serial;
    auto node_failed = [&](Observer& o) { o.node_failed(node); };
    {
        HiddenRound round;
        each(begun, true, [&](Observer& o) { o.before_node(node, io.in); }, node_failed);
    }
    // The node may take its gradients over: what observers see afterwards are their own handles.
    constexpr uint32_t kInline = 2;
    Tensor few[kInline];
    std::vector<Tensor> many;
    Tensor* arrived = few;
    uint32_t count = node.num_outputs();
    if (count > kInline) {
        many.resize(count);
        arrived = many.data();
    }
    if (any_of([&](const Observer& o) { return o.wants_arrived(node); })) {
        std::copy(io.in, io.in + count, arrived);
    }
    struct Inside {
        explicit Inside(Node* node) : outer(t_watch->inside) { t_watch->inside = node; }
        ~Inside() { t_watch->inside = outer; }
        Node* outer;
    };
    try {
        Inside inside(&node);
        if (any_of(sees_operators)) {
            node.backward(io);
        } else {
            ObserversHidden hidden;
            node.backward(io);
        }
    } catch (...) {
        HiddenRound round;
        each_until(t_watch->entries.size(), begun, [&](Observer& o, size_t) { node_failed(o); });
        throw;
    }
    HiddenRound round;
    each(begun, false, [&](Observer& o) { o.after_node(node, arrived, io.out); }, node_failed);
}

void observe_backward_begin(const std::vector<Edge>& roots, const BackwardOptions& options) {
    HiddenRound round;
    each(
        t_watch->next_serial, true, [&](Observer& o) { o.before_backward(roots, options); },
        [&](Observer& o) {
            t_watch->backward_failed = true;
            try {
                o.after_backward();
            } catch (...) {
            }
            t_watch->backward_failed = false;
        });
}

void observe_captured(const std::vector<Edge>& inputs, const std::vector<Tensor>& gradients) {
    HiddenRound round;
    each(
        t_watch->next_serial, false, [&](Observer& o) { o.captured(inputs, gradients); },
        [](Observer&) {});
}

void observe_backward_end(bool failed) {
    std::exception_ptr thrown;
    {
        HiddenRound round;
        each_until(t_watch->entries.size(), t_watch->next_serial, [&](Observer& o, size_t) {
            t_watch->backward_failed = failed || thrown;
            try {
                o.after_backward();
            } catch (...) {
                if (!failed && !thrown) thrown = std::current_exception();
            }
        });
        t_watch->backward_failed = false;
    }
    if (thrown) std::rethrow_exception(thrown);
}

}  // namespace chainrule
