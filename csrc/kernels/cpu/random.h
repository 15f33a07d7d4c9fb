#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

// Random numbers of the CPU: for the same seed the same numbers as torch 2.13 on x86-64.
namespace chainrule::cpu {

// Mersenne Twister MT19937 (Matsumoto and Nishimura 1998) and the normal number left over from the
// last pair. The samplers below and the state functions lock the generator, so that they may run
// without the GIL; the functions that draw words leave that to their caller.
class Generator {
public:
    static constexpr uint64_t kDefaultSeed = 67280421310721;
    static constexpr size_t kStateBytes = 5056;

    explicit Generator(uint64_t seed = kDefaultSeed) { reseed(seed); }
    Generator(const Generator&) = delete;
    Generator& operator=(const Generator&) = delete;

    void manual_seed(uint64_t seed);
    uint64_t initial_seed() const;
    // Seeds from the operating system and returns the seed.
    uint64_t seed();

    // The bytes of torch's Generator.get_state(). set_state throws Error(Runtime) for another size
    // or for bytes that are no valid state, and then changes nothing.
    std::vector<uint8_t> state() const;
    void set_state(std::span<const uint8_t> bytes);

    uint32_t random();
    uint64_t random64();
    // A double of [0, 1) with 53 random bits.
    double unit();
    // The next n results of random().
    void fill_words(uint32_t* out, int64_t n);

    std::optional<float> next_float_normal;
    std::optional<double> next_double_normal;

    std::mutex& mutex() const { return mutex_; }

private:
    static constexpr int kWords = 624;

    void reseed(uint64_t seed);
    void refill();

    mutable std::mutex mutex_;
    uint64_t seed_ = 0;
    // torch's counters, part of the state: words left before the next refill, plus one, and the
    // index of the next word.
    int32_t left_ = 1;
    uint32_t next_ = 0;
    std::array<uint32_t, kWords> words_;
};

// The generator used when none is given. Seeded from the operating system, as in torch.
Generator& default_generator();

// A seed from the operating system.
uint64_t nondeterministic_seed();

// Samplers: `out` receives n numbers. Bad parameters throw Error(Runtime) with torch's message,
// before any number is drawn.
// T is float or double unless said otherwise; the instances are in random*.cpp.

// [from, to)
template <class T>
void fill_uniform(Generator& gen, T* out, int64_t n, double from, double to);

// torch's normal_ on contiguous memory: pairs in blocks of 16 if n >= 16, else fill_normal_serial.
template <class T>
void fill_normal(Generator& gen, T* out, int64_t n, double mean, double std);

// Number by number: what torch does for n < 16 and for every tensor that is not contiguous.
template <class T>
void fill_normal_serial(Generator& gen, T* out, int64_t n, double mean, double std);

template <class T>
void fill_exponential(Generator& gen, T* out, int64_t n, double lambda);
template <class T>
void fill_log_normal(Generator& gen, T* out, int64_t n, double mean, double std);
template <class T>
void fill_cauchy(Generator& gen, T* out, int64_t n, double median, double sigma);
// T: float, double, int64_t
template <class T>
void fill_geometric(Generator& gen, T* out, int64_t n, double p);

// 1 with probability p. T: float, double, int64_t, bool. torch's dropout mask is this with the
// probability 1 - p of keeping.
template <class T>
void fill_bernoulli(Generator& gen, T* out, int64_t n, double p);

// One probability per number. T: float, double, int64_t, bool; P: float, double.
template <class T, class P>
void fill_bernoulli_each(Generator& gen, T* out, const P* p, int64_t n);

// Integers of [low, high). T: int64_t, float, double, bool.
template <class T>
void fill_randint(Generator& gen, T* out, int64_t n, int64_t low, int64_t high);

// random_(): all of [0, max] of int64_t, [0, 2^24] of float, [0, 2^53] of double, {0, 1} of bool.
template <class T>
void fill_random(Generator& gen, T* out, int64_t n);

// random_(low, None): integers of [low, max], max as in fill_random; with the lowest int64_t as
// `low` all 64 bits are random. T: int64_t, float, double, bool.
template <class T>
void fill_random_from(Generator& gen, T* out, int64_t n, int64_t low);

// A permutation of 0, …, n - 1. T: int64_t, float, double.
template <class T>
void randperm(Generator& gen, T* out, int64_t n);

// Row i of `out` [rows, samples] receives indices drawn with the weights in row i of
// `weights` [rows, categories]; both are contiguous. T: float, double.
template <class T>
void multinomial(Generator& gen, const T* weights, int64_t rows, int64_t categories,
                 int64_t samples, bool replacement, int64_t* out);

}  // namespace chainrule::cpu
