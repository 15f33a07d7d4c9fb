#include <algorithm>
#include <limits>

#include "base/interpreter_lock.h"
#include "base/message.h"
#include "base/parallel.h"
#include "forward.h"
#include "kernels/cpu/loss.h"
#include "tensor/convert.h"
#include "tensor/origin.h"

// Losses with a reduction.
namespace chainrule::forward {

namespace {

using cpu::LossKind;

enum class Reduction { None, Mean, Sum };

Reduction reduction_of(const std::string& text) {
    if (text == "mean") return Reduction::Mean;
    if (text == "sum") return Reduction::Sum;
    check(text == "none", ErrorKind::Value, text,
          " is not a valid value for reduction: it is 'none', 'mean' or 'sum'");
    return Reduction::None;
}

// `t` as dense memory of the given shape and dtype.
Tensor prepared(const Tensor& t, const Dims& shape, DType dtype) {
    if (t.dtype() == dtype && t.contiguous() && t.dim() == static_cast<int64_t>(shape.size()) &&
        t.shape() == shape) {
        return t;
    }
    Tensor out = Tensor::empty(shape, dtype);
    copy_elements(*out, *t);
    return out;
}

template <class T>
void run_loss(const cpu::LossLoop<T>& loop, const Tensor& x, const Tensor& t, const Tensor& out,
              Reduction reduction, T number) {
    const T *a = x.data<T>(), *b = t.data<T>();
    T* to = out.data<T>();
    const int64_t n = x.numel();
    constexpr int64_t kGrain = 32768;
    Unlocked unlocked(n >= kUnlockedFrom);
    if (reduction == Reduction::None) {
        parallel_for(0, n, kGrain, [&](int64_t begin, int64_t end) {
            loop.map(a + begin, b + begin, to + begin, end - begin, number);
        });
        return;
    }
    double total = 0;
    if (n <= kGrain) {
        total = loop.sum(a, b, n, number);
    } else {
        // A partial sum for each grain: the same result for any number of threads.
        const int64_t parts = (n + kGrain - 1) / kGrain;
        std::vector<double> partial(static_cast<size_t>(parts));
        parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
                const int64_t at = i * kGrain;
                partial[static_cast<size_t>(i)] =
                    loop.sum(a + at, b + at, std::min(kGrain, n - at), number);
            }
        });
        for (double p : partial) total += p;
    }
    if (reduction == Reduction::Mean) {
        *to = n ? static_cast<T>(total / static_cast<double>(n))
                : std::numeric_limits<T>::quiet_NaN();
    } else {
        *to = static_cast<T>(total);
    }
}

Tensor loss(LossKind kind, const char* name, const Tensor& self, const Tensor& target,
            const std::string& text, double number) {
    const Reduction reduction = reduction_of(text);
    const DType dtype =
        self.dtype() == target.dtype() ? self.dtype() : promote(self.dtype(), target.dtype());
    check(is_floating(dtype) && is_enabled(dtype), ErrorKind::NotImplemented, "\"", name,
          "\" not implemented for '", dtype_title(dtype), "'",
          note("Convert input and target first, for example with .float()."));
    const bool same = self->same_shape(*target);
    const Dims shape = same ? self.shape() : broadcast_shapes(self.shape(), target.shape());
    Tensor x = prepared(self, shape, dtype), t = prepared(target, shape, dtype);
    const cpu::LossLoops& loops = cpu::loss_loops();
    if (kind == LossKind::BinaryCrossEntropy) {
        const bool fine = dtype == DType::Float32
                              ? loops.probabilities_f32(x.data<float>(), x.numel())
                              : loops.probabilities_f64(x.data<double>(), x.numel());
        check(fine, ErrorKind::Runtime, "all elements of input should be between 0 and 1",
              note_shape("input", *self),
              note("Apply sigmoid first, or use binary_cross_entropy_with_logits."));
    }
    Tensor out = Tensor::empty(reduction == Reduction::None ? shape : Dims{}, dtype);
    const auto index = static_cast<size_t>(kind);
    if (dtype == DType::Float32) {
        run_loss(loops.f32[index], x, t, out, reduction, static_cast<float>(number));
    } else {
        run_loss(loops.f64[index], x, t, out, reduction, number);
    }
    return out;
}

}  // namespace

Tensor mse_loss(const Tensor& self, const Tensor& target, const std::string& reduction) {
    return loss(LossKind::Mse, "mse_cpu", self, target, reduction, 0);
}

Tensor smooth_l1_loss(const Tensor& self, const Tensor& target, const std::string& reduction,
                      const Scalar& beta) {
    check(beta.as_double() >= 0, ErrorKind::Runtime,
          "smooth_l1_loss does not support negative values for beta.");
    return loss(LossKind::SmoothL1, "smooth_l1_cpu", self, target, reduction, beta.as_double());
}

Tensor huber_loss(const Tensor& self, const Tensor& target, const std::string& reduction,
                  const Scalar& delta) {
    check(delta.as_double() > 0, ErrorKind::Runtime,
          "huber_loss does not support non-positive values for delta.");
    return loss(LossKind::Huber, "huber_cpu", self, target, reduction, delta.as_double());
}

Tensor binary_cross_entropy(const Tensor& self, const Tensor& target,
                            const std::string& reduction) {
    return loss(LossKind::BinaryCrossEntropy, "binary_cross_entropy", self, target, reduction, 0);
}

Tensor binary_cross_entropy_with_logits(const Tensor& self, const Tensor& target,
                                        const std::string& reduction) {
    return loss(LossKind::BinaryCrossEntropyWithLogits, "binary_cross_entropy_with_logits", self,
                target, reduction, 0);
}

// Losses of classes -----------------------------------------------------------------------------

namespace {

// self (batch, classes, inner) with targets (batch, inner).
struct Classes {
    int64_t batch, classes, inner;
};

Classes check_classes(const Dims& shape, const Tensor& target, const Tensor& weight, DType dtype) {
    const int64_t n = static_cast<int64_t>(shape.size());
    check(n >= 1, ErrorKind::Value, "Expected 1 or more dimensions (got ", n, ")");
    check(target.dtype() == DType::Int64, ErrorKind::Runtime,
          "expected target dtype to be Long or Byte, but got ", dtype_title(target.dtype()),
          note_shape("target", *target),
          note("Class indices are integers: convert them with .long(). Probabilities of classes "
               "have the shape of the input, ",
               to_string(shape), "."));
    if (n == 1) {
        check(target.numel() == 1 && target.dim() <= 1, ErrorKind::Value,
              "For 1D input, 1D target must have size 1, but got target size: ", target.numel());
    } else {
        check(target.dim() > 0 && target->sizes()[0] == shape[0], ErrorKind::Value,
              "Expected input batch_size (", shape[0], ") to match target batch_size (",
              target.dim() ? target->sizes()[0] : 1, ").", note("input: shape ", to_string(shape)),
              note_shape("target", *target),
              note("The first dimension counts the examples of both; the second of the input, the "
                   "classes."));
    }
    const int64_t classes = shape[n == 1 ? 0 : 1];
    if (n == 2) {
        check(target.dim() == 1, ErrorKind::Runtime,
              "0D or 1D target tensor expected, multi-target not supported",
              note("input: shape ", to_string(shape)), note_shape("target", *target),
              target.dim() == 2 && target->sizes()[1] == 1
                  ? note("Did you mean target.squeeze(1)?")
                  : note("Give one class number for each example, or probabilities of the "
                         "input's shape and dtype."));
    }
    int64_t inner = 1;
    if (n > 2) {
        Dims expected = shape;
        expected.erase(1);
        check(target.shape() == expected, ErrorKind::Runtime, "Expected target size ",
              to_string(expected), ", got ", to_string(target.shape()));
        for (int64_t d = 2; d < n; ++d) inner *= shape[static_cast<size_t>(d)];
    }
    if (weight) {
        check(weight.dim() == 1 && weight.numel() == classes, ErrorKind::Runtime,
              "weight tensor should be defined either for all ", classes,
              " classes or no classes but got weight tensor of shape: ", to_string(weight.shape()));
        check(weight.dtype() == dtype, ErrorKind::Runtime, "expected scalar type ",
              dtype_title(dtype), " but found ", dtype_title(weight.dtype()), " for the weight",
              note("Convert it, for example with .to(input.dtype)."));
    }
    return {n == 1 ? 1 : shape[0], classes, inner};
}

int64_t checked_class(int64_t target, int64_t classes) {
    check(target >= 0 && target < classes, ErrorKind::Index, "Target ", target,
          " is out of bounds.",
          note("The input has ", classes, " classes: targets are 0 to ", classes - 1,
               "; ignore_index names one to leave out."));
    return target;
}

}  // namespace

std::tuple<Tensor, Tensor> nll_loss(const Tensor& self, const Tensor& target, const Tensor& weight,
                                    const std::string& text, int64_t ignore_index) {
    const Reduction reduction = reduction_of(text);
    const Classes c = check_classes(self.shape(), target, weight, self.dtype());
    check(is_floating(self.dtype()) && is_enabled(self.dtype()), ErrorKind::NotImplemented,
          "\"nll_loss_out_frame\" not implemented for '", dtype_title(self.dtype()), "'");
    Tensor x = make_contiguous(self), t = make_contiguous(target);
    Tensor w = weight ? make_contiguous(weight) : Tensor();
    Tensor out = Tensor::empty(reduction == Reduction::None ? t.shape() : Dims{}, self.dtype());
    Tensor total = Tensor::empty({}, self.dtype());
    auto run = [&](auto zero) {
        using T = decltype(zero);
        const T* values = x.data<T>();
        const int64_t* targets = t.data<int64_t>();
        const T* weights = w ? w.data<T>() : nullptr;
        T* to = out.data<T>();
        double sum = 0, sum_weights = 0;
        for (int64_t b = 0; b < c.batch; ++b) {
            for (int64_t i = 0; i < c.inner; ++i) {
                const int64_t at = b * c.inner + i;
                T loss = 0;
                if (targets[at] != ignore_index) {
                    const int64_t k = checked_class(targets[at], c.classes);
                    const T factor = weights ? weights[k] : T(1);
                    loss = -values[(b * c.classes + k) * c.inner + i] * factor;
                    sum += loss;
                    sum_weights += factor;
                }
                if (reduction == Reduction::None) to[at] = loss;
            }
        }
        if (reduction == Reduction::Sum) *to = static_cast<T>(sum);
        if (reduction == Reduction::Mean) *to = static_cast<T>(sum / sum_weights);
        *total.data<T>() = static_cast<T>(sum_weights);
    };
    if (self.dtype() == DType::Float32) run(float{});
    else run(double{});
    return {out, total};
}

Tensor nll_scatter(const Tensor& g, const Tensor& target, const Tensor& weight,
                   const Tensor& total_weight, const std::string& text, int64_t ignore_index,
                   const Dims& shape) {
    const Reduction reduction = reduction_of(text);
    const Classes c = check_classes(shape, target, weight, g.dtype());
    Tensor grads = make_contiguous(g), t = make_contiguous(target);
    Tensor w = weight ? make_contiguous(weight) : Tensor();
    Tensor out = Tensor::zeros(shape, g.dtype());
    auto run = [&](auto zero) {
        using T = decltype(zero);
        const int64_t* targets = t.data<int64_t>();
        const T* weights = w ? w.data<T>() : nullptr;
        const T* from = grads.data<T>();
        T* to = out.data<T>();
        const T scale = reduction == Reduction::Mean ? T(1) / *total_weight.data<T>() : T(1);
        for (int64_t b = 0; b < c.batch; ++b) {
            for (int64_t i = 0; i < c.inner; ++i) {
                const int64_t at = b * c.inner + i;
                if (targets[at] == ignore_index) continue;
                const int64_t k = checked_class(targets[at], c.classes);
                const T incoming = reduction == Reduction::None ? from[at] : *from * scale;
                to[(b * c.classes + k) * c.inner + i] = -incoming * (weights ? weights[k] : T(1));
            }
        }
    };
    if (g.dtype() == DType::Float32) run(float{});
    else run(double{});
    return out;
}

}  // namespace chainrule::forward
