#include "kernels/cpu/random.h"

#include <algorithm>
#include <cstring>
#include <random>

#include "base/cpu_features.h"
#include "base/error.h"
#include "kernels/cpu/random_loops.h"

// The generator itself: seeds, words, and the state bytes that torch exchanges.
namespace chainrule::cpu {

namespace {

using Lock = std::lock_guard<std::mutex>;

// Layout of the state bytes that torch exchanges: a C struct of an older generator, kept for the
// checkpoints that hold it.
struct StateBytes {
    uint64_t seed;
    int32_t left;
    int32_t seeded;
    uint64_t next;
    uint64_t words[624];
    double normal_x;
    double normal_y;
    double normal_rho;
    int32_t normal_is_valid;
    int32_t padding;
    float next_float_normal;
    uint8_t next_float_normal_is_valid;
    uint8_t more_padding[3];
};
static_assert(sizeof(StateBytes) == Generator::kStateBytes);

uint64_t join(uint32_t high, uint32_t low) { return (static_cast<uint64_t>(high) << 32) | low; }

}  // namespace

const RandomLoops& random_loops() {
#ifndef CHAINRULE_ONLY_BASE_ISA
    static const RandomLoops& chosen =
        active_isa() == Isa::Avx512 ? random_kernels::isa_avx512::loops
        : active_isa() == Isa::Avx2 ? random_kernels::isa_avx2::loops
                                    : random_kernels::isa_base::loops;
    return chosen;
#else
    return random_kernels::isa_base::loops;
#endif
}

void Generator::reseed(uint64_t seed) {
    seed_ = seed;
    words_[0] = static_cast<uint32_t>(seed);
    for (uint32_t i = 1; i < kWords; ++i) {
        words_[i] = 1812433253u * (words_[i - 1] ^ (words_[i - 1] >> 30)) + i;
    }
    left_ = 1;
    next_ = 0;
    next_float_normal.reset();
    next_double_normal.reset();
}

void Generator::refill() {
    random_loops().twist(words_.data());
    left_ = kWords + 1;
    next_ = 0;
}

void Generator::manual_seed(uint64_t seed) {
    Lock lock(mutex_);
    reseed(seed);
}

uint64_t Generator::initial_seed() const {
    Lock lock(mutex_);
    return seed_;
}

uint64_t Generator::seed() {
    const uint64_t seed = nondeterministic_seed();
    manual_seed(seed);
    return seed;
}

std::vector<uint8_t> Generator::state() const {
    Lock lock(mutex_);
    StateBytes bytes{};
    bytes.seed = seed_;
    bytes.left = left_;
    bytes.seeded = 1;
    bytes.next = next_;
    std::copy(words_.begin(), words_.end(), bytes.words);
    bytes.normal_is_valid = next_double_normal.has_value();
    bytes.normal_y = next_double_normal.value_or(0.0);
    bytes.next_float_normal_is_valid = next_float_normal.has_value();
    bytes.next_float_normal = next_float_normal.value_or(0.0f);
    std::vector<uint8_t> result(sizeof(bytes));
    std::memcpy(result.data(), &bytes, sizeof(bytes));
    return result;
}

void Generator::set_state(std::span<const uint8_t> state) {
    check(state.size() == kStateBytes, ErrorKind::Runtime,
          "Expected a CPUGeneratorImplState of size ", kStateBytes,
          " but found the input RNG state size to be ", state.size());
    StateBytes bytes;
    std::memcpy(&bytes, state.data(), sizeof(bytes));
    // The last check is ours: such a state would read past the words.
    const bool valid = bytes.seeded == 1 && bytes.left > 0 && bytes.left <= kWords &&
                       bytes.next <= kWords && bytes.next + bytes.left - 1 <= kWords;
    check(valid, ErrorKind::Runtime, "Invalid mt19937 state");
    Lock lock(mutex_);
    seed_ = bytes.seed;
    left_ = bytes.left;
    next_ = static_cast<uint32_t>(bytes.next);
    for (int i = 0; i < kWords; ++i) words_[i] = static_cast<uint32_t>(bytes.words[i]);
    next_double_normal.reset();
    next_float_normal.reset();
    if (bytes.normal_is_valid) next_double_normal = bytes.normal_y;
    if (bytes.next_float_normal_is_valid) next_float_normal = bytes.next_float_normal;
}

uint32_t Generator::random() {
    uint32_t word;
    fill_words(&word, 1);
    return word;
}

uint64_t Generator::random64() {
    uint32_t words[2];
    fill_words(words, 2);
    return join(words[0], words[1]);
}

double Generator::unit() { return static_cast<double>(random64() & ((1ULL << 53) - 1)) * 0x1p-53; }

void Generator::fill_words(uint32_t* out, int64_t n) {
    const RandomLoops& loop = random_loops();
    while (n > 0) {
        if (left_ == 1) refill();
        const int32_t count = static_cast<int32_t>(std::min<int64_t>(n, left_ - 1));
        loop.temper(words_.data() + next_, out, count);
        left_ -= count;
        next_ += static_cast<uint32_t>(count);
        out += count;
        n -= count;
    }
}

uint64_t nondeterministic_seed() {
    std::random_device device;
    const uint32_t high = device();
    return join(high, device());
}

Generator& default_generator() {
    // Never destroyed: threads may draw until the process ends.
    static Generator& generator = *new Generator(nondeterministic_seed());
    return generator;
}

}  // namespace chainrule::cpu
