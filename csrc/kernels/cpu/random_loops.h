#pragma once

#include <cstdint>

// The loops of random.cpp that gain from vectors, compiled once per instruction set.
namespace chainrule::cpu {

struct RandomLoops {
    // The next 624 words of the Mersenne Twister, in place.
    void (*twist)(uint32_t* words);
    // The output function of the Mersenne Twister.
    void (*temper)(const uint32_t* words, uint32_t* out, int64_t n);
    // Uniform numbers: one word for a float, two (high, low) for a double.
    void (*uniform_f32)(const uint32_t* words, float* out, int64_t n, float from, float to);
    void (*uniform_f64)(const uint32_t* words, double* out, int64_t n, double from, double to);
    // In place on `blocks` * 16 uniform numbers.
    void (*box_muller_f32)(float* data, int64_t blocks, float mean, float std);
    // 1 where the double of a pair of words, times 2^53, is below the threshold.
    void (*bernoulli_f32)(const uint32_t* words, float* out, int64_t n, int64_t threshold);
};

namespace random_kernels {
namespace isa_base {
extern const RandomLoops loops;
}
namespace isa_avx2 {
extern const RandomLoops loops;
}
namespace isa_avx512 {
extern const RandomLoops loops;
}
}  // namespace random_kernels

// Those of the instruction set in use.
const RandomLoops& random_loops();

}  // namespace chainrule::cpu
