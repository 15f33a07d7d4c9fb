#pragma once

#include "bind/python.h"
#include "bind/source_line.h"

namespace chainrule::bind {

// A place in a program as chainrule.graph.Location takes it: (code object, byte offset of the
// instruction, line), the same for every run of the place.
inline PyRef place_object(void* code, int instruction) {
    auto* object = static_cast<PyCodeObject*>(code);
    int offset = chainrule_settled_offset(object, instruction);
    return checked(Py_BuildValue("(Oii)", object, offset, PyCode_Addr2Line(object, offset)));
}

}  // namespace chainrule::bind
