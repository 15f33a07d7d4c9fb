#pragma once

#include <cstdint>
#include <utility>

namespace chainrule {

// Reference counts are plain integers while the interpreter lock guards them; a free-threaded
// build defines CHAINRULE_ATOMIC_REFCOUNT.
#ifdef CHAINRULE_ATOMIC_REFCOUNT
inline void count_up(uint32_t& count) { __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED); }
inline bool count_down(uint32_t& count) {
    return __atomic_fetch_sub(&count, 1, __ATOMIC_ACQ_REL) == 1;
}
#else
inline void count_up(uint32_t& count) { ++count; }
inline bool count_down(uint32_t& count) { return --count == 0; }
#endif

// Intrusive pointer to T, which offers `void retain()` and `void release()`.
template <class T>
class Ref {
public:
    Ref() = default;
    Ref(std::nullptr_t) {}
    static Ref steal(T* pointer) {
        Ref r;
        r.pointer_ = pointer;
        return r;
    }
    static Ref share(T* pointer) {
        if (pointer) pointer->retain();
        return steal(pointer);
    }
    Ref(const Ref& other) : pointer_(other.pointer_) {
        if (pointer_) pointer_->retain();
    }
    Ref(Ref&& other) noexcept : pointer_(other.pointer_) { other.pointer_ = nullptr; }
    Ref& operator=(const Ref& other) {
        Ref copy(other);
        std::swap(pointer_, copy.pointer_);
        return *this;
    }
    Ref& operator=(Ref&& other) noexcept {
        if (this != &other) {
            T* old = pointer_;
            pointer_ = other.pointer_;
            other.pointer_ = nullptr;
            if (old) old->release();
        }
        return *this;
    }
    ~Ref() {
        if (pointer_) pointer_->release();
    }

    T* get() const { return pointer_; }
    T* operator->() const { return pointer_; }
    T& operator*() const { return *pointer_; }
    explicit operator bool() const { return pointer_ != nullptr; }
    T* leak() {
        T* p = pointer_;
        pointer_ = nullptr;
        return p;
    }
    void reset() { *this = Ref(); }

private:
    T* pointer_ = nullptr;
};

}  // namespace chainrule
