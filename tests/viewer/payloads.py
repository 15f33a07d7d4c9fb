"""Exported graphs made by hand: the pictures are tested apart from what records the graph."""

from __future__ import annotations

from typing import Any

OPERATOR, LEAF, CONSTANT = 0, 1, 2


_COLUMNS = ("kind", "op", "symbol", "name", "variable", "shape", "dtype", "bytes", "file", "line")
_COLUMNS += ("function", "expression", "module", "formula", "order", "value", "grad")


class Builder:
    """Writes a graph of format "chainrule.graph", version 1, node by node."""

    def __init__(self, title: str = "train.py") -> None:
        self.strings: list[str] = []
        self.nodes: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
        self.edges: dict[str, list[Any]] = {
            name: [] for name in ("source", "target", "input", "local")
        }
        self.modules: list[dict[str, int]] = []
        self.summaries: list[dict[str, Any]] = []
        self.sources: dict[str, dict[str, str]] = {}
        self.groups: list[dict[str, Any]] = []
        self.group: list[int] = []
        self.title = title

    def string(self, text: str) -> int:
        if not text:
            return -1
        if text not in self.strings:
            self.strings.append(text)
        return self.strings.index(text)

    def module(self, path: str) -> int:
        if not path:
            return -1
        entry = {"path": self.string(path), "type": self.string("Linear")}
        if entry not in self.modules:
            self.modules.append(entry)
        return self.modules.index(entry)

    def number(self, value: Any) -> int:
        """A summary of one number, -1 for none."""
        if value is None:
            return -1
        if isinstance(value, dict):
            self.summaries.append(value)
        else:
            bad = value in ("nan", "inf", "-inf")
            self.summaries.append(
                {"count": 1, "min": value, "max": value, "mean": value, "std": 0.0, "zeros": 0}
                | {"nan": int(value == "nan"), "inf": int(bad and value != "nan")}
                | {"values": [value], "range": [0, 1], "histogram": [1] + [0] * 15}
            )
        return len(self.summaries) - 1

    def node(
        self,
        op: str,
        *inputs: int,
        variable: str = "",
        symbol: str = "",
        shape: str = "",
        line: int = 0,
        expression: str = "",
        text: str = "",
        file: str = "train.py",
        value: Any = None,
        grad: Any = None,
        local: tuple[Any, ...] = (),
        saved: int = 0,
        group: int = -1,
        module: str = "",
        formula: tuple[str, ...] = (),
    ) -> int:
        """Add a node; ``op`` is "leaf", "constant" or the operator's name. Returns its number."""
        kind = {"leaf": LEAF, "constant": CONSTANT}.get(op, OPERATOR)
        operator = "" if kind else op
        name = (
            op.capitalize() + "Backward0" if not kind else ("AccumulateGrad" if kind == 1 else "")
        )
        row = {
            "kind": kind,
            "op": self.string(operator),
            "symbol": self.string(symbol or operator),
            "name": self.string(name),
            "variable": self.string(variable),
            "shape": self.string(shape),
            "dtype": self.string("float32"),
            "bytes": saved,
            "file": self.string(file if line else ""),
            "line": line,
            "function": -1,
            "expression": self.string(expression),
            "module": self.module(module),
            "formula": [self.string(f) for f in formula],
            "order": -1,
            "value": self.number(value),
            "grad": self.number(grad),
        }
        for column, content in row.items():
            self.nodes[column].append(content)
        if line and text:
            self.sources.setdefault(str(self.string(file)), {})[str(line)] = text
        node = len(self.group)
        self.group.append(group)
        for position, source in enumerate(inputs):
            self.edges["source"].append(source)
            self.edges["target"].append(node)
            self.edges["input"].append(position)
            self.edges["local"].append(local[position] if local else None)
        return node

    def open_group(
        self, label: str, kind: str = "module", parent: int = -1, repeats: int = 1, detail: str = ""
    ) -> int:
        """Add a group of the fold "module". Returns its number."""
        self.groups.append(
            {
                "parent": parent,
                "label": self.string(label),
                "kind": kind,
                "count": 0,
                "repeats": repeats,
                "detail": self.string(detail),
            }
        )
        return len(self.groups) - 1

    def graph(self, *roots: int) -> dict[str, Any]:
        none: dict[str, Any] = {"group": [-1] * len(self.group), "groups": []}
        return {
            "format": "chainrule.graph",
            "version": 1,
            "title": self.title,
            "strings": self.strings,
            "nodes": self.nodes,
            "edges": self.edges,
            "modules": self.modules,
            "sources": self.sources,
            "folds": {
                "module": {"group": self.group, "groups": self.groups},
                "line": none,
                "structure": none,
            },
            "summaries": self.summaries,
            "roots": list(roots) or [len(self.group) - 1],
        }


def textbook() -> dict[str, Any]:
    """``L = 10 - (w3*(w1*a) + w4*(w2*a))`` with values, gradients and local gradients."""
    g = Builder("figure.py")
    a = g.node("leaf", variable="a", value=2.0, grad=-7.0)
    w1 = g.node("leaf", variable="w1", value=3.0, grad=-2.0)
    b = g.node(
        "mul", w1, a, variable="b", symbol="×", line=3, expression="w1 * a", text="b = w1 * a",
        value=6.0, grad=-1.0, local=(2.0, 3.0),
    )  # fmt: skip
    w2 = g.node("leaf", variable="w2", value=2.0, grad=-4.0)
    c = g.node(
        "mul", w2, a, variable="c", symbol="×", line=4, expression="w2 * a", text="c = w2 * a",
        value=4.0, grad=-2.0, local=(2.0, 2.0),
    )  # fmt: skip
    w3 = g.node("leaf", variable="w3", value=1.0, grad=-6.0)
    p = g.node(
        "mul", w3, b, symbol="×", line=5, expression="w3*b", text="d = w3*b + w4*c",
        value=6.0, grad=-1.0, local=(6.0, 1.0),
    )  # fmt: skip
    w4 = g.node("leaf", variable="w4", value=2.0, grad=-4.0)
    q = g.node(
        "mul", w4, c, symbol="×", line=5, expression="w4*c", text="d = w3*b + w4*c",
        value=8.0, grad=-1.0, local=(4.0, 2.0),
    )  # fmt: skip
    d = g.node(
        "add", p, q, variable="d", symbol="+", line=5, expression="w3*b + w4*c",
        text="d = w3*b + w4*c", value=14.0, grad=-1.0, local=(1.0, 1.0),
    )  # fmt: skip
    g.node(
        "rsub", d, variable="L", symbol="−", line=6, expression="10 - d", text="L = 10 - d",
        value=-4.0, grad=1.0, local=(-1.0,),
    )  # fmt: skip
    return g.graph()


def residual(layers: int) -> dict[str, Any]:
    """A network of residual layers: each a module with its parameters, all in one repetition."""
    g = Builder()
    whole = g.open_group("model", detail="Network")
    repeat = g.open_group(
        f"layers.0 … layers.{layers - 1}", "repeat", whole, layers, detail="Residual"
    )
    x = g.node("constant", variable="x", shape="8×64", line=40)
    for layer in range(layers):
        block = g.open_group(f"layers.{layer}", "module", repeat, detail="Residual")
        h = x
        for name in ("first", "second"):
            path = f"layers.{layer}.{name}"
            weight = g.node("leaf", variable=f"{path}.weight", shape="64×64", group=block)
            bias = g.node("leaf", variable=f"{path}.bias", shape="64", group=block)
            h = g.node(
                "linear", h, weight, bias, shape="8×64", line=12, saved=2048, group=block,
                expression=f"self.{name}(x)", text=f"x = x + self.{name}(x)",
            )  # fmt: skip
            h = g.node("tanh", h, shape="8×64", line=13, saved=2048, group=block)
        x = g.node("add", x, h, symbol="+", shape="8×64", line=14, group=block, variable="x")
    g.node("sum", x, variable="loss", symbol="Σ", line=42, value=1.5)
    return g.graph()
