#include "forward/fill_random.h"

#include "base/interpreter_lock.h"
#include "forward/fill.h"
#include "tensor/convert.h"

namespace chainrule::forward {

namespace {

// `t` with its dimensions in the order of its memory.
Tensor in_memory_order(const Tensor& t, const Dims& order) {
    Dims sizes, strides;
    for (size_t i = order.size(); i-- > 0;) {
        sizes.push_back(t->sizes()[order[i]]);
        strides.push_back(t->strides()[order[i]]);
    }
    return Tensor::view_of(*t, sizes, strides, t.offset());
}

// Calls fill(data, n) with an array of n elements in the order of t's memory.
template <class T, class F>
void fill_memory(const Tensor& t, F&& fill) {
    if (t.contiguous()) {
        Unlocked unlocked(t.numel() >= kUnlockedFrom);
        fill(t.data<T>(), t.numel());
        return;
    }
    Tensor ordered = in_memory_order(t, dimensions_by_stride(*t));
    Tensor drawn = ordered.contiguous() ? ordered : Tensor::empty(ordered.shape(), t.dtype());
    {
        Unlocked unlocked(t.numel() >= kUnlockedFrom);
        fill(drawn.data<T>(), t.numel());
    }
    if (drawn.get() != ordered.get()) copy_elements(*ordered, *drawn);
}

[[noreturn]] void refuse(const char* kernel, const Tensor& t) {
    fail(ErrorKind::NotImplemented, '"', kernel, "\" not implemented for '", dtype_title(t.dtype()),
         "'");
}

// fill(data, n) for float32 and float64.
template <class F>
void fill_floating(const Tensor& t, const char* kernel, F&& fill) {
    if (t.dtype() == DType::Float32) fill_memory<float>(t, fill);
    else if (t.dtype() == DType::Float64) fill_memory<double>(t, fill);
    else refuse(kernel, t);
}

template <class F>
void fill_any(const Tensor& t, F&& fill) {
    dispatch(t.dtype(), [&](auto zero) { fill_memory<decltype(zero)>(t, fill); });
}

}  // namespace

void random_uniform(const Tensor& t, Generator& gen, double from, double to) {
    fill_floating(t, "check_uniform_bounds",
                  [&](auto* data, int64_t n) { cpu::fill_uniform(gen, data, n, from, to); });
}

void random_normal(const Tensor& t, Generator& gen, double mean, double std) {
    check(std >= 0, ErrorKind::Runtime, "normal expects std >= 0.0, but found std ", std);
    bool blocks = t.contiguous();
    fill_floating(t, "normal_kernel_cpu", [&](auto* data, int64_t n) {
        if (blocks) cpu::fill_normal(gen, data, n, mean, std);
        else cpu::fill_normal_serial(gen, data, n, mean, std);
    });
}

void random_exponential(const Tensor& t, Generator& gen, double lambda) {
    check(is_floating(t.dtype()), ErrorKind::Runtime,
          "Exponential distribution is a continuous probability distribution. dtype must be a "
          "floating point but you specified ",
          dtype_title(t.dtype()));
    fill_floating(t, "exponential_",
                  [&](auto* data, int64_t n) { cpu::fill_exponential(gen, data, n, lambda); });
}

void random_log_normal(const Tensor& t, Generator& gen, double mean, double std) {
    fill_floating(t, "log_normal_cpu",
                  [&](auto* data, int64_t n) { cpu::fill_log_normal(gen, data, n, mean, std); });
}

void random_cauchy(const Tensor& t, Generator& gen, double median, double sigma) {
    check(is_floating(t.dtype()), ErrorKind::Runtime,
          "Cauchy distribution is a continuous probability distribution. dtype must be a floating "
          "point but you specified ",
          dtype_title(t.dtype()));
    fill_floating(t, "cauchy_",
                  [&](auto* data, int64_t n) { cpu::fill_cauchy(gen, data, n, median, sigma); });
}

void random_geometric(const Tensor& t, Generator& gen, double p) {
    auto fill = [&](auto* data, int64_t n) { cpu::fill_geometric(gen, data, n, p); };
    if (t.dtype() == DType::Int64) fill_memory<int64_t>(t, fill);
    else fill_floating(t, "geometric_cpu", fill);
}

void random_bernoulli(const Tensor& t, Generator& gen, double p) {
    fill_any(t, [&](auto* data, int64_t n) { cpu::fill_bernoulli(gen, data, n, p); });
}

void random_bernoulli(const Tensor& t, Generator& gen, const Tensor& p) {
    if (!is_floating(p.dtype())) refuse("bernoulli_tensor_cpu_p_", p);
    check(broadcast_shapes(p.shape(), t.shape()) == t.shape(), ErrorKind::Runtime,
          "bernoulli_: probabilities of shape ", to_string(p.shape()),
          " do not broadcast to shape ", to_string(t.shape()));
    // The probabilities in the order in which numbers are drawn.
    Dims strides = Dims::filled(t->ndim, 0);
    for (int d = 0; d < p->ndim; ++d) {
        if (p->sizes()[d] != 1) strides[t->ndim - p->ndim + d] = p->strides()[d];
    }
    Tensor expanded = Tensor::view_of(*p, t.shape(), strides, p.offset());
    if (!t.contiguous()) expanded = in_memory_order(expanded, dimensions_by_stride(*t));
    Tensor each = make_contiguous(expanded);
    fill_any(t, [&](auto* data, int64_t n) {
        if (each.dtype() == DType::Float32) {
            cpu::fill_bernoulli_each(gen, data, each.data<float>(), n);
        } else {
            cpu::fill_bernoulli_each(gen, data, each.data<double>(), n);
        }
    });
}

void random_integers(const Tensor& t, Generator& gen, int64_t low, int64_t high) {
    fill_any(t, [&](auto* data, int64_t n) { cpu::fill_randint(gen, data, n, low, high); });
}

void random_integers_from(const Tensor& t, Generator& gen, int64_t low) {
    fill_any(t, [&](auto* data, int64_t n) { cpu::fill_random_from(gen, data, n, low); });
}

void random_integers_all(const Tensor& t, Generator& gen) {
    fill_any(t, [&](auto* data, int64_t n) { cpu::fill_random(gen, data, n); });
}

Tensor random_categories(const Tensor& weights, Generator& gen, int64_t samples, bool replacement) {
    check(weights.dim() == 1 || weights.dim() == 2, ErrorKind::Runtime,
          "prob_dist must be 1 or 2 dim");
    check(is_floating(weights.dtype()), ErrorKind::Runtime,
          "multinomial only supports floating-point dtypes for input, got: ",
          dtype_title(weights.dtype()));
    check(samples > 0, ErrorKind::Runtime, "cannot sample n_sample <= 0 samples");
    int64_t categories = weights.size(-1), rows = weights.dim() == 2 ? weights.size(0) : 1;
    check(replacement || samples <= categories, ErrorKind::Runtime,
          "cannot sample n_sample > prob_dist.size(-1) samples without replacement");
    check(categories > 0 && categories <= 1 << 24, ErrorKind::Runtime,
          "number of categories must be between 1 and 2^24, got ", categories);
    Tensor dense = make_contiguous(weights);
    Tensor out =
        Tensor::empty(weights.dim() == 2 ? Dims{rows, samples} : Dims{samples}, DType::Int64);
    Unlocked unlocked(weights.numel() + out.numel() >= kUnlockedFrom);
    if (dense.dtype() == DType::Float32) {
        cpu::multinomial(gen, dense.data<float>(), rows, categories, samples, replacement,
                         out.data<int64_t>());
    } else {
        cpu::multinomial(gen, dense.data<double>(), rows, categories, samples, replacement,
                         out.data<int64_t>());
    }
    return out;
}

void random_permutation(const Tensor& t, Generator& gen) {
    Unlocked unlocked(t.numel() >= kUnlockedFrom);
    if (t.dtype() == DType::Int64) cpu::randperm(gen, t.data<int64_t>(), t.numel());
    else if (t.dtype() == DType::Float32) cpu::randperm(gen, t.data<float>(), t.numel());
    else if (t.dtype() == DType::Float64) cpu::randperm(gen, t.data<double>(), t.numel());
    else refuse("randperm", t);
}

}  // namespace chainrule::forward
