#pragma once

#include <cstddef>
#include <cstdint>

#include "base/freelist.h"

// Memory for tensor data.
//
// Fresh pages cost far more than arithmetic on them, so freed blocks are kept and reused:
//   up to 4 KiB    64-byte size classes, free lists, inlined here;
//   above          8 size classes per power of two (at most 12.5% waste), blocks of one class are
//                  interchangeable; from 1 MiB each has its own mapping, from 2 MiB with huge
//                  pages.
// The caller passes the size again when it frees, so blocks carry no header.
// Every call comes with the GIL held; -DCHAINRULE_FREE_THREADED adds a mutex instead.

namespace chainrule {

inline constexpr size_t kTensorAlignment = 64;

struct AllocatorStats {
    size_t allocated_bytes;  // asked for and not yet freed
    size_t peak_bytes;       // highest allocated_bytes since the last reset
    size_t cached_bytes;     // freed blocks above 4 KiB kept for reuse
    size_t slab_bytes;       // slabs of small blocks and of node_alloc, in use or free
    size_t cache_limit;
    uint64_t allocations;  // calls of allocate
    uint64_t deallocations;
    uint64_t system_allocations;  // blocks above 4 KiB that no cached block could serve
};

namespace detail {

inline constexpr size_t kMaxSmallSize = 4096;
inline constexpr size_t kSmallClasses = kMaxSmallSize / kTensorAlignment;

struct AllocatorState {
    ListTable<kTensorAlignment, kSmallClasses> small;
    size_t allocated_bytes = 0;
    size_t peak_bytes = 0;
    uint64_t allocations = 0;
    uint64_t deallocations = 0;
};

inline constinit AllocatorState allocator_state __attribute__((visibility("hidden")));

void* allocate_block(size_t nbytes);
void deallocate_block(void* data, size_t nbytes) noexcept;

}  // namespace detail

// `nbytes` of uninitialised memory aligned to 64 bytes; never null, also for 0 bytes.
// Throws Error(OutOfMemory) if the machine cannot hold it, rather than let the kernel kill us
// later.
inline void* allocate(size_t nbytes) {
    auto& state = detail::allocator_state;
    detail::MemoryLock lock;
    void* data;
    if (kCachesMemory && __builtin_expect(nbytes <= detail::kMaxSmallSize, 1)) {
        data = state.small.lists[(nbytes - (nbytes != 0)) / kTensorAlignment].take();
    } else {
        data = detail::allocate_block(nbytes);
    }
    ++state.allocations;
    state.allocated_bytes += nbytes;
    if (state.allocated_bytes > state.peak_bytes) state.peak_bytes = state.allocated_bytes;
    return data;
}

// Frees a block of allocate; `nbytes` must be what it was allocated with. Null is ignored.
inline void deallocate(void* data, size_t nbytes) noexcept {
    if (data == nullptr) return;
    auto& state = detail::allocator_state;
    detail::MemoryLock lock;
    ++state.deallocations;
    state.allocated_bytes -= nbytes;
    if (kCachesMemory && __builtin_expect(nbytes <= detail::kMaxSmallSize, 1)) {
        state.small.lists[(nbytes - (nbytes != 0)) / kTensorAlignment].give(data);
        return;
    }
    detail::deallocate_block(data, nbytes);
}

AllocatorStats allocator_stats() noexcept;
void reset_peak_stats() noexcept;

// Returns all cached blocks and all free slabs to the system.
void empty_cache() noexcept;

// Bytes of freed blocks above 4 KiB to keep; the oldest go first. 0 keeps none.
// At first a quarter of the memory that this process may use.
void set_cache_limit(size_t nbytes) noexcept;

// Memory that this process may use: RAM and swap, or its control group's limit if that is lower.
size_t usable_memory() noexcept;

}  // namespace chainrule
