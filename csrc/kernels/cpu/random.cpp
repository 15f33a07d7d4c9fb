#include "kernels/cpu/random.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "base/parallel.h"
#include "kernels/cpu/random_loops.h"

namespace chainrule::cpu {

namespace {

using Lock = std::lock_guard<std::mutex>;

template <class... Parts>
void require(bool condition, const Parts&... parts) {
    check(condition, ErrorKind::Runtime, parts...);
}

// Words are drawn in runs that stay in the first-level cache.
constexpr int64_t kRun = 1024;

// Calls f(words, offset, count) for runs of `count` results that take `per` words each.
template <int per, class F>
void for_each_run(Generator& gen, int64_t n, F&& f) {
    uint32_t words[kRun];
    for (int64_t done = 0; done < n;) {
        const int64_t count = std::min<int64_t>(n - done, kRun / per);
        gen.fill_words(words, count * per);
        f(static_cast<const uint32_t*>(words), done, count);
        done += count;
    }
}

uint64_t join(uint32_t high, uint32_t low) { return (static_cast<uint64_t>(high) << 32) | low; }

// out[i] = f(u_i), u_i uniform doubles of [0, 1).
template <class T, class F>
void transform_units(Generator& gen, T* out, int64_t n, F&& f) {
    for_each_run<2>(gen, n, [&](const uint32_t* words, int64_t offset, int64_t count) {
        double units[kRun / 2];
        random_loops().uniform_f64(words, units, count, 0.0, 1.0);
        for (int64_t i = 0; i < count; ++i) out[offset + i] = static_cast<T>(f(units[i]));
    });
}

void draw_uniform(Generator& gen, float* out, int64_t n, float from, float to) {
    for_each_run<1>(gen, n, [&](const uint32_t* words, int64_t offset, int64_t count) {
        random_loops().uniform_f32(words, out + offset, count, from, to);
    });
}

void draw_uniform(Generator& gen, double* out, int64_t n, double from, double to) {
    for_each_run<2>(gen, n, [&](const uint32_t* words, int64_t offset, int64_t count) {
        random_loops().uniform_f64(words, out + offset, count, from, to);
    });
}

// One normal number, the other of its pair kept in the generator (Box and Muller 1958).
double next_normal(Generator& gen, double mean, double std) {
    if (gen.next_double_normal) {
        const double kept = *std::exchange(gen.next_double_normal, std::nullopt);
        return std::fma(kept, std, mean);
    }
    const double u1 = gen.unit();
    const double u2 = gen.unit();
    const double radius = std::sqrt(-2.0 * std::log1p(-u2));
    const double theta = 2.0 * std::numbers::pi * u1;
    gen.next_double_normal = radius * std::sin(theta);
    return std::fma(radius * std::cos(theta), std, mean);
}

void box_muller(float* data, int64_t blocks, double mean, double std) {
    random_loops().box_muller_f32(data, blocks, static_cast<float>(mean), static_cast<float>(std));
}

void box_muller(double* data, int64_t blocks, double mean, double std) {
    parallel_for(0, blocks, 256, [&](int64_t begin, int64_t end) {
        for (double* block = data + begin * 16; block != data + end * 16; block += 16) {
            for (int j = 0; j < 8; ++j) {
                const double radius = std::sqrt(-2.0 * std::log(1.0 - block[j]));
                const double theta = 2.0 * std::numbers::pi * block[j + 8];
                block[j] = std::fma(radius * std::cos(theta), std, mean);
                block[j + 8] = std::fma(radius * std::sin(theta), std, mean);
            }
        }
    });
}

// x % range without a division (Lemire, Kaser and Kurz 2019), exact for 32 bits.
class Remainder32 {
public:
    explicit Remainder32(uint32_t range) : range_(range), inverse_(~0ULL / range + 1) {}
    uint32_t operator()(uint32_t x) const {
        using Wide = unsigned __int128;
        return static_cast<uint32_t>((static_cast<Wide>(inverse_ * x) * range_) >> 64);
    }

private:
    uint32_t range_;
    uint64_t inverse_;
};

template <class T>
T from_bits(uint64_t bits) {
    return static_cast<T>(static_cast<int64_t>(bits));
}

// low + [0, range). torch takes 64 bits for ranges from 2^28, where 32 would show a skew.
template <class T>
void fill_range(Generator& gen, T* out, int64_t n, int64_t low, uint64_t range) {
    const uint64_t base = static_cast<uint64_t>(low);
    if (range >= 1ULL << 28) {
        for_each_run<2>(gen, n, [&](const uint32_t* words, int64_t offset, int64_t count) {
            for (int64_t i = 0; i < count; ++i) {
                out[offset + i] = from_bits<T>(join(words[2 * i], words[2 * i + 1]) % range + base);
            }
        });
    } else {
        const Remainder32 remainder(static_cast<uint32_t>(range));
        for_each_run<1>(gen, n, [&](const uint32_t* words, int64_t offset, int64_t count) {
            for (int64_t i = 0; i < count; ++i) {
                out[offset + i] = from_bits<T>(remainder(words[i]) + base);
            }
        });
    }
}

template <class T>
constexpr const char* type_name() {
    if constexpr (std::is_same_v<T, float>) return "float";
    else if constexpr (std::is_same_v<T, double>) return "double";
    else if constexpr (std::is_same_v<T, bool>) return "bool";
    else return "long int";
}

template <class T>
void check_in_range(int64_t low, int64_t last) {
    if constexpr (std::is_same_v<T, bool>) {
        require(low >= 0 && low <= 1, "from is out of bounds for ", type_name<T>());
        require(last >= 0 && last <= 1, "to - 1 is out of bounds for ", type_name<T>());
    }
}

// Distance between neighbours of type T at the magnitude of `x`, a power of two.
template <class T>
int64_t spacing_at(int64_t x) {
    const int exponent = std::ilogb(static_cast<long double>(std::abs(x)));
    return int64_t{1} << (exponent - std::numeric_limits<T>::digits + 1);
}

// Moves an end of the range to a number that T holds, inwards, as torch does.
template <class T>
int64_t representable_low(int64_t low) {
    if (low == std::numeric_limits<int64_t>::max()) return low;
    const T rounded = static_cast<T>(low + 1);
    if (rounded >= static_cast<T>(0x1p63)) return low;  // beyond int64_t
    const int64_t next = static_cast<int64_t>(rounded);
    return next < low ? next + spacing_at<T>(low + 1) : low;
}

template <class T>
int64_t representable_high(int64_t high) {
    const T rounded = static_cast<T>(high - 1);
    if (rounded >= static_cast<T>(0x1p63)) return high;  // torch leaves it alone, too
    const int64_t last = static_cast<int64_t>(rounded);
    return last >= high ? last - spacing_at<T>(high - 1) : high;
}

// Probability p as the number of 53-bit integers that count as 1.
int64_t bernoulli_threshold(double p) { return static_cast<int64_t>(std::ceil(p * 0x1p53)); }

}  // namespace

// Continuous distributions -----------------------------------------------------------------------

template <class T>
void fill_uniform(Generator& gen, T* out, int64_t n, double from, double to) {
    const double largest = std::numeric_limits<T>::max();
    require(std::abs(from) <= largest, "from is out of bounds for ", type_name<T>());
    require(std::abs(to) <= largest, "to is out of bounds for ", type_name<T>());
    require(!(from > to), "uniform_ expects to return a [from, to) range, but found from=", from,
            " > to=", to);
    const T low = static_cast<T>(from), high = static_cast<T>(to);
    require(!(to - from > largest), "uniform_ expects to-from <= std::numeric_limits<",
            std::is_same_v<T, float> ? "Float" : "Double", ">::max(), but found to=", to,
            " and from=", from, " which result in to-from to exceed the limit");
    Lock lock(gen.mutex());
    draw_uniform(gen, out, n, low, high);
}

template <class T>
void fill_normal_serial(Generator& gen, T* out, int64_t n, double mean, double std) {
    require(std >= 0.0, "normal expects std >= 0.0, but found std ", std);
    Lock lock(gen.mutex());
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<T>(next_normal(gen, mean, std));
}

template <class T>
void fill_normal(Generator& gen, T* out, int64_t n, double mean, double std) {
    if (n < 16) return fill_normal_serial(gen, out, n, mean, std);
    require(std >= 0.0, "normal expects std >= 0.0, but found std ", std);
    Lock lock(gen.mutex());
    // Floats are transformed while they are in the cache; doubles by all threads at the end.
    const int64_t step = std::is_same_v<T, float> ? kRun : n;
    for (int64_t done = 0; done < n; done += step) {
        const int64_t count = std::min(step, n - done);
        draw_uniform(gen, out + done, count, T(0), T(1));
        box_muller(out + done, count / 16, mean, std);
    }
    if (n % 16 != 0) {  // the last 16 numbers are drawn anew
        draw_uniform(gen, out + n - 16, 16, T(0), T(1));
        box_muller(out + n - 16, 1, mean, std);
    }
}

template <class T>
void fill_exponential(Generator& gen, T* out, int64_t n, double lambda) {
    require(lambda > 0.0, "exponential_ expects lambda > 0.0, but found lambda=", lambda);
    Lock lock(gen.mutex());
    const double factor = -1.0 / lambda;
    transform_units(gen, out, n, [factor](double u) { return factor * std::log1p(-u); });
}

template <class T>
void fill_log_normal(Generator& gen, T* out, int64_t n, double mean, double std) {
    require(std > 0.0, "log_normal_ expects std > 0.0, but found std=", std);
    Lock lock(gen.mutex());
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<T>(std::exp(next_normal(gen, mean, std)));
}

template <class T>
void fill_cauchy(Generator& gen, T* out, int64_t n, double median, double sigma) {
    require(sigma > 0.0, "cauchy_ expects sigma > 0.0, but found sigma=", sigma);
    Lock lock(gen.mutex());
    transform_units(gen, out, n, [median, sigma](double u) {
        return std::fma(sigma, std::tan(std::numbers::pi * (u - 0.5)), median);
    });
}

template <class T>
void fill_geometric(Generator& gen, T* out, int64_t n, double p) {
    require(p > 0.0 && p < 1.0, "geometric_ expects p to be in (0, 1), but got p=", p);
    Lock lock(gen.mutex());
    const double scale = std::log1p(-p);
    transform_units(gen, out, n, [scale](double u) { return std::ceil(std::log(u) / scale); });
}

// Discrete distributions -------------------------------------------------------------------------

template <class T>
void fill_bernoulli(Generator& gen, T* out, int64_t n, double p) {
    require(p >= 0.0 && p <= 1.0, "bernoulli_ expects p to be in [0, 1], but got p=", p);
    Lock lock(gen.mutex());
    const int64_t threshold = bernoulli_threshold(p);
    for_each_run<2>(gen, n, [&](const uint32_t* words, int64_t offset, int64_t count) {
        if constexpr (std::is_same_v<T, float>) {
            random_loops().bernoulli_f32(words, out + offset, count, threshold);
        } else {
            float ones[kRun / 2];
            random_loops().bernoulli_f32(words, ones, count, threshold);
            for (int64_t i = 0; i < count; ++i) out[offset + i] = static_cast<T>(ones[i]);
        }
    });
}

template <class T, class P>
void fill_bernoulli_each(Generator& gen, T* out, const P* p, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        require(p[i] >= 0 && p[i] <= 1, "bernoulli expects p to be in [0, 1], but got p=", p[i]);
    }
    Lock lock(gen.mutex());
    constexpr int per = std::is_same_v<P, float> ? 1 : 2;
    P units[kRun];
    for (int64_t done = 0; done < n;) {
        const int64_t count = std::min<int64_t>(n - done, kRun / per);
        draw_uniform(gen, units, count, P(0), P(1));
        for (int64_t i = 0; i < count; ++i) {
            out[done + i] = static_cast<T>(units[i] < p[done + i]);
        }
        done += count;
    }
}

template <class T>
void fill_randint(Generator& gen, T* out, int64_t n, int64_t low, int64_t high) {
    require(low < high, "random_ expects 'from' to be less than 'to', but got from=", low,
            " >= to=", high);
    if constexpr (std::is_floating_point_v<T>) {
        low = representable_low<T>(low);
        high = representable_high<T>(high);
        require(low < high,
                "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but "
                "got from=",
                low, " >= to=", high);
    }
    check_in_range<T>(low, high - 1);
    Lock lock(gen.mutex());
    fill_range(gen, out, n, low, static_cast<uint64_t>(high) - static_cast<uint64_t>(low));
}

template <class T>
void fill_random(Generator& gen, T* out, int64_t n) {
    Lock lock(gen.mutex());
    constexpr bool two_words = std::is_same_v<T, double> || std::is_same_v<T, int64_t>;
    for_each_run<two_words ? 2 : 1>(
        gen, n, [&](const uint32_t* words, int64_t offset, int64_t count) {
            for (int64_t i = 0; i < count; ++i) {
                T& to = out[offset + i];
                if constexpr (std::is_same_v<T, bool>) {
                    to = (words[i] & 1) != 0;
                } else if constexpr (std::is_same_v<T, float>) {
                    to = static_cast<float>(words[i] % ((1u << 24) + 1));
                } else if constexpr (std::is_same_v<T, double>) {
                    const uint64_t bits = join(words[2 * i], words[2 * i + 1]);
                    to = static_cast<double>(bits % ((1ULL << 53) + 1));
                } else {
                    to = from_bits<T>(join(words[2 * i], words[2 * i + 1]) & ~(1ULL << 63));
                }
            }
        });
}

template <class T>
void fill_random_from(Generator& gen, T* out, int64_t n, int64_t low) {
    if (low == std::numeric_limits<int64_t>::lowest()) {
        require(!std::is_same_v<T, bool>,
                "random_full_64_bits_range_kernel_cpu handles only int64, double, float and "
                "bfloat16");
        Lock lock(gen.mutex());
        for_each_run<2>(gen, n, [&](const uint32_t* words, int64_t offset, int64_t count) {
            for (int64_t i = 0; i < count; ++i) {
                out[offset + i] = from_bits<T>(join(words[2 * i], words[2 * i + 1]));
            }
        });
        return;
    }
    int64_t last = std::numeric_limits<int64_t>::max();
    if constexpr (std::is_same_v<T, bool>) last = 1;
    if constexpr (std::is_floating_point_v<T>) {
        last = int64_t{1} << std::numeric_limits<T>::digits;
        low = representable_low<T>(low);
        require(low < last,
                "random_ expects 'from' casted to dtype to be less than or equal to 'to_inc' "
                "casted to dtype, but got from=",
                low, " > to_inc=", last);
    }
    check_in_range<T>(low, last);
    Lock lock(gen.mutex());
    fill_range(gen, out, n, low, static_cast<uint64_t>(last) - static_cast<uint64_t>(low) + 1);
}

template <class T>
void randperm(Generator& gen, T* out, int64_t n) {
    require(n >= 0, "Trying to create tensor with negative dimension ", n, ": [", n, "]");
    if constexpr (std::is_same_v<T, float>) {
        require(n <= (int64_t{1} << 24) + 1, "n cannot be greater than 2^24+1 for Float type.");
    }
    Lock lock(gen.mutex());
    // Fisher-Yates. From this size on the skew of 32 bits would show and torch takes 64, with the
    // inside-out variant.
    if (n < std::numeric_limits<uint32_t>::max() / 20) {
        for (int64_t i = 0; i < n; ++i) out[i] = static_cast<T>(i);
        for_each_run<1>(gen, n - 1, [&](const uint32_t* words, int64_t offset, int64_t count) {
            for (int64_t i = offset; i < offset + count; ++i) {
                const uint32_t remaining = static_cast<uint32_t>(n - i);
                std::swap(out[i], out[i + words[i - offset] % remaining]);
            }
        });
        return;
    }
    for_each_run<2>(gen, n, [&](const uint32_t* words, int64_t offset, int64_t count) {
        for (int64_t k = 0; k < count; ++k) {
            const int64_t i = offset + k;
            const uint64_t bits = join(words[2 * k], words[2 * k + 1]);
            const int64_t z = static_cast<int64_t>(bits % static_cast<uint64_t>(i + 1));
            out[i] = out[z];
            out[z] = static_cast<T>(i);
        }
    });
}

// Instances --------------------------------------------------------------------------------------

#define CHAINRULE_FOR_FLOATING(T)                                                 \
    template void fill_uniform<T>(Generator&, T*, int64_t, double, double);       \
    template void fill_normal<T>(Generator&, T*, int64_t, double, double);        \
    template void fill_normal_serial<T>(Generator&, T*, int64_t, double, double); \
    template void fill_exponential<T>(Generator&, T*, int64_t, double);           \
    template void fill_log_normal<T>(Generator&, T*, int64_t, double, double);    \
    template void fill_cauchy<T>(Generator&, T*, int64_t, double, double);
CHAINRULE_FOR_FLOATING(float)
CHAINRULE_FOR_FLOATING(double)
#undef CHAINRULE_FOR_FLOATING

#define CHAINRULE_FOR_NUMBER(T)                                       \
    template void fill_geometric<T>(Generator&, T*, int64_t, double); \
    template void randperm<T>(Generator&, T*, int64_t);
CHAINRULE_FOR_NUMBER(float)
CHAINRULE_FOR_NUMBER(double)
CHAINRULE_FOR_NUMBER(int64_t)
#undef CHAINRULE_FOR_NUMBER

#define CHAINRULE_FOR_ANY(T)                                                              \
    template void fill_bernoulli<T>(Generator&, T*, int64_t, double);                     \
    template void fill_bernoulli_each<T, float>(Generator&, T*, const float*, int64_t);   \
    template void fill_bernoulli_each<T, double>(Generator&, T*, const double*, int64_t); \
    template void fill_randint<T>(Generator&, T*, int64_t, int64_t, int64_t);             \
    template void fill_random<T>(Generator&, T*, int64_t);                                \
    template void fill_random_from<T>(Generator&, T*, int64_t, int64_t);
CHAINRULE_FOR_ANY(float)
CHAINRULE_FOR_ANY(double)
CHAINRULE_FOR_ANY(int64_t)
CHAINRULE_FOR_ANY(bool)
#undef CHAINRULE_FOR_ANY

}  // namespace chainrule::cpu
