#pragma once

#include <cmath>

#include "kernels/cpu/reduce_lanes.h"

// The operators that folds are made of. Included by translation units that are compiled once per
// instruction set.
namespace chainrule::cpu::reduce_kernels::CHAINRULE_ISA {

// Of sums: floats are added in lanes and joined in double, integers wrap around.
template <class T>
using SumLane = std::conditional_t<std::is_floating_point_v<T>, T,
                                   std::conditional_t<sizeof(T) == 1, uint8_t, uint64_t>>;
template <class T>
using SumAcc = std::conditional_t<std::is_floating_point_v<T>, double, uint64_t>;

template <class T, class O>
struct SumBase {
    using In = MemoryOf<T>;
    using Lane = SumLane<T>;
    using Acc = SumAcc<T>;
    using Out = O;
    static constexpr bool narrow = sizeof(Lane) == 1;

    explicit SumBase(const FoldParams&) {}
    Lane identity() const { return Lane(0); }
    Lane join(Lane a, Lane b) const { return static_cast<Lane>(a + b); }
    Acc widen(Lane a) const { return static_cast<Acc>(a); }
    Acc join_acc(Acc a, Acc b) const { return a + b; }
    bool settled(Acc) const { return false; }
    Out result(Acc a, const FoldParams&) const { return static_cast<Out>(a); }
};

template <class T>
struct Sum : SumBase<T, std::conditional_t<std::is_same_v<T, bool>, int64_t, T>> {
    using SumBase<T, std::conditional_t<std::is_same_v<T, bool>, int64_t, T>>::SumBase;
    SumLane<T> load(MemoryOf<T> x) const {
        if constexpr (std::is_same_v<T, bool>) return x != 0;
        else return static_cast<SumLane<T>>(x);
    }
};

template <class T>
struct Mean : Sum<T> {
    using Sum<T>::Sum;
    T result(double a, const FoldParams& params) const {
        return static_cast<T>(a / static_cast<double>(params.count));
    }
};

template <class T>
struct NanSum : SumBase<T, T> {
    using SumBase<T, T>::SumBase;
    T load(T x) const { return x == x ? x : T(0); }
};

template <class T>
struct NormOne : SumBase<T, T> {
    using SumBase<T, T>::SumBase;
    T load(T x) const { return math::abs(x); }
};

template <class T>
struct NormTwo : SumBase<T, T> {
    using SumBase<T, T>::SumBase;
    T load(T x) const { return x * x; }
    T result(double a, const FoldParams&) const { return static_cast<T>(std::sqrt(a)); }
};

template <class T>
struct NormAny : SumBase<T, T> {
    T p;
    explicit NormAny(const FoldParams& params)
        : SumBase<T, T>(params), p(static_cast<T>(params.p)) {}
    T load(T x) const { return math::pow(math::abs(x), p); }
    T result(double a, const FoldParams& params) const {
        return static_cast<T>(std::pow(a, 1.0 / params.p));
    }
};

// Sums of (x - shift) and of its square, of which Var is made; params.p is the shift.
template <class T>
struct Shifted : SumBase<T, T> {
    T shift;
    explicit Shifted(const FoldParams& params)
        : SumBase<T, T>(params), shift(static_cast<T>(params.p)) {}
    T load(T x) const { return x - shift; }
};

template <class T>
struct ShiftedSquare : Shifted<T> {
    using Shifted<T>::Shifted;
    T load(T x) const {
        T d = x - this->shift;
        return d * d;
    }
};

// exp(x - shift), of which LogSumExp is made.
template <class T>
struct ShiftedExp : Shifted<T> {
    using Shifted<T>::Shifted;
    T load(T x) const { return math::exp(x - this->shift); }
};

template <class T>
struct Prod {
    using In = T;
    using Lane = std::conditional_t<std::is_integral_v<T>, uint64_t, T>;
    using Acc = Lane;
    using Out = T;
    static constexpr bool narrow = false;

    explicit Prod(const FoldParams&) {}
    Lane identity() const { return Lane(1); }
    Lane load(In x) const { return static_cast<Lane>(x); }
    Lane join(Lane a, Lane b) const { return a * b; }
    Acc widen(Lane a) const { return a; }
    Acc join_acc(Acc a, Acc b) const { return a * b; }
    bool settled(Acc) const { return false; }
    Out result(Acc a, const FoldParams&) const { return static_cast<Out>(a); }
};

template <class T, class O>
struct CountBase {
    using In = MemoryOf<T>;
    using Lane = WordOfSize<T>;
    using Acc = int64_t;
    using Out = O;
    static constexpr bool narrow = true;

    explicit CountBase(const FoldParams&) {}
    Lane identity() const { return 0; }
    Lane load(In x) const { return x != In(0); }
    Lane join(Lane a, Lane b) const { return static_cast<Lane>(a + b); }
    Acc widen(Lane a) const { return static_cast<Acc>(a); }
    Acc join_acc(Acc a, Acc b) const { return a + b; }
    bool settled(Acc) const { return false; }
    Out result(Acc a, const FoldParams&) const { return static_cast<Out>(a); }
};
template <class T>
using Count = CountBase<T, int64_t>;
template <class T>
using NormZero = CountBase<T, T>;

template <class T, bool All>
struct Logical {
    using In = MemoryOf<T>;
    using Lane = WordOfSize<T>;
    using Acc = uint8_t;
    using Out = bool;
    static constexpr bool narrow = false;

    explicit Logical(const FoldParams&) {}
    Lane identity() const { return All; }
    Lane load(In x) const { return x != In(0); }
    Lane join(Lane a, Lane b) const { return All ? a & b : a | b; }
    Acc widen(Lane a) const { return a != 0; }
    Acc join_acc(Acc a, Acc b) const { return All ? a & b : a | b; }
    bool settled(Acc a) const { return (a != 0) != All; }
    Out result(Acc a, const FoldParams&) const { return a != 0; }
};
template <class T>
using Any = Logical<T, false>;
template <class T>
using AllOf = Logical<T, true>;

template <class T, bool Largest>
struct Extreme {
    using In = MemoryOf<T>;
    using Lane = In;
    using Acc = In;
    using Out = T;
    static constexpr bool narrow = false;

    explicit Extreme(const FoldParams&) {}
    Lane identity() const {
        using Limits = std::numeric_limits<T>;
        if constexpr (Limits::has_infinity)
            return Largest ? -Limits::infinity() : Limits::infinity();
        else return static_cast<Lane>(Largest ? Limits::lowest() : Limits::max());
    }
    Lane load(In x) const { return x; }
    // NaN of either side comes through.
    Lane join(Lane a, Lane b) const {
        const Lane further = (Largest ? a > b : a < b) ? a : b;
        return a != a ? a : further;
    }
    Acc widen(Lane a) const { return a; }
    Acc join_acc(Acc a, Acc b) const { return join(a, b); }
    bool settled(Acc) const { return false; }
    Out result(Acc a, const FoldParams&) const { return static_cast<Out>(a); }
};
template <class T>
using Max = Extreme<T, true>;
template <class T>
using Min = Extreme<T, false>;

template <class T, bool Largest>
struct ExtremeAbs : Extreme<T, Largest> {
    using Extreme<T, Largest>::Extreme;
    T identity() const { return Largest ? T(0) : std::numeric_limits<T>::infinity(); }
    T load(T x) const { return math::abs(x); }
};
template <class T>
using MaxAbs = ExtremeAbs<T, true>;
template <class T>
using MinAbs = ExtremeAbs<T, false>;

}  // namespace chainrule::cpu::reduce_kernels::CHAINRULE_ISA
