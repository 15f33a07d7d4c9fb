#pragma once

#include <cmath>
#include <optional>
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
    const char* row;   // "ops/unary.py:12"; "" for what stands in no table
    ObservedTensors inputs;
    bool number_nan = false;  // among the numbers
    bool number_infinite = false;
    bool transparent = false;  // what it calls is shown too: a custom Function
    bool quiet = false;        // makes no numbers of its own: what is not finite in it was given
    uint8_t changes = 0;       // so many of the first inputs are changed in place

    void add(const Tensor& t) {
        if (t) inputs.add(t);
    }
    void add(const std::vector<Tensor>& list) {
        for (const Tensor& t : list) add(t);
    }
    void add(double number) {
        number_nan |= std::isnan(number);
        number_infinite |= std::isinf(number);
    }
    void add(const Scalar& number) {
        if (number.is_float()) add(number.as_double());
    }
    template <class T>
    void add(const std::optional<T>& value) {
        if (value) add(*value);
    }
};

// Watches the operators and backward nodes of one thread: profiler, anomaly trap, recordings. All
// calls come with the interpreter's lock.
//
// An exception thrown from a hook reaches the user, after the other observers were told with
// op_failed or node_failed that no result comes; whoever was told of a beginning is always told of
// an end.
class Observer {
public:
    virtual ~Observer() = default;
    virtual void before_op(const ObservedOp&) {}
    virtual void after_op(const ObservedOp&, const ObservedTensors&) {}
    virtual void op_failed(const ObservedOp&) {}  // must not throw
    // `in`: gradients by output of the operation, null where none arrived; `out`: by input.
    virtual void before_node(Node&, Tensor*) {}
    virtual void after_node(Node&, Tensor*, Tensor*) {}
    virtual void node_failed(Node&) {}  // must not throw
    // Around an outermost backward() or grad(). `after_backward` also comes after an error
    // (backward_failed()); what it throws then is lost.
    virtual void before_backward(const std::vector<Edge>&, const BackwardOptions&) {}
    virtual void after_backward() {}
    // Before that, what grad() gives back for its inputs, or backward(inputs=...) adds to them.
    virtual void captured(const std::vector<Edge>&, const std::vector<Tensor>&) {}
    // Whether the operators that run inside a node's backward are to be shown too.
    virtual bool inside_nodes() const { return false; }
    virtual bool inside_node(const Node&) const { return inside_nodes(); }
    // Nodes in whose backward the program's own code runs: a custom Function, hooks of a leaf.
    static bool runs_user_code(const Node& node);
    // Whether `after_node` is to get the arrived gradients. They are kept for it, so that the node
    // cannot compute in their memory.
    virtual bool wants_arrived(const Node&) const { return true; }
};

// Observers of the calling thread, called in the order in which they were added. One that is
// removed, by whatever hook, is called no more and may be destroyed at once.
void add_observer(Observer& observer);
void remove_observer(Observer& observer);
bool backward_failed();  // for after_backward

namespace detail {
void hide_observers();
void show_observers();
}  // namespace detail

// While it lives no observer is called: an observer's own tensor work is not observed.
class ObserversHidden {
public:
    ObserversHidden() : hidden_(t_state.flags & kObserveMode) {
        if (__builtin_expect(hidden_, 0)) detail::hide_observers();
    }
    ~ObserversHidden() {
        if (__builtin_expect(hidden_, 0)) detail::show_observers();
    }
    ObserversHidden(const ObserversHidden&) = delete;
    ObserversHidden& operator=(const ObserversHidden&) = delete;

private:
    bool hidden_;
};

// Shows one operator call to the observers; what the operator itself calls stays unseen.
class Observation {
public:
    template <class... Inputs>
    Observation(const char* name, const char* row, const Inputs&... inputs) : op_{name, row, {}} {
        (op_.add(inputs), ...);
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
    // Of an operator that changed its first input, or gave several results.
    void end(const ObservedTensors& outputs);

private:
    void begin();
    void failed() noexcept;

    ObservedOp op_;
    uint64_t begun_ = 0;  // observers added later are not told of the end
    bool done_ = false;
};

// For the engine, while kObserveMode is set.
void observed_node(Node& node, GradIO& io);
void observe_backward_begin(const std::vector<Edge>& roots, const BackwardOptions& options);
void observe_captured(const std::vector<Edge>& inputs, const std::vector<Tensor>& gradients);
void observe_backward_end(bool failed);

}  // namespace chainrule
