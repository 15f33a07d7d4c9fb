#include "base/freelist.h"

#include <sys/mman.h>

#include "base/error.h"

namespace chainrule::detail {

namespace {

constexpr size_t kSlabBytes = size_t{64} << 10;
constexpr size_t kRegionBytes = size_t{2} << 20;
constexpr size_t kSlabsPerRegion = kRegionBytes / kSlabBytes;
constexpr uint32_t kAllFree = 0xffffffffu;
static_assert(kSlabsPerRegion == 32, "the free mask has a bit per slab");

// A process that makes few objects should stay small: only later regions ask for huge pages, which
// are four to five times cheaper to touch first but take 2 MiB at once.
constexpr size_t kPlainRegions = 2;

// 2 MiB of address space, handed out slab by slab. Linked while a slab is free.
struct Region {
    char* base;
    uint32_t free_mask;
    Region* next;
};

Region* available_regions = nullptr;
size_t region_count = 0;
size_t slabs_in_use = 0;

char* map_region() {
    void* raw =
        mmap(nullptr, 2 * kRegionBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raw == MAP_FAILED) fail_header_allocation(kRegionBytes);
    const auto start = reinterpret_cast<uintptr_t>(raw);
    const uintptr_t aligned = (start + kRegionBytes - 1) & ~(kRegionBytes - 1);
    const size_t before = aligned - start;
    if (before != 0) munmap(raw, before);
    munmap(reinterpret_cast<void*>(aligned + kRegionBytes), kRegionBytes - before);
    char* base = reinterpret_cast<char*>(aligned);
#ifdef MADV_HUGEPAGE
    if (region_count >= kPlainRegions) madvise(base, kRegionBytes, MADV_HUGEPAGE);
#endif
    return base;
}

Region* add_region() {
    auto* region = static_cast<Region*>(std::malloc(sizeof(Region)));
    if (region == nullptr) fail_header_allocation(sizeof(Region));
    try {
        region->base = map_region();
    } catch (...) {
        std::free(region);
        throw;
    }
    region->free_mask = kAllFree;
    region->next = available_regions;
    available_regions = region;
    ++region_count;
    return region;
}

}  // namespace

// Sits at the start of its 64 KiB, so a block finds its slab by masking its address.
struct alignas(64) Slab {
    Region* region;
    Slab* next;
    uint32_t free_blocks;  // only meaningful while trim() runs
    bool dead;
};

namespace {

Slab* slab_of(void* block) {
    return reinterpret_cast<Slab*>(reinterpret_cast<uintptr_t>(block) & ~(kSlabBytes - 1));
}

Slab* acquire_slab() {
    Region* region = available_regions != nullptr ? available_regions : add_region();
    const int index = __builtin_ctz(region->free_mask);
    region->free_mask &= region->free_mask - 1;
    if (region->free_mask == 0) available_regions = region->next;
    ++slabs_in_use;
    auto* slab = reinterpret_cast<Slab*>(region->base + static_cast<size_t>(index) * kSlabBytes);
    slab->region = region;
    return slab;
}

void release_slab(Slab* slab) {
    Region* region = slab->region;
    const auto index =
        static_cast<size_t>(reinterpret_cast<char*>(slab) - region->base) / kSlabBytes;
    if (region->free_mask == 0) {
        region->next = available_regions;
        available_regions = region;
    }
    region->free_mask |= uint32_t{1} << index;
    --slabs_in_use;
}

}  // namespace

void* BlockList::take_from_new_slab() {
    Slab* slab = acquire_slab();
    slab->next = slabs_;
    slabs_ = slab;
    char* first = reinterpret_cast<char*>(slab) + sizeof(Slab);
    const size_t count = (kSlabBytes - sizeof(Slab)) / block_size_;
    end_ = first + count * block_size_;
    bump_ = first + block_size_;
    return first;
}

void BlockList::trim() noexcept {
    for (Slab* slab = slabs_; slab != nullptr; slab = slab->next) slab->free_blocks = 0;
    for (void* block = head_; block != nullptr; block = *static_cast<void**>(block)) {
        ++slab_of(block)->free_blocks;
    }
    // Blocks of the slab being filled that were never handed out are on no list. A full slab has
    // bump_ == end_, which may already be the address of the next slab: step back one block.
    Slab* filling = bump_ != nullptr ? slab_of(bump_ - block_size_) : nullptr;
    const size_t capacity = (kSlabBytes - sizeof(Slab)) / block_size_;
    for (Slab* slab = slabs_; slab != nullptr; slab = slab->next) {
        const size_t unused = slab == filling ? static_cast<size_t>(end_ - bump_) / block_size_ : 0;
        slab->dead = slab->free_blocks + unused == capacity;
    }
    if (filling != nullptr && filling->dead) bump_ = end_ = nullptr;

    void** block_link = &head_;
    while (*block_link != nullptr) {
        void* block = *block_link;
        if (slab_of(block)->dead) {
            *block_link = *static_cast<void**>(block);
        } else {
            block_link = static_cast<void**>(block);
        }
    }
    Slab** slab_link = &slabs_;
    while (*slab_link != nullptr) {
        Slab* slab = *slab_link;
        if (slab->dead) {
            *slab_link = slab->next;
            release_slab(slab);
        } else {
            slab_link = &slab->next;
        }
    }
}

size_t slab_bytes() noexcept { return slabs_in_use * kSlabBytes; }

void release_free_slabs() noexcept {
    Region** link = &available_regions;
    while (*link != nullptr) {
        Region* region = *link;
        if (region->free_mask == kAllFree) {
            *link = region->next;
            munmap(region->base, kRegionBytes);
            std::free(region);
            --region_count;
        } else {
            link = &region->next;
        }
    }
}

void fail_header_allocation(size_t nbytes) {
    fail(ErrorKind::OutOfMemory, "can't allocate memory: the system refused ", nbytes,
         " bytes for small tensors and graph nodes. Drop references that are no longer needed.");
}

void trim_node_lists() noexcept {
    for (BlockList& list : node_lists.lists) list.trim();
}

}  // namespace chainrule::detail
