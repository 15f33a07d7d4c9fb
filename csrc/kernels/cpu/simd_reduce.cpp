#include "kernels/cpu/reduce_stateful.h"

// The folds of one instruction set, in the order of FoldOp.
namespace chainrule::cpu::reduce_kernels::CHAINRULE_ISA {

namespace {

template <template <class> class Op, class... T>
constexpr FoldTable simple() {
    FoldTable table{};
    ((table.by_dtype[static_cast<int>(dtype_of<T>)] = &Simple<Op<T>>::fold), ...);
    return table;
}

template <template <class> class F, class... T>
constexpr FoldTable stateful() {
    FoldTable table{};
    ((table.by_dtype[static_cast<int>(dtype_of<T>)] = &F<T>::fold), ...);
    return table;
}

}  // namespace

extern constinit const FoldTable folds[kNumFoldOps] = {
    simple<Sum, float, double, int64_t, bool>(),
    simple<Mean, float, double>(),
    simple<NanSum, float, double>(),
    simple<Prod, float, double, int64_t>(),
    simple<Count, float, double, int64_t, bool>(),
    simple<Any, float, double, int64_t, bool>(),
    simple<AllOf, float, double, int64_t, bool>(),
    simple<Max, float, double, int64_t, bool>(),
    simple<Min, float, double, int64_t, bool>(),
    stateful<ArgMax, float, double, int64_t, bool>(),
    stateful<ArgMin, float, double, int64_t, bool>(),
    simple<NormZero, float, double>(),
    simple<NormOne, float, double>(),
    simple<NormTwo, float, double>(),
    simple<NormAny, float, double>(),
    simple<MaxAbs, float, double>(),
    simple<MinAbs, float, double>(),
    stateful<Var, float, double>(),
    stateful<LogSumExp, float, double>(),
};

}  // namespace chainrule::cpu::reduce_kernels::CHAINRULE_ISA
