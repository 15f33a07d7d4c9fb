#include "base/parallel.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <set>
#include <thread>
#include <utility>

#ifdef __linux__
#include <sched.h>
#endif
#ifdef _OPENMP
#include <omp.h>
#endif

#include "base/error.h"

namespace chainrule {

namespace {

std::atomic<int> thread_count{0};  // 0: not decided yet
std::atomic<bool> pool_started{false};
std::atomic<bool> serial_only{false};
thread_local bool inside_parallel = false;

// OpenMP's threads do not exist in a forked child, and waiting for them would hang for ever.
[[maybe_unused]] void after_fork_in_child() { serial_only = serial_only || pool_started; }

int read_topology(int cpu, const char* name) {
    char path[96];
    std::snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/%s", cpu, name);
    std::FILE* file = std::fopen(path, "re");
    if (file == nullptr) return -1;
    int value = -1;
    if (std::fscanf(file, "%d", &value) != 1) value = -1;
    std::fclose(file);
    return value;
}

// Physical cores in our affinity mask: two threads on one core only get in each other's way.
int count_cores() {
#ifdef __linux__
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
        std::set<std::pair<int, int>> cores;
        int logical = 0;
        for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
            if (!CPU_ISSET(cpu, &allowed)) continue;
            ++logical;
            const int core = read_topology(cpu, "core_id");
            if (core >= 0) cores.emplace(read_topology(cpu, "physical_package_id"), core);
        }
        return std::max(1, cores.empty() ? logical : static_cast<int>(cores.size()));
    }
#endif
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

int default_num_threads() {
    if (const char* text = std::getenv("OMP_NUM_THREADS"); text != nullptr) {
        char* rest = nullptr;  // a list such as "4,2" counts for nested levels: the first is ours
        const long count = std::strtol(text, &rest, 10);
        if (rest != text && count >= 1) return static_cast<int>(std::min(count, 1024L));
    }
    return count_cores();
}

}  // namespace

int get_num_threads() {
    if (serial_only) return 1;
    int count = thread_count;
    if (count == 0) {
        count = default_num_threads();
        thread_count = count;
    }
    return count;
}

void set_num_threads(int count) {
    check(count >= 1, ErrorKind::Runtime, "set_num_threads expects a positive integer, got ",
          count);
    check(count == 1 || !serial_only, ErrorKind::Runtime, "set_num_threads(", count,
          "): this process was forked after its parent had started threads and can only use one. "
          "Start it with the 'spawn' or 'forkserver' method instead.");
    thread_count = count;
}

bool in_parallel_region() noexcept { return inside_parallel; }

namespace detail {

void run_parallel(int64_t begin, int64_t end, int64_t grain, RangeFunction function,
                  void* context) {
    const int64_t total = end - begin;
    const int64_t parts =
        inside_parallel
            ? 1
            : std::min<int64_t>(get_num_threads(), (total - 1) / std::max<int64_t>(grain, 1) + 1);
#ifdef _OPENMP
    if (parts > 1) {
        if (!pool_started.exchange(true)) pthread_atfork(nullptr, nullptr, after_fork_in_child);
        const int64_t part = (total - 1) / parts + 1;
        std::exception_ptr error;
        std::atomic_flag failed = ATOMIC_FLAG_INIT;
#pragma omp parallel num_threads(static_cast<int>(parts))
        {
            // OpenMP may grant fewer threads than asked for, so each takes every team-th part.
            inside_parallel = true;
            for (int64_t i = omp_get_thread_num(); i < parts; i += omp_get_num_threads()) {
                const int64_t lo = begin + i * part;
                const int64_t hi = std::min(end, lo + part);
                if (lo >= hi) break;
                try {
                    function(context, lo, hi);
                } catch (...) {
                    if (!failed.test_and_set()) error = std::current_exception();
                }
            }
            inside_parallel = false;
        }
        if (error) std::rethrow_exception(error);
        return;
    }
#endif
    static_cast<void>(parts);
    function(context, begin, end);
}

}  // namespace detail

}  // namespace chainrule
