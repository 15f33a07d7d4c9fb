#include "rules/pointwise.h"

#include <algorithm>
#include <cmath>

#include "autograd/history.h"
#include "autograd/no_graph.h"
#include "autograd/observer.h"
#include "autograd/saved.h"
#include "autograd/tangent.h"
#include "base/interpreter_lock.h"
#include "base/message.h"
#include "base/parallel.h"
#include "base/shape_hints.h"
#include "ops.h"
#include "rules/pointwise_node.h"
#include "tensor/convert.h"
#include "tensor/origin.h"
#include "tensor/pointwise_loop.h"

namespace chainrule {

namespace {

// Elements from which reusing an operand's memory is worth looking at.
constexpr int64_t kReuseFrom = 1 << 14;

struct LoopContext {
    PointwiseLoop loop;
    const KernelParam* params;
};

void call_loop(char* const* data, const int64_t* strides, int64_t n, const void* context) {
    const auto* c = static_cast<const LoopContext*>(context);
    c->loop(data, strides, n, c->params);
}

void fill_params(const PointwiseOp& op, const Scalar* params, KernelParam* out) {
    for (int i = 0; i < op.num_params; ++i) out[i] = {params[i].as_double(), params[i].as_int()};
}

// A number in the memory form of a dtype.
union NumberMemory {
    double d;
    float f;
    int64_t i;
    bool b;
};
void store_number(const Scalar& s, DType dtype, NumberMemory* to) {
    dispatch(dtype, [&](auto zero) {
        auto value = s.as<decltype(zero)>();
        std::memcpy(to, &value, sizeof(value));
    });
}

[[noreturn]] void refuse_dtype(const PointwiseOp& op, DType dtype) {
    check(is_enabled(dtype), ErrorKind::NotImplemented, op.name, ": Chainrule has no kernels for ",
          "torch.", dtype_name(dtype), " yet; convert with .to(torch.float32)");
    if (std::string_view(op.name) == "neg" && dtype == DType::Bool) {
        fail(ErrorKind::Runtime,
             "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to "
             "invert a mask, use the `~` or `logical_not()` operator instead.");
    }
    const char* name = op.name[0] == '_' ? op.name + 1 : op.name;
    fail(ErrorKind::NotImplemented, "\"", name, "\" not implemented for '", dtype_title(dtype), "'",
         note("Convert the tensor first, for example with .float() or .long()."));
}

void refuse_bool_subtraction(const PointwiseOp& op, const Operand* operands) {
    if (&op != &ops::sub_op && &op != &ops::rsub_op) return;
    int bools = 0;
    for (int i = 0; i < 2; ++i) {
        const TensorImpl* t = operands[i].tensor;
        bools += (t ? t->dtype : operands[i].scalar.dtype()) == DType::Bool;
    }
    check(bools < 2, ErrorKind::Runtime,
          "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or "
          "`logical_xor()` operator instead.");
    check(bools == 0, ErrorKind::Runtime,
          "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying "
          "to invert a mask, use the `~` or `logical_not()` operator instead.");
}

bool contains_zero(const TensorImpl& divisor) {
    bool found = false;
    Dims shape(divisor.sizes(), divisor.ndim);
    LoopOperand operands[1] = {{divisor.data, broadcast_strides(divisor, shape)}};
    auto look = [](char* const* data, const int64_t* strides, int64_t n, const void* context) {
        bool zero = false;
        for (int64_t i = 0; i < n; ++i) {
            zero |= *reinterpret_cast<const int64_t*>(data[0] + i * strides[0]) == 0;
        }
        if (zero) *static_cast<bool*>(const_cast<void*>(context)) = true;
    };
    run_strided(shape, operands, 1, look, &found);
    return found;
}

// What integers cannot do: fractional parameters, division by zero.
void check_integers(const PointwiseOp& op, const Operand* operands, const Scalar* params,
                    int64_t numel) {
    for (int i = 0; i < op.num_params; ++i) {
        check(!params[i].is_float(), ErrorKind::Runtime, "For integral input tensors, argument ",
              op.param_names[i], " must not be a floating point number.");
    }
    bool divides = &op == &ops::floor_divide_op || &op == &ops::remainder_op ||
                   &op == &ops::fmod_op || &op == &ops::_div_trunc_op;
    if (!divides || numel == 0) return;
    const Operand& divisor = operands[1];
    bool zero = divisor.tensor ? contains_zero(*divisor.tensor) : divisor.scalar.as_int() == 0;
    check(!zero, ErrorKind::Runtime, "ZeroDivisionError: ", op.name,
          " of integers by a divisor that contains 0");
}

uint16_t all_flags(const PointwiseOp& op, const Operand* operands) {
    uint16_t flags = t_state.flags;
    for (int i = 0; i < op.num_operands; ++i) {
        if (operands[i].tensor) flags |= operands[i].tensor->flags;
    }
    return flags;
}

DType compute_dtype(const PointwiseOp& op, const Operand* operands) {
    DType dtype = result_type(operands, op.num_operands);
    if (op.result == ResultKind::Float && is_integral(dtype)) dtype = default_dtype();
    return dtype;
}

// Names the operands: `at` is the one that does not fit the shape of those before it.
[[noreturn]] void refuse_shapes(const PointwiseOp& op, const Operand* operands, int at,
                                const Dims& shape, const Dims& own) {
    std::string lines;
    int before = 0;
    for (int i = 0; i < at; ++i) before += operands[i].tensor != nullptr;
    for (int i = 0; i < at; ++i) {
        if (!operands[i].tensor) continue;
        lines += note_shape(before == 1 ? "a" : op.operand_names[i], *operands[i].tensor);
    }
    if (before > 1) lines += note("a, what these broadcast to: shape ", to_string(shape));
    fail_broadcast(shape, own, lines + note_shape("b", *operands[at].tensor));
}

Dims result_shape(const PointwiseOp& op, const Operand* operands) {
    Dims shape;
    bool first = true;
    for (int i = 0; i < op.num_operands; ++i) {
        const TensorImpl* t = operands[i].tensor;
        if (!t) continue;
        Dims own(t->sizes(), t->ndim);
        try {
            shape = first ? own : broadcast_shapes(shape, own);
        } catch (const Error&) {
            refuse_shapes(op, operands, i, shape, own);
        }
        first = false;
    }
    return shape;
}

// Operands brought to the compute dtype; `keep` owns the converted ones.
void convert_operands(const PointwiseOp& op, const Operand* operands, DType dtype, Operand* out,
                      Tensor* keep) {
    for (int i = 0; i < op.num_operands; ++i) {
        out[i] = operands[i];
        TensorImpl* t = operands[i].tensor;
        if (t && t->dtype != dtype) {
            keep[i] = convert(*t, dtype);
            out[i].tensor = keep[i].get();
        }
    }
}

bool reusable(const Operand& operand, DType dtype, const Dims* shape) {
    const TensorImpl* t = operand.tensor;
    return t && t->numel >= kReuseFrom && t->refcount == 1 && t->storage->refcount == 1 &&
           t->dtype == dtype && (t->flags & kContiguous) && !t->base && !t->storage->owner &&
           !t->storage->release_owner && !(t->flags & (kRetainGrad | kDual)) && !t->extra &&
           !(shape && *shape != Dims(t->sizes(), t->ndim));
}

Tensor apply_jvp(const PointwiseOp& op, const Operand* operands, const Scalar* params,
                 const Tensor& out, int64_t level) {
    FormulaArgs args;
    for (int i = 0; i < op.num_operands; ++i) {
        args.operands[i] = operands[i].tensor
                               ? Value(Tensor(Ref<TensorImpl>::share(operands[i].tensor)))
                               : Value(operands[i].scalar);
    }
    std::copy(params, params + op.num_params, args.params);
    args.out = out;
    Tensor total;
    for (int i = 0; i < op.num_operands; ++i) {
        PointwiseVjp::Kind kind = op.vjp[i].kind;
        if (!operands[i].tensor || kind == PointwiseVjp::Kind::None) continue;
        Tensor tangent = tangent_of(*operands[i].tensor, level);
        if (!tangent) continue;
        if (kind == PointwiseVjp::Kind::Zero) {
            tangent = Tensor::zeros(tangent.shape(), tangent.dtype());
        } else if (kind == PointwiseVjp::Kind::Formula) {
            args.grad = tangent;
            tangent = op.vjp[i].differentiable(args).tensor();
        }
        total = total ? engine_add(total, tangent) : tangent;
    }
    if (!total) return total;
    total = expand_to(total, out);
    // In-place changes of the result write into its tangent, so it must be the result's own.
    bool shared = !total.contiguous();
    for (int i = 0; i < op.num_operands && !shared; ++i) {
        if (!operands[i].tensor) continue;
        Tensor of_operand = tangent_of(*operands[i].tensor, level);
        shared = of_operand && of_operand->storage == total->storage;
    }
    return shared ? ops::clone(total, std::nullopt) : total;
}

Tensor pointwise_dual(const PointwiseOp& op, const Operand* operands, const Scalar* params,
                      int64_t level) {
    HideLevels hide(level);
    Tensor out = pointwise(op, operands, params);
    if (op.differentiable && is_differentiable(out.dtype())) {
        Tensor tangent = apply_jvp(op, operands, params, out, level);
        set_tangent(*out, level, tangent);
        give_tangent_to_saved(*out, level, tangent);
    }
    return out;
}

ObservedOp observed(const PointwiseOp& op, const char* name, const Operand* operands,
                    const Scalar* params, uint8_t changes) {
    ObservedOp call{name, op.row, {}};
    for (int i = 0; i < op.num_operands; ++i) {
        if (operands[i].tensor) call.inputs.add(operands[i].tensor);
        else call.add(operands[i].scalar);
    }
    for (int i = 0; i < op.num_params; ++i) call.add(params[i]);
    call.changes = changes;
    return call;
}

int64_t dual_level(const PointwiseOp& op, const Operand* operands) {
    return highest_level({operands[0].tensor, op.num_operands > 1 ? operands[1].tensor : nullptr,
                          op.num_operands > 2 ? operands[2].tensor : nullptr});
}

__attribute__((noinline)) Tensor pointwise_general(const PointwiseOp& op, const Operand* operands,
                                                   const Scalar* params, int reuse) {
    DType dtype = compute_dtype(op, operands);
    refuse_bool_subtraction(op, operands);
    if (!op.forward.get(dtype)) refuse_dtype(op, dtype);
    Dims shape = result_shape(op, operands);
    Operand converted[kMaxPointwiseInputs];
    Tensor keep[kMaxPointwiseInputs];
    convert_operands(op, operands, dtype, converted, keep);
    if (dtype == DType::Int64) check_integers(op, converted, params, checked_numel(shape));
    KernelParam kernel_params[kMaxPointwiseParams];
    fill_params(op, params, kernel_params);
    DType out_dtype = op.result == ResultKind::Bool ? DType::Bool : dtype;
    Tensor out;
    if (reuse >= 0 && reusable(operands[reuse], out_dtype, &shape) &&
        !saves_operand(op, operands, params, reuse)) {
        out = Tensor::alias(*operands[reuse].tensor);
    } else {
        out = Tensor::empty(shape, out_dtype);
    }
    run_kernel(op.forward, dtype, *out, converted, op.num_operands, kernel_params);
    if (t_state.inference) out->flags |= kInference;
    return out;
}

}  // namespace

// Runs `kernel` writing `out` and reading tensors (of the kernel's dtype) and numbers.
void run_kernel(const Kernel& kernel, DType dtype, TensorImpl& out, const Operand* inputs,
                int count, const KernelParam* params) {
    PointwiseLoop loop = kernel.get(dtype);
    NumberMemory numbers[kMaxOperands];
    char* data[kMaxOperands];
    int64_t strides[kMaxOperands];
    data[0] = out.data;
    strides[0] = static_cast<int64_t>(item_size(out.dtype));
    bool simple = out.flags & kContiguous;
    int64_t item = static_cast<int64_t>(item_size(dtype));
    for (int i = 0; i < count; ++i) {
        if (const TensorImpl* t = inputs[i].tensor) {
            data[i + 1] = t->data;
            strides[i + 1] = t->numel == 1 ? 0 : item;
            simple = simple && (t->numel == 1 || ((t->flags & kContiguous) && t->same_shape(out)));
        } else {
            store_number(inputs[i].scalar, dtype, &numbers[i]);
            data[i + 1] = reinterpret_cast<char*>(&numbers[i]);
            strides[i + 1] = 0;
        }
    }
    if (out.numel == 1) {  // one element: every layout is dense
        for (int i = 0; i <= count; ++i) strides[i] = i ? item : strides[0];
    }
    constexpr int64_t kGrain = 32768;
    if (simple) {
        if (out.numel <= kGrain) {
            loop(data, strides, out.numel, params);
            return;
        }
        Unlocked unlocked(out.numel >= kUnlockedFrom);
        parallel_for(0, out.numel, kGrain, [&](int64_t begin, int64_t end) {
            char* part[kMaxOperands];
            for (int i = 0; i <= count; ++i) part[i] = data[i] + begin * strides[i];
            loop(part, strides, end - begin, params);
        });
        return;
    }
    Dims shape(out.sizes(), out.ndim);
    LoopOperand operands[kMaxOperands];
    operands[0] = {out.data, broadcast_strides(out, shape)};
    for (int i = 0; i < count; ++i) {
        if (const TensorImpl* t = inputs[i].tensor) {
            operands[i + 1] = {t->data, broadcast_strides(*t, shape)};
        } else {
            operands[i + 1] = {data[i + 1], Dims::filled(shape.size(), 0)};
        }
    }
    LoopContext context{loop, params};
    run_strided(shape, operands, count + 1, call_loop, &context);
}

DType result_type(const Operand* operands, int count) {
    bool have[3] = {false, false, false};  // with dimensions, 0-d, numbers
    DType types[3] = {DType::Bool, DType::Bool, DType::Bool};
    for (int i = 0; i < count; ++i) {
        const TensorImpl* t = operands[i].tensor;
        int kind = !t ? 2 : (t->flags & kWrappedNumber) ? 2 : t->ndim == 0 ? 1 : 0;
        DType dtype = t ? t->dtype : operands[i].scalar.dtype();
        if (kind == 2 && t && is_floating(dtype)) dtype = default_dtype();
        types[kind] = have[kind] ? promote(types[kind], dtype) : dtype;
        have[kind] = true;
    }
    // A lower class only matters when its category (bool, integer, floating) is higher.
    auto category = [](DType d) {
        return d == DType::Bool ? 0 : is_integral(d) ? 1 : is_floating(d) ? 2 : 3;
    };
    DType result = DType::Bool;
    bool first = true;
    for (int kind = 0; kind < 3; ++kind) {
        if (!have[kind]) continue;
        if (first) result = types[kind];
        else if (category(types[kind]) > category(result)) {
            result = kind == 2 && is_floating(types[kind]) ? default_dtype() : types[kind];
        }
        first = false;
    }
    return result;
}

Tensor pointwise(const PointwiseOp& op, const Operand* operands, const Scalar* params, int reuse) {
    TensorImpl* first = operands[0].tensor ? operands[0].tensor : operands[1].tensor;
    uint16_t flags = all_flags(op, operands);
    if (__builtin_expect(flags & (kColdFlags | kObserveMode), 0)) {
        if (flags & kObserveMode) {
            Observation seen(observed(op, op.name, operands, params, 0));
            // Observers look at the operands afterwards: none is written over.
            return seen.result(pointwise(op, operands, params));
        }
        if (int64_t level = dual_level(op, operands)) {
            return pointwise_dual(op, operands, params, level);
        }
    }
    // The common case: equal shapes and dtypes, dense memory, numbers of no higher category.
    bool plain = first && first->numel < kReuseFrom && (first->flags & kContiguous) &&
                 !(flags & kWrappedNumber) && op.result != ResultKind::Bool &&
                 is_floating(first->dtype) && !t_state.inference;
    for (int i = 0; plain && i < op.num_operands; ++i) {
        const TensorImpl* t = operands[i].tensor;
        if (!t) {
            plain = operands[i].scalar.kind() != Scalar::Kind::Bool;
        } else if (t != first) {
            plain = t->dtype == first->dtype && (t->flags & kContiguous) && t->same_shape(*first);
        }
    }
    Tensor out;
    if (__builtin_expect(plain, 1)) {
        PointwiseLoop loop = op.forward.get(first->dtype);
        if (!loop) refuse_dtype(op, first->dtype);
        KernelParam kernel_params[kMaxPointwiseParams];
        fill_params(op, params, kernel_params);
        out = Tensor::empty_like(*first, first->dtype);
        run_kernel(op.forward, first->dtype, *out, operands, op.num_operands, kernel_params);
    } else {
        out = pointwise_general(op, operands, params, reuse);
    }
    if (flags & (kRequiresGrad | kView | kNoGraph)) {
        if ((flags & (kRequiresGrad | kView)) && t_state.grad_enabled && op.differentiable) {
            record_pointwise(op, operands, params, out);
        }
        if (__builtin_expect(!(out->flags & kRequiresGrad), 0)) {
            auto input = [&](size_t i) { return operands[i].tensor; };
            note_unrecorded(*out, op.num_operands, input, op.differentiable, op.name);
        }
    }
    return out;
}

bool plain_inplace(const PointwiseOp& op, const Operand* operands, const Scalar* params) {
    TensorImpl& self = *operands[0].tensor;
    uint16_t flags = all_flags(op, operands);
    if ((flags & (kColdFlags | kInference | kView | kWrappedNumber)) || !is_floating(self.dtype) ||
        !(self.flags & kContiguous) || op.result == ResultKind::Bool ||
        ((flags & kRequiresGrad) && t_state.grad_enabled)) {
        return false;
    }
    for (int i = 1; i < op.num_operands; ++i) {
        const TensorImpl* t = operands[i].tensor;
        if (!t) continue;
        int64_t bytes = self.numel * static_cast<int64_t>(item_size(self.dtype));
        bool apart =
            t->data == self.data || t->data + bytes <= self.data || self.data + bytes <= t->data;
        if (t->dtype != self.dtype || !(t->flags & kContiguous) || !t->same_shape(self) || !apart) {
            return false;
        }
    }
    PointwiseLoop loop = op.forward.get(self.dtype);
    if (!loop) return false;
    KernelParam kernel_params[kMaxPointwiseParams];
    fill_params(op, params, kernel_params);
    run_kernel(op.forward, self.dtype, self, operands, op.num_operands, kernel_params);
    return true;
}

namespace {
// After a change in place that was not recorded: why the changed tensor has no graph.
inline void note_unrecorded_operands(const PointwiseOp& op, const Operand* operands) {
    TensorImpl& self = *operands[0].tensor;
    if (self.flags & kRequiresGrad) return;
    for (int i = 1; i < op.num_operands; ++i) {
        const TensorImpl* t = operands[i].tensor;
        if (t && (t->flags & kMayExplain)) {
            return note_unrecorded_change(self, *t, op.inplace_name);
        }
    }
}
}  // namespace

void pointwise_inplace(const PointwiseOp& op, const Operand* operands, const Scalar* params) {
    if (__builtin_expect(t_state.flags & kObserveMode, 0)) {
        Observation seen(observed(op, op.inplace_name, operands, params, 1));
        pointwise_inplace(op, operands, params);
        seen.result(Tensor(Ref<TensorImpl>::share(operands[0].tensor)));
        return;
    }
    if (plain_inplace(op, operands, params)) {
        operands[0].tensor->storage->bump_version();
        note_unrecorded_operands(op, operands);
        return;
    }
    Tensor self(Ref<TensorImpl>::share(operands[0].tensor));
    check_inplace(*self, op.inplace_name);
    if (all_flags(op, operands) & kColdFlags) {
        if (int64_t level = dual_level(op, operands)) {
            Tensor tangent;
            {
                HideLevels hide(level);
                Tensor value = pointwise(op, operands, params);
                tangent = apply_jvp(op, operands, params, value, level);
            }
            {
                HideLevels hide(level);
                pointwise_inplace(op, operands, params);
            }
            if (tangent) replace_tangent(self, level, tangent);
            give_tangent_to_saved(*self, level, tangent);
            return;
        }
    }
    DType dtype = compute_dtype(op, operands);
    refuse_bool_subtraction(op, operands);
    DType produced = op.result == ResultKind::Bool ? DType::Bool : dtype;
    if (!op.forward.get(dtype)) refuse_dtype(op, dtype);
    check(can_cast(produced, self.dtype()), ErrorKind::Runtime, "result type ",
          dtype_title(produced), " can't be cast to the desired output type ",
          dtype_title(self.dtype()),
          note(op.inplace_name, " writes into a torch.", dtype_name(self.dtype()),
               " tensor, whose dtype stays."),
          note("Convert it first, for example with .float(), or use the out-of-place form."));
    Dims shape = result_shape(op, operands);
    check(shape == self.shape(), ErrorKind::Runtime, "output with shape ", to_string(self.shape()),
          " doesn't match the broadcast shape ", to_string(shape),
          note(op.inplace_name, " cannot make its first tensor larger: use the out-of-place form, ",
               "or reduce what is put in."));
    Operand converted[kMaxPointwiseInputs];
    Tensor keep[kMaxPointwiseInputs];
    convert_operands(op, operands, dtype, converted, keep);
    if (dtype == DType::Int64) check_integers(op, converted, params, checked_numel(shape));
    for (int i = 1; i < op.num_operands; ++i) {
        TensorImpl* t = converted[i].tensor;
        if (t && t != self.get() && t->storage->data == self->storage->data &&
            partly_overlap(*self, *t)) {
            keep[i] = clone_dense(*t);
            converted[i].tensor = keep[i].get();
        }
    }
    bool record = false;
    if (t_state.grad_enabled && op.differentiable) {
        for (int i = 0; i < op.num_operands; ++i) {
            record |= operands[i].tensor && requires_grad(*operands[i].tensor);
        }
    }
    check(!record || is_differentiable(self.dtype()), ErrorKind::Runtime,
          "result requires grad, but ", op.inplace_name, " writes into a torch.",
          dtype_name(self.dtype()), " tensor, which cannot");
    Tensor original;
    Ref<Node> node;
    if (record) {
        Operand saved[kMaxPointwiseInputs];
        std::copy(operands, operands + op.num_operands, saved);
        if (saves_operand(op, operands, params, 0)) {
            // Recorded, as its history is part of what a second derivative sees.
            original = requires_grad(*self) ? ops::clone(self, std::nullopt) : clone_dense(*self);
            saved[0].tensor = original.get();
        }
        node = make_pointwise_node(op, operands, saved, params);
    }
    KernelParam kernel_params[kMaxPointwiseParams];
    fill_params(op, params, kernel_params);
    if (produced == self.dtype() && dtype == self.dtype()) {
        run_kernel(op.forward, dtype, *self, converted, op.num_operands, kernel_params);
    } else {
        Tensor result = Tensor::empty(shape, produced);
        run_kernel(op.forward, dtype, *result, converted, op.num_operands, kernel_params);
        copy_elements(*self, *result);
    }
    self->storage->bump_version();
    if (record) {
        node->meta(0).set(*self);
        save_pointwise_output(*node, self);
        rebase_history(self, std::move(node));
    } else {
        note_unrecorded_operands(op, operands);
    }
}

Value apply_to_values(const PointwiseOp& op, const Value* const* operands, const Scalar* params) {
    Operand list[kMaxPointwiseInputs];
    bool any_tensor = false;
    bool floating = op.result == ResultKind::Float;
    for (int i = 0; i < op.num_operands; ++i) {
        list[i] = Operand(*operands[i]);
        any_tensor |= operands[i]->is_tensor();
        floating |= !operands[i]->is_tensor() && operands[i]->scalar().is_float();
    }
    if (any_tensor) return pointwise(op, list, params);
    // Numbers alone are computed in Python's precision.
    const Scalar& first = operands[0]->scalar();
    Tensor number = Tensor::full({}, floating ? DType::Float64 : first.dtype(), first);
    list[0] = Operand(number);
    return Value(pointwise(op, list, params).item());
}

}  // namespace chainrule
