"""C++ that makes the operators callable from Python.

One C function per Python name tries the name's rows (overloads) in the order of the table.
"""

from __future__ import annotations

from opgen import general
from opgen.table import Operator, Param

GETTERS = {
    "Tensor": "a.tensor({i})",
    "Tensor?": "a.optional_tensor({i})",
    "Tensor[]": "a.tensors({i})",
    "Scalar": "a.scalar({i}, {d})",
    "Scalar?": "a.optional_scalar({i})",
    "int": "a.integer({i}, {d})",
    "int?": "a.optional_integer({i})",
    "float": "a.number({i}, {d})",
    "float?": "a.optional_number({i})",
    "bool": "a.flag({i}, {d})",
    "int[]": "a.dims({i}, {d})",
    "int[]?": "a.optional_dims({i})",
    "dtype?": "a.optional_dtype({i})",
    "str": "a.text({i}, {d})",
    "str?": "a.optional_text({i})",
}
SPEC_TYPES = {
    "Tensor": "Tensor", "Tensor?": "OptionalTensor", "Tensor[]": "TensorList",
    "Scalar": "Number", "Scalar?": "OptionalNumber", "int": "Int", "int?": "OptionalInt",
    "float": "Float", "float?": "OptionalFloat", "bool": "Bool", "int[]": "IntList",
    "int[]?": "OptionalIntList", "dtype?": "OptionalDType", "str": "Str", "str?": "OptionalStr",
}  # fmt: skip


def _default(p: Param) -> str:
    if p.default is None:
        return {
            "Scalar": "Scalar()", "int": "0", "float": "0", "bool": "false", "int[]": "Dims{}",
            "str": '""',
        }.get(p.type, "")  # fmt: skip
    if p.type == "int[]":
        return "Dims{" + p.default.strip("()[] ").rstrip(",") + "}"
    if p.type == "bool":
        return p.default.lower()
    if p.type == "Scalar":
        inner = {"True": "Scalar::boolean(true)", "False": "Scalar::boolean(false)"}
        return inner.get(p.default, f"Scalar({p.default})")
    if p.type == "str":
        return '"' + p.default.strip("'\"") + '"'
    return p.default


def python_signature(o: Operator) -> str:
    """How an error message writes the signature: torch's `(Tensor input, int dim)` style."""
    parts = []
    star = False
    for p in o.params:
        if p.keyword_only and not star:
            parts.append("*")
            star = True
        name = "input" if p.name == "self" else p.name
        parts.append(f"{p.type} {name}" + (f"={p.default}" if p.default is not None else ""))
    return f"({', '.join(parts)})"


def takes_number(o: Operator, i: int) -> bool:
    """Whether parameter i is an operand for which a number may stand."""
    p = o.params[i]
    if not o.pointwise or p.type != "Tensor":
        return False
    if i == 0 and o.number_self:
        return True
    return i > 0 if o.number_operands is None else p.name in o.number_operands


def _signature(o: Operator) -> list[str]:
    specs = []
    for i, p in enumerate(o.params):
        kind = SPEC_TYPES[p.type]
        if takes_number(o, i):
            kind = "TensorOrNumber"
        has_default = "true" if p.default is not None else "false"
        keyword = "true" if p.keyword_only else "false"
        specs.append(f'{{"{p.name}", ParamType::{kind}, {has_default}, {keyword}}}')
    name = f"params_{o.cname}"
    count = len(o.params)
    body = ", ".join(specs) or '{"", ParamType::Int, true, true}'
    return [
        f"const ParamSpec {name}[] = {{{body}}};",
        f'const Signature signature_{o.cname} = {{"{o.name}", {name}, {count}, '
        f'"{python_signature(o)}"}};',
    ]


def _arguments(o: Operator) -> str:
    parts = []
    for i, p in enumerate(o.params):
        if o.pointwise and p.is_tensor:
            parts.append(f"a.operand({i})")
        elif o.pointwise:
            parts.append(f"a.scalar({i}, {_default(p)})")
        else:
            parts.append(GETTERS[p.type].format(i=i, d=_default(p)))
    return ", ".join(parts)


def _checks(o: Operator) -> str:
    """Statements that refuse arguments of right types but wrong forms."""
    names = [p.name for p in o.params]
    if not o.mask:
        return ""
    text = f'check_mask("{o.name}", a.operand({names.index(o.mask)})); '
    if o.name == "masked_fill":
        text += f"check_fill_value(a.operand({names.index('value')})); "
    return text


def _call(o: Operator) -> str:
    return _checks(o) + _plain_call(o)


def _plain_call(o: Operator) -> str:
    if o.pointwise and len(o.tensors) + len(o.numbers) == len(o.params):
        operands = ", ".join(f"a.operand({i})" for i, p in enumerate(o.params) if p.is_tensor)
        params = ", ".join(
            f"a.scalar({i}, {_default(p)})" for i, p in enumerate(o.params) if not p.is_tensor
        )
        return (
            f"return call_pointwise(ops::{o.cname}_op, a, {{{operands}}}, "
            f"{{{params or 'Scalar()'}}});"
        )
    if len(o.returns) > 1:
        return f"return wrap_named(fields_{o.cname}, ops::{o.cname}({_arguments(o)}));"
    return f"return wrap_result(ops::{o.cname}({_arguments(o)}));"


def _inplace_call(o: Operator) -> str:
    if o.inplace == "geometry":
        return (
            f'check_inplace(*a.tensor(0), "{o.name}_"); '
            f"take_geometry(a.tensor(0), ops::{o.cname}({_arguments(o)})); "
            "return Py_NewRef(a.value(0));"
        )
    if not o.pointwise:
        first, _, rest = _arguments(o).partition(", ")
        assert first == "a.tensor(0)", o.where
        arguments = "before" + (f", {rest}" if rest else "")
        return (
            f'Tensor before = value_before(a.tensor(0), "{o.name}_"); '
            f'assign_inplace(a.tensor(0), ops::{o.cname}({arguments}), "{o.name}_"); '
            "return Py_NewRef(a.value(0));"
        )
    operands = ", ".join(f"a.operand({i})" for i, p in enumerate(o.params) if p.is_tensor)
    params = ", ".join(
        f"a.scalar({i}, {_default(p)})" for i, p in enumerate(o.params) if not p.is_tensor
    )
    return _checks(o) + (
        f"return call_pointwise_inplace(ops::{o.cname}_op, a, {{{operands}}}, "
        f"{{{params or 'Scalar()'}}});"
    )


def has_inplace(o: Operator) -> bool:
    if o.inplace is not None:
        return bool(o.inplace)
    if o.name.startswith("_"):
        return False
    return o.pointwise and o.result != "bool" and not o.overload


def family(name: str, operators: list[Operator]) -> str:
    """Bindings of the Python names that a family declares first."""
    groups: dict[str, list[Operator]] = {}
    for o in operators:
        groups.setdefault(o.name, []).append(o)
    own = {n: g for n, g in groups.items() if g[0].family == name}
    lines = [
        '#include "bind/generated_support.h"',
        "",
        "namespace chainrule::bind {",
        "namespace {",
    ]
    methods: list[str] = []
    functions: list[str] = []
    results: list[str] = []
    for python_name, group in own.items():
        for o in group:
            lines.append(f"// {o.where}")
            lines += _signature(o)
            if len(o.returns) > 1:
                labels = ", ".join(f'"{label}"' for _, label in o.returns)
                if not o.name.startswith("_"):
                    results.append(f"&fields_{o.cname}")
                lines.append(
                    f'ResultFields fields_{o.cname} = {{"{o.name}", {{{labels}}}, '
                    f"{len(o.returns)}, nullptr}};"
                )
        lines += _function(f"py_{python_name}", group, [_call(o) for o in group])
        names = [python_name, *group[0].aliases]
        doc = f"doc_{python_name}"
        lines += _doc(doc, group)
        c_name = f"py_{python_name}"
        for n in names:
            if any(o.method for o in group):
                methods.append(f'{{"{n}", method(as_method<{c_name}>), kFlags, {doc}}},')
            if any(o.function for o in group):
                functions.append(f'{{"{n}", method(as_function<{c_name}>), kFlags, {doc}}},')
        changing = [o for o in group if has_inplace(o)]
        if changing:
            lines += _function(
                f"py_{python_name}_inplace", changing, [_inplace_call(o) for o in changing]
            )
            for n in names:
                methods.append(
                    f'{{"{n}_", method(as_method<py_{python_name}_inplace>), kFlags, {doc}}},'
                )
                if changing[0].kind == "elementwise" and changing[0].function:
                    functions.append(
                        f'{{"{n}_", method(as_function<py_{python_name}_inplace>), kFlags, {doc}}},'
                    )
    lines += [
        "PyMethodDef methods[] = {",
        *[f"    {m}" for m in methods],
        "    {nullptr, nullptr, 0, nullptr}};",
        "PyMethodDef functions[] = {",
        *[f"    {f}" for f in functions],
        "    {nullptr, nullptr, 0, nullptr}};",
        f"ResultFields* const results[] = {{{', '.join([*results, 'nullptr'])}}};",
        "}  // namespace",
        f"ResultFields* const* results_{name}() {{ return results; }}",
        f"PyMethodDef* methods_{name}() {{ return methods; }}",
        f"PyMethodDef* functions_{name}() {{ return functions; }}",
        "}  // namespace chainrule::bind",
        "",
    ]
    return "\n".join(lines)


def _function(label: str, group: list[Operator], calls: list[str]) -> list[str]:
    signatures = ", ".join(f"&signature_{o.cname}" for o in group)
    lines = [
        f"PyObject* {label}(PyObject* self, PyObject* const* args, Py_ssize_t nargs,",
        "    PyObject* kwnames) {",
        "    return guarded([&]() -> PyObject* {",
        "        Arguments a;",
    ]
    for o, call in zip(group, calls, strict=True):
        # A row that is a function only is no overload of another row's method.
        form = "!self && " if not o.method and any(other.method for other in group) else ""
        lines.append(
            f"        if ({form}a.bind(signature_{o.cname}, self, args, nargs, kwnames)) {{"
        )
        lines.append(f"            {call}")
        lines.append("        }")
    lines += [
        f"        return no_match({{{signatures}}}, self, args, nargs, kwnames);",
        "    });",
        "}",
    ]
    return lines


def _doc(label: str, group: list[Operator]) -> list[str]:
    texts = []
    for o in group:
        texts.append(f"{o.name}{python_signature(o)}\\n\\n{o.doc}")
    joined = "\\n\\n".join(texts).replace('"', '\\"').replace("\n", "\\n")
    return [f'const char {label}[] = "{joined}";']


def registry(families: list[str]) -> str:
    lines = ['#include "bind/generated_support.h"', "", "namespace chainrule::bind {"]
    for f in families:
        lines += [f"PyMethodDef* methods_{f}();", f"PyMethodDef* functions_{f}();"]
        lines.append(f"ResultFields* const* results_{f}();")
    for kind in ("methods", "functions"):
        lines += [
            f"const std::vector<PyMethodDef*>& generated_{kind}() {{",
            "    static const std::vector<PyMethodDef*> all = {"
            + ", ".join(f"{kind}_{f}()" for f in families)
            + "};",
            "    return all;",
            "}",
        ]
    lines += [
        "std::vector<ResultFields*> generated_results() {",
        "    std::vector<ResultFields*> all;",
        "    for (ResultFields* const* list : {"
        + ", ".join(f"results_{f}()" for f in families)
        + "}) {",
        "        for (; *list; ++list) all.push_back(*list);",
        "    }",
        "    return all;",
        "}",
        "}  // namespace chainrule::bind",
        "",
    ]
    return "\n".join(lines)


__all__ = ["family", "general", "has_inplace", "python_signature", "registry"]
