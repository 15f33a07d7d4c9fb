#include "tensor/finite.h"

#include <atomic>
#include <cmath>

#include "base/interpreter_lock.h"
#include "base/parallel.h"
#include "kernels/kernel.h"
#include "tensor/pointwise_loop.h"

namespace chainrule {

namespace {

const cpu::FiniteLoops& finite_loops() {
#ifdef CHAINRULE_ONLY_BASE_ISA
    return cpu::finite_kernels::isa_base::loops;
#else
    static const cpu::FiniteLoops* const tables[] = {&cpu::finite_kernels::isa_base::loops,
                                                     &cpu::finite_kernels::isa_avx2::loops,
                                                     &cpu::finite_kernels::isa_avx512::loops};
    return *tables[g_active_isa];
#endif
}

constexpr int64_t kGrain = 1 << 16;

// Without the repetitions of an expanded tensor.
Dims distinct_shape(const TensorImpl& t) {
    Dims shape(t.sizes(), t.ndim);
    for (int d = 0; d < t.ndim; ++d) {
        if (t.strides()[d] == 0 && shape[d] > 1) shape[d] = 1;
    }
    return shape;
}

template <class T>
bool contiguous_finite(bool (*loop)(const T*, int64_t), const TensorImpl& t) {
    const T* data = reinterpret_cast<const T*>(t.data);
    if (t.numel <= kGrain) return loop(data, t.numel);
    std::atomic<bool> finite{true};
    Unlocked unlocked(t.numel >= kUnlockedFrom);
    parallel_for(0, t.numel, kGrain, [&](int64_t begin, int64_t end) {
        if (finite.load(std::memory_order_relaxed) && !loop(data + begin, end - begin)) {
            finite.store(false, std::memory_order_relaxed);
        }
    });
    return finite;
}

template <class T>
struct StridedSearch {
    bool (*loop)(const T*, int64_t);
    std::atomic<bool> finite{true};

    static void run(char* const* data, const int64_t* strides, int64_t n, const void* context) {
        auto& self = *static_cast<StridedSearch*>(const_cast<void*>(context));
        if (!self.finite.load(std::memory_order_relaxed)) return;
        bool fine = true;
        if (strides[0] == sizeof(T)) {
            fine = self.loop(reinterpret_cast<const T*>(data[0]), n);
        } else {
            decltype(cpu::exponent_carry(T())) seen = 0;
            for (int64_t i = 0; i < n; ++i) {
                seen |= cpu::exponent_carry(*reinterpret_cast<const T*>(data[0] + i * strides[0]));
            }
            fine = !(seen >> (8 * sizeof(T) - 1));
        }
        if (!fine) self.finite.store(false, std::memory_order_relaxed);
    }
};

template <class T>
bool all_finite(bool (*loop)(const T*, int64_t), const TensorImpl& t) {
    if (t.numel == 0) return true;
    if (t.flags & kContiguous) return contiguous_finite(loop, t);
    StridedSearch<T> search{loop};
    Dims shape = distinct_shape(t);
    LoopOperand operands[1] = {{t.data, broadcast_strides(t, Dims(t.sizes(), t.ndim))}};
    run_strided(shape, operands, 1, StridedSearch<T>::run, &search);
    return search.finite;
}

template <class T>
struct KindSearch {
    std::atomic<uint8_t> kinds{kNothing};

    static void run(char* const* data, const int64_t* strides, int64_t n, const void* context) {
        auto& self = *static_cast<KindSearch*>(const_cast<void*>(context));
        uint8_t found = kNothing;
        for (int64_t i = 0; i < n; ++i) {
            T value = *reinterpret_cast<const T*>(data[0] + i * strides[0]);
            found |= std::isnan(value) ? kNan : kNothing;
            found |= std::isinf(value) ? kInfinite : kNothing;
        }
        self.kinds.fetch_or(found, std::memory_order_relaxed);
    }
};

template <class T>
uint8_t kinds_in(const TensorImpl& t) {
    KindSearch<T> search;
    Dims shape = distinct_shape(t);
    LoopOperand operands[1] = {{t.data, broadcast_strides(t, Dims(t.sizes(), t.ndim))}};
    run_strided(shape, operands, 1, KindSearch<T>::run, &search);
    return search.kinds;
}

}  // namespace

bool is_finite_large(const TensorImpl& t) {
    if (t.dtype == DType::Float32) return all_finite(finite_loops().f32, t);
    if (t.dtype == DType::Float64) return all_finite(finite_loops().f64, t);
    return true;
}

uint8_t not_finite_kinds(const TensorImpl& t) {
    if (is_finite(t)) return kNothing;
    return t.dtype == DType::Float32 ? kinds_in<float>(t) : kinds_in<double>(t);
}

}  // namespace chainrule
