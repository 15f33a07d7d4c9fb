// Compiled once per instruction set; CHAINRULE_ISA names the namespace.
#include "kernels/cpu/finite.h"

#include <algorithm>

namespace chainrule::cpu::finite_kernels::CHAINRULE_ISA {

namespace {

template <class T>
bool all_finite(const T* data, int64_t n) {
    using Word = typename FiniteBits<T>::Word;
    constexpr int64_t kBlock = 4096;  // what is not finite ends the search at its block
    for (int64_t begin = 0; begin < n; begin += kBlock) {
        const int64_t end = std::min(n, begin + kBlock);
        Word seen = 0;
        for (int64_t i = begin; i < end; ++i) seen |= exponent_carry(data[i]);
        if (seen >> (8 * sizeof(Word) - 1)) return false;
    }
    return true;
}

}  // namespace

extern constinit const FiniteLoops loops = {all_finite<float>, all_finite<double>};

}  // namespace chainrule::cpu::finite_kernels::CHAINRULE_ISA
