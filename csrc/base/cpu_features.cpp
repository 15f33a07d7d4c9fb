#include "base/cpu_features.h"

#include <cstdlib>
#include <string_view>

#include "base/error.h"

namespace chainrule {

namespace {

Isa supported_isa() {
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return Isa::Base;
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    return avx512 ? Isa::Avx512 : Isa::Avx2;
#else
    return Isa::Base;
#endif
}

Isa choose_isa() {
    const Isa best = supported_isa();
    const char* wanted = std::getenv("CHAINRULE_ISA");
    if (wanted == nullptr || *wanted == '\0') return best;
    for (Isa isa : {Isa::Base, Isa::Avx2, Isa::Avx512}) {
        if (std::string_view(wanted) == isa_name(isa)) return isa < best ? isa : best;
    }
    fail(ErrorKind::Value, "CHAINRULE_ISA must be base, avx2 or avx512, got '", wanted, "'");
}

}  // namespace

Isa active_isa() {
    static const Isa isa = choose_isa();
    return isa;
}

const char* isa_name(Isa isa) noexcept {
    switch (isa) {
        case Isa::Avx512:
            return "avx512";
        case Isa::Avx2:
            return "avx2";
        case Isa::Base:
            break;
    }
    return "base";
}

}  // namespace chainrule
