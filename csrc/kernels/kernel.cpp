#include "kernels/kernel.h"

namespace chainrule {

int g_active_isa = static_cast<int>(Isa::Base);

void select_kernels() {
#ifdef CHAINRULE_ONLY_BASE_ISA
    g_active_isa = static_cast<int>(Isa::Base);
#else
    g_active_isa = static_cast<int>(active_isa());
#endif
}

}  // namespace chainrule
