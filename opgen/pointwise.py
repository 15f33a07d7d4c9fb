"""C++ of the pointwise operators: loops, descriptors, callable functions."""

from __future__ import annotations

import re

from opgen import formula, notation
from opgen.table import Operator, Param, TableError

ALL_DTYPES = {"f": ["float", "double"], "i": ["int64_t"], "b": ["bool"]}


def kernel_dtypes(o: Operator) -> list[str]:
    letters = o.dtypes or ("f" if o.result == "float" else "fib")
    return [t for letter in letters for t in ALL_DTYPES[letter]]


def _functor(o: Operator, label: str, args: list[str], text: str) -> list[str]:
    numbers = [p.name for p in o.numbers]
    used = [n for n in numbers if n in formula.names(text)]
    members = "".join(f"    const T {n};\n" for n in used)
    init = ", ".join(f"{n}(p[{numbers.index(n)}].template as<T>())" for n in used)
    head = f"    explicit {label}(const KernelParam*{' p' if used else ''})"
    signature = ", ".join(f"T {a}" for a in args)
    expression = formula.scalar(text, set(numbers))
    inline = "    inline __attribute__((always_inline)) auto"
    body = [f"{inline} operator()({signature}) const {{ return {expression}; }}"]
    if formula.calls(text) & {"sin", "cos", "tan"}:
        # The loop chooses between the vectorised functions and those for any angle.
        expression = re.sub(r"\b(sin|cos|tan)\(", r"Trig::\1(", expression)
        body = [
            f"    template <class Trig>{inline[3:]} with({signature}) const "
            f"{{ return {expression}; }}",
            f"{inline} operator()({signature}) const "
            f"{{ return with<FastTrig>({', '.join(args)}); }}",
        ]
    return [
        f"// {o.where} {o.name}: {text}",
        "template <class T>",
        f"struct {label} {{",
        members + f"{head}{' : ' + init if init else ''} {{}}",
        *body,
        "};",
    ]


def _reads(o: Operator, text: str, extra: tuple[str, ...] = ("out",)) -> list[str]:
    """Operands a formula names, in the order that kernels receive them."""
    used = formula.names(text)
    known = {p.name for p in o.params} | {"grad", "out"} | set(formula.CONSTANTS)
    unknown = used - known
    if unknown:
        raise TableError(f"{o.where}: {o.name}: formula {text!r} names {sorted(unknown)}")
    return [p.name for p in o.tensors if p.name in used] + [e for e in extra if e in used]


def loops(operators: list[Operator]) -> str:
    """A translation unit that is compiled once per instruction set."""
    lines = [
        '#include "kernels/cpu/pointwise_loop.h"',
        "",
        "#include <limits>",
        "",
        "namespace chainrule::cpu {",
        "inline namespace CHAINRULE_ISA {",
        "using namespace math;",
    ]
    tables: list[tuple[str, str]] = []
    for o in operators:
        args = [p.name for p in o.tensors]
        label = f"{o.cname}_forward"
        lines += ["namespace {", *_functor(o, label, args, o.forward), "}  // namespace"]
        predicate = "true" if o.result == "bool" else "false"
        types = ", ".join(kernel_dtypes(o))
        tables.append((label, f"make_loop_table<{label}, {len(args)}, {predicate}, {types}>()"))
        for name, text in o.vjp.items():
            if text in (None, "grad", "0"):
                continue
            label = f"{o.cname}_vjp_{name}"
            inputs = ["grad", *_reads(o, text)]
            lines += ["namespace {", *_functor(o, label, inputs, text), "}  // namespace"]
            tables.append(
                (label, f"make_loop_table<{label}, {len(inputs)}, false, float, double>()")
            )
    for label, expression in tables:
        lines.append(f"extern const LoopTable table_{label};")
        lines.append(f"constinit const LoopTable table_{label} = {expression};")
    lines += ["}  // namespace CHAINRULE_ISA", "}  // namespace chainrule::cpu", ""]
    return "\n".join(lines)


def _kernel(label: str) -> str:
    return f"CHAINRULE_KERNEL({label})"


def descriptor(o: Operator) -> list[str]:
    """The PointwiseOp of a row."""
    tensors = [p.name for p in o.tensors]
    numbers = [p.name for p in o.numbers]
    out: list[str] = [f"// {o.where}"]
    entries: list[str] = []
    for p in o.tensors:
        text = o.vjp.get(p.name)
        if text is None:
            entries.append("{}")
            continue
        if text == "grad":
            entries.append('{.kind = PointwiseVjp::Kind::Identity, .formula = "g"}')
            continue
        if text == "0":
            entries.append('{.kind = PointwiseVjp::Kind::Zero, .formula = "0"}')
            continue
        reads = _reads(o, text)
        uses = " | ".join("kUsesOut" if r == "out" else f"1 << {tensors.index(r)}" for r in reads)
        used_numbers = [n for n in numbers if n in formula.names(text)]
        identity = -1
        for n in used_numbers:
            # `grad * alpha` is the gradient itself while alpha keeps its default of 1.
            if text.replace(" ", "") in (f"grad*{n}", f"{n}*grad"):
                identity = numbers.index(n)
        rename = {"grad": "a.grad", "out": "a.out"}
        rename |= {t: f"a.operands[{i}]" for i, t in enumerate(tensors)}
        rename |= {n: f"Value(a.params[{i}])" for i, n in enumerate(numbers)}
        rename |= {f"{c}()": f"value_ops::{c}" for c in formula.calls(text)}
        function = f"{o.cname}_differentiable_{p.name}"
        out += [
            f"Value {function}(const FormulaArgs& a) {{",
            f"    return {formula.value(text, rename)};",
            "}",
        ]
        entries.append(
            "{.kind = PointwiseVjp::Kind::Formula, "
            f".uses = static_cast<uint8_t>({uses or 0}), "
            f".uses_params = {'true' if used_numbers else 'false'}, "
            f".identity_param = {identity}, "
            f".kernel = {_kernel(f'{o.cname}_vjp_{p.name}')}, "
            f".differentiable = {function}, .formula = {notation.literal(text)}}}"
        )
    result = {"same": "Same", "float": "Float", "bool": "Bool"}[o.result]
    differentiable = o.kind != "nondifferentiable" and any(o.vjp.values())
    out += [
        "}  // namespace",
        f"extern const PointwiseOp {o.cname}_op;",
        f"constinit const PointwiseOp {o.cname}_op = {{",
        f'    .name = "{o.name}",',
        f'    .inplace_name = "{o.name}_",',
        f'    .node_name = "{o.node_name}",',
        f'    .row = "{o.where}",',
        f"    .num_operands = {len(tensors)},",
        f"    .num_params = {len(numbers)},",
        f"    .result = ResultKind::{result},",
        f"    .differentiable = {'true' if differentiable else 'false'},",
        "    .operand_names = {" + ", ".join(f'"{t}"' for t in tensors) + "},",
        "    .param_names = {" + ", ".join(f'"{n}"' for n in numbers) + "},",
        f"    .forward = {_kernel(f'{o.cname}_forward')},",
        "    .vjp = {" + ", ".join(entries) + "},",
        "};",
        "namespace {",
    ]
    return out


def declarations(o: Operator) -> list[str]:
    """Prototype for ops.h: tensors may be numbers."""
    operands = [f"const Operand& {p.name}" for p in o.tensors]
    params = [f"const Scalar& {p.name}" + _default(p) for p in o.numbers]
    numbers = ", ".join([p.name for p in o.numbers] or ["Scalar()"])
    return [
        f"extern const PointwiseOp {o.cname}_op;",
        f"inline Tensor {o.cname}({', '.join(operands + params)}) {{",
        f"    const Operand operands[] = {{{', '.join(p.name for p in o.tensors)}}};",
        f"    const Scalar params[] = {{{numbers}}};",
        f"    return pointwise({o.cname}_op, operands, params);",
        "}",
    ]


def _default(p: Param) -> str:
    if p.default is None:
        return ""
    text = {"True": "Scalar::boolean(true)", "False": "Scalar::boolean(false)"}.get(
        p.default, p.default
    )
    if text == "None":
        return " = Scalar()"
    return f" = Scalar({text})"


def value_functions(o: Operator) -> list[str]:
    """The operator over `Value`, for differentiable formulas."""
    names = [p.name for p in o.params]
    args = ", ".join(
        f"const Value& {p.name}" + (f" = Value({p.default})" if p.default else "") for p in o.params
    )
    operands = ", ".join(f"&{p.name}" for p in o.tensors)
    params = ", ".join(f"{p.name}.scalar()" for p in o.numbers) or "Scalar()"
    if not names:
        return []
    return [
        f"inline Value {o.cname}({args}) {{",
        f"    const Value* operands[] = {{{operands}}};",
        f"    const Scalar params[] = {{{params}}};",
        f"    return apply_to_values({o.cname}_op, operands, params);",
        "}",
    ]
