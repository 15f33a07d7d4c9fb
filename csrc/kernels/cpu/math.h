#pragma once

// The scalar functions that formulas of pointwise operators call, after `using namespace math`.
#include "kernels/cpu/math_base.h"
#include "kernels/cpu/math_erf.h"
#include "kernels/cpu/math_exp.h"
#include "kernels/cpu/math_integer.h"
#include "kernels/cpu/math_log.h"
#include "kernels/cpu/math_pow.h"
#include "kernels/cpu/math_special.h"
#include "kernels/cpu/math_trig.h"
