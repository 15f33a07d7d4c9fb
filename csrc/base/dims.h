#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>

#include "base/error.h"

namespace chainrule {

inline constexpr int kMaxDims = 64;  // as in torch

// A short list of 64-bit integers (a shape, strides, dimension numbers) without heap memory up
// to six entries.
class Dims {
public:
    Dims() = default;
    Dims(std::initializer_list<int64_t> values) : Dims(values.begin(), values.size()) {}
    Dims(const int64_t* values, size_t n) {
        resize(n);
        if (n) std::memcpy(data_, values, n * sizeof(int64_t));
    }
    Dims(const Dims& other) : Dims(other.data_, other.size_) {}
    Dims(Dims&& other) noexcept { steal(other); }
    Dims& operator=(const Dims& other) {
        if (this != &other) {
            resize(other.size_);
            if (size_) std::memcpy(data_, other.data_, size_ * sizeof(int64_t));
        }
        return *this;
    }
    Dims& operator=(Dims&& other) noexcept {
        if (this != &other) {
            free_heap();
            steal(other);
        }
        return *this;
    }
    ~Dims() { free_heap(); }

    static Dims filled(size_t n, int64_t value) {
        Dims d;
        d.resize(n);
        for (size_t i = 0; i < n; ++i) d.data_[i] = value;
        return d;
    }

    size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    int64_t* data() { return data_; }
    const int64_t* data() const { return data_; }
    int64_t* begin() { return data_; }
    int64_t* end() { return data_ + size_; }
    const int64_t* begin() const { return data_; }
    const int64_t* end() const { return data_ + size_; }
    int64_t& operator[](size_t i) { return data_[i]; }
    int64_t operator[](size_t i) const { return data_[i]; }
    int64_t back() const { return data_[size_ - 1]; }

    void push_back(int64_t value) {
        resize(size_ + 1);
        data_[size_ - 1] = value;
    }
    void insert(size_t at, int64_t value) {
        resize(size_ + 1);
        std::memmove(data_ + at + 1, data_ + at, (size_ - 1 - at) * sizeof(int64_t));
        data_[at] = value;
    }
    void erase(size_t at) {
        std::memmove(data_ + at, data_ + at + 1, (size_ - 1 - at) * sizeof(int64_t));
        --size_;
    }
    void clear() { size_ = 0; }
    void resize(size_t n) {
        if (n > capacity_) grow(n);
        size_ = static_cast<uint32_t>(n);
    }

    bool operator==(const Dims& other) const {
        return size_ == other.size_ && std::memcmp(data_, other.data_, size_ * 8) == 0;
    }
    bool operator!=(const Dims& other) const { return !(*this == other); }

private:
    static constexpr uint32_t kInline = 6;

    void grow(size_t n) {
        size_t capacity = n + n / 2;
        int64_t* bigger = new int64_t[capacity];
        if (size_) std::memcpy(bigger, data_, size_ * sizeof(int64_t));
        free_heap();
        data_ = bigger;
        capacity_ = static_cast<uint32_t>(capacity);
    }
    void free_heap() {
        if (data_ != inline_) delete[] data_;
    }
    void steal(Dims& other) {
        size_ = other.size_;
        if (other.data_ == other.inline_) {
            data_ = inline_;
            capacity_ = kInline;
            if (size_) std::memcpy(inline_, other.inline_, size_ * sizeof(int64_t));
        } else {
            data_ = other.data_;
            capacity_ = other.capacity_;
            other.data_ = other.inline_;
            other.capacity_ = kInline;
            other.size_ = 0;
        }
    }

    uint32_t size_ = 0;
    uint32_t capacity_ = kInline;
    int64_t* data_ = inline_;
    int64_t inline_[kInline];
};

std::string to_string(const Dims& dims);  // "[2, 3]", as torch writes shapes

// Brings a dimension number that may count from the end into [0, ndim); IndexError otherwise.
int64_t wrap_dim(int64_t dim, int64_t ndim);
Dims broadcast_shapes(const Dims& a, const Dims& b);
Dims contiguous_strides(const Dims& shape);
int64_t checked_numel(const Dims& shape);  // refuses negative sizes and overflow

}  // namespace chainrule
