#include "base/message.h"
#include "base/shape_hints.h"
#include "ops.h"
#include "tensor/convert.h"
#include "tensor/origin.h"

// Softmax and losses made of other operators, and their derivative rules.
namespace chainrule::composite {

namespace {

Tensor sum_along(const Tensor& t, int64_t dim) { return ops::sum(t, Dims{dim}, true); }

Tensor converted(const Tensor& t, const std::optional<DType>& dtype) {
    return dtype && *dtype != t.dtype() ? ops::_to_dtype(t, dtype) : t;
}

}  // namespace

// Softmax ---------------------------------------------------------------------------------------

Tensor softmax(const Tensor& self, int64_t dim, const std::optional<DType>& dtype) {
    return ops::_softmax(converted(self, dtype), dim);
}

Tensor log_softmax(const Tensor& self, int64_t dim, const std::optional<DType>& dtype) {
    return ops::_log_softmax(converted(self, dtype), dim);
}

Tensor softmin(const Tensor& self, int64_t dim, const std::optional<DType>& dtype) {
    return ops::_softmax(ops::neg(converted(self, dtype)), dim);
}

Tensor softmax_backward_grad_y(const Tensor& h, const Tensor& g, const Tensor& y, int64_t dim) {
    Tensor centred = ops::sub(g, sum_along(ops::mul(g, y), dim));
    return ops::sub(ops::mul(h, centred), ops::mul(g, sum_along(ops::mul(h, y), dim)));
}

Tensor log_softmax_adjoint(const Tensor& h, const Tensor& y, int64_t dim) {
    return ops::sub(h, sum_along(ops::mul(h, ops::exp(y)), dim));
}

// Losses of classes -----------------------------------------------------------------------------

namespace {

// The class dimension of scores (C), (N, C) or (N, C, ...).
int64_t class_dim(const Tensor& scores) { return scores.dim() == 1 ? 0 : 1; }

// Class weights in a shape that broadcasts with the scores.
Tensor per_class(const Tensor& weight, const Tensor& scores) {
    Dims shape = Dims::filled(static_cast<size_t>(scores.dim()), 1);
    shape[static_cast<size_t>(class_dim(scores))] = weight.numel();
    return ops::reshape(weight, shape);
}

struct Likelihood {
    Tensor loss, total_weight;
};

// By an operator of its own; with weights that want a derivative (which torch refuses), by
// operators that have one.
Likelihood negative_log_likelihood(const Tensor& self, const Tensor& target, const Tensor& weight,
                                   const std::string& reduction, int64_t ignore_index) {
    auto [loss, total] = ops::_nll_loss(self, target, weight, reduction, ignore_index);
    const bool plain = !weight || !(weight->flags & (kRequiresGrad | kDual | kView));
    if (plain) return {loss, total};
    Tensor ones = Tensor::full(target.shape(), self.dtype(), 1);
    Tensor hits =
        ops::_nll_scatter(ones, target, Tensor(), total, "none", ignore_index, self.shape());
    Tensor chosen = ops::ne(hits, Scalar(0));
    Tensor weights = ops::where(chosen, per_class(weight, self), Scalar(0));
    Tensor values = ops::neg(ops::where(chosen, self, Scalar(0)));
    Tensor product = ops::mul(weights, values);
    if (reduction == "none") {
        product = ops::sum(product, Dims{class_dim(self)});
        return {ops::reshape(product, target.shape()), total};
    }
    Tensor sum = ops::sum(product);
    if (reduction == "sum") return {sum, total};
    Tensor exact = ops::sum(weights);
    return {ops::div(sum, exact), exact};
}

}  // namespace

Tensor nll_loss(const Tensor& self, const Tensor& target, const Tensor& weight,
                const std::string& reduction, int64_t ignore_index) {
    return negative_log_likelihood(self, target, weight, reduction, ignore_index).loss;
}

Tensor loss_tangent(const Tensor& self, const std::string& reduction) {
    return reduction == "none" ? self : ops::sum(self);
}

namespace {

Tensor reduced(const Tensor& self, const std::string& reduction) {
    if (reduction == "mean") return ops::mean(self);
    if (reduction == "sum") return ops::sum(self);
    check(reduction == "none", ErrorKind::Value, reduction,
          " is not a valid value for reduction: it is 'none', 'mean' or 'sum'");
    return self;
}

Tensor weighted(const Tensor& log_prob, const Tensor& weight) {
    if (!weight) return log_prob;
    check(weight.dim() == 1 && weight.numel() == log_prob.size(class_dim(log_prob)),
          ErrorKind::Runtime, "cross_entropy: weight tensor should be defined either for all ",
          log_prob.size(class_dim(log_prob)),
          " classes or no classes but got weight tensor of "
          "shape: ",
          to_string(weight.shape()));
    return ops::mul(log_prob, per_class(weight, log_prob));
}

Tensor probability_loss(const Tensor& log_prob, Tensor target, const Tensor& weight,
                        const std::string& reduction, double smoothing) {
    const int64_t dim = class_dim(log_prob), classes = log_prob.size(dim);
    if (smoothing > 0) {
        target = ops::add(ops::mul(target, Scalar(1 - smoothing)),
                          Scalar(smoothing / static_cast<double>(classes)));
    }
    Tensor product = weighted(ops::mul(log_prob, target), weight);
    if (reduction == "none") return ops::neg(ops::sum(product, Dims{dim}));
    Tensor total = ops::neg(ops::sum(product));
    if (reduction == "sum") return total;
    const double rows = classes ? static_cast<double>(log_prob.numel() / classes) : 0;
    return ops::div(total, Scalar(rows));
}

}  // namespace

Tensor cross_entropy(const Tensor& self, const Tensor& target, const Tensor& weight,
                     const std::string& reduction, int64_t ignore_index, double label_smoothing) {
    check(label_smoothing >= 0 && label_smoothing <= 1, ErrorKind::Runtime,
          "label_smoothing must be between 0.0 and 1.0. Got: ", label_smoothing);
    check(reduction == "none" || reduction == "mean" || reduction == "sum", ErrorKind::Value,
          reduction, " is not a valid value for reduction: it is 'none', 'mean' or 'sum'");
    check(self.dim() >= 1, ErrorKind::Value, "Expected 1 or more dimensions (got 0)");
    const int64_t dim = class_dim(self);
    if (self->same_shape(*target)) {
        check(
            is_floating(target.dtype()), ErrorKind::Runtime,
            "Expected floating point type for target with class probabilities, got ",
            dtype_title(target.dtype()), note_shape("target", *target),
            note("A target of the input's shape holds a probability for each class; class numbers "
                 "come without the class dimension."));
        check(ignore_index < 0, ErrorKind::Runtime,
              "ignore_index is not supported for floating point target");
        return probability_loss(ops::_log_softmax(self, dim), target, weight, reduction,
                                label_smoothing);
    }
    Tensor log_prob = ops::_log_softmax(self, dim);
    auto [loss, total_weight] =
        negative_log_likelihood(log_prob, target, weight, reduction, ignore_index);
    if (label_smoothing == 0) return loss;
    // The same share of every class, for targets that are not ignored.
    Tensor smooth = ops::neg(ops::sum(weighted(log_prob, weight), Dims{dim}));
    Tensor ignored = ops::eq(target, Scalar(ignore_index));
    if (smooth.dim() == 0 && ignored.dim() == 1) ignored = ops::reshape(ignored, Dims{});
    smooth = ops::masked_fill(smooth, ignored, Scalar(0));
    if (reduction != "none") smooth = ops::sum(smooth);
    if (reduction == "mean") smooth = ops::div(smooth, total_weight);
    const double share = label_smoothing / static_cast<double>(self.size(dim));
    return ops::add(ops::mul(loss, Scalar(1 - label_smoothing)), ops::mul(smooth, Scalar(share)));
}

// Losses of two tensors -------------------------------------------------------------------------

namespace {

// What the mean divides the gradient by, of n elements.
Scalar scale_of(const Tensor& a, const Tensor& b, const std::string& reduction) {
    if (reduction != "mean") return Scalar(1.0);
    int64_t n = a.numel();
    if (!a->same_shape(*b)) {
        n = 1;
        for (int64_t s : broadcast_shapes(a.shape(), b.shape())) n *= s;
    }
    return Scalar(1 / static_cast<double>(n));
}

}  // namespace

Tensor mse_grad_self(const Tensor& g, const Tensor& self, const Tensor& target,
                     const std::string& reduction) {
    return ops::_mse_backward(g, self, target, scale_of(self, target, reduction));
}
Tensor mse_grad_target(const Tensor& g, const Tensor& self, const Tensor& target,
                       const std::string& reduction) {
    return mse_grad_self(g, target, self, reduction);
}

Tensor smooth_l1_grad_self(const Tensor& g, const Tensor& self, const Tensor& target,
                           const std::string& reduction, const Scalar& beta) {
    return ops::_smooth_l1_backward(g, self, target, scale_of(self, target, reduction), beta);
}
Tensor smooth_l1_grad_target(const Tensor& g, const Tensor& self, const Tensor& target,
                             const std::string& reduction, const Scalar& beta) {
    return smooth_l1_grad_self(g, target, self, reduction, beta);
}

Tensor huber_grad_self(const Tensor& g, const Tensor& self, const Tensor& target,
                       const std::string& reduction, const Scalar& delta) {
    return ops::_huber_backward(g, self, target, scale_of(self, target, reduction), delta);
}
Tensor huber_grad_target(const Tensor& g, const Tensor& self, const Tensor& target,
                         const std::string& reduction, const Scalar& delta) {
    return huber_grad_self(g, target, self, reduction, delta);
}

Tensor binary_cross_entropy_grad_self(const Tensor& g, const Tensor& self, const Tensor& target,
                                      const std::string& reduction) {
    return ops::_binary_cross_entropy_backward(g, self, target, scale_of(self, target, reduction));
}
Tensor binary_cross_entropy_grad_target(const Tensor& g, const Tensor& self, const Tensor& target,
                                        const std::string& reduction) {
    Tensor miss = ops::log(ops::rsub(self, Scalar(1)));
    Tensor scaled = ops::mul(g, scale_of(self, target, reduction));
    return ops::mul(scaled, ops::sub(miss, ops::log(self)));
}

Tensor binary_cross_entropy_with_logits_grad_self(const Tensor& g, const Tensor& self,
                                                  const Tensor& target,
                                                  const std::string& reduction) {
    return ops::_binary_cross_entropy_with_logits_backward(g, self, target,
                                                           scale_of(self, target, reduction));
}
Tensor binary_cross_entropy_with_logits_grad_target(const Tensor& g, const Tensor& self,
                                                    const Tensor& target,
                                                    const std::string& reduction) {
    return ops::mul(ops::mul(g, scale_of(self, target, reduction)), ops::neg(self));
}

Tensor l1_loss(const Tensor& self, const Tensor& target, const std::string& reduction) {
    return reduced(ops::abs(ops::sub(self, target)), reduction);
}

Tensor kl_div(const Tensor& self, const Tensor& target, const std::string& reduction,
              bool log_target) {
    Tensor loss = log_target ? ops::mul(ops::exp(target), ops::sub(target, self))
                             : ops::sub(ops::xlogy(target, target), ops::mul(target, self));
    return reduced(loss, reduction);
}

Tensor binary_cross_entropy(const Tensor& self, const Tensor& target, const Tensor& weight,
                            const std::string& reduction) {
    check(self->same_shape(*target), ErrorKind::Value, "Using a target size (torch.Size(",
          to_string(target.shape()), ")) that is different to the input size (torch.Size(",
          to_string(self.shape()), ")) is deprecated. Please ensure they have the same size.",
          hint_same_shape(self.shape(), target.shape(), "input", "target"));
    if (!weight) return ops::_binary_cross_entropy(self, target, reduction);
    return reduced(ops::mul(ops::_binary_cross_entropy(self, target, "none"), weight), reduction);
}

Tensor binary_cross_entropy_with_logits(const Tensor& self, const Tensor& target,
                                        const Tensor& weight, const Tensor& pos_weight,
                                        const std::string& reduction) {
    check(self->same_shape(*target), ErrorKind::Value, "Target size (torch.Size(",
          to_string(target.shape()), ")) must be the same as input size (torch.Size(",
          to_string(self.shape()), "))", note_shape("input", *self), note_shape("target", *target),
          hint_same_shape(self.shape(), target.shape(), "input", "target"));
    if (!weight && !pos_weight) {
        return ops::_binary_cross_entropy_with_logits(self, target, reduction);
    }
    Tensor loss;
    if (pos_weight) {
        Tensor factor = ops::add(ops::mul(ops::sub(pos_weight, Scalar(1)), target), Scalar(1));
        loss = ops::sub(ops::mul(ops::rsub(target, Scalar(1)), self),
                        ops::mul(factor, ops::_logsigmoid(self)));
    } else {
        loss = ops::_binary_cross_entropy_with_logits(self, target, "none");
    }
    return reduced(weight ? ops::mul(loss, weight) : loss, reduction);
}

}  // namespace chainrule::composite
