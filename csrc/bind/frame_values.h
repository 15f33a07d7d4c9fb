/* The variables and temporaries of a running or suspended Python frame. */
#pragma once

#include <Python.h>

#ifdef __cplusplus
extern "C" {
#endif

enum chainrule_frame_value {
    CHAINRULE_FRAME_LOCAL,   /* `name` is the variable */
    CHAINRULE_FRAME_CELL,    /* the same, and `value` is the cell that holds it */
    CHAINRULE_FRAME_STACK,   /* a temporary of the interpreter; no name */
    CHAINRULE_FRAME_LOCALS,  /* the dict of a class body or of exec, or what locals() made */
    CHAINRULE_FRAME_GLOBALS, /* the dict of the module */
    CHAINRULE_FRAME_FUNCTION /* the function that runs */
};

typedef void (*chainrule_visit_value)(enum chainrule_frame_value kind, PyObject* name,
                                      PyObject* value, void* arg);

/* Shows what a frame object refers to; all references are borrowed. Unlike `frame.f_locals`, which
   before 3.13 leaves a dict behind that keeps the values alive, it changes nothing. Temporaries are
   known where the frame waits for another Python frame, not during a call into C.
   Returns -1 with an exception set where the frame could not be read. */
int chainrule_visit_frame(PyObject* frame, chainrule_visit_value visit, void* arg);

#ifdef __cplusplus
}
#endif
