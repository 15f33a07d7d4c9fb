#pragma once

#include <cstdint>
#include <type_traits>

namespace chainrule {

// Threads used by large operations. At first OMP_NUM_THREADS, or else one per physical core that
// this process may run on; decided at the first call.
int get_num_threads();

// Throws Error(Runtime) if `count` < 1, or > 1 in a forked child that cannot have threads.
void set_num_threads(int count);

// Whether the caller runs inside a parallel_for that was split.
bool in_parallel_region() noexcept;

namespace detail {

using RangeFunction = void (*)(void* context, int64_t begin, int64_t end);

// Splits [begin, end) into at most one part per thread, each of at least `grain` but the last.
void run_parallel(int64_t begin, int64_t end, int64_t grain, RangeFunction function,
                  void* context);

}  // namespace detail

// Calls f(lo, hi) on parts of [begin, end), in several threads if there is more than `grain` to do.
// Nested calls, and all calls in a child forked after threads were started, run in one thread.
// The first exception of a part is rethrown here after all parts ended.
// No thread is started before the first range longer than its grain. Parts must not touch the
// allocator or any refcount.
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
