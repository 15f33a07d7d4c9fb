"""`python -m opgen show NAME`: all that is derived for one operator."""

from __future__ import annotations

from opgen import bindings, general, notation, pointwise
from opgen.table import Operator, TableError

BATCH_BY_KIND = {
    "elementwise": "keeps the batch dimension",
    "broadcast": "aligns the batch dimension, then broadcasts",
    "composite": "from the operators it is made of",
    "nondifferentiable": "loop",
}


def batching(o: Operator) -> str:
    return o.batch or BATCH_BY_KIND[o.kind]


def forward_mode(o: Operator) -> str:
    if o.kind == "composite":
        return "from the operators it is made of"
    if o.kind == "nondifferentiable" or not any(o.vjp.values()):
        return "none: the result does not vary smoothly"
    if o.pointwise:
        terms = [t.replace("grad", f"{n}_t") for n, t in o.vjp.items() if t]
        return " + ".join(terms)
    if o.jvp in (None, "linear"):
        return f"{o.name} of the tangent"
    if o.jvp == "bilinear":
        return f"{o.name} with each factor in turn replaced by its tangent"
    return str(o.jvp)


def text(operators: list[Operator], name: str) -> str:
    found = [o for o in operators if o.name == name or o.cname == name or name in o.aliases]
    if not found:
        raise TableError(f"no operator is called {name!r}")
    return "\n\n".join(_one(o) for o in found)


def _one(o: Operator) -> str:
    lines = [
        f"{o.name}{bindings.python_signature(o)}    [{o.where}]",
        f"  {o.doc}",
        f"  kind           {o.kind}",
        f"  reference      {o.ref or '-'}",
    ]
    if o.pointwise:
        lines.append(f"  forward        {o.forward}    for {', '.join(pointwise.kernel_dtypes(o))}")
    else:
        lines.append(f"  forward        {o.kernel} (C++)")
    for n, t in o.vjp.items():
        lines.append(f"  d/d{n:<12}{notation.mathematical(t) if t else 'none'}")
    lines.append(f"  forward mode   {forward_mode(o)}")
    lines.append(f"  batching       {batching(o)}")
    if any(o.vjp.values()):
        lines.append(f"  graph node     {o.node_name}")
    forms = ["function"] * o.function + ["method"] * o.method
    if bindings.has_inplace(o):
        forms.append(f"in place ({o.name}_)")
    lines.append(f"  Python         {', '.join(forms)}")
    if o.pointwise:
        lines += ["", "  loops (compiled per instruction set):"]
        lines += [f"    {x}" for x in pointwise.loops([o]).splitlines()]
        lines += ["", "  descriptor and differentiable form:"]
        lines += [f"    {x}" for x in pointwise.descriptor(o)]
    elif o.kind not in ("composite",):
        lines += ["", "  node:"] if any(o.vjp.values()) else []
        if any(o.vjp.values()):
            lines += [f"    {x}" for x in general.node_struct(o)]
        lines += ["", "  operator:", *[f"    {x}" for x in general.definition(o)]]
    return "\n".join(lines)
