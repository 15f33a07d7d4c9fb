#pragma once

namespace chainrule {

// Instruction sets that kernels are compiled for: the x86-64 baseline (or any other machine),
// AVX2 with FMA, and AVX-512 F, DQ, BW and VL.
enum class Isa { Base = 0, Avx2 = 1, Avx512 = 2 };

// The best set this machine supports. The environment variable CHAINRULE_ISA (base, avx2, avx512)
// lowers it, for tests; it never raises it. Read once, at the first call.
// Throws Error(Value) if the variable holds another word.
Isa active_isa();

const char* isa_name(Isa isa) noexcept;

}  // namespace chainrule
