#include "base/interpreter_lock.h"
#include "base/parallel.h"
#include "forward.h"
#include "kernels/cpu/softmax.h"
#include "tensor/convert.h"

namespace chainrule::forward {

namespace {

using cpu::SoftmaxKind;

template <class T>
void run_lines(SoftmaxKind kind, const T* in, const T* y, T* out, int64_t outer, int64_t n,
               int64_t inner, const cpu::SoftmaxLoop<T>* rows, const cpu::SoftmaxLoop<T>* columns) {
    const auto index = static_cast<size_t>(kind);
    Unlocked unlocked(outer * n * inner >= kUnlockedFrom);
    const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, n * inner));
    parallel_for(0, outer, grain, [&](int64_t begin, int64_t end) {
        if (inner == 1) {
            const int64_t at = begin * n;
            rows[index](in + at, y + at, out + at, end - begin, n, 1);
            return;
        }
        for (int64_t i = begin; i < end; ++i) {
            const int64_t at = i * n * inner;
            columns[index](in + at, y + at, out + at, inner, n, inner);
        }
    });
}

Tensor along(SoftmaxKind kind, const Tensor& input, const Tensor& result, int64_t dim,
             const char* name) {
    const int64_t d = wrap_dim(dim, std::max<int64_t>(1, input.dim()));
    check(is_floating(input.dtype()) && is_enabled(input.dtype()), ErrorKind::NotImplemented, "\"",
          name, d + 1 >= input.dim() ? "_lastdim" : "", "_kernel_impl\" not implemented for '",
          dtype_title(input.dtype()),
          "'. Pass dtype=torch.float32, or convert the input with .float()");
    Tensor x = make_contiguous(input);
    Tensor y = result ? make_contiguous(result) : x;
    Tensor out = Tensor::empty_like(*x, x.dtype());
    if (out.numel() == 0) return out;
    int64_t outer = 1, inner = 1;
    const int64_t n = x.dim() ? x->sizes()[d] : 1;
    for (int64_t i = 0; i < d; ++i) outer *= x->sizes()[i];
    for (int64_t i = d + 1; i < x.dim(); ++i) inner *= x->sizes()[i];
    const cpu::SoftmaxLoops& loops = cpu::softmax_loops();
    if (x.dtype() == DType::Float32) {
        run_lines(kind, x.data<float>(), y.data<float>(), out.data<float>(), outer, n, inner,
                  loops.f32_rows, loops.f32_columns);
    } else {
        run_lines(kind, x.data<double>(), y.data<double>(), out.data<double>(), outer, n, inner,
                  loops.f64_rows, loops.f64_columns);
    }
    return out;
}

}  // namespace

Tensor softmax(const Tensor& self, int64_t dim) {
    return along(SoftmaxKind::Softmax, self, Tensor(), dim, "softmax");
}
Tensor log_softmax(const Tensor& self, int64_t dim) {
    return along(SoftmaxKind::LogSoftmax, self, Tensor(), dim, "log_softmax");
}
Tensor softmax_backward(const Tensor& g, const Tensor& y, int64_t dim) {
    return along(SoftmaxKind::SoftmaxBackward, g, y, dim, "softmax_backward");
}
Tensor log_softmax_backward(const Tensor& g, const Tensor& y, int64_t dim) {
    return along(SoftmaxKind::LogSoftmaxBackward, g, y, dim, "log_softmax_backward");
}

}  // namespace chainrule::forward
