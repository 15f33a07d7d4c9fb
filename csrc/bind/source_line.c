/* Reads the interpreter's own frames: PyEval_GetFrame would allocate a frame object per Python
   call. This is the only file that sees CPython's internal headers; it is C because they are not
   C++. The struct's layout is fixed within one minor version (3.11.x, 3.12.x, ...), as wheels are.
 */
#define Py_BUILD_CORE_MODULE 1
#include <Python.h>

#include "source_line.h"

#if PY_VERSION_HEX < 0x030B0000
#error "Python 3.11 or later is needed"
#elif PY_VERSION_HEX >= 0x030E0000
#include "internal/pycore_interpframe.h"
#else
#include "internal/pycore_frame.h"
#endif

/* Frames owned by the C stack (3.12, 3.13) or the interpreter (3.14) run no user code: 3 and above.
 */
enum { FIRST_OWNER_WITHOUT_CODE = 3 };

static chainrule_is_internal is_internal = NULL;

/* Answers of the predicate are kept by code object: a small direct-mapped table, one comparison per
   question, as this runs at every recorded operation. The code objects in it are held, so that an
   address cannot come to mean another code. */
static struct {
    PyCodeObject* code;
    int internal;
} answers[256];

static int ask_and_keep(PyCodeObject* code, size_t at) {
    PyCodeObject* old = answers[at].code;
    answers[at].internal = is_internal && is_internal(code);
    Py_INCREF(code);
    answers[at].code = code;
    Py_XDECREF(old);
    return answers[at].internal;
}

static inline int is_skipped(PyCodeObject* code) {
    const size_t at = ((uintptr_t)code >> 5) & 255;
    return __builtin_expect(answers[at].code == code, 1) ? answers[at].internal
                                                         : ask_and_keep(code, at);
}

void chainrule_set_internal_code(chainrule_is_internal predicate) { is_internal = predicate; }

static inline struct _PyInterpreterFrame* innermost_frame(void) {
#if PY_VERSION_HEX >= 0x030D0000
    return PyThreadState_GetUnchecked()->current_frame;
#else
    /* 3.11 and 3.12 keep the frame in the C-stack record of the thread. */
    return PyThreadState_Get()->cframe->current_frame;
#endif
}

static inline PyCodeObject* code_of(struct _PyInterpreterFrame* frame) {
#if PY_VERSION_HEX >= 0x030D0000
    return _PyFrame_GetCode(frame);
#else
    return frame->f_code;
#endif
}

int chainrule_current_location(PyObject** code_borrowed, int* lasti_bytes) {
    struct _PyInterpreterFrame* found = NULL;
    for (struct _PyInterpreterFrame* frame = innermost_frame(); frame; frame = frame->previous) {
        if (frame->owner >= FIRST_OWNER_WITHOUT_CODE) continue;
        found = frame;
        if (!is_skipped(code_of(frame))) break;
    }
    if (!found) return 0;
    *code_borrowed = (PyObject*)code_of(found);
    *lasti_bytes = _PyInterpreterFrame_LASTI(found) * (int)sizeof(_Py_CODEUNIT);
    return 1;
}

#if PY_VERSION_HEX < 0x030C0000
#include <opcode.h>
#endif

int chainrule_settled_offset(PyCodeObject* code, int offset) {
#if PY_VERSION_HEX < 0x030C0000
    PyObject* bytes = PyCode_GetCode(code);
    if (!bytes) {
        PyErr_Clear();
        return offset;
    }
    /* The instruction and its one cache entry. */
    enum { SIZE = 2 * sizeof(_Py_CODEUNIT) };
    const int known = offset >= 0 && offset < PyBytes_GET_SIZE(bytes);
    if (known && (unsigned char)PyBytes_AS_STRING(bytes)[offset] == PRECALL) offset += SIZE;
    Py_DECREF(bytes);
#else
    (void)code;
#endif
    return offset;
}

#if PY_VERSION_HEX < 0x030E0000
#include <opcode.h>

static int consumes_operands(PyCodeObject* code, int offset) {
    /* PyCode_GetCode undoes the interpreter's specialisation; it keeps its result. */
    PyObject* bytes = PyCode_GetCode(code);
    if (!bytes) {
        PyErr_Clear();
        return 0;
    }
    unsigned char op = (unsigned char)PyBytes_AS_STRING(bytes)[offset];
    Py_DECREF(bytes);
    if (op == BINARY_OP || op == CALL) return 1;
#ifdef PRECALL
    if (op == PRECALL) return 1;
#endif
    return 0;
}

int chainrule_is_on_value_stack(PyObject* object) {
    struct _PyInterpreterFrame* frame = innermost_frame();
    while (frame && frame->owner >= FIRST_OWNER_WITHOUT_CODE) frame = frame->previous;
    if (!frame) return 0;
    PyCodeObject* code = code_of(frame);
    int lasti = _PyInterpreterFrame_LASTI(frame) * (int)sizeof(_Py_CODEUNIT);
    if (lasti < 0 || !consumes_operands(code, lasti)) return 0;
    PyObject** slots = (PyObject**)frame->localsplus;
    for (int i = 0; i < code->co_nlocalsplus; ++i) {
        if (slots[i] == object) return 0;
    }
    for (int i = 0; i < code->co_stacksize; ++i) {
        if (slots[code->co_nlocalsplus + i] == object) return 1;
    }
    return 0;
}
#else
int chainrule_is_on_value_stack(PyObject* object) {
    return PyUnstable_Object_IsUniqueReferencedTemporary(object);
}
#endif
