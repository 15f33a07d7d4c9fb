#include <bit>
#include <cmath>
#include <cstdint>

#include "kernels/cpu/random_loops.h"

// Compiled once per instruction set, with the same results for all of them: every product that
// meets a sum is written as fma, so the compiler has nothing left to contract.
namespace chainrule::cpu::random_kernels::CHAINRULE_ISA {

namespace {

constexpr int kWords = 624;
constexpr int kShift = 397;

inline uint32_t twisted(uint32_t u, uint32_t v) {
    const uint32_t mixed = (u & 0x80000000u) | (v & 0x7fffffffu);
    return (mixed >> 1) ^ ((0u - (v & 1u)) & 0x9908b0dfu);
}

void twist(uint32_t* words) {
    constexpr int rest = kWords - kShift;
    for (int i = 0; i < rest; ++i) words[i] = words[i + kShift] ^ twisted(words[i], words[i + 1]);
    for (int i = rest; i < kWords - 1; ++i) {
        words[i] = words[i - rest] ^ twisted(words[i], words[i + 1]);
    }
    words[kWords - 1] = words[kShift - 1] ^ twisted(words[kWords - 1], words[0]);
}

void temper(const uint32_t* __restrict words, uint32_t* __restrict out, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        uint32_t y = words[i];
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c5680u;
        y ^= (y << 15) & 0xefc60000u;
        out[i] = y ^ (y >> 18);
    }
}

void uniform_f32(const uint32_t* __restrict words, float* __restrict out, int64_t n, float from,
                 float to) {
    const float width = to - from;
    for (int64_t i = 0; i < n; ++i) {
        const float x = static_cast<float>(static_cast<int32_t>(words[i] & 0xffffffu)) * 0x1p-24f;
        const float value = std::fma(x, width, from);
        out[i] = value == to ? from : value;  // rounding may reach the end, which is excluded
    }
}

// 53 bits as a double in [0, 1). Two exact parts, because converting int64 needs AVX-512.
inline double unit_f64(uint32_t high, uint32_t low) {
    const double h = static_cast<int32_t>(high & 0x1fffffu);
    const double l = static_cast<double>(std::bit_cast<int32_t>(low ^ 0x80000000u)) + 0x1p31;
    return std::fma(l, 0x1p-53, h * 0x1p-21);
}

void uniform_f64(const uint32_t* __restrict words, double* __restrict out, int64_t n, double from,
                 double to) {
    const double width = to - from;
    for (int64_t i = 0; i < n; ++i) {
        const double value = std::fma(unit_f64(words[2 * i], words[2 * i + 1]), width, from);
        out[i] = value == to ? from : value;
    }
}

// Logarithm of x in [2^-24, 1]: the polynomial of Cephes' logf, which torch's vector code uses.
inline float log_unit(float x) {
    const int32_t bits = std::bit_cast<int32_t>(x);
    float exponent = static_cast<float>((bits >> 23) - 126);
    const float mantissa = std::bit_cast<float>((bits & 0x007fffff) | 0x3f000000);
    const bool low = mantissa < 0.707106781186547524f;
    exponent -= low ? 1.0f : 0.0f;
    const float m = (mantissa - 1.0f) + (low ? mantissa : 0.0f);
    const float m2 = m * m;
    float p = 7.0376836292e-2f;
    p = std::fma(p, m, -1.1514610310e-1f);
    p = std::fma(p, m, 1.1676998740e-1f);
    p = std::fma(p, m, -1.2420140846e-1f);
    p = std::fma(p, m, 1.4249322787e-1f);
    p = std::fma(p, m, -1.6668057665e-1f);
    p = std::fma(p, m, 2.0000714765e-1f);
    p = std::fma(p, m, -2.4999993993e-1f);
    p = std::fma(p, m, 3.3333331174e-1f);
    p *= m;
    p = std::fma(p, m2, exponent * -2.12194440e-4f);
    p = std::fma(m2, -0.5f, p);
    return std::fma(exponent, 0.693359375f, m + p);
}

// Sine and cosine of x in [0, 2 pi]: the polynomials of Cephes' sinf and cosf.
inline void sincos_turn(float x, float& sine, float& cosine) {
    // The multiple of pi/4 nearest from among the even ones.
    const int32_t octant = (static_cast<int32_t>(x * 1.27323954473516f) + 1) & ~1;
    const float y = static_cast<float>(octant);
    float r = std::fma(y, -0.78515625f, x);
    r = std::fma(y, -2.4187564849853515625e-4f, r);
    r = std::fma(y, -3.77489497744594108e-8f, r);
    const float r2 = r * r;

    float c = 2.443315711809948e-5f;
    c = std::fma(c, r2, -1.388731625493765e-3f);
    c = std::fma(c, r2, 4.166664568298827e-2f);
    c = std::fma(c * r2, r2, r2 * -0.5f) + 1.0f;
    float s = -1.9515295891e-4f;
    s = std::fma(s, r2, 8.3321608736e-3f);
    s = std::fma(s, r2, -1.6666654611e-1f);
    s = std::fma(s * r2, r, r);

    const bool straight = (octant & 2) == 0;
    const int32_t sine_sign = (octant & 4) << 29;
    const int32_t cosine_sign = (~(octant - 2) & 4) << 29;
    sine = std::bit_cast<float>(std::bit_cast<int32_t>(straight ? s : c) ^ sine_sign);
    cosine = std::bit_cast<float>(std::bit_cast<int32_t>(straight ? c : s) ^ cosine_sign);
}

void box_muller_f32(float* data, int64_t blocks, float mean, float std) {
    for (int64_t b = 0; b < blocks; ++b, data += 16) {
        float first[8], second[8];
        for (int j = 0; j < 8; ++j) {
            const float radius = std::sqrt(-2.0f * log_unit(1.0f - data[j]));
            float sine, cosine;
            sincos_turn(6.283185307179586f * data[j + 8], sine, cosine);
            first[j] = std::fma(radius * cosine, std, mean);
            second[j] = std::fma(radius * sine, std, mean);
        }
        for (int j = 0; j < 8; ++j) data[j] = first[j];
        for (int j = 0; j < 8; ++j) data[j + 8] = second[j];
    }
}

void bernoulli_f32(const uint32_t* __restrict words, float* __restrict out, int64_t n,
                   int64_t threshold) {
    for (int64_t i = 0; i < n; ++i) {
        const int64_t high = words[2 * i] & 0x1fffffu;
        out[i] = ((high << 32) | words[2 * i + 1]) < threshold ? 1.0f : 0.0f;
    }
}

}  // namespace

const RandomLoops loops = {twist, temper, uniform_f32, uniform_f64, box_muller_f32, bernoulli_f32};

}  // namespace chainrule::cpu::random_kernels::CHAINRULE_ISA
