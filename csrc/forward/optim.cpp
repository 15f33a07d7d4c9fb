#include "forward/optim.h"

#include "base/interpreter_lock.h"
#include "base/parallel.h"
#include "kernels/kernel.h"
#include "tensor/convert.h"

namespace chainrule::forward {

namespace {

const cpu::OptimLoops& optim_loops() {
#ifdef CHAINRULE_ONLY_BASE_ISA
    return cpu::optim_kernels::isa_base::loops;
#else
    static const cpu::OptimLoops* const tables[] = {&cpu::optim_kernels::isa_base::loops,
                                                    &cpu::optim_kernels::isa_avx2::loops,
                                                    &cpu::optim_kernels::isa_avx512::loops};
    return *tables[g_active_isa];
#endif
}

constexpr int64_t kGrain = 32768;

// Calls run(begin, end) on parts of [0, n).
template <class F>
void over_elements(int64_t n, F&& run) {
    if (n <= kGrain) return run(int64_t{0}, n);
    Unlocked unlocked(n >= kUnlockedFrom);
    parallel_for(0, n, kGrain, run);
}

// A tensor that a step reads or writes, as memory in the order of its indices. What has another
// layout is copied, and written back.
class Dense {
public:
    Dense(TensorImpl* t, const TensorImpl& param, const char* what, bool written = true)
        : target_(written ? t : nullptr), used_(t) {
        if (!t) return;
        check(t->dtype == param.dtype, ErrorKind::Runtime, "the ", what, " of a torch.",
              dtype_name(param.dtype), " parameter has dtype torch.", dtype_name(t->dtype));
        check(t->same_shape(param), ErrorKind::Runtime, "the ", what, " has shape ",
              to_string(Dims(t->sizes(), t->ndim)), ", the parameter ",
              to_string(Dims(param.sizes(), param.ndim)));
        if (__builtin_expect(!(t->flags & kContiguous), 0)) {
            copy_ = Tensor::empty_like(*t, t->dtype);
            copy_elements(*copy_, *t);
            used_ = copy_.get();
        }
    }
    template <class T>
    T* data() const {
        return used_ ? reinterpret_cast<T*>(used_->data) : nullptr;
    }
    void finish() {
        if (!target_) return;
        if (copy_) copy_elements(*target_, *copy_);
        target_->storage->bump_version();
    }

private:
    TensorImpl* target_;
    TensorImpl* used_;
    Tensor copy_;
};

void check_param(const TensorImpl& param) {
    check(param.dtype == DType::Float32 || param.dtype == DType::Float64, ErrorKind::NotImplemented,
          "optimizers work on float32 and float64 parameters, not torch.", dtype_name(param.dtype));
}

template <class T>
T* at(T* p, int64_t i) {
    return p ? p + i : p;
}

}  // namespace

void sgd_step(TensorImpl& param, const TensorImpl& grad, TensorImpl* buffer,
              const cpu::SgdNumbers& numbers) {
    check_param(param);
    Dense p(&param, param, "parameter"), b(buffer, param, "momentum buffer");
    Dense g(const_cast<TensorImpl*>(&grad), param, "gradient", false);
    auto run = [&](auto loop, auto zero) {
        using T = decltype(zero);
        T* x = p.data<T>();
        const T* from = g.data<T>();
        T* moving = b.data<T>();
        over_elements(param.numel, [&](int64_t begin, int64_t end) {
            loop(x + begin, from + begin, at(moving, begin), end - begin, numbers);
        });
    };
    if (param.dtype == DType::Float32) run(optim_loops().sgd_f32, float{});
    else run(optim_loops().sgd_f64, double{});
    p.finish();
    b.finish();
}

void adam_step(TensorImpl& param, const TensorImpl& grad, TensorImpl& average, TensorImpl& square,
               TensorImpl* largest, const cpu::AdamNumbers& numbers) {
    check_param(param);
    Dense p(&param, param, "parameter"), l(largest, param, "maximum of squares");
    Dense m(&average, param, "average of gradients"), v(&square, param, "average of squares");
    Dense g(const_cast<TensorImpl*>(&grad), param, "gradient", false);
    auto run = [&](auto loop, auto zero) {
        using T = decltype(zero);
        T *x = p.data<T>(), *first = m.data<T>(), *second = v.data<T>(), *top = l.data<T>();
        const T* from = g.data<T>();
        over_elements(param.numel, [&](int64_t begin, int64_t end) {
            loop(x + begin, from + begin, first + begin, second + begin, at(top, begin),
                 end - begin, numbers);
        });
    };
    if (param.dtype == DType::Float32) run(optim_loops().adam_f32, float{});
    else run(optim_loops().adam_f64, double{});
    p.finish();
    m.finish();
    v.finish();
    l.finish();
}

}  // namespace chainrule::forward
