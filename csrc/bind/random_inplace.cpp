#include "autograd/history.h"
#include "bind/arguments.h"
#include "bind/call.h"
#include "bind/observed_call.h"
#include "bind/random.h"
#include "bind/tensor_object.h"
#include "forward/fill_random.h"
#include "rules/overwrite.h"

// normal_(), uniform_() and the other methods that overwrite a tensor with random numbers.
namespace chainrule::bind {

namespace {

// Runs fill(tensor) as the in-place operation that `call` names.
template <class F>
PyObject* overwrite(PyObject* self, const Call& call, const char* node_name, F&& fill) {
    Tensor t = tensor_of(self);
    check_inplace(*t, call.function());
    check(!(t->flags & kDual), ErrorKind::NotImplemented, call.function(),
          "() on a tensor that has a tangent is not supported; use it before make_dual");
    fill(t);
    rules::record_overwrite(t, node_name);
    return Py_NewRef(self);
}

using Sampler = void (*)(const Tensor&, cpu::Generator&, double, double);

template <Sampler sampler>
PyObject* two_parameters(PyObject* self, const Call& call, const char* node_name, double first,
                         double second) {
    double a = call.real(0, first), b = call.real(1, second);
    return overwrite(self, call, node_name,
                     [&](const Tensor& t) { sampler(t, call.options().random(), a, b); });
}

#define CHAINRULE_METHOD(name) \
    PyObject* name(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames)

CHAINRULE_METHOD(uniform) {
    return guarded([&] {
        Call call("uniform_", {"from", "to"}, kGeneratorKeyword, args, nargs, kwnames);
        return two_parameters<forward::random_uniform>(self, call, "UniformBackward0", 0, 1);
    });
}
CHAINRULE_METHOD(normal) {
    return guarded([&] {
        Call call("normal_", {"mean", "std"}, kGeneratorKeyword, args, nargs, kwnames);
        return two_parameters<forward::random_normal>(self, call, "NormalBackward0", 0, 1);
    });
}
CHAINRULE_METHOD(log_normal) {
    return guarded([&] {
        Call call("log_normal_", {"mean", "std"}, kGeneratorKeyword, args, nargs, kwnames);
        return two_parameters<forward::random_log_normal>(self, call, "LogNormalBackward0", 1, 2);
    });
}
CHAINRULE_METHOD(cauchy) {
    return guarded([&] {
        Call call("cauchy_", {"median", "sigma"}, kGeneratorKeyword, args, nargs, kwnames);
        return two_parameters<forward::random_cauchy>(self, call, "CauchyBackward0", 0, 1);
    });
}
CHAINRULE_METHOD(exponential) {
    return guarded([&] {
        Call call("exponential_", {"lambd"}, kGeneratorKeyword, args, nargs, kwnames);
        double lambda = call.real(0, 1);
        return overwrite(self, call, "ExponentialBackward0", [&](const Tensor& t) {
            forward::random_exponential(t, call.options().random(), lambda);
        });
    });
}
CHAINRULE_METHOD(geometric) {
    return guarded([&] {
        Call call("geometric_", {"p"}, kGeneratorKeyword, args, nargs, kwnames);
        double p = call.number(0).as_double();
        return overwrite(self, call, "GeometricBackward0", [&](const Tensor& t) {
            forward::random_geometric(t, call.options().random(), p);
        });
    });
}
CHAINRULE_METHOD(bernoulli) {
    return guarded([&] {
        Call call("bernoulli_", {"p"}, kGeneratorKeyword, args, nargs, kwnames);
        if (call[0] && is_tensor(call[0])) {
            Tensor p = call.tensor(0);
            return overwrite(self, call, "BernoulliBackward1", [&](const Tensor& t) {
                forward::random_bernoulli(t, call.options().random(), p);
            });
        }
        double p = call.real(0, 0.5);
        return overwrite(self, call, "BernoulliBackward2", [&](const Tensor& t) {
            forward::random_bernoulli(t, call.options().random(), p);
        });
    });
}
// random_(), random_(to), random_(from, to), random_(from, None)
CHAINRULE_METHOD(random) {
    return guarded([&] {
        Call call("random_", {"from", "to"}, kGeneratorKeyword, args, nargs, kwnames);
        bool from_only = call[0] && !call[1];
        bool open = call[1] == Py_None;
        return overwrite(self, call, "RandomBackward0", [&](const Tensor& t) {
            cpu::Generator& generator = call.options().random();
            if (!call[0] && !call[1]) forward::random_integers_all(t, generator);
            else if (from_only) forward::random_integers(t, generator, 0, call.integer(0));
            else if (open) forward::random_integers_from(t, generator, call.integer(0));
            else forward::random_integers(t, generator, call.integer(0, 0), call.integer(1));
        });
    });
}

#undef CHAINRULE_METHOD

}  // namespace

PyMethodDef random_inplace_methods[] = {
    {"uniform_", overwriting<"uniform_", uniform>(), kFlags,
     "uniform_(from=0, to=1, *, generator=None): [from, to)."},
    {"normal_", overwriting<"normal_", normal>(), kFlags,
     "normal_(mean=0, std=1, *, generator=None)"},
    {"log_normal_", overwriting<"log_normal_", log_normal>(), kFlags,
     "log_normal_(mean=1, std=2, *, generator=None): of the logarithm."},
    {"cauchy_", overwriting<"cauchy_", cauchy>(), kFlags,
     "cauchy_(median=0, sigma=1, *, generator=None)"},
    {"exponential_", overwriting<"exponential_", exponential>(), kFlags,
     "exponential_(lambd=1, *, generator=None)"},
    {"geometric_", overwriting<"geometric_", geometric>(), kFlags,
     "geometric_(p, *, generator=None): trials up to the first success."},
    {"bernoulli_", overwriting<"bernoulli_", bernoulli>(), kFlags,
     "bernoulli_(p=0.5, *, generator=None): 1 with probability p, a number or a tensor."},
    {"random_", overwriting<"random_", random>(), kFlags,
     "random_(from=0, to=None, *, generator=None): integers of [from, to), or up to the largest "
     "that the dtype holds exactly."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace chainrule::bind
