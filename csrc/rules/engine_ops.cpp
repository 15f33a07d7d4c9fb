#include "autograd/engine.h"
#include "autograd/history.h"
#include "autograd/observer.h"
#include "autograd/tangent.h"
#include "ops.h"
#include "rules/copy_slices.h"
#include "rules/pointwise_node.h"
#include "rules/rules.h"
#include "tensor/convert.h"

// The arithmetic that the engine asks for, over the operators.
namespace chainrule {

Value operator+(const Value& a, const Value& b) {
    if (!a.is_tensor() && !b.is_tensor()) return a.scalar().as_double() + b.scalar().as_double();
    return ops::add(a, b);
}
Value operator-(const Value& a, const Value& b) {
    if (!a.is_tensor() && !b.is_tensor()) return a.scalar().as_double() - b.scalar().as_double();
    return ops::sub(a, b);
}
Value operator*(const Value& a, const Value& b) {
    if (!a.is_tensor() && !b.is_tensor()) return a.scalar().as_double() * b.scalar().as_double();
    if (!b.is_tensor() && b.scalar().equals(1) && is_floating(a.tensor()->dtype)) return a;
    if (!a.is_tensor() && a.scalar().equals(1) && is_floating(b.tensor()->dtype)) return b;
    return ops::mul(a, b);
}
Value operator/(const Value& a, const Value& b) {
    if (!a.is_tensor() && !b.is_tensor()) return a.scalar().as_double() / b.scalar().as_double();
    return ops::div(a, b);
}
Value operator-(const Value& a) {
    if (!a.is_tensor()) return -a.scalar().as_double();
    return ops::neg(a);
}

Tensor engine_add(const Tensor& a, const Tensor& b) { return ops::add(a, b); }

Tensor expand_to(const Tensor& t, const Tensor& like) {
    if (t->same_shape(*like)) return t;
    return ops::expand(t, like.shape());
}

void replace_tangent(const Tensor& t, int64_t level, const Tensor& tangent) {
    Tensor old = tangent_of(*t, level);
    if (old && !may_overlap(*old) && !(old->flags & kRequiresGrad) &&
        !(tangent->flags & kRequiresGrad)) {
        // In its own memory: a view's tangent looks into the tangent of its base.
        copy_elements(*old, *tangent);
        return;
    }
    check(!(t->flags & kView), ErrorKind::NotImplemented,
          "an in-place change of a view that has no tangent yet, with a value that has one, is not "
          "supported in forward mode; use the out-of-place form");
    set_tangent(*t, level, tangent);
}

// What the engine computes by itself is no operator of the program: observers do not see it.
namespace engine_ops {

Tensor add(const Tensor& a, const Tensor& b) {
    ObserversHidden hidden;
    return ops::add(a, b);
}

void add_in_place(TensorImpl& into, const Tensor& b) {
    const Operand operands[] = {&into, b};
    const Scalar params[] = {Scalar(1)};
    if (plain_inplace(ops::add_op, operands, params)) {
        // Nobody remembers a line for it: the change is the engine's.
        ++into.storage->version;
        return;
    }
    ObserversHidden hidden;
    GradModeGuard off(false);
    pointwise_inplace(ops::add_op, operands, params);
}

Tensor sum_to_shape(const Tensor& t, const Dims& shape) {
    ObserversHidden hidden;
    return rules::sum_to_shape(t, shape);
}

Tensor cast(const Tensor& t, DType dtype) {
    ObserversHidden hidden;
    return ops::_to_dtype(t, dtype);
}

Tensor clone_dense(const Tensor& t, const TensorImpl& like) {
    ObserversHidden hidden;
    if (t_state.grad_enabled && requires_grad(*t)) return ops::clone(t);
    Tensor out = Tensor::empty_like(*t, t->dtype);
    if (!(like.flags & kContiguous) && like.same_shape(*t)) out = chainrule::clone_dense(like);
    if (out->dtype != t->dtype) out = Tensor::empty_like(*t, t->dtype);
    copy_elements(*out, *t);
    return out;
}

Tensor as_strided(const Tensor& base, const TensorImpl& geometry) {
    ObserversHidden hidden;
    Dims sizes(geometry.sizes(), geometry.ndim), strides(geometry.strides(), geometry.ndim);
    int64_t offset =
        (geometry.data - geometry.storage->data) / static_cast<int64_t>(item_size(geometry.dtype));
    return ops::as_strided(base, sizes, strides, offset);
}

Ref<Node> copy_slices(const Tensor& base, const TensorImpl& view, Ref<Node> fn) {
    return rules::make_copy_slices(base, view, std::move(fn));
}

}  // namespace engine_ops
}  // namespace chainrule
