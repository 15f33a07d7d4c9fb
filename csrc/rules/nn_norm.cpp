#include "forward/nn_norm.h"

#include "autograd/thread_state.h"
#include "ops.h"

// Normalisation: fused gradients where nobody differentiates them, operators where somebody does.
namespace chainrule::composite {

namespace {

// Whether the result of a rule over these tensors must have derivatives itself.
bool differentiable(std::initializer_list<const Tensor*> tensors) {
    for (const Tensor* t : tensors) {
        if (!*t) continue;
        if ((*t)->flags & kDual) return true;
        if (t_state.grad_enabled && ((*t)->flags & (kRequiresGrad | kView))) return true;
    }
    return false;
}

Dims last_dims(int64_t count) {
    Dims dims;
    for (int64_t d = count; d > 0; --d) dims.push_back(-d);
    return dims;
}

Dims all_but_channels(const Tensor& t) {
    Dims dims;
    for (int64_t d = 0; d < t.dim(); ++d) {
        if (d != 1) dims.push_back(d);
    }
    return dims;
}

struct Normalized {
    Tensor value, rstd;  // (x - mean) * rstd, and rstd
};

Normalized normalized(const Tensor& x, const Dims& dims, double eps) {
    Tensor centred = ops::sub(x, ops::mean(x, dims, true));
    Tensor variance = ops::mean(ops::mul(centred, centred), dims, true);
    Tensor rstd = ops::rsqrt(ops::add(variance, Scalar(eps)));
    return {ops::mul(centred, rstd), rstd};
}

// The derivative of normalisation, which is its own adjoint: v without its mean and its part along
// the normalised x, times rstd.
Tensor projected(const Tensor& v, const Tensor& x, const Dims& dims, double eps) {
    Normalized n = normalized(x, dims, eps);
    Tensor along = ops::mul(n.value, ops::mean(ops::mul(v, n.value), dims, true));
    Tensor rest = ops::sub(ops::sub(v, ops::mean(v, dims, true)), along);
    return ops::mul(rest, n.rstd);
}

Tensor times(const Tensor& t, const Tensor& weight) { return weight ? ops::mul(t, weight) : t; }

Tensor times_channels(const Tensor& t, const Tensor& weight) {
    return weight ? ops::mul(t, ops::_per_channel(weight, t)) : t;
}

}  // namespace

// Layer normalisation ---------------------------------------------------------------------------

Tensor layer_norm(const Tensor& input, const Dims& normalized_shape, const Tensor& weight,
                  const Tensor& bias, double eps, bool) {
    const auto dims = static_cast<int64_t>(normalized_shape.size());
    check(dims >= 1, ErrorKind::Runtime,
          "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one "
          "element, but got normalized_shape = []");
    auto same = [&](const Tensor& t, const char* what) {
        check(!t || t.shape() == normalized_shape, ErrorKind::Runtime, "Expected ", what,
              " to be of same shape as normalized_shape, but got ", what, " of shape ",
              t ? to_string(t.shape()) : "",
              " and normalized_shape = ", to_string(normalized_shape));
    };
    same(weight, "weight");
    same(bias, "bias");
    bool fits = input.dim() >= dims;
    for (int64_t d = 0; fits && d < dims; ++d) {
        fits = input->sizes()[input.dim() - dims + d] == normalized_shape[static_cast<size_t>(d)];
    }
    if (!fits) {
        std::string expected;
        for (int64_t s : normalized_shape) expected += concat(", ", s);
        fail(ErrorKind::Runtime, "Given normalized_shape=", to_string(normalized_shape),
             ", expected input with shape [*", expected, "], but got input of size",
             to_string(input.shape()));
    }
    return std::get<0>(ops::_layer_norm(input, dims, weight, bias, eps));
}

Tensor layer_norm_grad_input(const Tensor& g, const Tensor& input, const Tensor& weight,
                             const Tensor& center, const Tensor& rstd, int64_t dims, double eps) {
    if (!differentiable({&g, &input, &weight})) {
        return forward::layer_norm_grad_input(g, input, weight, center, rstd);
    }
    return projected(times(g, weight), input, last_dims(dims), eps);
}

Tensor layer_norm_grad_weight(const Tensor& g, const Tensor& input, const Tensor& center,
                              const Tensor& rstd, int64_t dims, double eps) {
    if (!differentiable({&g, &input})) {
        return forward::layer_norm_grad_weight(g, input, center, rstd, dims);
    }
    return ops::mul(g, normalized(input, last_dims(dims), eps).value);
}

Tensor layer_norm_tangent(const Tensor& t, const Tensor& input, const Tensor& weight, int64_t dims,
                          double eps) {
    return times(projected(t, input, last_dims(dims), eps), weight);
}

Tensor layer_norm_scaled(const Tensor& weight, const Tensor& input, int64_t dims, double eps) {
    return ops::mul(normalized(input, last_dims(dims), eps).value, weight);
}

// Batch normalisation ---------------------------------------------------------------------------

Tensor per_channel(const Tensor& self, const Tensor& input) {
    Dims shape = Dims::filled(static_cast<size_t>(input.dim()), 1);
    shape[1] = self.numel();
    return ops::reshape(self, shape);
}

Tensor channel_sums(const Tensor& self) { return ops::sum(self, all_but_channels(self)); }

Tensor batch_norm_grad_input(const Tensor& g, const Tensor& input, const Tensor& weight,
                             const Tensor& center, const Tensor& rstd, double eps) {
    if (!differentiable({&g, &input, &weight})) {
        return forward::batch_norm_grad_input(g, input, weight, center, rstd);
    }
    return projected(times_channels(g, weight), input, all_but_channels(input), eps);
}

Tensor batch_norm_grad_weight(const Tensor& g, const Tensor& input, const Tensor& center,
                              const Tensor& rstd, double eps) {
    if (!differentiable({&g, &input})) {
        return forward::batch_norm_grad_weight(g, input, center, rstd);
    }
    return channel_sums(ops::mul(g, normalized(input, all_but_channels(input), eps).value));
}

Tensor batch_norm_tangent(const Tensor& t, const Tensor& input, const Tensor& weight, double eps) {
    return times_channels(projected(t, input, all_but_channels(input), eps), weight);
}

Tensor batch_norm_scaled(const Tensor& weight, const Tensor& input, double eps) {
    return times_channels(normalized(input, all_but_channels(input), eps).value, weight);
}

Tensor batch_norm(const Tensor& input, const Tensor& weight, const Tensor& bias,
                  const Tensor& running_mean, const Tensor& running_var, bool training,
                  double momentum, double eps, bool) {
    check(input.dim() >= 2, ErrorKind::Runtime, "batch_norm: expected input (N, C, ...), got ",
          input.dim(), "D");
    const int64_t channels = input.size(1);
    const std::pair<const Tensor*, const char*> vectors[] = {{&running_mean, "running_mean"},
                                                             {&running_var, "running_var"},
                                                             {&weight, "weight"},
                                                             {&bias, "bias"}};
    for (auto [t, name] : vectors) {
        check(!*t || (*t).numel() == channels, ErrorKind::Runtime, name, " should contain ",
              channels, " elements not ", *t ? (*t).numel() : 0);
    }
    if (training) {
        check(eps > 0, ErrorKind::Value,
              "batch_norm eps must be positive during training, but got ", eps);
        const int64_t count = channels ? input.numel() / channels : 0;
        check(count > 1 || !channels, ErrorKind::Value,
              "Expected more than 1 value per channel when training, got input size torch.Size(",
              to_string(input.shape()), ")");
        auto [out, center, rstd] = ops::_batch_norm(input, weight, bias, eps);
        forward::update_running(running_mean.get(), running_var.get(), center, rstd, momentum, eps,
                                count);
        return out;
    }
    check(static_cast<bool>(running_mean), ErrorKind::Runtime,
          "running_mean must be defined in evaluation mode");
    check(static_cast<bool>(running_var), ErrorKind::Runtime,
          "running_var must be defined in evaluation mode");
    Tensor scale = ops::rsqrt(ops::add(running_var, Scalar(eps)));
    if (weight) scale = ops::mul(scale, weight);
    Tensor shift = ops::mul(running_mean, scale);
    shift = bias ? ops::sub(bias, shift) : ops::neg(shift);
    return ops::add(ops::mul(input, per_channel(scale, input)), per_channel(shift, input));
}

Tensor group_norm(const Tensor& input, int64_t num_groups, const Tensor& weight, const Tensor& bias,
                  double eps, bool) {
    check(input.dim() >= 2, ErrorKind::Runtime,
          "Expected at least 2 dimensions for input tensor but received ", input.dim());
    const int64_t batch = input.size(0), channels = input.size(1);
    check(num_groups > 0, ErrorKind::Runtime, "Expected num groups to be greater than 0, got ",
          num_groups);
    check(channels % num_groups == 0, ErrorKind::Runtime,
          "Expected number of channels in input to be divisible by num_groups, but got input of "
          "shape ",
          to_string(input.shape()), " and num_groups=", num_groups);
    const std::pair<const Tensor*, const char*> vectors[] = {{&weight, "weight"}, {&bias, "bias"}};
    for (auto [t, name] : vectors) {
        check(!*t || ((*t).dim() == 1 && (*t).numel() == channels), ErrorKind::Runtime, "Expected ",
              name,
              " to be a vector of size equal to the number of channels in "
              "input, but got ",
              name, " of shape ", *t ? to_string((*t).shape()) : "", " and input of shape ",
              to_string(input.shape()));
    }
    const int64_t rest = num_groups && batch ? input.numel() / (batch * num_groups) : 0;
    Tensor groups = ops::reshape(input, {batch * num_groups, rest});
    Tensor out = std::get<0>(ops::_layer_norm(groups, 1, Tensor(), Tensor(), eps));
    out = ops::reshape(out, input.shape());
    out = times_channels(out, weight);
    return bias ? ops::add(out, per_channel(bias, out)) : out;
}

}  // namespace chainrule::composite
