"""C++ of the operators that are not pointwise: nodes, recording, forward mode."""

from __future__ import annotations

from opgen import formula, notation
from opgen.table import Operator, Param, TableError

# How a parameter is passed, and how a node keeps it.
PASSED = {
    "Tensor": "const Tensor&",
    "Tensor?": "const Tensor&",
    "Tensor[]": "const std::vector<Tensor>&",
    "Scalar": "const Scalar&",
    "Scalar?": "const std::optional<Scalar>&",
    "int": "int64_t",
    "int?": "const std::optional<int64_t>&",
    "float": "double",
    "float?": "const std::optional<double>&",
    "bool": "bool",
    "int[]": "const Dims&",
    "int[]?": "const std::optional<Dims>&",
    "dtype?": "const std::optional<DType>&",
    "str": "const std::string&",
    "str?": "const std::optional<std::string>&",
}
DEFAULTS = {"None": "std::nullopt", "True": "true", "False": "false"}
ATTRIBUTES = {
    "shape": ("Dims", "{}.shape()"),
    "dtype": ("DType", "{}.dtype()"),
    "ndim": ("int64_t", "{}.dim()"),
    "strides": ("Dims", "{}.strides()"),
    "offset": ("int64_t", "{}.offset()"),
    "numel": ("int64_t", "{}.numel()"),
    "shapes": ("std::vector<Dims>", "shapes_of({})"),
}


def stored(p: Param) -> str:
    text = PASSED[p.type]
    return text.removeprefix("const ").removesuffix("&")


def return_type(o: Operator) -> str:
    kinds = [kind for kind, _ in o.returns]
    if kinds == ["Tensor"]:
        return "Tensor"
    if kinds == ["Tensor[]"]:
        return "std::vector<Tensor>"
    if all(k == "Tensor" for k in kinds):
        return "std::tuple<" + ", ".join(kinds) + ">"
    native = {"bool": "bool", "int": "int64_t", "float": "double", "Scalar": "Scalar"}
    if len(kinds) == 1 and kinds[0] in native:
        return native[kinds[0]]
    raise TableError(f"{o.where}: {o.name}: cannot return {kinds}")


def parameters(o: Operator, defaults: bool) -> str:
    parts = []
    for p in o.params:
        text = f"{PASSED[p.type]} {p.name}"
        if defaults and p.default is not None:
            value = DEFAULTS.get(p.default, p.default)
            if p.type.startswith("Tensor"):
                value = "Tensor()"
            elif p.type == "int[]":
                value = "Dims{" + p.default.strip("()[] ").rstrip(",") + "}"
            elif p.type == "str":
                value = '"' + p.default.strip("'\"") + '"'
            text += f" = {value}"
        parts.append(text)
    return ", ".join(parts)


def forward_declaration(o: Operator) -> str:
    return f"{return_type(o)} {o.kernel}({parameters(o, defaults=False)});"


def declaration(o: Operator) -> list[str]:
    if o.kind == "composite":
        args = ", ".join(p.name for p in o.params)
        return [
            f"inline {return_type(o)} {o.cname}({parameters(o, defaults=True)}) {{",
            f"    return composite::{o.kernel}({args});",
            "}",
        ]
    return [f"{return_type(o)} {o.cname}({parameters(o, defaults=True)});"]


def _outputs(o: Operator) -> list[str]:
    """Names of the results inside formulas."""
    if len(o.returns) == 1:
        return ["out"]
    return [label or f"out{i}" for i, (_, label) in enumerate(o.returns)]


class NodePlan:
    """What the node of an operator keeps, from what its formulas name."""

    def __init__(self, o: Operator) -> None:
        self.o = o
        self.outputs = _outputs(o)
        self.list_output = o.returns[0][0] == "Tensor[]"
        self.tensors = {p.name: p for p in o.tensors}
        self.numbers = {p.name: p for p in o.numbers}
        used: set[str] = set()
        for text in o.vjp.values():
            used |= formula.names(text)
        self.saved_tensors = [n for n in self.tensors if n in used]
        self.saved_outputs = [n for n in self.outputs if n in used]
        self.saved_numbers = [n for n in self.numbers if n in used]
        self.attributes = sorted(n for n in used if "." in n)
        gradients = {"grad", "grads"} | {f"grad_{n}" for n in self.outputs}
        known = set(self.tensors) | set(self.numbers) | set(self.outputs) | gradients
        known |= set(formula.CONSTANTS)
        for n in used:
            if "." in n:
                owner, attribute = n.split(".")
                if owner not in self.tensors or attribute not in ATTRIBUTES:
                    raise TableError(f"{o.where}: {o.name}: a formula names {n!r}")
            elif n not in known:
                raise TableError(f"{o.where}: {o.name}: a formula names {n!r}")

    def struct_name(self) -> str:
        return f"{self.o.cname}_node"

    def members(self) -> list[str]:
        lines = []
        for n in self.saved_tensors:
            kind = "std::vector<Saved>" if self.tensors[n].type == "Tensor[]" else "Saved"
            lines.append(f"    {kind} {n}_saved;")
        lines += [f"    Saved {n}_saved;" for n in self.saved_outputs]
        lines += [f"    {stored(self.numbers[n])} {n}{{}};" for n in self.saved_numbers]
        for n in self.attributes:
            owner, attribute = n.split(".")
            lines.append(f"    {ATTRIBUTES[attribute][0]} {owner}_{attribute}{{}};")
        return lines

    def unpack(self, text: str) -> list[str]:
        lines = []
        used = formula.names(text)
        for n in self.saved_tensors:
            if n not in used:
                continue
            if self.tensors[n].type == "Tensor[]":
                lines.append(f"auto {n} = unpack_all({n}_saved, *this);")
            elif self.tensors[n].type == "Tensor?":
                lines.append(
                    f"Tensor {n} = {n}_saved.defined() ? {n}_saved.unpack(*this) : Tensor();"
                )
            else:
                lines.append(f"Tensor {n} = {n}_saved.unpack(*this);")
        lines += [f"Tensor {n} = {n}_saved.unpack(*this);" for n in self.saved_outputs if n in used]
        return lines


def node_struct(o: Operator) -> list[str]:
    plan = NodePlan(o)
    lines = [
        f"// {o.where} {o.name}",
        f"struct {plan.struct_name()} final : Node {{",
        f'    const char* name() const override {{ return "{o.node_name}"; }}',
        *plan.members(),
    ]
    release = [f"{n}_saved" for n in plan.saved_tensors + plan.saved_outputs]
    if release:
        lines.append("    void release_saved() override {")
        for n in plan.saved_tensors:
            if plan.tensors[n].type == "Tensor[]":
                lines.append(f"        for (Saved& s : {n}_saved) s.reset();")
            else:
                lines.append(f"        {n}_saved.reset();")
        lines += [f"        {n}_saved.reset();" for n in plan.saved_outputs]
        lines.append("    }")
    visits = []
    for n in plan.saved_tensors:
        many = plan.tensors[n].type == "Tensor[]"
        visits.append(f'visitor.{"tensor_list" if many else "tensor"}("{n}", {n}_saved);')
    for n in plan.saved_outputs:
        visits.append(f'visitor.tensor("{"result" if n == "out" else n}", {n}_saved);')
    for n in plan.saved_numbers:
        visits.append(f'visit_value(visitor, "{n}", {n});')
    for n in plan.attributes:
        owner, attribute = n.split(".")
        if attribute == "shape":
            visits.append(f'visitor.dims("{owner}_sizes", {owner}_shape);')
    if visits:
        lines.append("    void visit_saved(SavedVisitor& visitor) override {")
        lines += [f"        {v}" for v in visits]
        lines.append("    }")
    formulas = {i: o.vjp[p.name] for i, p in enumerate(o.tensors) if o.vjp.get(p.name)}
    lines += _input_names(o)
    lines.append("    const char* formula(uint32_t input) const override {")
    for i, text in formulas.items():
        lines.append(f"        if (input == {i}) return {notation.literal(text)};")
    lines += ["        (void)input;", "        return nullptr;", "    }"]
    lines += _backward(o, plan, formulas)
    lines.append("};")
    return lines


def _input_names(o: Operator) -> list[str]:
    """Names of the inputs; all further inputs belong to a list."""
    names = [p.name for p in o.tensors]
    lists = [p.name for p in o.tensors if p.type == "Tensor[]"]
    lines = ["    const char* input_name(uint32_t input) const override {"]
    for i, name in enumerate(names if not lists else []):
        lines.append(f'        if (input == {i}) return "{name}";')
    other = f'"{lists[0]}"' if len(lists) == 1 else "nullptr"
    return [*lines, "        (void)input;", f"        return {other};", "    }"]


def _backward(o: Operator, plan: NodePlan, formulas: dict[int, str]) -> list[str]:
    lines = ["    void backward(GradIO& io) override {"]
    used = set().union(*[formula.names(t) for t in formulas.values()]) if formulas else set()
    if plan.list_output:
        lines.append("        std::vector<Tensor> grads = materialized(io, *this);")
    elif len(plan.outputs) == 1:
        lines += ["        if (!io.in[0]) return;", "        const Tensor& grad = io.in[0];"]
    else:
        named = [(i, n) for i, n in enumerate(plan.outputs) if f"grad_{n}" in used]
        if len(named) == 1:
            i, n = named[0]
            lines += [f"        if (!io.in[{i}]) return;"]
        for i, n in named:
            lines.append(f"        Tensor grad_{n} = materialized(io, *this, {i});")
    rename: dict[str, str] = {}
    position = 0
    for i, p in enumerate(o.tensors):
        text = formulas.get(i)
        if p.type == "Tensor[]":
            if text is None:
                continue
            lines.append(f"        {{  // {p.name}: {text}")
            lines += [f"            {u}" for u in plan.unpack(text)]
            lines.append(f"            give_all(io, {position}, {formula.value(text, rename)});")
            lines.append("        }")
        elif text is not None:
            lines.append(f"        if (io.needs({position})) {{  // {p.name}: {text}")
            lines += [f"            {u}" for u in plan.unpack(text)]
            lines.append(f"            io.out[{position}] = {formula.value(text, rename)};")
            lines.append("        }")
        position += 1
    lines.append("    }")
    return lines


def _tangents(o: Operator, args: str) -> list[str]:
    """Statements that add up the tangent of the result in `total`."""
    jvp = o.jvp
    if jvp is None and o.kind in ("view", "linear", "bilinear"):
        jvp = "linear" if o.kind != "bilinear" else "bilinear"
    total_type = "std::vector<Tensor>" if o.returns[0][0] == "Tensor[]" else "Tensor"
    lines = [f"{total_type} total;"]
    tensors = o.tensors
    if jvp == "linear" and any(p.type == "Tensor[]" for p in tensors):
        name = next(p.name for p in tensors if p.type == "Tensor[]")
        call = ", ".join(f"{name}_t" if p.name == name else p.name for p in o.params)
        lines += [f"auto {name}_t = tangents_or_zeros({name}, level);"]
        lines += [f"total = {o.cname}({call});"]
        return lines
    terms: dict[str, str] = {}
    for p in tensors:
        if o.vjp.get(p.name) is None:
            continue
        if jvp in ("linear", "bilinear"):
            terms[p.name] = (
                f"{o.cname}("
                + ", ".join(f"{q.name}_t" if q.name == p.name else q.name for q in o.params)
                + ")"
            )
        elif isinstance(jvp, dict):
            if jvp.get(p.name):
                terms[p.name] = formula.value(jvp[p.name], {})
        else:
            terms[p.name] = formula.value(str(jvp), {})
    for name, term in terms.items():
        lines.append(f"if (Tensor {name}_t = tangent_at({name}, level)) {{")
        for attribute in sorted(a for a in _attributes(o, name)):
            owner, key = attribute.split(".")
            expression = ATTRIBUTES[key][1].format(owner)
            lines.append(f"    [[maybe_unused]] auto {owner}_{key} = {expression};")
        if total_type == "Tensor":
            lines.append(f"    total = add_tangents(total, {term});")
        else:
            lines.append(f"    total = {term};")
        lines.append("}")
    return lines


def _attributes(o: Operator, name: str) -> set[str]:
    texts = list(o.jvp.values()) if isinstance(o.jvp, dict) else [o.jvp or ""]
    found: set[str] = set()
    for text in texts:
        if text and text not in ("linear", "bilinear"):
            found |= {n for n in formula.names(text) if "." in n}
    return found


def definition(o: Operator) -> list[str]:
    """The operator: forward mode, the kernel, recording."""
    if o.kind == "composite":
        return []
    args = ", ".join(p.name for p in o.params)
    result = return_type(o)
    lines = [f"// {o.where}", f"{result} {o.cname}({parameters(o, defaults=False)}) {{"]
    differentiable = o.kind != "nondifferentiable" and any(o.vjp.values())
    flags = " | ".join(["t_state.flags", *[f"flags_of({p.name})" for p in o.tensors]])
    lines.append(f"    uint16_t flags = static_cast<uint16_t>({flags});")
    level = ", ".join(p.name for p in o.tensors)
    # Numbers too: an infinity among them is none that the operator made.
    numbers = [p for p in o.params if p.type in ("Scalar", "Scalar?", "float", "float?")]
    shown = ", ".join([f'"{o.name}"', f'"{o.where}"', *[p.name for p in [*o.tensors, *numbers]]])
    observed = [
        f"Observation seen({shown});",
        f"return seen.result({o.cname}({args}));",
    ]
    if not differentiable:
        lines.append("    if (__builtin_expect(flags & kObserveMode, 0)) {")
        lines += [f"        {line}" for line in observed]
        lines.append("    }")
        lines.append(f"    auto results = finish(forward::{o.kernel}({args}));")
        if any(kind.startswith("Tensor") for kind, _ in o.returns) and level:
            lines.append("    if (__builtin_expect(flags & kGraphFlags, 0)) {")
            lines.append(f'        note_no_history(results, false, "{o.name}", {level});')
            lines.append("    }")
        lines += ["    return results;", "}"]
        return lines
    plan = NodePlan(o)
    lines += [
        "    if (__builtin_expect(flags & (kColdFlags | kObserveMode), 0)) {",
        "        if (flags & kObserveMode) {",
        *[f"            {line}" for line in observed],
        "        }",
        f"        if (int64_t level = level_of({level})) {{",
        "            HideLevels hide(level);",
        f"            auto results = {o.cname}({args});",
    ]
    if len(plan.outputs) > 1:
        names = ", ".join(plan.outputs)
        lines.append(f"            [[maybe_unused]] const auto& [{names}] = results;")
    else:
        lines.append("            [[maybe_unused]] const auto& out = results;")
    lines += [f"            {line}" for line in _tangents(o, args)]
    lines += ["            set_tangents(results, level, total);", "            return results;"]
    lines += ["        }", "    }"]
    lines.append(f"    auto results = finish(forward::{o.kernel}({args}));")
    if len(plan.outputs) > 1:
        lines.append(f"    [[maybe_unused]] const auto& [{', '.join(plan.outputs)}] = results;")
    else:
        lines.append("    [[maybe_unused]] const auto& out = results;")
    wants = " || ".join(f"wants_grad({p.name})" for p in o.tensors if o.vjp.get(p.name))
    lines += [
        "    if (flags & kGraphFlags) {",
        f"        if (t_state.grad_enabled && ({wants})) {{",
        *[f"            {line}" for line in _record(o, plan)],
        "        } else {",
        f'            note_no_history(results, true, "{o.name}", {level});',
        "        }",
        "    }",
    ]
    if o.kind == "view":
        origin = "ViewOrigin::MultiOutput" if o.multi_view else "ViewOrigin::Plain"
        lines.append(f"    set_views(results, {o.tensors[0].name}, {origin});")
    lines += ["    return results;", "}"]
    return lines


def _record(o: Operator, plan: NodePlan) -> list[str]:
    lists = [p for p in o.tensors if p.type == "Tensor[]"]
    fixed = len(o.tensors) - len(lists)
    count = " + ".join([str(fixed), *[f"static_cast<uint32_t>({p.name}.size())" for p in lists]])
    lines = [f"auto node = Node::create<{plan.struct_name()}>({count});"]
    for n in plan.saved_tensors:
        users = [name for name, text in o.vjp.items() if text and n in formula.names(text)]
        condition = " || ".join(f"wants_grad({u})" for u in users)
        if plan.tensors[n].type == "Tensor[]":
            lines.append(f"if ({condition}) save_all(node->{n}_saved, {n});")
        elif plan.tensors[n].type == "Tensor?":
            lines.append(f"if ({n} && ({condition})) node->{n}_saved.save_input({n});")
        else:
            lines.append(f"if ({condition}) node->{n}_saved.save_input({n});")
    lines += [f"node->{n} = {n};" for n in plan.saved_numbers]
    for n in plan.attributes:
        owner, attribute = n.split(".")
        lines.append(f"node->{owner}_{attribute} = {ATTRIBUTES[attribute][1].format(owner)};")
    position = 0
    for p in o.tensors:
        if p.type == "Tensor[]":
            lines.append(f"set_edges(*node, {position}, {p.name});")
        else:
            if o.vjp.get(p.name):
                lines.append(f"set_edge(*node, {position}, {p.name});")
            position += 1
    lines.append("node->remember_location();")
    for i, n in enumerate(plan.outputs):
        if n in plan.saved_outputs:
            lines.append(f"node->{n}_saved.save_output({n}, {i});")
    lines.append(f'set_histories(results, *node, "{o.name}");')
    return lines
