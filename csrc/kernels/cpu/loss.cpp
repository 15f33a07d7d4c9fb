#include "kernels/cpu/loss.h"

#include "kernels/kernel.h"

namespace chainrule::cpu {

const LossLoops& loss_loops() {
#ifdef CHAINRULE_ONLY_BASE_ISA
    return loss_kernels::isa_base::loops;
#else
    static const LossLoops* const tables[] = {&loss_kernels::isa_base::loops,
                                              &loss_kernels::isa_avx2::loops,
                                              &loss_kernels::isa_avx512::loops};
    return *tables[g_active_isa];
#endif
}

}  // namespace chainrule::cpu
