#pragma once

namespace chainrule {

// Lets other Python threads run while a long kernel works. Nothing in such a scope may touch
// refcounts, the allocator or Python. Set by bind/; without it a no-op.
struct InterpreterLock {
    void* (*release)() = nullptr;
    void (*acquire)(void* state) = nullptr;
};
extern InterpreterLock g_interpreter_lock;

class Unlocked {
public:
    explicit Unlocked(bool worth_it)
        : state_(worth_it && g_interpreter_lock.release ? g_interpreter_lock.release() : nullptr) {}
    ~Unlocked() {
        if (state_) g_interpreter_lock.acquire(state_);
    }
    Unlocked(const Unlocked&) = delete;
    Unlocked& operator=(const Unlocked&) = delete;

private:
    void* state_;
};

// Elements from which a kernel runs long enough (tens of microseconds) to be worth a release.
inline constexpr long kUnlockedFrom = 1 << 16;

}  // namespace chainrule
