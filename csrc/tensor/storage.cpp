#include "tensor/storage.h"

#include <new>

#include "base/allocator.h"
#include "base/freelist.h"

namespace chainrule {

namespace {
// Small contents follow their header in one block: one allocation for a tiny tensor.
constexpr size_t kInlineBytes = 192;
constexpr size_t kHeader = (sizeof(Storage) + 15) / 16 * 16;
}  // namespace

Storage* Storage::create(size_t nbytes) {
    if (nbytes <= kInlineBytes) {
        auto* s = new (node_alloc(kHeader + nbytes)) Storage;
        s->data = reinterpret_cast<char*>(s) + kHeader;
        s->nbytes = nbytes;
        return s;
    }
    char* data = static_cast<char*>(allocate(nbytes));
    auto* s = new (node_alloc(kHeader)) Storage;
    s->data = data;
    s->nbytes = nbytes;
    if (nbytes >= kLocatedFrom) capture_location(&s->changed);
    return s;
}

Storage* Storage::over(char* data, size_t nbytes, void* owner, void (*release_owner)(void*)) {
    auto* s = new (node_alloc(kHeader)) Storage;
    s->data = data;
    s->nbytes = nbytes;
    s->owner = owner;
    s->release_owner = release_owner;
    return s;
}

Storage* Storage::alias(Storage* other) {
    other->retain();
    return over(other->data, other->nbytes, other,
                [](void* owner) { static_cast<Storage*>(owner)->release(); });
}

void Storage::destroy() {
    release_location(&changed);
    if (release_owner) {
        release_owner(owner);
        node_free(this, kHeader);
    } else if (data == reinterpret_cast<char*>(this) + kHeader) {
        node_free(this, kHeader + nbytes);
    } else {
        deallocate(data, nbytes);
        node_free(this, kHeader);
    }
}

}  // namespace chainrule
