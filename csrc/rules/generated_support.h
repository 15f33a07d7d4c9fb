#pragma once

#include <optional>
#include <tuple>
#include <vector>

#include "autograd/history.h"
#include "autograd/no_graph.h"
#include "autograd/observer.h"
#include "autograd/saved.h"
#include "autograd/tangent.h"
#include "forward.h"
#include "ops.h"
#include "rules/rules.h"

// What the generated operators are written with.

#ifdef CHAINRULE_ONLY_BASE_ISA
#define CHAINRULE_KERNEL(name)                             \
    Kernel {                                               \
        {                                                  \
            &cpu::isa_base::table_##name, nullptr, nullptr \
        }                                                  \
    }
#define CHAINRULE_DECLARE_KERNEL(name)   \
    namespace cpu::isa_base {            \
    extern const LoopTable table_##name; \
    }
#else
#define CHAINRULE_KERNEL(name)                                          \
    Kernel {                                                            \
        {                                                               \
            &cpu::isa_base::table_##name, &cpu::isa_avx2::table_##name, \
                &cpu::isa_avx512::table_##name                          \
        }                                                               \
    }
#define CHAINRULE_DECLARE_KERNEL(name)   \
    namespace cpu::isa_base {            \
    extern const LoopTable table_##name; \
    }                                    \
    namespace cpu::isa_avx2 {            \
    extern const LoopTable table_##name; \
    }                                    \
    namespace cpu::isa_avx512 {          \
    extern const LoopTable table_##name; \
    }
#endif

namespace chainrule {

using TensorList = std::vector<Tensor>;

inline uint16_t flags_of(const Tensor& t) { return t ? t->flags : uint16_t{0}; }
inline uint16_t flags_of(const TensorList& list) {
    uint16_t flags = 0;
    for (const Tensor& t : list) flags |= flags_of(t);
    return flags;
}

// Of operations that were not recorded: why their results have no graph.
inline constexpr uint16_t kGraphFlags = kRequiresGrad | kView | kNoGraph;
void note_results(const ObservedTensors& results, const ObservedTensors& inputs,
                  bool differentiable, const char* operation);
template <class Results, class... Inputs>
__attribute__((noinline, cold)) void note_no_history(const Results& results, bool differentiable,
                                                     const char* operation,
                                                     const Inputs&... inputs) {
    ObservedTensors from, made;
    made.add(results);
    (from.add(inputs), ...);
    note_results(made, from, differentiable, operation);
}

inline int64_t level_of_one(const Tensor& t) { return highest_level({t.get()}); }
inline int64_t level_of_one(const TensorList& list) { return highest_level(list); }
template <class... T>
int64_t level_of(const T&... tensors) {
    int64_t best = 0;
    ((best = std::max(best, level_of_one(tensors))), ...);
    return best;
}

inline Tensor tangent_at(const Tensor& t, int64_t level) {
    return t ? tangent_of(*t, level) : Tensor();
}
TensorList tangents_or_zeros(const TensorList& list, int64_t level);
Tensor add_tangents(const Tensor& total, const Tensor& term);
void set_tangents(const Tensor& out, int64_t level, const Tensor& tangent);
void set_tangents(const TensorList& out, int64_t level, const TensorList& tangents);
// Of several results the first is the differentiable one.
template <class... T>
void set_tangents(const std::tuple<T...>& out, int64_t level, const Tensor& tangent) {
    set_tangents(std::get<0>(out), level, tangent);
}

inline bool wants_grad(const Tensor& t) { return t && requires_grad(*t); }
inline bool wants_grad(const TensorList& list) {
    for (const Tensor& t : list) {
        if (wants_grad(t)) return true;
    }
    return false;
}

inline void set_edge(Node& node, uint32_t i, const Tensor& t) {
    if (t) node.set_edge(i, edge_of(*t));
}
inline void set_edges(Node& node, uint32_t from, const TensorList& list) {
    for (size_t i = 0; i < list.size(); ++i) {
        set_edge(node, from + static_cast<uint32_t>(i), list[i]);
    }
}

// `operation` is the table's name: of a result without derivative it is why there is no graph.
inline void set_output(const Tensor& t, Node& node, uint32_t i, const char* operation) {
    if (__builtin_expect(is_differentiable(t->dtype), 1)) return set_history(*t, node, i);
    node.meta(i).set(*t);
    note_no_graph(*t, NoGraph::Why::IntegerResult, operation);
}
inline void set_histories(const Tensor& out, Node& node, const char* operation) {
    set_output(out, node, 0, operation);
}
inline void set_histories(const TensorList& out, Node& node, const char* operation) {
    node.set_outputs(static_cast<uint32_t>(out.size()));
    for (size_t i = 0; i < out.size(); ++i) {
        set_output(out[i], node, static_cast<uint32_t>(i), operation);
    }
}
template <class... T>
void set_histories(const std::tuple<T...>& out, Node& node, const char* operation) {
    node.set_outputs(sizeof...(T));
    std::apply(
        [&](const auto&... t) {
            uint32_t i = 0;
            (set_output(t, node, i++, operation), ...);
        },
        out);
}

inline void set_views(const Tensor& out, const Tensor& of, ViewOrigin origin) {
    set_view(*out, *of, origin);
}
inline void set_views(const TensorList& out, const Tensor& of, ViewOrigin origin) {
    for (const Tensor& t : out) set_view(*t, *of, origin);
}

inline Tensor finish(Tensor t) {
    if (__builtin_expect(t_state.inference, 0)) t->flags |= kInference;
    return t;
}
inline TensorList finish(TensorList list) {
    for (Tensor& t : list) t = finish(std::move(t));
    return list;
}
template <class... T>
std::tuple<T...> finish(std::tuple<T...> results) {
    std::apply([](auto&... t) { ((t = finish(std::move(t))), ...); }, results);
    return results;
}
inline bool finish(bool value) { return value; }
inline Scalar finish(Scalar value) { return value; }

// Zeros stand for gradients that did not arrive.
Tensor materialized(GradIO& io, Node& node, uint32_t i);
TensorList materialized(GradIO& io, Node& node);
void give_all(GradIO& io, uint32_t from, TensorList grads);
TensorList unpack_all(std::vector<Saved>& saved, Node& node);
void save_all(std::vector<Saved>& saved, const TensorList& list);
std::vector<Dims> shapes_of(const TensorList& list);

inline void visit_value(SavedVisitor& v, const char* name, const Scalar& s) { v.scalar(name, s); }
inline void visit_value(SavedVisitor& v, const char* name, int64_t i) { v.scalar(name, Scalar(i)); }
inline void visit_value(SavedVisitor& v, const char* name, double d) { v.scalar(name, Scalar(d)); }
inline void visit_value(SavedVisitor& v, const char* name, bool b) { v.flag(name, b); }
inline void visit_value(SavedVisitor& v, const char* name, const Dims& d) { v.dims(name, d); }
inline void visit_value(SavedVisitor&, const char*, DType) {}
inline void visit_value(SavedVisitor&, const char*, const std::string&) {}
inline void visit_value(SavedVisitor&, const char*, const std::vector<Dims>&) {}
template <class T>
void visit_value(SavedVisitor& v, const char* name, const std::optional<T>& value) {
    if (value) visit_value(v, name, *value);
}

namespace ops {
using namespace rules;
}

}  // namespace chainrule
