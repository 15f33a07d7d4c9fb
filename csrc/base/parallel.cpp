#include "base/parallel.h"

#include <pthread.h>
#include <signal.h>

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

#include "base/error.h"

namespace chainrule {

namespace {

std::atomic<int> thread_count{0};  // 0: not decided yet
thread_local bool inside_parallel = false;

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

void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Tens of microseconds: a loop that follows soon finds its workers awake, and an idle program or a
// busy machine loses little.
constexpr int kSpins = 600;

// Why not OpenMP: its barriers wait for every thread of the team to be scheduled and spin for
// milliseconds (4 ms per region were measured on a machine with other work), and its threads hang
// in a forked child. Here parts are claimed, so whoever runs does the work.
class Pool {
public:
    // False if another thread has the workers.
    bool run(int64_t begin, int64_t end, int64_t part, uint32_t parts, int threads,
             detail::RangeFunction function, void* context) {
        if (owned_.test_and_set(std::memory_order_acquire)) return false;
        try {
            while (workers_ < threads - 1) start_worker();
        } catch (...) {
            if (workers_ == 0) {  // the system gives us no thread: the caller does the work
                owned_.clear(std::memory_order_release);
                return false;
            }
        }
        begin_ = begin;
        end_ = end;
        part_ = part;
        function_ = function;
        context_ = context;
        error_ = nullptr;
        failed_.clear();
        unfinished_.store(parts, std::memory_order_relaxed);
        unclaimed_.store(parts, std::memory_order_seq_cst);
        epoch_.fetch_add(1, std::memory_order_seq_cst);
        epoch_.notify_all();
        inside_parallel = true;
        while (run_one_part()) {
        }
        inside_parallel = false;
        for (int spin = 0; unfinished_.load(std::memory_order_acquire) != 0; ++spin) {
            relax();
            if (spin < kSpins) continue;
            const uint32_t left = unfinished_.load(std::memory_order_acquire);
            if (left != 0) unfinished_.wait(left, std::memory_order_acquire);
        }
        std::exception_ptr error = std::move(error_);
        owned_.clear(std::memory_order_release);
        if (error) std::rethrow_exception(error);
        return true;
    }

    // The workers exist only in the parent.
    void reset_in_child() {
        workers_ = 0;
        unclaimed_ = 0;
        unfinished_ = 0;
        owned_.clear();
    }

private:
    void start_worker() {
        sigset_t all, before;  // signals belong to the threads that Python knows
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        try {
            std::thread(&Pool::work, this, workers_).detach();
        } catch (...) {
            pthread_sigmask(SIG_SETMASK, &before, nullptr);
            throw;
        }
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
        ++workers_;
    }

    [[noreturn]] void work(int index) {
        inside_parallel = true;
        for (;;) {
            const uint32_t epoch = epoch_.load(std::memory_order_seq_cst);
            // Workers beyond a count that was lowered since stay out.
            if (index < thread_count.load(std::memory_order_relaxed) - 1) {
                while (run_one_part()) {
                }
                for (int spin = 0; spin < kSpins && epoch_.load() == epoch; ++spin) relax();
            }
            epoch_.wait(epoch);
        }
    }

    bool run_one_part() {
        uint32_t left = unclaimed_.load(std::memory_order_acquire);
        do {
            if (left == 0) return false;
        } while (!unclaimed_.compare_exchange_weak(left, left - 1, std::memory_order_acq_rel));
        // A claimed part is unfinished, so the job's fields cannot change below us.
        const int64_t lo = begin_ + static_cast<int64_t>(left - 1) * part_;
        const int64_t hi = std::min(end_, lo + part_);
        try {
            function_(context_, lo, hi);
        } catch (...) {
            if (!failed_.test_and_set()) error_ = std::current_exception();
        }
        if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_one();
        return true;
    }

    std::atomic_flag owned_ = ATOMIC_FLAG_INIT;
    int workers_ = 0;
    int64_t begin_ = 0, end_ = 0, part_ = 0;
    detail::RangeFunction function_ = nullptr;
    void* context_ = nullptr;
    std::exception_ptr error_;
    std::atomic_flag failed_ = ATOMIC_FLAG_INIT;
    alignas(64) std::atomic<uint32_t> unclaimed_{0};
    alignas(64) std::atomic<uint32_t> unfinished_{0};
    alignas(64) std::atomic<uint32_t> epoch_{0};
};

Pool* the_pool = nullptr;  // never destroyed: workers wait in it while the process exits

Pool& pool() {
    static Pool& instance = [&]() -> Pool& {
        the_pool = new Pool;
        pthread_atfork(nullptr, nullptr, [] { the_pool->reset_in_child(); });
        return *the_pool;
    }();
    return instance;
}

constexpr int64_t kPartsPerThread = 4;  // uneven progress of threads evens out

}  // namespace

int get_num_threads() {
    int count = thread_count.load(std::memory_order_relaxed);
    if (count == 0) {
        count = default_num_threads();
        thread_count = count;
    }
    return count;
}

void set_num_threads(int count) {
    check(count >= 1, ErrorKind::Runtime, "set_num_threads expects a positive integer, got ",
          count);
    thread_count = count;
}

bool in_parallel_region() noexcept { return inside_parallel; }

namespace detail {

void run_parallel(int64_t begin, int64_t end, int64_t grain, RangeFunction function,
                  void* context) {
    const int64_t total = end - begin;
    const int threads = inside_parallel ? 1 : get_num_threads();
    if (threads > 1) {
        const int64_t wanted =
            std::min(threads * kPartsPerThread, (total - 1) / std::max<int64_t>(grain, 1) + 1);
        const int64_t part = (total - 1) / wanted + 1;
        const auto parts = static_cast<uint32_t>((total - 1) / part + 1);
        const int useful = static_cast<int>(std::min<int64_t>(threads, parts));
        if (pool().run(begin, end, part, parts, useful, function, context)) return;
    }
    function(context, begin, end);
}

}  // namespace detail

}  // namespace chainrule
