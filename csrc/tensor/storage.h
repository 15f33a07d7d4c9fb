#pragma once

#include <cstddef>
#include <cstdint>

#include "base/ref.h"
#include "base/source_location.h"

namespace chainrule {

// Memory shared by tensors, with the version counter that in-place changes bump. `detach()` shares
// the Storage; `.data` makes a second Storage over the same bytes, hence with a counter of its own.
struct Storage {
    uint32_t refcount = 1;
    uint32_t version = 0;
    char* data = nullptr;
    size_t nbytes = 0;
    void* owner = nullptr;                   // what keeps foreign memory alive
    void (*release_owner)(void*) = nullptr;  // null: the bytes are ours
    // The line of the last in-place change; until then, of large contents, the line that made them.
    SourceLocation changed;

    // From this size on the line that makes a storage is remembered: the time is nothing to that of
    // filling it.
    static constexpr size_t kLocatedFrom = 4096;
    static Storage* create(size_t nbytes);
    static Storage* over(char* data, size_t nbytes, void* owner, void (*release_owner)(void*));
    static Storage* alias(Storage* other);  // same bytes, own version counter

    void retain() { count_up(refcount); }
    void release() {
        if (count_down(refcount)) destroy();
    }
    void bump_version() {
        ++version;
        release_location(&changed);
        capture_location(&changed);
    }

private:
    void destroy();
};

}  // namespace chainrule
