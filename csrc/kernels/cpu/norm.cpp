#include "kernels/cpu/norm.h"

#include "kernels/kernel.h"

namespace chainrule::cpu {

const NormLoops& norm_loops() {
#ifdef CHAINRULE_ONLY_BASE_ISA
    return norm_kernels::isa_base::loops;
#else
    static const NormLoops* const tables[] = {&norm_kernels::isa_base::loops,
                                              &norm_kernels::isa_avx2::loops,
                                              &norm_kernels::isa_avx512::loops};
    return *tables[g_active_isa];
#endif
}

}  // namespace chainrule::cpu
