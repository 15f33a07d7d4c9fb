#include "tensor/pointwise_loop.h"

#include <algorithm>

#include "base/interpreter_lock.h"
#include "base/parallel.h"

namespace chainrule {

namespace {
constexpr int64_t kGrain = 32768;

// Walks rows of the innermost dimension for flat positions [begin, end) of the loop.
struct Walk {
    const Dims& shape;
    LoopOperand* operands;
    int count;
    StridedLoop loop;
    const void* context;

    void operator()(int64_t begin, int64_t end) const {
        size_t ndim = shape.size();
        int64_t inner = shape[ndim - 1];
        Dims index = Dims::filled(ndim, 0);
        int64_t rest = begin;
        for (size_t d = ndim; d-- > 0;) {
            index[d] = rest % shape[d];
            rest /= shape[d];
        }
        char* data[kMaxOperands];
        int64_t strides[kMaxOperands];
        for (int k = 0; k < count; ++k) {
            data[k] = operands[k].data;
            for (size_t d = 0; d < ndim; ++d) data[k] += index[d] * operands[k].strides[d];
            strides[k] = operands[k].strides[ndim - 1];
        }
        int64_t position = begin;
        while (position < end) {
            int64_t n = std::min(inner - index[ndim - 1], end - position);
            loop(data, strides, n, context);
            position += n;
            if (position >= end) break;
            for (int k = 0; k < count; ++k) {
                data[k] -= index[ndim - 1] * operands[k].strides[ndim - 1];
            }
            index[ndim - 1] = 0;
            for (size_t d = ndim - 1; d-- > 0;) {
                ++index[d];
                for (int k = 0; k < count; ++k) data[k] += operands[k].strides[d];
                if (index[d] < shape[d]) break;
                for (int k = 0; k < count; ++k) data[k] -= shape[d] * operands[k].strides[d];
                index[d] = 0;
            }
        }
    }
};
}  // namespace

Dims broadcast_strides(const TensorImpl& t, const Dims& shape) {
    Dims out = Dims::filled(shape.size(), 0);
    int64_t item = static_cast<int64_t>(item_size(t.dtype));
    size_t skip = shape.size() - t.ndim;
    for (int d = 0; d < t.ndim; ++d) {
        if (t.sizes()[d] != 1) out[skip + d] = t.strides()[d] * item;
    }
    return out;
}

void run_strided(const Dims& original, LoopOperand* operands, int count, StridedLoop loop,
                 const void* context) {
    Dims shape = original;
    for (int64_t size : shape) {
        if (size == 0) return;
    }
    // Dimensions of size 1 say nothing; the others in the order of decreasing output stride, so
    // that memory is walked forward for permuted tensors too.
    for (size_t d = shape.size(); d-- > 0;) {
        if (shape[d] != 1) continue;
        shape.erase(d);
        for (int k = 0; k < count; ++k) operands[k].strides.erase(d);
    }
    for (size_t i = 1; i < shape.size(); ++i) {
        auto comes_before = [&](size_t a, size_t b) {
            for (int k = 0; k < count; ++k) {
                int64_t x = operands[k].strides[a], y = operands[k].strides[b];
                if (x != y && x != 0 && y != 0) return x > y;
            }
            return false;
        };
        for (size_t j = i; j > 0 && comes_before(j, j - 1); --j) {
            std::swap(shape[j], shape[j - 1]);
            for (int k = 0; k < count; ++k) {
                std::swap(operands[k].strides[j], operands[k].strides[j - 1]);
            }
        }
    }
    for (size_t d = shape.size(); d-- > 1;) {
        bool mergeable = true;
        for (int k = 0; k < count; ++k) {
            mergeable &= operands[k].strides[d - 1] == shape[d] * operands[k].strides[d];
        }
        if (!mergeable) continue;
        shape[d - 1] *= shape[d];
        for (int k = 0; k < count; ++k) {
            operands[k].strides[d - 1] = operands[k].strides[d];
            operands[k].strides.erase(d);
        }
        shape.erase(d);
    }
    if (shape.empty()) {
        shape.push_back(1);
        for (int k = 0; k < count; ++k) operands[k].strides.push_back(0);
    }
    int64_t total = 1;
    for (int64_t size : shape) total *= size;
    Walk walk{shape, operands, count, loop, context};
    Unlocked unlocked(total >= kUnlockedFrom);
    parallel_for(0, total, kGrain, walk);
}

}  // namespace chainrule
