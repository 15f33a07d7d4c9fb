#include <cmath>

#include "kernels/cpu/random.h"
#include "ops.h"
#include "tensor/convert.h"

// Activations, dropout and other layers made of operators.
namespace chainrule::composite {

Tensor relu6(const Tensor& self) { return ops::hardtanh(self, Scalar(0), Scalar(6)); }
Tensor logsigmoid(const Tensor& self) { return ops::_logsigmoid(self); }
Tensor softsign(const Tensor& self) { return ops::_softsign(self); }
Tensor tanhshrink(const Tensor& self) { return ops::sub(self, ops::tanh(self)); }

Tensor prelu(const Tensor& self, const Tensor& weight) {
    check(weight.dim() <= 1, ErrorKind::Runtime,
          "prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = ", weight.dim());
    check(self.dtype() == weight.dtype(), ErrorKind::Runtime,
          "prelu: Type promoting not supported. Got ", dtype_name(self.dtype()), " and ",
          dtype_name(weight.dtype()));
    if (weight.numel() == 1) {
        return ops::_prelu_kernel(self, weight.dim() ? ops::reshape(weight, Dims{}) : weight);
    }
    check(self.dim() > 0, ErrorKind::Runtime, "Not allow zero-dim input tensor.");
    const int64_t channels = self.dim() > 1 ? self.size(1) : 1;
    check(weight.numel() == channels, ErrorKind::Runtime,
          "Mismatch of parameter numbers and input channel size. Found parameter numbers = ",
          weight.numel(), " and channel size = ", channels, ".");
    Dims shape = Dims::filled(static_cast<size_t>(self.dim()), 1);
    shape[self.dim() > 1 ? 1 : 0] = channels;
    return ops::_prelu_kernel(self, ops::reshape(weight, shape));
}

Tensor glu(const Tensor& self, int64_t dim) {
    check(self.dim() > 0, ErrorKind::Runtime, "glu does not support 0-dimensional tensors");
    const int64_t d = wrap_dim(dim, self.dim()), size = self.size(d);
    check(size % 2 == 0, ErrorKind::Runtime, "Halving dimension must be even, but dimension ", d,
          " is size ", size);
    Tensor first = ops::narrow(self, d, 0, size / 2);
    return ops::mul(first, ops::sigmoid(ops::narrow(self, d, size / 2, size / 2)));
}

// Dropout ---------------------------------------------------------------------------------------

namespace {

// 1 with probability `keep`, else 0; one number per element, or per channel of each sample.
Tensor draw_mask(const Tensor& input, double keep, bool features) {
    Tensor mask;
    if (features) {
        check(input.dim() >= 2, ErrorKind::Runtime,
              "Feature dropout requires at least 2 dimensions in the input");
        Dims shape = Dims::filled(static_cast<size_t>(input.dim()), 1);
        shape[0] = input.size(0);
        shape[1] = input.size(1);
        mask = Tensor::empty(shape, input.dtype());
    } else {
        // With the input's strides: numbers are drawn in the order of memory.
        mask = input.contiguous() ? Tensor::empty_like(*input, input.dtype()) : clone_dense(*input);
    }
    if (mask.dtype() == DType::Float32) {
        cpu::fill_bernoulli(cpu::default_generator(), mask.data<float>(), mask.numel(), keep);
    } else {
        cpu::fill_bernoulli(cpu::default_generator(), mask.data<double>(), mask.numel(), keep);
    }
    return mask;
}

void check_dropout(const Tensor& input, double p) {
    check(p >= 0 && p <= 1, ErrorKind::Runtime,
          "dropout probability has to be between 0 and 1, but got ", p);
    check(is_floating(input.dtype()), ErrorKind::Runtime,
          "dropout: expected a floating point input, got torch.", dtype_name(input.dtype()));
}

Tensor plain_dropout(const Tensor& input, double p, bool train, bool features) {
    check_dropout(input, p);
    if (p == 0 || !train || input.numel() == 0) return input;
    if (p == 1) return ops::mul(input, Tensor::zeros({}, input.dtype()));
    Tensor mask = draw_mask(input, 1 - p, features);
    // By hand: the same division that torch does to the mask.
    dispatch(mask.dtype(), [&](auto zero) {
        using T = decltype(zero);
        T* values = mask.data<T>();
        const T keep = static_cast<T>(1 - p);
        const T scaled = static_cast<T>(T(1) / keep);
        for (int64_t i = 0; i < mask.numel(); ++i) values[i] = values[i] != T(0) ? scaled : T(0);
    });
    return ops::mul(input, mask);
}

// Klambauer et al. 2017: keeps mean and variance of selu's results.
Tensor self_normalizing_dropout(const Tensor& input, double p, bool train, bool features) {
    check_dropout(input, p);
    if (p == 0 || !train || input.numel() == 0) return input;
    if (p == 1) return ops::mul(input, Tensor::zeros({}, input.dtype()));
    constexpr double kAlpha = 1.7580993408473766;
    const double a = 1 / std::sqrt((kAlpha * kAlpha * p + 1) * (1 - p));
    Tensor mask = draw_mask(input, 1 - p, features);
    Tensor shift =
        ops::add(ops::mul(ops::sub(mask, Scalar(1)), Scalar(kAlpha * a)), Scalar(kAlpha * a * p));
    return ops::add(ops::mul(input, ops::mul(mask, Scalar(a))), shift);
}

}  // namespace

Tensor dropout(const Tensor& input, double p, bool train) {
    return plain_dropout(input, p, train, false);
}
Tensor feature_dropout(const Tensor& input, double p, bool train) {
    return plain_dropout(input, p, train, true);
}
Tensor alpha_dropout(const Tensor& input, double p, bool train) {
    return self_normalizing_dropout(input, p, train, false);
}
Tensor feature_alpha_dropout(const Tensor& input, double p, bool train) {
    return self_normalizing_dropout(input, p, train, true);
}

// Padding, distances ----------------------------------------------------------------------------

Tensor unpad(const Tensor& self, const Dims& pad) {
    Dims opposite = pad;
    for (int64_t& p : opposite) p = -p;
    return ops::constant_pad_nd(self, opposite, Scalar(0));
}

Tensor bilinear(const Tensor& input1, const Tensor& input2, const Tensor& weight,
                const Tensor& bias) {
    check(weight.dim() == 3, ErrorKind::Runtime, "bilinear(): weight must be (out, in1, in2), got ",
          weight.dim(), "D");
    check(input1.dim() == input2.dim(), ErrorKind::Runtime,
          "bilinear(): input dimensions do not match: got ", input1.dim(), " and ", input2.dim());
    for (int64_t d = 0; d + 1 < input1.dim(); ++d) {
        check(input1.size(d) == input2.size(d), ErrorKind::Runtime,
              "bilinear(): input batch dimensions do not match at dim ", d, ": got ",
              input1.size(d), " and ", input2.size(d));
    }
    const int64_t outputs = weight.size(0), in1 = weight.size(1), in2 = weight.size(2);
    check(input1.size(-1) == in1, ErrorKind::Runtime,
          "bilinear(): input1 size does not match weight size: got ", input1.size(-1),
          " but expected ", in1);
    check(input2.size(-1) == in2, ErrorKind::Runtime,
          "bilinear(): input2 size does not match weight size: got ", input2.size(-1),
          " but expected ", in2);
    check(!bias || bias.numel() == outputs, ErrorKind::Runtime,
          "bilinear(): bias size does not match weight size: got ", bias ? bias.numel() : 0,
          " but expected ", outputs);
    const int64_t rows = in1 ? input1.numel() / in1 : 0;
    Tensor kernel = ops::reshape(ops::permute(weight, {1, 0, 2}), {in1, outputs * in2});
    Tensor left = ops::mm(ops::reshape(input1, {rows, in1}), kernel);
    Tensor out =
        ops::_bmm(ops::reshape(left, {rows, outputs, in2}), ops::reshape(input2, {rows, in2, 1}));
    Dims shape = input1.shape();
    shape[shape.size() - 1] = outputs;
    out = ops::reshape(out, shape);
    return bias ? ops::add(out, bias) : out;
}

Tensor normalize(const Tensor& self, double p, int64_t dim, double eps) {
    Tensor norm = ops::linalg_vector_norm(self, Scalar(p), Dims{dim}, true, std::nullopt);
    return ops::div(self, ops::_clamp_min(norm, Scalar(eps)));
}

Tensor cosine_similarity(const Tensor& x1, const Tensor& x2, int64_t dim, double eps) {
    const DType dtype = promote(x1.dtype(), x2.dtype());
    check(is_floating(dtype), ErrorKind::Runtime,
          "expected common dtype to be floating point, yet common dtype is ", dtype_title(dtype));
    const Dims shape = broadcast_shapes(x1.shape(), x2.shape());
    auto unit = [&](const Tensor& t) {
        Tensor x = ops::expand(t, shape);
        Tensor norm = ops::linalg_vector_norm(x, Scalar(2), Dims{dim}, true, std::nullopt);
        return ops::div(x, ops::_clamp_min(norm, Scalar(eps)));
    };
    return ops::sum(ops::mul(unit(x1), unit(x2)), Dims{dim});
}

}  // namespace chainrule::composite
