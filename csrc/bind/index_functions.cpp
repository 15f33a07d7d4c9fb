#include <algorithm>

#include "bind/call.h"
#include "bind/creation.h"
#include "bind/generated_support.h"
#include "bind/indexing.h"
#include "rules/assign.h"
#include "rules/index.h"

// Indexing functions that the table cannot express.
namespace chainrule::bind {

namespace {

// In-place methods ------------------------------------------------------------------------------

template <size_t N>
constexpr Signature signature(const char* name, const ParamSpec (&params)[N], const char* text) {
    return {name, params, static_cast<int>(N), text};
}

using P = ParamType;
const ParamSpec index_put_params[] = {{"self", P::Tensor, false, false},
                                      {"indices", P::TensorList, false, false},
                                      {"values", P::Tensor, false, false},
                                      {"accumulate", P::Bool, true, false}};
const ParamSpec index_add_params[] = {{"self", P::Tensor, false, false},
                                      {"dim", P::Int, false, false},
                                      {"index", P::Tensor, false, false},
                                      {"source", P::Tensor, false, false},
                                      {"alpha", P::Number, true, true}};
const ParamSpec index_copy_params[] = {{"self", P::Tensor, false, false},
                                       {"dim", P::Int, false, false},
                                       {"index", P::Tensor, false, false},
                                       {"source", P::Tensor, false, false}};
const ParamSpec fill_number_params[] = {{"self", P::Tensor, false, false},
                                        {"dim", P::Int, false, false},
                                        {"index", P::Tensor, false, false},
                                        {"value", P::Number, false, false}};
const ParamSpec fill_tensor_params[] = {{"self", P::Tensor, false, false},
                                        {"dim", P::Int, false, false},
                                        {"index", P::Tensor, false, false},
                                        {"value", P::Tensor, false, false}};
const ParamSpec scatter_params[] = {{"self", P::Tensor, false, false},
                                    {"dim", P::Int, false, false},
                                    {"index", P::Tensor, false, false},
                                    {"src", P::Tensor, false, false}};
const ParamSpec masked_scatter_params[] = {{"self", P::Tensor, false, false},
                                           {"mask", P::Tensor, false, false},
                                           {"source", P::Tensor, false, false}};
const ParamSpec triangle_params[] = {{"self", P::Tensor, false, false},
                                     {"diagonal", P::Int, true, false}};

const Signature index_put_signature =
    signature("index_put_", index_put_params,
              "(tuple of Tensors indices, Tensor values, bool accumulate=False)");
const Signature index_add_signature = signature(
    "index_add_", index_add_params, "(int dim, Tensor index, Tensor source, *, Number alpha=1)");
const Signature index_copy_signature =
    signature("index_copy_", index_copy_params, "(int dim, Tensor index, Tensor source)");
const Signature fill_number_signature =
    signature("index_fill_", fill_number_params, "(int dim, Tensor index, Number value)");
const Signature fill_tensor_signature =
    signature("index_fill_", fill_tensor_params, "(int dim, Tensor index, Tensor value)");
const Signature scatter_number_signature =
    signature("scatter_", fill_number_params, "(int dim, Tensor index, Number value)");
const Signature scatter_signature =
    signature("scatter_", scatter_params, "(int dim, Tensor index, Tensor src)");
const Signature scatter_add_signature =
    signature("scatter_add_", scatter_params, "(int dim, Tensor index, Tensor src)");
const Signature masked_scatter_signature =
    signature("masked_scatter_", masked_scatter_params, "(Tensor mask, Tensor source)");
const Signature tril_signature = signature("tril_", triangle_params, "(int diagonal=0)");
const Signature triu_signature = signature("triu_", triangle_params, "(int diagonal=0)");

// Calls f(arguments, which) with the first of the signatures that fits; the result is self.
template <class F>
PyObject* change(std::initializer_list<const Signature*> signatures, PyObject* self,
                 PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames, F&& f) {
    return guarded([&]() -> PyObject* {
        Arguments a;
        int which = 0;
        for (const Signature* s : signatures) {
            if (a.bind(*s, self, args, nargs, kwnames)) {
                f(a, which);
                return Py_NewRef(self);
            }
            ++which;
        }
        return no_match(signatures, self, args, nargs, kwnames);
    });
}

#define CHAINRULE_CHANGE(name, ...)                                                              \
    PyObject* name(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) { \
        return change({__VA_ARGS__}, self, args, nargs, kwnames,                              \
                      [](const Arguments& a, [[maybe_unused]] int which)
#define CHAINRULE_END ); \
    }

CHAINRULE_CHANGE(index_put, &index_put_signature) {
    IndexList list;
    Tensor self = a.tensor(0);
    int64_t dim = 0;
    for (const Tensor& index : a.tensors(1)) dim += list.add(self, dim, index);
    check(!list.empty(), ErrorKind::Runtime, "index_put_: at least one index tensor is needed");
    index_put_inplace(self, list, a.tensor(2), a.flag(3, false));
}
CHAINRULE_END

CHAINRULE_CHANGE(index_add, &index_add_signature) {
    index_add_inplace(a.tensor(0), a.integer(1, 0), a.tensor(2), a.tensor(3),
                      a.scalar(4, Scalar(1)));
}
CHAINRULE_END

CHAINRULE_CHANGE(index_copy, &index_copy_signature) {
    index_copy_inplace(a.tensor(0), a.integer(1, 0), a.tensor(2), a.tensor(3));
}
CHAINRULE_END

// A tensor may carry a gradient or a tangent, so it is not taken for its number.
CHAINRULE_CHANGE(index_fill, &fill_tensor_signature, &fill_number_signature) {
    if (which == 0) index_fill_inplace(a.tensor(0), a.integer(1, 0), a.tensor(2), a.tensor(3));
    else index_fill_inplace(a.tensor(0), a.integer(1, 0), a.tensor(2), a.scalar(3, 0));
}
CHAINRULE_END

CHAINRULE_CHANGE(scatter, &scatter_number_signature, &scatter_signature) {
    if (which == 0) scatter_inplace(a.tensor(0), a.integer(1, 0), a.tensor(2), a.scalar(3, 0));
    else scatter_inplace(a.tensor(0), a.integer(1, 0), a.tensor(2), a.tensor(3));
}
CHAINRULE_END

CHAINRULE_CHANGE(scatter_add, &scatter_add_signature) {
    scatter_add_inplace(a.tensor(0), a.integer(1, 0), a.tensor(2), a.tensor(3));
}
CHAINRULE_END

CHAINRULE_CHANGE(masked_scatter, &masked_scatter_signature) {
    masked_scatter_inplace(a.tensor(0), a.tensor(1), a.tensor(2));
}
CHAINRULE_END

CHAINRULE_CHANGE(tril, &tril_signature) {
    Tensor self = a.tensor(0);
    assign_inplace(self, ops::tril(self, a.integer(1, 0)), "tril_");
}
CHAINRULE_END

CHAINRULE_CHANGE(triu, &triu_signature) {
    Tensor self = a.tensor(0);
    assign_inplace(self, ops::triu(self, a.integer(1, 0)), "triu_");
}
CHAINRULE_END

// Results that depend on the arguments ----------------------------------------------------------

PyObject* nonzero(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&]() -> PyObject* {
        std::vector<PyObject*> all;
        if (self) all.push_back(self);
        all.insert(all.end(), args, args + nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0));
        Call call("nonzero", {"input", "as_tuple"}, kOutKeyword, all.data(), nargs + (self ? 1 : 0),
                  kwnames, 1);
        Tensor t = call.tensor(0);
        if (!call.flag(1, false)) return wrap(ops::_nonzero(t));
        return wrap_result(ops::_nonzero_tuple(t));
    });
}

PyObject* unique(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&]() -> PyObject* {
        std::vector<PyObject*> all;
        if (self) all.push_back(self);
        all.insert(all.end(), args, args + nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0));
        Call call("unique", {"input", "sorted", "return_inverse", "return_counts", "dim"},
                  kNoKeywords, all.data(), nargs + (self ? 1 : 0), kwnames);
        check(!call.given(4), ErrorKind::NotImplemented,
              "unique: dim= is not supported; the elements of the flattened tensor are compared");
        bool inverse = call.flag(2, false), counts = call.flag(3, false);
        auto [output, where, count] = ops::_unique(call.tensor(0), true, inverse, counts);
        if (!inverse && !counts) return wrap(output);
        std::vector<Tensor> results = {output};
        if (inverse) results.push_back(where);
        if (counts) results.push_back(count);
        return wrap_result(std::move(results));
    });
}

// Row and column numbers of a triangle of a matrix, as two rows.
Tensor triangle_indices(int64_t rows, int64_t columns, int64_t offset, bool upper, DType dtype) {
    check(rows >= 0 && columns >= 0, ErrorKind::Runtime, rows < 0 ? "row" : "col",
          " must be non-negative, got ", rows < 0 ? rows : columns);
    check(dtype == DType::Int64, ErrorKind::NotImplemented,
          "index tensors are int64; other dtypes are not supported here");
    auto bounds = [&](int64_t row) {
        int64_t cut =
            std::clamp<int64_t>(row + std::clamp(offset, -rows, columns) + !upper, 0, columns);
        return upper ? std::pair{cut, columns} : std::pair{int64_t{0}, cut};
    };
    int64_t total = 0;
    for (int64_t r = 0; r < rows; ++r) total += bounds(r).second - bounds(r).first;
    Tensor out = new_empty({2, total}, dtype);
    int64_t* row_numbers = out.data<int64_t>();
    int64_t* column_numbers = row_numbers + total;
    for (int64_t r = 0; r < rows; ++r) {
        auto [from, to] = bounds(r);
        for (int64_t c = from; c < to; ++c) {
            *row_numbers++ = r;
            *column_numbers++ = c;
        }
    }
    return out;
}

template <bool Upper>
PyObject* triangle(PyObject*, PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&]() -> PyObject* {
        Call call(Upper ? "triu_indices" : "tril_indices", {"row", "col", "offset"},
                  kTensorKeywords, args, nargs, kwnames);
        Tensor t = triangle_indices(call.integer(0), call.integer(1), call.integer(2, 0), Upper,
                                    call.options().dtype.value_or(DType::Int64));
        return wrap(finish_new(t, false));
    });
}

PyObject* is_view(PyObject* self, PyObject*) {
    return PyBool_FromLong(impl_of(self)->flags & kView);
}

PyObject* reversed(PyObject* self, PyObject*) {
    return guarded([&]() -> PyObject* {
        if (impl_of(self)->ndim == 0) return Py_NewRef(self);
        return wrap(ops::flip(tensor_of(self), {0}));
    });
}

#define CHAINRULE_METHOD(name, function, doc) {name, method(function), kFlags, doc}
PyMethodDef methods[] = {
    {"__reversed__", reversed, METH_NOARGS, "The entries of the first dimension from the last."},
    {"_is_view", is_view, METH_NOARGS, "Whether the tensor looks into the memory of another."},
    CHAINRULE_METHOD("index_put_", index_put, "Writes, or adds, values at self[indices]."),
    CHAINRULE_METHOD("index_add_", index_add, "In-place index_add."),
    CHAINRULE_METHOD("index_copy_", index_copy, "In-place index_copy."),
    CHAINRULE_METHOD("index_fill_", index_fill, "In-place index_fill."),
    CHAINRULE_METHOD("scatter_", scatter, "In-place scatter."),
    CHAINRULE_METHOD("scatter_add_", scatter_add, "In-place scatter_add."),
    CHAINRULE_METHOD("masked_scatter_", masked_scatter, "In-place masked_scatter."),
    CHAINRULE_METHOD("tril_", tril, "In-place tril."),
    CHAINRULE_METHOD("triu_", triu, "In-place triu."),
    CHAINRULE_METHOD("nonzero", as_method<nonzero>,
                     "nonzero(*, as_tuple=False): where the elements that are not zero stand, one "
                     "row each, or a tensor for each dimension."),
    CHAINRULE_METHOD(
        "unique", as_method<unique>,
        "unique(sorted=True, return_inverse=False, return_counts=False): the different "
        "elements in increasing order."),
    {nullptr, nullptr, 0, nullptr},
};
PyMethodDef functions[] = {
    CHAINRULE_METHOD("nonzero", as_function<nonzero>,
                     "nonzero(input, *, as_tuple=False): where the elements that are not zero "
                     "stand, one row each, or a tensor for each dimension."),
    CHAINRULE_METHOD("unique", as_function<unique>,
                     "unique(input, sorted=True, return_inverse=False, return_counts=False): the "
                     "different elements in increasing order."),
    CHAINRULE_METHOD("tril_indices", triangle<false>,
                     "tril_indices(row, col, offset=0): places on and below a diagonal."),
    CHAINRULE_METHOD("triu_indices", triangle<true>,
                     "triu_indices(row, col, offset=0): places on and above a diagonal."),
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void init_indexing(PyObject* module) {
    add_tensor_methods(methods);
    add_functions(module, functions);
}

}  // namespace chainrule::bind
