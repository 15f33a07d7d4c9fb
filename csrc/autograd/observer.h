#pragma once

#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "autograd/thread_state.h"
#include "tensor/tensor.h"

namespace chainrule {

class Node;
struct BackwardOptions;
struct Edge;
struct GradIO;

// A list of tensors without an allocation in the common case. The tensors are borrowed.
class ObservedTensors {
public:
    void add(const Tensor& t) { add(t.get()); }
    void add(TensorImpl* t) {
        if (count_ < kInline) inline_[count_] = t;
        else {
            if (more_.empty()) more_.assign(inline_, inline_ + kInline);
            more_.push_back(t);
        }
        ++count_;
    }
    void add(const std::vector<Tensor>& list) {
        for (const Tensor& t : list) add(t);
    }
    template <class... T>
    void add(const std::tuple<T...>& list) {
        std::apply([this](const auto&... t) { (add(t), ...); }, list);
    }
    template <class Number>
        requires(!std::is_convertible_v<Number, TensorImpl*>)
    void add(const Number&) {}  // results that are numbers
    size_t size() const { return count_; }
    TensorImpl* operator[](size_t i) const { return count_ <= kInline ? inline_[i] : more_[i]; }

private:
    static constexpr size_t kInline = 6;
    TensorImpl* inline_[kInline];
    std::vector<TensorImpl*> more_;
    size_t count_ = 0;
};

// One operator call, as the observers of the thread see it. Numbers among the operands count too:
// an infinity that the program wrote itself is none that appeared.
struct ObservedOp {
    const char* name;  // of the operator table
    const char* row;   // "ops/unary.py:12"
    ObservedTensors inputs;
    bool number_not_finite = false;
};

// Watches the operators and backward nodes of one thread: profiler, anomaly trap, recordings. All
// calls come with the interpreter's lock. An exception thrown from a hook reaches the user.
class Observer {
public:
    virtual ~Observer() = default;
    virtual void before_op(const ObservedOp&) {}
    virtual void after_op(const ObservedOp&, const ObservedTensors&) {}
    virtual void op_failed(const ObservedOp&) {}
    // `in`: gradients by output of the operation, null where none arrived; `out`: by input.
    virtual void before_node(Node&, Tensor*) {}
    virtual void after_node(Node&, Tensor*, Tensor*) {}
    virtual void node_failed(Node&) {}
    // Around an outermost backward() or grad(). `after_backward` also comes after an error, and
    // must not throw.
    virtual void before_backward(const std::vector<Edge>&, const BackwardOptions&) {}
    virtual void after_backward() noexcept {}
    // Whether the operators that run inside a node's backward are to be shown too.
    virtual bool inside_nodes() const { return false; }
};

// Observers of the calling thread, called in the order in which they were added.
void add_observer(Observer& observer);
void remove_observer(Observer& observer);

// While it lives no observer is called: an observer's own tensor work is not observed.
class ObserversHidden {
public:
    ObserversHidden() : flag_(t_state.flags & kObserveMode) {
        t_state.flags &= static_cast<uint16_t>(~kObserveMode);
    }
    ~ObserversHidden() { t_state.flags |= flag_; }
    ObserversHidden(const ObserversHidden&) = delete;
    ObserversHidden& operator=(const ObserversHidden&) = delete;

private:
    uint16_t flag_;
};

// Shows one operator call to the observers; what the operator itself calls stays unseen.
class Observation {
public:
    template <class... Inputs>
    Observation(const char* name, const char* row, const Inputs&... inputs) : op_{name, row, {}} {
        (op_.inputs.add(inputs), ...);
        begin();
    }
    explicit Observation(ObservedOp op) : op_(std::move(op)) { begin(); }
    ~Observation() {
        if (!done_) failed();
    }
    Observation(const Observation&) = delete;
    Observation& operator=(const Observation&) = delete;

    template <class Result>
    Result result(Result value) {
        ObservedTensors outputs;
        outputs.add(value);
        end(outputs);
        return value;
    }

private:
    void begin();
    void end(const ObservedTensors& outputs);
    void failed();

    ObservedOp op_;
    bool done_ = false;
};

// For the engine, while kObserveMode is set.
void observed_node(Node& node, GradIO& io);
void observe_backward_begin(const std::vector<Edge>& roots, const BackwardOptions& options);
void observe_backward_end();

}  // namespace chainrule
