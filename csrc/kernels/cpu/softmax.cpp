#include "kernels/cpu/softmax.h"

#include "kernels/kernel.h"

namespace chainrule::cpu {

const SoftmaxLoops& softmax_loops() {
#ifdef CHAINRULE_ONLY_BASE_ISA
    return softmax_kernels::isa_base::loops;
#else
    static const SoftmaxLoops* const tables[] = {&softmax_kernels::isa_base::loops,
                                                 &softmax_kernels::isa_avx2::loops,
                                                 &softmax_kernels::isa_avx512::loops};
    return *tables[g_active_isa];
#endif
}

}  // namespace chainrule::cpu
