#include "base/allocator.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>

#include "base/error.h"

namespace chainrule {

namespace detail {

namespace {

constexpr size_t kMappedSize = size_t{1} << 20;  // from here on a block has its own mapping
constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kWholeHugePages = size_t{8} << 20;  // from here on sizes are whole huge pages
constexpr size_t kProbeSize = size_t{64} << 20;      // from here on ask how much memory is free
constexpr size_t kUnknown = static_cast<size_t>(-1);

// A freed block, kept; the record lives in the block itself.
struct CachedBlock {
    CachedBlock* next;  // in its bin
    CachedBlock* previous;
    CachedBlock* newer;  // among all cached blocks
    CachedBlock* older;
    size_t size;
    int bin;
};

constexpr int kBins = 48 * 8;

struct BlockCache {
    CachedBlock* bins[kBins] = {};
    CachedBlock* newest = nullptr;
    CachedBlock* oldest = nullptr;
    size_t bytes = 0;
    size_t limit = kUnknown;
    uint64_t system_allocations = 0;
    size_t live_bytes = 0;  // of blocks in use, rounded to their class
};

constinit BlockCache cache;

struct SizeClass {
    int bin;
    size_t size;
};

// Eight classes in each power of two; large ones are whole huge pages, whose tails are cheap to
// touch. Sizes of one bin are rounded to the same size.
SizeClass size_class(size_t nbytes) {
    if (nbytes > kWholeHugePages) nbytes = (nbytes + kHugePage - 1) & ~(kHugePage - 1);
    const size_t last = nbytes - 1;
    const int log2 = 63 - __builtin_clzll(last);
    const size_t steps = last >> (log2 - 3);
    const size_t size = (steps + 1) << (log2 - 3);
    return {log2 * 8 + static_cast<int>(steps & 7), size};
}

size_t read_number(const char* path, const char* key) {
    std::FILE* file = std::fopen(path, "re");
    if (file == nullptr) return kUnknown;
    char line[128];
    unsigned long long value = 0;
    size_t result = kUnknown;
    const size_t key_length = std::strlen(key);
    while (result == kUnknown && std::fgets(line, sizeof line, file) != nullptr) {
        if (std::strncmp(line, key, key_length) == 0 &&
            std::sscanf(line + key_length, " %llu", &value) == 1) {
            result = static_cast<size_t>(value);
        }
    }
    std::fclose(file);
    return result;
}

size_t meminfo(const char* key) {
    const size_t kib = read_number("/proc/meminfo", key);
    return kib == kUnknown ? kUnknown : kib * 1024;
}

size_t measure_usable_memory() {
    size_t total =
        static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t swap = meminfo("SwapTotal:");
    if (swap != kUnknown) total += swap;
    // Inside a container the mount shows its own group, versions 2 and 1 ("max" fails to parse).
    total = std::min(total, read_number("/sys/fs/cgroup/memory.max", ""));
    total = std::min(total, read_number("/sys/fs/cgroup/memory/memory.limit_in_bytes", ""));
    return total;
}

// What could be touched now without swapping others out; kUnknown where the system does not tell.
size_t available_memory() {
    const size_t available = meminfo("MemAvailable:");
    const size_t swap = meminfo("SwapFree:");
    if (available == kUnknown || swap == kUnknown) return available;
    return available + swap;
}

void* system_allocate(size_t size) {
    if (size < kMappedSize) {
        void* data = nullptr;
        return posix_memalign(&data, kTensorAlignment, size) == 0 ? data : nullptr;
    }
    const size_t slack = size >= kHugePage ? kHugePage : 0;
    void* raw =
        mmap(nullptr, size + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raw == MAP_FAILED) return nullptr;
    if (slack == 0) return raw;
    const auto start = reinterpret_cast<uintptr_t>(raw);
    const uintptr_t aligned = (start + kHugePage - 1) & ~(kHugePage - 1);
    const size_t before = aligned - start;
    if (before != 0) munmap(raw, before);
    if (before != slack) munmap(reinterpret_cast<void*>(aligned + size), slack - before);
    void* data = reinterpret_cast<void*>(aligned);
#ifdef MADV_HUGEPAGE
    madvise(data, size, MADV_HUGEPAGE);
#endif
    return data;
}

void system_free(void* data, size_t size) {
    if (size < kMappedSize) {
        std::free(data);
    } else {
        munmap(data, size);
    }
}

void unlink(CachedBlock* block) {
    (block->previous != nullptr ? block->previous->next : cache.bins[block->bin]) = block->next;
    if (block->next != nullptr) block->next->previous = block->previous;
    (block->newer != nullptr ? block->newer->older : cache.newest) = block->older;
    (block->older != nullptr ? block->older->newer : cache.oldest) = block->newer;
    cache.bytes -= block->size;
}

void trim_cache(size_t limit) {
    while (cache.bytes > limit) {
        CachedBlock* block = cache.oldest;
        unlink(block);
        system_free(block, block->size);
    }
}

void empty_cache_unlocked() {
    trim_cache(0);
    for (BlockList& list : allocator_state.small.lists) list.trim();
    trim_node_lists();
    release_free_slabs();
}

std::string readable_size(size_t nbytes) {
    static const char* const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = static_cast<double>(nbytes);
    int unit = 0;
    while (value >= 1024 && unit < 6) {
        value /= 1024;
        ++unit;
    }
    char text[32];
    std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.2f %s", value, units[unit]);
    return text;
}

[[noreturn]] __attribute__((cold, noinline)) void fail_out_of_memory(size_t nbytes) {
    fail(ErrorKind::OutOfMemory, "can't allocate memory: you tried to allocate ", nbytes,
         " bytes (", readable_size(nbytes), "). Tensors hold ",
         readable_size(allocator_state.allocated_bytes), " already; this process may use ",
         readable_size(usable_memory()),
         ". Use smaller tensors or batches, or drop references that are no longer needed.");
}

// Linux promises more than it has and kills the process at first touch: refuse what cannot fit.
bool fits_in_memory(size_t size) {
    const size_t usable = usable_memory();
    if (size > usable || cache.live_bytes + slab_bytes() > usable - size) return false;
    return size < kProbeSize || size <= available_memory();
}

void* fresh_block(size_t size, size_t nbytes) {
    if (!fits_in_memory(size)) {
        trim_cache(0);
        if (!fits_in_memory(size)) fail_out_of_memory(nbytes);
    }
    // Cached blocks are resident as well: make room rather than let the sum pass what there is.
    trim_cache(usable_memory() - size - cache.live_bytes - slab_bytes());
    void* data = system_allocate(size);
    if (data == nullptr) {
        empty_cache_unlocked();
        data = system_allocate(size);
        if (data == nullptr) fail_out_of_memory(nbytes);
    }
    ++cache.system_allocations;
    return data;
}

// Exact sizes let the sanitizer see the first byte past the end.
void* uncached_block(size_t nbytes) {
    void* data = nullptr;
    if (!fits_in_memory(nbytes) ||
        posix_memalign(&data, kTensorAlignment, nbytes + (nbytes == 0)) != 0) {
        fail_out_of_memory(nbytes);
    }
    cache.live_bytes += nbytes;
    ++cache.system_allocations;
    return data;
}

}  // namespace

void* allocate_block(size_t nbytes) {
    if (nbytes > usable_memory()) fail_out_of_memory(nbytes);
    if (!kCachesMemory) return uncached_block(nbytes);
    const auto [bin, size] = size_class(nbytes);
    void* data;
    if (CachedBlock* block = cache.bins[bin]; block != nullptr) {
        unlink(block);
        data = block;
    } else {
        data = fresh_block(size, nbytes);
    }
    cache.live_bytes += size;
    return data;
}

void deallocate_block(void* data, size_t nbytes) noexcept {
    if (!kCachesMemory) {
        cache.live_bytes -= nbytes;
        std::free(data);
        return;
    }
    const auto [bin, size] = size_class(nbytes);
    cache.live_bytes -= size;
    if (cache.limit == kUnknown) cache.limit = usable_memory() / 4;
    if (size > cache.limit) {
        system_free(data, size);
        return;
    }
    auto* block =
        new (data) CachedBlock{cache.bins[bin], nullptr, nullptr, cache.newest, size, bin};
    if (block->next != nullptr) block->next->previous = block;
    cache.bins[bin] = block;
    (cache.newest != nullptr ? cache.newest->newer : cache.oldest) = block;
    cache.newest = block;
    cache.bytes += size;
    if (cache.bytes > cache.limit) trim_cache(cache.limit);
}

}  // namespace detail

size_t usable_memory() noexcept {
    static const size_t bytes = detail::measure_usable_memory();
    return bytes;
}

AllocatorStats allocator_stats() noexcept {
    detail::MemoryLock lock;
    const auto& state = detail::allocator_state;
    const size_t limit = detail::cache.limit;
    return {state.allocated_bytes,
            state.peak_bytes,
            detail::cache.bytes,
            detail::slab_bytes(),
            limit == detail::kUnknown ? usable_memory() / 4 : limit,
            state.allocations,
            state.deallocations,
            detail::cache.system_allocations};
}

void reset_peak_stats() noexcept {
    detail::MemoryLock lock;
    detail::allocator_state.peak_bytes = detail::allocator_state.allocated_bytes;
}

void empty_cache() noexcept {
    detail::MemoryLock lock;
    detail::empty_cache_unlocked();
}

void set_cache_limit(size_t nbytes) noexcept {
    detail::MemoryLock lock;
    detail::cache.limit = nbytes;
    detail::trim_cache(nbytes);
}

}  // namespace chainrule
