#include "forward/nn_norm.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/interpreter_lock.h"
#include "base/message.h"
#include "base/parallel.h"
#include "forward.h"
#include "kernels/cpu/norm.h"
#include "tensor/convert.h"

namespace chainrule::forward {

namespace {

void check_floating(const Tensor& t, const char* name) {
    check(is_floating(t.dtype()) && is_enabled(t.dtype()), ErrorKind::NotImplemented, "\"", name,
          "\" not implemented for '", dtype_title(t.dtype()), "'",
          note("Convert the input first, for example with .float()."));
}

void check_same_dtype(const Tensor& input, const Tensor& t, const char* what) {
    check(!t || t.dtype() == input.dtype(), ErrorKind::Runtime, "expected scalar type ",
          dtype_title(input.dtype()), " but found ", t ? dtype_title(t.dtype()) : "", " for the ",
          what, note("Convert it, for example with .to(input.dtype)."));
}

Tensor dense(const Tensor& t) { return t ? make_contiguous(t) : t; }

template <class T>
const T* pointer(const Tensor& t) {
    return t ? t.data<T>() : nullptr;
}

template <class F>
void on_floating(DType dtype, F&& f) {
    if (dtype == DType::Float32) f(float{}, cpu::norm_loops().f32);
    else f(double{}, cpu::norm_loops().f64);
}

int64_t row_grain(int64_t n) { return std::max<int64_t>(1, 16384 / std::max<int64_t>(1, n)); }

// (batch, channels, inner) of an input whose channels are dimension 1.
struct Channels {
    int64_t batch, channels, inner = 1;
    explicit Channels(const Tensor& t) : batch(t->sizes()[0]), channels(t->sizes()[1]) {
        for (int64_t d = 2; d < t.dim(); ++d) inner *= t->sizes()[d];
    }
    int64_t count() const { return batch * inner; }
};

std::vector<double> numbers(const Tensor& t, int64_t n, double otherwise) {
    std::vector<double> out(static_cast<size_t>(n), otherwise);
    if (!t) return out;
    Tensor source = make_contiguous(t);
    dispatch(t.dtype(), [&](auto zero) {
        using T = decltype(zero);
        for (int64_t i = 0; i < n; ++i) {
            out[static_cast<size_t>(i)] = static_cast<double>(source.data<T>()[i]);
        }
    });
    return out;
}

Tensor vector_of(const std::vector<double>& values, DType dtype) {
    Tensor out = Tensor::empty({static_cast<int64_t>(values.size())}, dtype);
    dispatch(dtype, [&](auto zero) {
        using T = decltype(zero);
        for (size_t i = 0; i < values.size(); ++i) out.data<T>()[i] = static_cast<T>(values[i]);
    });
    return out;
}

}  // namespace

// Layer normalisation ---------------------------------------------------------------------------

std::tuple<Tensor, Tensor, Tensor> layer_norm(const Tensor& input, int64_t dims,
                                              const Tensor& weight, const Tensor& bias,
                                              double eps) {
    check_floating(input, "LayerNormKernelImpl");
    check_same_dtype(input, weight, "weight");
    check_same_dtype(input, bias, "bias");
    Tensor x = dense(input), w = dense(weight), b = dense(bias);
    Dims shape = input.shape();
    int64_t n = 1;
    for (size_t d = shape.size() - static_cast<size_t>(dims); d < shape.size(); ++d) {
        n *= shape[d];
        shape[d] = 1;
    }
    Tensor out = Tensor::empty_like(*x, x.dtype());
    Tensor center = Tensor::empty(shape, x.dtype()), rstd = Tensor::empty(shape, x.dtype());
    const int64_t count = center.numel();
    on_floating(x.dtype(), [&](auto zero, const auto& loop) {
        using T = decltype(zero);
        const T *from = x.data<T>(), *scale = pointer<T>(w), *shift = pointer<T>(b);
        T *to = out.data<T>(), *m = center.data<T>(), *r = rstd.data<T>();
        Unlocked unlocked(x.numel() >= kUnlockedFrom);
        parallel_for(0, count, row_grain(n), [&](int64_t begin, int64_t end) {
            loop.rows(from + begin * n, scale, shift, to + begin * n, m + begin, r + begin,
                      end - begin, n, eps);
        });
    });
    return {out, center, rstd};
}

Tensor layer_norm_grad_input(const Tensor& g, const Tensor& input, const Tensor& weight,
                             const Tensor& center, const Tensor& rstd) {
    Tensor grad = dense(g), x = dense(input), w = dense(weight);
    Tensor out = Tensor::empty_like(*x, x.dtype());
    const int64_t count = center.numel(), n = count ? x.numel() / count : 0;
    on_floating(x.dtype(), [&](auto zero, const auto& loop) {
        using T = decltype(zero);
        const T *dy = grad.data<T>(), *from = x.data<T>(), *scale = pointer<T>(w);
        const T *m = center.data<T>(), *r = rstd.data<T>();
        T* to = out.data<T>();
        Unlocked unlocked(x.numel() >= kUnlockedFrom);
        parallel_for(0, count, row_grain(n), [&](int64_t begin, int64_t end) {
            const int64_t at = begin * n;
            loop.rows_backward(dy + at, from + at, scale, m + begin, r + begin, to + at,
                               end - begin, n);
        });
    });
    return out;
}

Tensor layer_norm_grad_weight(const Tensor& g, const Tensor& input, const Tensor& center,
                              const Tensor& rstd, int64_t dims) {
    Tensor grad = dense(g), x = dense(input);
    Dims shape;
    for (int64_t d = x.dim() - dims; d < x.dim(); ++d) shape.push_back(x->sizes()[d]);
    Tensor out = Tensor::zeros(shape, x.dtype());
    on_floating(x.dtype(), [&](auto zero, const auto& loop) {
        using T = decltype(zero);
        const T *dy = grad.data<T>(), *from = x.data<T>();
        const T *m = center.data<T>(), *r = rstd.data<T>();
        T* to = out.data<T>();
        const int64_t count = center.numel(), n = out.numel();
        if (x.numel() < (1 << 17)) return loop.rows_weight(dy, from, m, r, to, count, n);
        // Sums of a fixed number of parts: the same result for any number of threads.
        constexpr int64_t kParts = 8;
        const int64_t rows = (count - 1) / kParts + 1;
        std::vector<T> sums(static_cast<size_t>(kParts * n));
        Unlocked unlocked(true);
        parallel_for(0, kParts, 1, [&](int64_t begin, int64_t end) {
            for (int64_t part = begin; part < end; ++part) {
                const int64_t first = std::min(count, part * rows);
                const int64_t last = std::min(count, first + rows), at = first * n;
                loop.rows_weight(dy + at, from + at, m + first, r + first, sums.data() + part * n,
                                 last - first, n);
            }
        });
        for (int64_t part = 0; part < kParts; ++part) {
            for (int64_t i = 0; i < n; ++i) to[i] += sums[static_cast<size_t>(part * n + i)];
        }
    });
    return out;
}

// Batch normalisation ---------------------------------------------------------------------------

std::tuple<Tensor, Tensor, Tensor> batch_norm(const Tensor& input, const Tensor& weight,
                                              const Tensor& bias, double eps) {
    check_floating(input, "batch_norm");
    const Channels c(input);
    Tensor x = dense(input);
    Tensor out = Tensor::empty_like(*x, x.dtype());
    const auto size = static_cast<size_t>(c.channels);
    std::vector<double> mean(size), scale(size), shift(size), rstd(size);
    const std::vector<double> w = numbers(weight, c.channels, 1), b = numbers(bias, c.channels, 0);
    on_floating(x.dtype(), [&](auto zero, const auto& loop) {
        using T = decltype(zero);
        const T* from = x.data<T>();
        T* to = out.data<T>();
        Unlocked unlocked(x.numel() >= kUnlockedFrom);
        loop.channel_sums(from, nullptr, nullptr, c.batch, c.channels, c.inner, mean.data());
        for (double& m : mean) m /= static_cast<double>(c.count());
        loop.channel_sums(from, from, mean.data(), c.batch, c.channels, c.inner, rstd.data());
        for (size_t i = 0; i < size; ++i) {
            rstd[i] = 1 / std::sqrt(rstd[i] / static_cast<double>(c.count()) + eps);
            scale[i] = rstd[i] * w[i];
            shift[i] = b[i] - mean[i] * scale[i];
        }
        loop.channel_affine(from, nullptr, scale.data(), nullptr, shift.data(), to, c.batch,
                            c.channels, c.inner);
    });
    return {out, vector_of(mean, x.dtype()), vector_of(rstd, x.dtype())};
}

Tensor batch_norm_grad_input(const Tensor& g, const Tensor& input, const Tensor& weight,
                             const Tensor& center, const Tensor& rstd) {
    const Channels c(input);
    Tensor grad = dense(g), x = dense(input);
    Tensor out = Tensor::empty_like(*x, x.dtype());
    const auto size = static_cast<size_t>(c.channels);
    std::vector<double> first(size), second(size), p(size), q(size), r(size);
    const std::vector<double> w = numbers(weight, c.channels, 1);
    const std::vector<double> m = numbers(center, c.channels, 0), s = numbers(rstd, c.channels, 0);
    on_floating(x.dtype(), [&](auto zero, const auto& loop) {
        using T = decltype(zero);
        const T *dy = grad.data<T>(), *from = x.data<T>();
        T* to = out.data<T>();
        Unlocked unlocked(x.numel() >= kUnlockedFrom);
        loop.channel_sums(dy, nullptr, nullptr, c.batch, c.channels, c.inner, first.data());
        loop.channel_sums(dy, from, m.data(), c.batch, c.channels, c.inner, second.data());
        const double n = static_cast<double>(c.count());
        for (size_t i = 0; i < size; ++i) {
            p[i] = w[i] * s[i];
            q[i] = -p[i] * s[i] * s[i] * second[i] / n;
            r[i] = -p[i] * first[i] / n - q[i] * m[i];
        }
        loop.channel_affine(dy, from, p.data(), q.data(), r.data(), to, c.batch, c.channels,
                            c.inner);
    });
    return out;
}

Tensor batch_norm_grad_weight(const Tensor& g, const Tensor& input, const Tensor& center,
                              const Tensor& rstd) {
    const Channels c(input);
    Tensor grad = dense(g), x = dense(input);
    const auto size = static_cast<size_t>(c.channels);
    std::vector<double> sums(size);
    const std::vector<double> m = numbers(center, c.channels, 0), s = numbers(rstd, c.channels, 0);
    on_floating(x.dtype(), [&](auto zero, const auto& loop) {
        using T = decltype(zero);
        const T *dy = grad.data<T>(), *from = x.data<T>();
        Unlocked unlocked(x.numel() >= kUnlockedFrom);
        loop.channel_sums(dy, from, m.data(), c.batch, c.channels, c.inner, sums.data());
    });
    for (size_t i = 0; i < size; ++i) sums[i] *= s[i];
    return vector_of(sums, x.dtype());
}

void update_running(TensorImpl* mean, TensorImpl* variance, const Tensor& center,
                    const Tensor& rstd, double momentum, double eps, int64_t count) {
    const int64_t n = center.numel();
    auto move = [&](TensorImpl* running, auto&& statistic) {
        if (!running) return;
        Tensor mine(Ref<TensorImpl>::share(running));
        std::vector<double> values = numbers(mine, n, 0);
        for (size_t i = 0; i < values.size(); ++i) {
            values[i] = (1 - momentum) * values[i] + momentum * statistic(i);
        }
        copy_elements(*running, *vector_of(values, running->dtype));
        running->storage->bump_version();
    };
    const std::vector<double> m = numbers(center, n, 0), s = numbers(rstd, n, 0);
    const double unbiased = static_cast<double>(count) / static_cast<double>(count - 1);
    move(mean, [&](size_t i) { return m[i]; });
    move(variance, [&](size_t i) { return (1 / (s[i] * s[i]) - eps) * unbiased; });
}

}  // namespace chainrule::forward
