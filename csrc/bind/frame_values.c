/* Reads variables out of frames. Up to 3.13 from the interpreter's own frame, whose layout is fixed
   within one minor version; from 3.14 on by public calls, which show no temporaries. C because
   CPython's internal headers are not C++. */
#define Py_BUILD_CORE_MODULE 1
#include <Python.h>

#include "frame_values.h"

#if PY_VERSION_HEX < 0x030E0000
#include "internal/pycore_frame.h"

int chainrule_visit_frame(PyObject* object, chainrule_visit_value visit, void* arg) {
    struct _PyInterpreterFrame* frame = ((PyFrameObject*)object)->f_frame;
#if PY_VERSION_HEX >= 0x030D0000
    PyCodeObject* code = _PyFrame_GetCode(frame);
    PyObject* function = frame->f_funcobj;
#elif PY_VERSION_HEX >= 0x030C0000
    PyCodeObject* code = frame->f_code;
    PyObject* function = frame->f_funcobj;
#else
    PyCodeObject* code = frame->f_code;
    PyObject* function = (PyObject*)frame->f_func;
#endif
    int variables = code->co_nlocalsplus;
    for (int i = 0; i < variables; ++i) {
        PyObject* value = frame->localsplus[i];
        if (!value) continue;
        int cell = PyCell_Check(value);
        PyObject* name = PyTuple_GET_ITEM(code->co_localsplusnames, i);
        visit(cell ? CHAINRULE_FRAME_CELL : CHAINRULE_FRAME_LOCAL, name, value, arg);
    }
    for (int i = variables; i < frame->stacktop; ++i) {
        PyObject* value = frame->localsplus[i];
        if (value) visit(CHAINRULE_FRAME_STACK, NULL, value, arg);
    }
    if (function) visit(CHAINRULE_FRAME_FUNCTION, NULL, function, arg);
    if (frame->f_locals && frame->f_locals != frame->f_globals) {
        visit(CHAINRULE_FRAME_LOCALS, NULL, frame->f_locals, arg);
    }
    if (frame->f_globals) visit(CHAINRULE_FRAME_GLOBALS, NULL, frame->f_globals, arg);
    return 0;
}

#else

int chainrule_visit_frame(PyObject* object, chainrule_visit_value visit, void* arg) {
    PyFrameObject* frame = (PyFrameObject*)object;
    PyObject* globals = PyFrame_GetGlobals(frame);
    PyObject* locals = PyFrame_GetLocals(frame);
    int failed = !globals || !locals;
    if (!failed && locals != globals && PyDict_Check(locals)) {
        visit(CHAINRULE_FRAME_LOCALS, NULL, locals, arg);
    } else if (!failed && locals != globals) {
        /* Of a function: a proxy; the list of its items is made anew, the values are the frame's
           own, so the references outlive the list. */
        PyObject* items = PyMapping_Items(locals);
        failed = !items;
        for (Py_ssize_t i = 0; items && i < PyList_GET_SIZE(items); ++i) {
            PyObject* pair = PyList_GET_ITEM(items, i);
            visit(CHAINRULE_FRAME_LOCAL, PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1), arg);
        }
        Py_XDECREF(items);
    }
    if (!failed) visit(CHAINRULE_FRAME_GLOBALS, NULL, globals, arg);
    Py_XDECREF(globals);
    Py_XDECREF(locals);
    return failed ? -1 : 0;
}

#endif
