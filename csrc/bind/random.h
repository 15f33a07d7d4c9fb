#pragma once

#include "bind/python.h"
#include "kernels/cpu/random.h"

namespace chainrule::bind {

// The generator inside a torch.Generator; TypeError for other objects.
cpu::Generator& generator_from(PyObject* object);

// The parts of init_random that stand in files of their own.
void init_generator(PyObject* module);
extern PyMethodDef random_inplace_methods[];  // normal_, uniform_ and their kind

}  // namespace chainrule::bind
