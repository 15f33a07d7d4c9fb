#include "bind/random.h"

#include "autograd/no_graph.h"
#include "bind/arguments.h"
#include "bind/call.h"
#include "bind/creation.h"
#include "bind/modules.h"
#include "bind/observed_call.h"
#include "bind/tensor_object.h"
#include "forward/fill_random.h"
#include "ops.h"

// torch's functions that make random tensors.
namespace chainrule::bind {

namespace {

constexpr unsigned kRandomKeywords = kTensorKeywords | kGeneratorKeyword | kOutKeyword;
constexpr unsigned kLikeKeywords = kTensorKeywords | kGeneratorKeyword | kFormatKeyword;

#define CHAINRULE_FUNCTION(name) \
    PyObject* name(PyObject*, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames)

CHAINRULE_FUNCTION(rand) {
    return guarded([&] {
        SizedCall call("rand", kRandomKeywords | kFormatKeyword, args, nargs, kwnames);
        Tensor out = new_empty(call.size, call.options.dtype.value_or(default_dtype()));
        forward::random_uniform(out, call.options.random(), 0, 1);
        return wrap(finish_new(std::move(out), call.options.requires_grad));
    });
}

CHAINRULE_FUNCTION(randn) {
    return guarded([&] {
        SizedCall call("randn", kRandomKeywords | kFormatKeyword, args, nargs, kwnames);
        Tensor out = new_empty(call.size, call.options.dtype.value_or(default_dtype()));
        forward::random_normal(out, call.options.random(), 0, 1);
        return wrap(finish_new(std::move(out), call.options.requires_grad));
    });
}

Tensor empty_as(const Call& call) {
    Tensor like = call.tensor(0);
    DType dtype = call.options().dtype.value_or(like.dtype());
    return call.options().row_major ? Tensor::empty_like(*like, dtype)
                                    : new_empty_like(*like, dtype);
}

CHAINRULE_FUNCTION(rand_like) {
    return guarded([&] {
        Call call("rand_like", {"input"}, kLikeKeywords, args, nargs, kwnames);
        Tensor out = empty_as(call);
        forward::random_uniform(out, call.options().random(), 0, 1);
        return wrap(finish_new(std::move(out), call.options().requires_grad));
    });
}

CHAINRULE_FUNCTION(randn_like) {
    return guarded([&] {
        Call call("randn_like", {"input"}, kLikeKeywords, args, nargs, kwnames);
        Tensor out = empty_as(call);
        forward::random_normal(out, call.options().random(), 0, 1);
        return wrap(finish_new(std::move(out), call.options().requires_grad));
    });
}

bool has_keyword(PyObject* kwnames, const char* name) {
    for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); ++k) {
        if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, k), name) == 0) return true;
    }
    return false;
}

// randint(high, size) or randint(low, high, size)
CHAINRULE_FUNCTION(randint) {
    return guarded([&] {
        bool sequence = nargs >= 2 && (PyTuple_Check(args[1]) || PyList_Check(args[1]));
        bool one_bound = sequence || (nargs == 0 && !has_keyword(kwnames, "low")) ||
                         (nargs == 1 && !has_keyword(kwnames, "high"));
        Call call =
            one_bound
                ? Call("randint", {"high", "size"}, kRandomKeywords, args, nargs, kwnames)
                : Call("randint", {"low", "high", "size"}, kRandomKeywords, args, nargs, kwnames);
        int64_t low = one_bound ? 0 : call.integer(0);
        int64_t high = call.integer(one_bound ? 0 : 1);
        Dims size = call.size(one_bound ? 1 : 2);
        Tensor out = new_empty(size, call.options().dtype.value_or(DType::Int64));
        forward::random_integers(out, call.options().random(), low, high);
        return wrap(finish_new(std::move(out), call.options().requires_grad));
    });
}

// randint_like(input, high) or randint_like(input, low, high)
CHAINRULE_FUNCTION(randint_like) {
    return guarded([&] {
        bool one_bound = nargs + has_keyword(kwnames, "low") + has_keyword(kwnames, "high") +
                             has_keyword(kwnames, "input") <
                         3;
        Call call =
            one_bound ? Call("randint_like", {"input", "high"}, kLikeKeywords, args, nargs, kwnames)
                      : Call("randint_like", {"input", "low", "high"}, kLikeKeywords, args, nargs,
                             kwnames);
        Tensor out = empty_as(call);
        int64_t low = one_bound ? 0 : call.integer(1);
        forward::random_integers(out, call.options().random(), low,
                                 call.integer(one_bound ? 1 : 2));
        return wrap(finish_new(std::move(out), call.options().requires_grad));
    });
}

CHAINRULE_FUNCTION(randperm) {
    return guarded([&] {
        Call call("randperm", {"n"}, kRandomKeywords, args, nargs, kwnames);
        Tensor out = new_empty({call.integer(0)}, call.options().dtype.value_or(DType::Int64));
        forward::random_permutation(out, call.options().random());
        return wrap(finish_new(std::move(out), call.options().requires_grad));
    });
}

void check_std(const Tensor& std) {
    GradModeGuard off(false);
    check(std.numel() == 0 || ops::min(std).item().as_double() >= 0, ErrorKind::Runtime,
          "normal expects all elements of std >= 0.0");
}

// normal(mean, std): each of them a number or a tensor; normal(mean, std, size) for two numbers.
CHAINRULE_FUNCTION(normal) {
    return guarded([&] {
        Call call("normal", {"mean", "std", "size"}, kRandomKeywords, args, nargs, kwnames);
        cpu::Generator& generator = call.options().random();
        bool many_means = is_tensor(call.required(0));
        bool many_stds = call[1] && is_tensor(call[1]);
        if (!many_means && !many_stds) {
            double mean = call.real(0, 0), std = call.real(1, 1);
            check(call[2], ErrorKind::Type,
                  "normal() received an invalid combination of arguments: with two numbers it "
                  "needs a size, normal(mean, std, size)");
            Tensor out = new_empty(call.size(2), call.options().dtype.value_or(default_dtype()));
            forward::random_normal(out, generator, mean, std);
            return wrap(finish_new(std::move(out), call.options().requires_grad));
        }
        check(!call[2], ErrorKind::Type,
              "normal() received an invalid combination of arguments: the size is that of the "
              "tensors");
        // torch's gradient to mean and std is zero; here the result is a constant.
        GradModeGuard off(false);
        Tensor mean = many_means ? call.tensor(0) : Tensor();
        Tensor std = many_stds ? call.tensor(1) : Tensor();
        if (std) check_std(std);
        Dims shape =
            mean && std ? broadcast_shapes(mean.shape(), std.shape()) : (mean ? mean : std).shape();
        Tensor out = new_empty(shape, (mean ? mean : std).dtype());
        forward::random_normal(out, generator, 0, std ? 1 : call.real(1, 1));
        if (std) out = ops::mul(out, std);
        if (mean) out = ops::add(out, mean);
        else if (call.real(0, 0) != 0) out = ops::add(out, Scalar(call.real(0, 0)));
        return wrap(finish_new(std::move(out), false));
    });
}

// What is drawn has no derivative by the probabilities.
void note_drawn(TensorImpl& out, const TensorImpl& from, const char* operation) {
    note_unrecorded(out, 1, [&](size_t) { return &from; }, false, operation);
}

PyObject* bernoulli_of(PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    Call call("bernoulli", {"input", "p"}, kGeneratorKeyword | kOutKeyword, args, nargs, kwnames);
    Tensor input = call.tensor(0);
    Tensor out = Tensor::empty_like(*input, input.dtype());
    if (call[1]) forward::random_bernoulli(out, call.options().random(), call.real(1, 0));
    else forward::random_bernoulli(out, call.options().random(), input);
    if (!call[1]) note_drawn(*out, *input, "bernoulli");
    return wrap(finish_new(std::move(out), false));
}
CHAINRULE_FUNCTION(bernoulli) {
    return guarded([&] { return bernoulli_of(args, nargs, kwnames); });
}

PyObject* multinomial_of(PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    Call call("multinomial", {"input", "num_samples", "replacement"},
              kGeneratorKeyword | kOutKeyword, args, nargs, kwnames);
    Tensor out = forward::random_categories(call.tensor(0), call.options().random(),
                                            call.integer(1), call.flag(2, false));
    note_drawn(*out, *call.tensor(0), "multinomial");
    return wrap(finish_new(std::move(out), false));
}
CHAINRULE_FUNCTION(multinomial) {
    return guarded([&] { return multinomial_of(args, nargs, kwnames); });
}

CHAINRULE_FUNCTION(poisson) {
    (void)args, (void)nargs, (void)kwnames;
    return guarded([&]() -> PyObject* {
        fail(ErrorKind::NotImplemented, "torch.poisson is not in Chainrule yet");
    });
}

#undef CHAINRULE_FUNCTION

// The same as methods: self is the first argument.
template <PyObject* (*function)(PyObject* const*, Py_ssize_t, PyObject*)>
PyObject* as_method(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&] {
        std::vector<PyObject*> all{self};
        Py_ssize_t keywords = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
        all.insert(all.end(), args, args + nargs + keywords);
        return function(all.data(), nargs + 1, kwnames);
    });
}

PyMethodDef functions[] = {
    {"rand", created<"rand", rand>(), kFlags,
     "rand(*size, generator=None, dtype=None): uniform of [0, 1)."},
    {"randn", created<"randn", randn>(), kFlags,
     "randn(*size, generator=None, dtype=None): standard normal."},
    {"rand_like", created<"rand_like", rand_like>(), kFlags,
     "rand_like(input, *, dtype=None): uniform of [0, 1)."},
    {"randn_like", created<"randn_like", randn_like>(), kFlags,
     "randn_like(input, *, dtype=None): standard normal."},
    {"randint", created<"randint", randint>(), kFlags,
     "randint(low=0, high, size, *, generator=None, dtype=None): integers of [low, high)."},
    {"randint_like", created<"randint_like", randint_like>(), kFlags,
     "randint_like(input, low=0, high, *, dtype=None)"},
    {"randperm", created<"randperm", randperm>(), kFlags,
     "randperm(n, *, generator=None, dtype=int64): 0, …, n - 1 in random order."},
    {"normal", created<"normal", normal>(), kFlags,
     "normal(mean, std=1, size=None, *, generator=None): mean and std are numbers or tensors. The "
     "result is a constant: no gradient flows to mean or std."},
    {"bernoulli", created<"bernoulli", bernoulli>(), kFlags,
     "bernoulli(input, p=None, *, generator=None): 1 with probability input, or p. A constant."},
    {"multinomial", created<"multinomial", multinomial>(), kFlags,
     "multinomial(input, num_samples, replacement=False, *, generator=None): indices drawn with "
     "the "
     "weights in the rows of input."},
    {"poisson", created<"poisson", poisson>(), kFlags, "Not in Chainrule yet."},
    {nullptr, nullptr, 0, nullptr},
};
PyMethodDef methods[] = {
    {"bernoulli", created<"bernoulli", as_method<bernoulli_of>>(), kFlags,
     "bernoulli(p=None, *, generator=None)"},
    {"multinomial", created<"multinomial", as_method<multinomial_of>>(), kFlags,
     "multinomial(num_samples, replacement=False, *, generator=None)"},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void init_random(PyObject* module) {
    init_generator(module);
    add_functions(module, functions);
    add_tensor_methods(methods);
    add_tensor_methods(random_inplace_methods);
}

}  // namespace chainrule::bind
