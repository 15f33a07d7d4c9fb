#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <utility>

#ifdef CHAINRULE_FREE_THREADED
#include <mutex>
#endif

// AddressSanitizer only sees errors in blocks that really go back to malloc, so it turns caching
// off.
#if defined(__SANITIZE_ADDRESS__)
#define CHAINRULE_CACHING false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CHAINRULE_CACHING false
#endif
#endif
#ifndef CHAINRULE_CACHING
#define CHAINRULE_CACHING true
#endif

namespace chainrule {

inline constexpr bool kCachesMemory = CHAINRULE_CACHING;

// Free lists for C++ headers (tensors, storages, graph nodes): about 1 ns to take or give a block.
// Every call comes with the GIL held; -DCHAINRULE_FREE_THREADED adds a mutex instead.

namespace detail {

#ifdef CHAINRULE_FREE_THREADED
inline std::mutex memory_mutex __attribute__((visibility("hidden")));
struct MemoryLock {
    std::lock_guard<std::mutex> guard{memory_mutex};
};
#else
struct MemoryLock {
    MemoryLock() noexcept {}
};
#endif

struct Slab;

// Blocks of one size, carved out of 64 KiB slabs. Blocks are aligned to their size's largest power
// of two, at most 64 bytes. Not locked: the callers below hold a MemoryLock.
class BlockList {
public:
    explicit constexpr BlockList(uint32_t block_size) noexcept : block_size_(block_size) {}

    void* take() {
        void* block = head_;
        if (__builtin_expect(block != nullptr, 1)) {
            head_ = *static_cast<void**>(block);
            return block;
        }
        if (__builtin_expect(bump_ != end_, 1)) {
            block = bump_;
            bump_ += block_size_;
            return block;
        }
        return take_from_new_slab();
    }

    void give(void* block) noexcept {
        *static_cast<void**>(block) = head_;
        head_ = block;
    }

    // Hands slabs without a live block back to the pool; linear in the number of free blocks.
    void trim() noexcept;

    uint32_t block_size() const noexcept { return block_size_; }

private:
    void* take_from_new_slab();

    void* head_ = nullptr;
    char* bump_ = nullptr;  // the slab filled at present has never-used blocks in [bump_, end_)
    char* end_ = nullptr;
    Slab* slabs_ = nullptr;  // newest first
    uint32_t block_size_;
};

// Bytes that the slabs of all block lists take from the system at present.
size_t slab_bytes() noexcept;

// Gives memory of wholly free slabs back to the system, after the lists were trimmed.
void release_free_slabs() noexcept;

inline constexpr size_t kNodeStep = 16;
inline constexpr size_t kMaxNodeSize = 512;
inline constexpr size_t kNodeClasses = kMaxNodeSize / kNodeStep;

// Lists for the sizes Step, 2 * Step, ..., Count * Step; constant-initialised.
template <size_t Step, size_t Count>
struct ListTable {
    BlockList lists[Count];

    constexpr ListTable() noexcept : ListTable(std::make_index_sequence<Count>{}) {}

private:
    template <size_t... I>
    explicit constexpr ListTable(std::index_sequence<I...>) noexcept
        : lists{BlockList(static_cast<uint32_t>((I + 1) * Step))...} {}
};

inline constinit ListTable<kNodeStep, kNodeClasses> node_lists
    __attribute__((visibility("hidden")));

void trim_node_lists() noexcept;

[[noreturn]] void fail_header_allocation(size_t nbytes);

}  // namespace detail

// Memory for a header of `size` bytes, aligned to 16 bytes; sizes above 512 come from malloc.
// Throws Error(OutOfMemory). With a constant `size` this folds to a list pop.
inline void* node_alloc(size_t size) {
    if (kCachesMemory && __builtin_expect(size <= detail::kMaxNodeSize, 1)) {
        detail::MemoryLock lock;
        return detail::node_lists.lists[(size - (size != 0)) / detail::kNodeStep].take();
    }
    void* block = std::malloc(size);
    if (block == nullptr) detail::fail_header_allocation(size);
    return block;
}

// Frees a block of node_alloc; `size` is the size it was asked with.
inline void node_free(void* block, size_t size) noexcept {
    if (kCachesMemory && __builtin_expect(size <= detail::kMaxNodeSize, 1)) {
        detail::MemoryLock lock;
        detail::node_lists.lists[(size - (size != 0)) / detail::kNodeStep].give(block);
        return;
    }
    std::free(block);
}

// The same for a type of fixed size: FreeList<sizeof(T)>::take().
template <size_t Size>
struct FreeList {
    static void* take() { return node_alloc(Size); }
    static void give(void* block) noexcept { node_free(block, Size); }
};

}  // namespace chainrule
