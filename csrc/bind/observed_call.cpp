#include "bind/observed_call.h"

#include "autograd/observer.h"
#include "bind/tensor_object.h"

namespace chainrule::bind {

PyObject* call_observed(const char* name, Shown how, FastCall function, PyObject* self,
                        PyObject* const* args, Py_ssize_t nargs, PyObject* kwnames) {
    return guarded([&]() -> PyObject* {
        ObservedOp op{name, "", {}};
        op.quiet = true;
        Tensor own = self && is_tensor(self) ? tensor_of(self) : Tensor();
        if (own) op.inputs.add(own);
        if (how == Shown::Overwritten) op.changes = 1;
        for (Py_ssize_t i = 0; i < nargs; ++i) {
            if (is_tensor(args[i])) op.inputs.add(impl_of(args[i]));
        }
        Observation seen(std::move(op));
        PyRef result = checked(function(self, args, nargs, kwnames));
        ObservedTensors outputs;
        if (is_tensor(result.get())) outputs.add(impl_of(result.get()));
        seen.end(outputs);
        return result.leak();
    });
}

}  // namespace chainrule::bind
