#include "kernels/kernel.h"

namespace chainrule {

int g_active_isa = static_cast<int>(Isa::Base);

void select_kernels() { g_active_isa = static_cast<int>(active_isa()); }

}  // namespace chainrule
