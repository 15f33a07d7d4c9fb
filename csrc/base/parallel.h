#pragma once

#include <cstdint>
#include <type_traits>

namespace chainrule {

// Threads used by large operations. At first OMP_NUM_THREADS, or else one per physical core that
// this process may run on; decided at the first call.
int get_num_threads();

// Throws Error(Runtime) if `count` < 1. Threads started before are kept asleep when it is lowered.
void set_num_threads(int count);

// Whether the caller runs inside a parallel_for that was split.
bool in_parallel_region() noexcept;

namespace detail {

using RangeFunction = void (*)(void* context, int64_t begin, int64_t end);

// Splits [begin, end) into a few parts per thread, none much below `grain`.
void run_parallel(int64_t begin, int64_t end, int64_t grain, RangeFunction function, void* context);

}  // namespace detail

// Calls f(lo, hi) on parts of [begin, end), in several threads if there is more than `grain` to do.
// Runs in the calling thread alone when it is called within another parallel_for, or while another
// thread's parallel_for has the workers. The first exception of a part is rethrown here, after all
// parts ended. Parts must not touch the allocator, a refcount or Python.
//
// Workers start with the first range longer than its grain; a forked child starts its own.
template <class F>
void parallel_for(int64_t begin, int64_t end, int64_t grain, F&& f) {
    if (begin >= end) return;
    if (end - begin <= grain) {
        f(begin, end);
        return;
    }
    using Function = std::remove_reference_t<F>;
    detail::run_parallel(
        begin, end, grain,
        [](void* context, int64_t lo, int64_t hi) { (*static_cast<Function*>(context))(lo, hi); },
        const_cast<void*>(static_cast<const void*>(&f)));
}

}  // namespace chainrule
