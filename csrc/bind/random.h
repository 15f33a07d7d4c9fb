#pragma once

#include "bind/python.h"
#include "kernels/cpu/random.h"

namespace chainrule::bind {

// The generator inside a torch.Generator; TypeError for other objects.
cpu::Generator& generator_from(PyObject* object);

// normal_, uniform_ and their kind: tensor methods, added by init_random.
extern PyMethodDef random_inplace_methods[];

}  // namespace chainrule::bind
