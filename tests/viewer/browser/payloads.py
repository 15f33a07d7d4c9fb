"""Payloads of pages, made by hand and at any size: the page is tested apart from the recorder."""

from __future__ import annotations

import math
import random
from typing import Any

OPERATOR, LEAF, CONSTANT = 0, 1, 2
COLUMNS = (
    *("kind", "op", "symbol", "name", "variable", "shape", "dtype", "bytes", "file", "line"),
    *("function", "expression", "module", "formula", "order", "value", "grad"),
)
SYMBOLS = {"mul": "×", "add": "+", "sub": "−", "rsub": "−", "matmul": "@", "div": "÷"}
FORMULAS = {
    "mul": ("g·other", "g·self"),
    "add": ("g", "alpha·g"),
    "rsub": ("-g",),
    "sub": ("g", "-g"),
    "relu": ("where(result > 0, g, 0)",),
    "matmul": ("g @ other.T", "self.T @ g"),
    "exp": ("g·result",),
    "div": ("g / other", "-g·self / other²"),
    "softmax": ("result·(g - sum(g·result))",),
    "gelu": ("g·(Φ(self) + self·φ(self))",),
    "mse_loss": ("g·scale·2·(self - target)",),
    "tanh": ("g·(1 - result²)",),
}


class Builder:
    """Writes one graph of format "chainrule.graph", version 1."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.strings: dict[str, int] = {}
        self.nodes: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        self.edges: dict[str, list[Any]] = {k: [] for k in ("source", "target", "input", "local")}
        self.modules: dict[tuple[int, int], int] = {}
        self.sources: dict[str, dict[str, str]] = {}
        self.summaries: list[dict[str, Any]] = []
        self.groups: list[dict[str, Any]] = []
        self.group: list[int] = []
        self.inside: list[int] = [-1]
        self.module = ("", "")

    def text(self, words: str | None) -> int:
        return -1 if not words else self.strings.setdefault(words, len(self.strings))

    def source(self, file: str, line: int, words: str) -> None:
        self.sources.setdefault(str(self.text(file)), {})[str(line)] = words

    def open(self, label: str, kind: str = "module", repeats: int = 1, detail: str = "") -> None:
        group = {"parent": self.inside[-1], "label": self.text(label), "kind": kind, "count": 0}
        self.groups.append(group | {"repeats": repeats, "detail": self.text(detail)})
        self.inside.append(len(self.groups) - 1)

    def close(self) -> None:
        self.inside.pop()

    def node(
        self,
        op: str,
        *inputs: int,
        variable: str = "",
        shape: str = "",
        line: int = 0,
        expression: str = "",
        file: str = "/home/ada/project/train.py",
        nbytes: int = 0,
        locals: tuple[Any, ...] = (),
        value: Any = None,
        grad: Any = None,
        constant: bool = False,
    ) -> int:
        index = len(self.group)
        kind = CONSTANT if constant else OPERATOR if op else LEAF
        module = tuple(map(self.text, self.module))
        name = {LEAF: "AccumulateGrad", CONSTANT: ""}.get(
            kind, "".join(part.capitalize() for part in op.split("_")) + "Backward0"
        )
        row = {
            "kind": kind,
            "op": self.text(op),
            "symbol": self.text(SYMBOLS.get(op, op)),
            "name": self.text(name),
            "variable": self.text(variable),
            "shape": self.text(shape),
            "dtype": self.text("float32"),
            "bytes": nbytes,
            "file": self.text(file) if line else -1,
            "line": line,
            "function": self.text("train") if line else -1,
            "expression": self.text(expression),
            "module": -1
            if self.module == ("", "")
            else self.modules.setdefault(module, len(self.modules)),  # type: ignore[arg-type]
            "formula": [self.text(words) for words in FORMULAS.get(op, ())],
            "order": -1,
            "value": self.summary(value),
            "grad": self.summary(grad),
        }
        for column, cell in row.items():
            self.nodes[column].append(cell)
        for position, source in enumerate(inputs):
            self.edges["source"].append(source)
            self.edges["target"].append(index)
            self.edges["input"].append(position)
            self.edges["local"].append(locals[position] if locals else None)
        self.group.append(self.inside[-1])
        for group in self.inside[1:]:
            self.groups[group]["count"] += 1
        return index

    def summary(self, value: Any) -> int:
        if value is None:
            return -1
        self.summaries.append(value if isinstance(value, dict) else one(value))
        return len(self.summaries) - 1

    def graph(self, *roots: int, fold: str = "module", backward: bool = True) -> dict[str, Any]:
        size = len(self.group)
        if backward:
            # Users come later, so the reverse of recording is an order that an engine may take.
            operators = [n for n in reversed(range(size)) if self.nodes["kind"][n] != CONSTANT]
            for position, node in enumerate(operators):
                self.nodes["order"][node] = position
        folds = {fold: {"group": self.group, "groups": self.groups}} if self.groups else {}
        return {
            "format": "chainrule.graph",
            "version": 1,
            "title": self.title,
            "strings": list(self.strings),
            "nodes": self.nodes,
            "edges": self.edges,
            "modules": [{"path": path, "type": kind} for path, kind in self.modules],
            "sources": self.sources,
            "folds": folds,
            "summaries": self.summaries,
            "roots": list(roots),
        }


def one(value: float | str) -> dict[str, Any]:
    """The summary of a scalar."""
    bad = isinstance(value, str)
    return {
        "count": 1, "min": value, "max": value, "mean": value, "std": 0.0,
        "zeros": int(value == 0), "nan": int(value == "nan"), "inf": int(bad and value != "nan"),
        "values": [value], "range": [0, 0] if bad else [value, value], "histogram": [1] + [0] * 15,
    }  # fmt: skip


def many(count: int, spread: float, middle: float = 0.0) -> dict[str, Any]:
    """The summary of a bell of numbers."""
    bars = [int(count * math.exp(-(((i - 7.5) / 3.2) ** 2)) / 5.7) for i in range(16)]
    low, high = middle - 3 * spread, middle + 3 * spread
    return {
        "count": count, "min": low, "max": high, "mean": middle, "std": spread, "zeros": 0,
        "nan": 0, "inf": 0, "values": None, "range": [low, high], "histogram": bars,
    }  # fmt: skip


def payload(*graphs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"graphs": list(graphs), "steps": [], "profile": None} | more


def figure() -> dict[str, Any]:
    """The network of five neurons: L = 10 - (w3*(w1*a) + w4*(w2*a))."""
    b = Builder("five_neurons.py")
    leaf = {"shape": "", "line": 4}
    lines = {
        4: "a, w1, w2, w3, w4 = (torch.tensor(x, requires_grad=True) for x in numbers)",
        6: "b = w1 * a",
        7: "c = w2 * a",
        8: "d = w3 * b + w4 * c",
        9: "L = 10 - d",
    }
    for number, words in lines.items():
        b.source("/home/ada/project/train.py", number, words)
    a = b.node("", variable="a", value=3.0, grad=3.0, **leaf)
    w1 = b.node("", variable="w1", value=2.0, grad=-1.5, **leaf)
    w2 = b.node("", variable="w2", value=-1.0, grad=-12.0, **leaf)
    w3 = b.node("", variable="w3", value=0.5, grad=-6.0, **leaf)
    w4 = b.node("", variable="w4", value=4.0, grad=3.0, **leaf)
    mul = {"nbytes": 8}
    vb = b.node("mul", w1, a, variable="b", line=6, expression="w1 * a", locals=(3.0, 2.0),
                value=6.0, grad=-0.5, **mul)  # fmt: skip
    vc = b.node("mul", w2, a, variable="c", line=7, expression="w2 * a", locals=(3.0, -1.0),
                value=-3.0, grad=-4.0, **mul)  # fmt: skip
    p = b.node("mul", w3, vb, line=8, expression="w3 * b", locals=(6.0, 0.5), value=3.0,
               grad=-1.0, **mul)  # fmt: skip
    q = b.node("mul", w4, vc, line=8, expression="w4 * c", locals=(-3.0, 4.0), value=-12.0,
               grad=-1.0, **mul)  # fmt: skip
    d = b.node("add", p, q, variable="d", line=8, expression="w3 * b + w4 * c",
               locals=(1.0, 1.0), value=-9.0, grad=-1.0)  # fmt: skip
    loss = b.node("rsub", d, variable="L", line=9, expression="10 - d", locals=(-1.0,),
                  value=19.0, grad=1.0)  # fmt: skip
    return payload(b.graph(loss))


def residual(blocks: int = 151) -> dict[str, Any]:
    """A residual network: a stem, one long run of equal blocks in parts, a head."""
    b = Builder("resnet152.py")
    file = "/home/ada/project/model.py"
    b.source(file, 31, "x = F.relu(self.conv1(x))")
    b.source(file, 32, "return F.relu(x + self.conv2(h))")
    big = {"file": file, "nbytes": 4 * 64 * 56 * 56}

    def block(path: str, x: int, shape: str) -> int:
        b.open(path.rpartition(".")[2], detail="Bottleneck")
        h = x
        for name in ("conv1", "conv2"):
            b.module = (f"{path}.{name}", "Conv2d")
            b.open(name, detail="Conv2d")
            w = b.node("", variable=f"{path}.{name}.weight", shape="64×64×3×3",
                       value=many(36864, 0.04), grad=many(36864, 0.002))  # fmt: skip
            h = b.node("conv2d", h, w, shape=shape, line=31, expression="self.conv1(x)", **big)
            b.close()
            b.module = (path, "Bottleneck")
            if name == "conv1":
                h = b.node(
                    "relu", h, shape=shape, line=31, expression="F.relu(self.conv1(x))", **big
                )
        h = b.node("add", x, h, shape=shape, line=32, expression="x + self.conv2(h)")
        h = b.node("relu", h, shape=shape, line=32, expression="F.relu(x + self.conv2(h))",
                   grad=many(200704, 0.01), **big)  # fmt: skip
        b.close()
        return h

    b.open("stem", detail="Sequential")
    b.module = ("stem", "Sequential")
    image = b.node("", variable="image", shape="8×3×224×224", constant=True)
    w = b.node("", variable="stem.weight", shape="64×3×7×7", value=many(9408, 0.1))
    x = b.node("conv2d", image, w, shape="8×64×112×112", line=12, expression="self.stem(x)", **big)
    x = b.node("max_pool2d", x, shape="8×64×56×56", line=12, **big)
    b.close()
    b.open("blocks", kind="repeat", repeats=blocks, detail="Bottleneck")
    for start in range(0, blocks, 50):
        end = min(start + 50, blocks)
        if blocks > 60:
            b.open(f"blocks {start}–{end - 1}", kind="part", detail=f"{end - start} blocks")
        for number in range(start, end):
            x = block(f"blocks.{number}", x, "8×64×56×56")
        if blocks > 60:
            b.close()
    b.close()
    b.open("head", detail="Linear")
    b.module = ("head", "Linear")
    x = b.node("mean", x, shape="8×64", line=20, nbytes=0)
    w = b.node("", variable="head.weight", shape="1000×64", value=many(64000, 0.02))
    bias = b.node("", variable="head.bias", shape="1000", value=many(1000, 0.02))
    x = b.node("addmm", bias, x, w, shape="8×1000", line=20, nbytes=2048)
    b.close()
    b.module = ("", "")
    target = b.node("", variable="target", shape="8", constant=True)
    call = "F.cross_entropy(model(image), target)"
    loss = b.node("cross_entropy", x, target, variable="loss", line=44, nbytes=32000,
                  expression=call, value=6.91, grad=1.0)  # fmt: skip
    b.source("/home/ada/project/train.py", 44, f"loss = {call}")
    return payload(b.graph(loss))


def transformer(layers: int = 12) -> dict[str, Any]:
    """A transformer of equal layers with attention and a feed-forward part."""
    b = Builder("gpt.py")
    shape = "4×128×768"

    def linear(path: str, x: int, out: str) -> int:
        b.open(path.rpartition(".")[2], detail="Linear")
        outer = b.module
        b.module = (path, "Linear")
        w = b.node("", variable=f"{path}.weight", shape="768×768", grad=many(589824, 0.001))
        bias = b.node("", variable=f"{path}.bias", shape="768")
        t = b.node("t", w, shape="768×768")
        x = b.node("addmm", bias, x, t, shape=out, nbytes=1572864, line=18,
                   expression="self.proj(x)")  # fmt: skip
        b.module = outer
        b.close()
        return x

    def norm(path: str, x: int) -> int:
        b.open(path.rpartition(".")[2], detail="LayerNorm")
        outer = b.module
        b.module = (path, "LayerNorm")
        w = b.node("", variable=f"{path}.weight", shape="768")
        bias = b.node("", variable=f"{path}.bias", shape="768")
        x = b.node("layer_norm", x, w, bias, shape=shape, nbytes=1572864)
        b.module = outer
        b.close()
        return x

    tokens = b.node("", variable="tokens", shape="4×128", constant=True)
    b.open("embed", detail="Embedding")
    b.module = ("embed", "Embedding")
    x = b.node("embedding", b.node("", variable="embed.weight", shape="50257×768"), tokens,
               shape=shape, nbytes=4096)  # fmt: skip
    b.close()
    b.open("layers", kind="repeat", repeats=layers, detail="TransformerLayer")
    for number in range(layers):
        path = f"layers.{number}"
        b.open(str(number), detail="TransformerLayer")
        b.module = (path, "TransformerLayer")
        h = norm(f"{path}.norm1", x)
        b.open("attention", detail="Attention")
        b.module = (f"{path}.attention", "Attention")
        q, k, v = (linear(f"{path}.attention.{name}", h, shape) for name in ("q", "k", "v"))
        kt = b.node("transpose", k, shape="4×12×64×128")
        score = b.node("matmul", q, kt, variable="scores", shape="4×12×128×128", nbytes=6291456,
                       line=25, expression="q @ k.transpose(-1, -2)")  # fmt: skip
        score = b.node("div", score, variable="scores", shape="4×12×128×128", line=25)
        p = b.node("softmax", score, variable="p", shape="4×12×128×128", nbytes=3145728, line=26,
                   grad=many(786432, 0.003))  # fmt: skip
        h = b.node("matmul", p, v, shape=shape, nbytes=4718592, line=27, expression="p @ v")
        h = linear(f"{path}.attention.out", h, shape)
        b.close()
        b.module = (path, "TransformerLayer")
        x = b.node("add", x, h, variable="x", shape=shape, line=40)
        h = norm(f"{path}.norm2", x)
        b.open("mlp", detail="Sequential")
        b.module = (f"{path}.mlp", "Sequential")
        h = linear(f"{path}.mlp.up", h, "4×128×3072")
        h = b.node("gelu", h, shape="4×128×3072", nbytes=6291456)
        h = linear(f"{path}.mlp.down", h, shape)
        b.close()
        b.module = (path, "TransformerLayer")
        x = b.node("add", x, h, variable="x", shape=shape, line=41)
        b.close()
    b.close()
    b.module = ("", "")
    x = norm("norm", x)
    x = linear("head", x, "4×128×50257")
    loss = b.node("cross_entropy", x, variable="loss", value=10.82, grad=1.0, line=60)
    return payload(b.graph(loss))


def training(steps: int = 40) -> dict[str, Any]:
    """Recorded steps of one small network, with a NaN near the end."""
    page = figure()
    graph = page["graphs"][0]
    size = len(graph["nodes"]["kind"])
    for step in range(steps):
        fade = math.exp(-step / 12)
        loss: float | str = 0.2 + 19 * fade if step != steps - 3 else "nan"
        summaries = [one(round((node + 1) * fade + 0.1, 4)) for node in range(size)]
        summaries += [one(round(-(node + 1) * fade, 4)) for node in range(size)]
        summaries[size - 1] = one(loss)
        page["steps"].append(
            {
                "label": f"step {step + 1}",
                "graph": 0,
                "value": list(range(size)),
                "grad": list(range(size, 2 * size)),
                "summaries": summaries,
                "loss": loss,
            }
        )
    return page


def profile(rounds: int = 20) -> dict[str, Any]:
    """Spans of a few training steps: modules, operators below them, then backward nodes."""
    strings: dict[str, int] = {}
    spans: dict[str, list[Any]] = {
        k: [] for k in ("name", "start", "duration", "depth", "thread", "kind", "file", "line")
    }

    def span(name: str, start: float, duration: float, depth: int, kind: int, line: int) -> None:
        row = (
            strings.setdefault(name, len(strings)), start, duration, depth, 0, kind,
            strings.setdefault("/home/ada/project/train.py", len(strings)), line,
        )  # fmt: skip
        for column, cell in zip(spans.values(), row, strict=True):
            column.append(cell)

    dice = random.Random(1)
    now = 0.0
    for number in range(rounds):
        begin = now
        for layer in range(6):
            start = now
            for op, line in (("addmm", 18), ("relu", 19), ("layer_norm", 20)):
                took = dice.uniform(20, 120)
                span(op, now, took, 2, 0, line)
                now += took + 4
            span(f"layers.{layer}", start, now - start, 1, 3, 40)
        for op, line in (
            ("LayerNormBackward0", 20),
            ("ReluBackward0", 19),
            ("AddmmBackward0", 18),
        ) * 6:
            took = dice.uniform(30, 200)
            span(op, now, took, 1, 1, line)
            now += took + 2
        span(f"step {number}", begin, now - begin, 0, 2, 50)
        now += 60
    return {"unit": "us", "strings": list(strings), "spans": spans}


def chain(size: int = 100_000) -> dict[str, Any]:
    """A loop body recorded many times: h = tanh(h * w)."""
    b = Builder("chain.py")
    b.source("/home/ada/project/train.py", 5, "h = torch.tanh(h * w)")
    w = b.node("", variable="w", shape="64")
    h = b.node("", variable="h", shape="64")
    for _ in range(size // 2):
        h = b.node("mul", h, w, shape="64", nbytes=512, line=5, expression="h * w")
        h = b.node("tanh", h, variable="h", shape="64", nbytes=256, line=5)
    return payload(b.graph(h))


def wide(size: int = 100_000) -> dict[str, Any]:
    """Many short branches from one variable into one long sum."""
    b = Builder("wide.py")
    x = b.node("", variable="x", shape="16")
    total = b.node("exp", x, shape="16")
    for _ in range(size // 2):
        y = b.node("mul", x, x, shape="16", nbytes=128, line=7)
        total = b.node("add", total, y, variable="total", shape="16", line=8)
    return payload(b.graph(total))


def random_dag(size: int = 100_000, seed: int = 0) -> dict[str, Any]:
    """Operators on random earlier results, most of them recent."""
    b = Builder("random.py")
    dice = random.Random(seed)
    for number in range(16):
        b.node("", variable=f"v{number}", shape="8")
    for index in range(16, size):
        near = max(0, index - 1 - int(dice.expovariate(1 / 12)))
        far = max(0, index - 1 - int(dice.expovariate(1 / 400)))
        b.node(dice.choice(("mul", "add", "sub")), near, far, shape="8", nbytes=64,
               line=dice.randrange(1, 30))  # fmt: skip
    return payload(b.graph(size - 1))


def single() -> dict[str, Any]:
    """A variable that is itself the root."""
    b = Builder("single.py")
    return payload(b.graph(b.node("", variable="x")))


def bare() -> dict[str, Any]:
    """Two roots; nothing is known but operators and edges; one input is used twice."""
    b = Builder("")
    x = b.node("")
    square = b.node("mul", x, x)
    return payload(b.graph(square, b.node("exp", square), backward=False))


def constants() -> dict[str, Any]:
    """Inputs without gradients, and numbers that are no numbers."""
    b = Builder("constants.py")
    one_input = b.node("", constant=True, value="inf")
    other = b.node("", constant=True, value=many(64, 2.0))
    return payload(b.graph(b.node("matmul", one_input, other, value="nan", grad="-inf")))


HOSTILE = '</script><img src=x onerror="window.hacked=1"><!-- \u2028 \' ]]> &lt;b&gt;'


def hostile() -> dict[str, Any]:
    """A graph in which every text tries to become markup."""
    b = Builder(HOSTILE)
    b.module = (HOSTILE, HOSTILE)
    b.source(HOSTILE, 3, f"x = {HOSTILE}")
    b.open(HOSTILE, detail=HOSTILE)
    w = b.node(
        "", variable=HOSTILE, shape=HOSTILE, line=3, file=HOSTILE, expression=HOSTILE, value=1.0
    )
    FORMULAS[HOSTILE] = (HOSTILE,)
    y = b.node(HOSTILE, w, variable=HOSTILE, shape=HOSTILE, line=3, file=HOSTILE,
               expression=HOSTILE, value="nan", grad="-inf")  # fmt: skip
    del FORMULAS[HOSTILE]
    b.close()
    made = payload(b.graph(y))
    made["profile"] = {
        "unit": "us",
        "strings": [HOSTILE],
        "spans": {
            "name": [0], "start": [0.0], "duration": [5.0], "depth": [0], "thread": [0],
            "kind": [0], "file": [0], "line": [3],
        },
    }  # fmt: skip
    return made
