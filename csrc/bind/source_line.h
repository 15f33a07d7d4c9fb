/* Where Python is now: code object and instruction of the innermost frame that counts as the
 * user's. */
#pragma once

#include <Python.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Non-zero when frames of this code object are to be skipped (code that belongs to the package). */
typedef int (*chainrule_is_internal)(PyCodeObject* code);

/* Sets the predicate; NULL skips nothing. Called once, under the GIL. */
void chainrule_set_internal_code(chainrule_is_internal predicate);

/* Gives the code object (borrowed) and the byte offset of the instruction that runs now, for
   PyCode_Addr2Line. Walks outwards past internal frames; if all are internal, gives the outermost.
   Returns 0, touching nothing, when no Python frame runs in this thread. Needs the GIL; allocates
   nothing, creates no frame object, raises nothing. */
int chainrule_current_location(PyObject** code_borrowed, int* lasti_bytes);

/* The offset that stands for a call in every run of it: Python 3.11 runs a call at its PRECALL or,
   before it is specialised, at the CALL that follows; this gives the latter. */
int chainrule_settled_offset(PyCodeObject* code, int offset);

/* Non-zero when the innermost Python frame is at a call or binary operation and holds `object` on
   its value stack but in no local variable. With a reference count of one: a temporary that the
   running instruction consumes. */
int chainrule_is_on_value_stack(PyObject* object);

#ifdef __cplusplus
}
#endif
