#include <cmath>

#include "autograd/observer.h"
#include "bind/arguments.h"
#include "bind/modules.h"
#include "bind/tensor_object.h"
#include "forward/optim.h"

// Fused optimizer steps: one call for the parameters of a group, one pass over each.
namespace chainrule::bind {

namespace {

// A list or tuple of tensors; the None that stands for no tensors is an empty one.
class Tensors {
public:
    Tensors(PyObject* object, const char* what, bool optional = false) : what_(what) {
        if (optional && object == Py_None) return;
        check(PyList_Check(object) || PyTuple_Check(object), ErrorKind::Type, what,
              " must be a list of tensors, not ", Py_TYPE(object)->tp_name);
        sequence_ = PyRef::share(object);
    }
    explicit operator bool() const { return static_cast<bool>(sequence_); }
    Py_ssize_t size() const { return PySequence_Fast_GET_SIZE(sequence_.get()); }
    TensorImpl* get(Py_ssize_t i) const {
        PyObject* item = PySequence_Fast_GET_ITEM(sequence_.get(), i);
        check(is_tensor(item), ErrorKind::Type, what_, " must hold tensors, not ",
              Py_TYPE(item)->tp_name);
        return impl_of(item);
    }
    TensorImpl* get_if(Py_ssize_t i) const { return sequence_ ? get(i) : nullptr; }

private:
    const char* what_;
    PyRef sequence_;
};

void check_lengths(const Tensors& params, std::initializer_list<const Tensors*> others) {
    for (const Tensors* other : others) {
        check(!*other || other->size() == params.size(), ErrorKind::Value,
              "the lists of a fused step differ in length: ", params.size(), " parameters, but ",
              *other ? other->size() : 0);
    }
}

bool truth(PyObject* object) {
    const int value = PyObject_IsTrue(object);
    checked(value);
    return value != 0;
}

// One step of one parameter, shown to observers as an operator that changes the parameter and what
// the optimizer keeps for it.
template <class Run>
void observed_step(const char* name, std::initializer_list<TensorImpl*> changed, TensorImpl* grad,
                   double lr, Run&& run) {
    if (__builtin_expect(!(t_state.flags & kObserveMode), 1)) return run();
    ObservedOp op{name, "", {}};
    ObservedTensors outputs;
    for (TensorImpl* t : changed) {
        if (!t) continue;
        op.inputs.add(t);
        outputs.add(t);
    }
    op.changes = static_cast<uint8_t>(outputs.size());
    op.inputs.add(grad);
    op.add(lr);
    Observation seen(std::move(op));
    run();
    seen.end(outputs);
}

PyObject* fused_sgd(PyObject*, PyObject* const* args, Py_ssize_t nargs) {
    return guarded([&]() -> PyObject* {
        check(nargs == 10, ErrorKind::Type, "_fused_sgd_() takes 10 arguments, got ", nargs);
        Tensors params(args[0], "params"), grads(args[1], "grads");
        Tensors buffers(args[2], "momentum_buffers", true);
        check_lengths(params, {&grads, &buffers});
        const cpu::SgdNumbers numbers{number_from(args[3], "lr"),
                                      number_from(args[4], "momentum"),
                                      number_from(args[5], "dampening"),
                                      number_from(args[6], "weight_decay"),
                                      truth(args[7]),
                                      truth(args[8]),
                                      truth(args[9])};
        for (Py_ssize_t i = 0; i < params.size(); ++i) {
            TensorImpl *param = params.get(i), *grad = grads.get(i), *buffer = buffers.get_if(i);
            observed_step("sgd_step_", {param, buffer}, grad, numbers.lr,
                          [&] { forward::sgd_step(*param, *grad, buffer, numbers); });
        }
        Py_RETURN_NONE;
    });
}

PyObject* fused_adam(PyObject*, PyObject* const* args, Py_ssize_t nargs) {
    return guarded([&]() -> PyObject* {
        check(nargs == 14, ErrorKind::Type, "_fused_adam_() takes 14 arguments, got ", nargs);
        Tensors params(args[0], "params"), grads(args[1], "grads");
        Tensors averages(args[2], "exp_avgs"), squares(args[3], "exp_avg_sqs");
        Tensors largest(args[4], "max_exp_avg_sqs", true);
        check_lengths(params, {&grads, &averages, &squares, &largest});
        const double step = number_from(args[5], "step"), lr = number_from(args[6], "lr");
        const bool amsgrad = truth(args[11]);
        check(!amsgrad || largest, ErrorKind::Value, "amsgrad needs max_exp_avg_sqs");
        cpu::AdamNumbers numbers{};
        numbers.beta1 = number_from(args[7], "beta1");
        numbers.beta2 = number_from(args[8], "beta2");
        numbers.eps = number_from(args[9], "eps");
        numbers.weight_decay = number_from(args[10], "weight_decay");
        numbers.lr = lr;
        numbers.step_size = lr / (1 - std::pow(numbers.beta1, step));
        numbers.root_correction = std::sqrt(1 - std::pow(numbers.beta2, step));
        numbers.maximize = truth(args[12]);
        numbers.decoupled = truth(args[13]);
        for (Py_ssize_t i = 0; i < params.size(); ++i) {
            TensorImpl *param = params.get(i), *grad = grads.get(i), *average = averages.get(i);
            TensorImpl *square = squares.get(i), *top = amsgrad ? largest.get(i) : nullptr;
            observed_step("adam_step_", {param, average, square, top}, grad, lr, [&] {
                forward::adam_step(*param, *grad, *average, *square, top, numbers);
            });
        }
        Py_RETURN_NONE;
    });
}

PyMethodDef functions[] = {
    {"_fused_sgd_", method(fused_sgd), METH_FASTCALL,
     "_fused_sgd_(params, grads, momentum_buffers, lr, momentum, dampening, weight_decay, "
     "nesterov, maximize, first)\n\nOne step of SGD."},
    {"_fused_adam_", method(fused_adam), METH_FASTCALL,
     "_fused_adam_(params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, step, lr, beta1, beta2, "
     "eps, weight_decay, amsgrad, maximize, decoupled)\n\nOne step of Adam; step counts from 1."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void init_optim(PyObject* module) { add_functions(module, functions); }

}  // namespace chainrule::bind
