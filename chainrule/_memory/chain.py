"""Chains of references in words: from a variable, through containers and graphs, to a tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .names import UNSAID
from .source import Line, first_assignment, short_file

__all__ = ["Chain", "Reference", "Variable", "format_shape", "make_chain"]

# Numbers of the native enums What and Via.
ROOT, OBJECT, TENSOR, NODE = range(4)
(
    VIA_ROOT,
    ITEM,
    KEY,
    AS_KEY,
    LOCAL,
    STACK,
    REFERENT,
    GRAD_FN,
    GRADIENT,
    BASE,
    TANGENT,
    HOOK,
    INPUT,
    SAVED,
    VARIABLE,
    CONTEXT,
    HANDLE,
    MEMORY,
) = range(18)

# What a chain need not mention: `model.0.weight` rather than `model._modules['0']._parameters…`.
_REGISTRIES = ("_modules", "_parameters", "_buffers")


def format_shape(shape: tuple[int, ...]) -> str:
    """``(3, 4)`` as "3×4", ``()`` as "0-d"."""
    return "×".join(map(str, shape)) if shape else "0-d"


@dataclass(frozen=True)
class Variable:
    """A variable at the head of a chain.

    Attributes:
        name: as in the source.
        file: path of the source file; None where there is none.
        function: name of the function that it is local to; None for a module's variable.
        module: name of the module otherwise.
        first_line: of the function.
        thread: name of the thread, None for the main one.
    """

    name: str
    file: str | None
    function: str | None = None
    module: str | None = None
    first_line: int = 1
    thread: str | None = None

    @property
    def line(self) -> int | None:
        """The line of the first assignment, where the source tells."""
        if self.file is None:
            return None
        return first_assignment(self.file, self.first_line if self.function else None, self.name)

    def describe(self) -> str:
        """``"variable 'history' in train() at train.py:8"``."""
        text = f"variable {self.name!r}"
        if self.function is not None and self.function != "<module>":
            text += f" in {self.function}()"
        elif self.module not in (None, "__main__"):
            text += f" of module {self.module}"
        if self.file is not None:
            line = self.line
            place = short_file(self.file) + (f":{line}" if line else "")
            text += f" at {place}" if line else f" of {place}"
        if self.thread is not None:
            text += f" (thread {self.thread})"
        return text


@dataclass(frozen=True)
class Reference:
    """One link of a chain.

    Attributes:
        kind: "variable", "container", "tensor", "graph", "saved", "gradient", "view", "hook",
            "context", "memory", "exception", "native", "cycle" or "other".
        text: the link in words.
        location: the line that is named, if one is.
        variable: of a link of kind "variable".
        nodes: how many graph nodes a link of kind "graph" passes.
    """

    kind: str
    text: str
    location: Line | None = None
    variable: Variable | None = None
    nodes: int = 0

    def __str__(self) -> str:
        return self.text


class Chain(tuple[Reference, ...]):
    """The references that keep something alive, from a variable of the program to the thing."""

    __slots__ = ()

    def __str__(self) -> str:
        line = " → ".join(link.text for link in self)
        if len(line) <= 80:
            return line
        return "\n".join(("  → " if i else "") + link.text for i, link in enumerate(self))

    __repr__ = __str__

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    @property
    def variable(self) -> Variable | None:
        """The variable at the head, None where something else is."""
        return next((link.variable for link in self if link.variable is not None), None)


def node_text(node: tuple[str, tuple[str, int, str] | None]) -> str:
    """``"MulBackward0 recorded at train.py:12"``."""
    name, line = node
    return name if line is None else f"{name} recorded at {Line(*line).describe()}"


def make_chain(
    hops: list[tuple[int, int, Any, Any, int]],
    roots: list[tuple[Any, ...]],
    descriptions: dict[int, tuple[Any, ...]],
) -> Chain:
    """The chain in words.

    Args:
        hops: what the native snapshot's ``chain`` gives.
        roots: by number, what is known of the roots; see ``Roots.about``.
        descriptions: by link, what is known of objects on the way.
    """
    return Chain(_Writer(roots, descriptions).write(hops))


class _Writer:
    """Turns hops into references; several hops of one sort become one."""

    def __init__(
        self, roots: list[tuple[Any, ...]], descriptions: dict[int, tuple[Any, ...]]
    ) -> None:
        self.roots = roots
        self.descriptions = descriptions
        self.links: list[Reference] = []
        self.scope: tuple[Any, ...] = ()  # whose variables the next hop names
        self.path = ""  # an expression such as list[3].cache, not written yet
        self.mode = ""  # what a key means: "" itself, "attribute", "registry"
        self.holder: tuple[Any, ...] | None = None  # description of the object just passed
        self.nodes = 0  # passed since the graph was entered
        self.node: tuple[str, tuple[str, int, str] | None] = ("", None)

    def write(self, hops: list[tuple[int, int, Any, Any, int]]) -> list[Reference]:
        self.begin(hops[0][2])
        for via, what, label, about, link in hops[1:]:
            if what == OBJECT:
                self.object(via, label, about, self.descriptions.get(link))
            elif what == TENSOR:
                self.tensor(via, label, about)
            else:
                self.graph_node(via, label, about)
        last = self.node if self.nodes else None
        self.flush()
        if last is not None:
            self.add("graph", f"node {node_text(last)}", last[1])
        return self.links

    def begin(self, number: int) -> None:
        if number == -1:
            self.add("native", "native code or the interpreter")
        elif number == -2:
            self.add("cycle", "a reference cycle that nothing holds: gc.collect() frees it")
        elif self.roots[number][0] == "exception":
            _, place, name = self.roots[number]
            remembers = place if place == "being handled" else f"that {place} remembers"
            self.add("exception", f"the {name} {remembers}")
        else:
            self.scope = self.roots[number]

    def add(self, kind: str, text: str, line: tuple[str, int, str] | None = None) -> None:
        self.flush()
        self.links.append(Reference(kind, text, Line(*line) if line else None))

    def flush(self) -> None:
        if self.path:
            self.links.append(Reference("container", self.path))
        self.path = self.mode = ""
        if self.nodes > 1:
            count = self.nodes - 1
            text = f"graph: {count} node{'s' if count > 1 else ''} back"
            line = self.node[1]
            location = Line(*line) if line else None
            self.links.append(Reference("graph", text, location, nodes=count))
        self.nodes = 0

    # ------------------------------------------------------------------ Python objects

    def object(self, via: int, label: Any, about: str, known: tuple[Any, ...] | None) -> None:
        if self.scope and via == VIA_ROOT:  # the frame, or the dict of a module
            return
        if self.scope and via in (LOCAL, KEY, STACK):
            self.variable(via, label)
            self.begin_path(about, known)
        elif via == CONTEXT:
            self.add("context", f"the ctx of {node_text(self.node)}", self.node[1])
            self.path = "ctx"
        elif via == MEMORY:
            self.flush()
            self.path = f"the memory of {about}"
        elif via in (HOOK, VIA_ROOT) or label == "?" or (known and known[0] == "frame"):
            if "__traceback__" in self.path or self.path in ("traceback", "frame"):
                self.path = "its traceback"
            self.flush()
            self.begin_path(f"hook {about}" if via == HOOK else about, known, via == HOOK)
        else:
            self.extend_path(via, label, about)
        self.scope = known if known is not None and known[0] == "frame" else ()
        if self.mode != "closure":
            self.holder = known

    def variable(self, via: int, label: Any) -> None:
        if self.scope[0] == "module":
            _, module, file = self.scope
            found = Variable(str(label), file, None, module)
        else:
            _, function, file, line, first, thread = self.scope
            if via == STACK:
                where = f"{short_file(file)}:{line}"
                whose = "the program" if function == "<module>" else f"{function}()"
                self.add("other", f"a temporary of {whose} at {where}")
                return
            found = Variable(str(label), file, function, None, first, thread)
        self.flush()
        line = found.line
        location = Line(found.file, line, found.function or "") if found.file and line else None
        self.links.append(Reference("variable", found.describe(), location, found))

    def begin_path(self, about: str, known: tuple[Any, ...] | None, hook: bool = False) -> None:
        self.mode = ""
        if known is None:
            self.path = "" if about == "cell" else about
        elif known[0] == "function":
            self.path = f"{'hook' if hook else 'function'} {known[1]}"
        elif known[0] == "suspended":
            self.path = f"{known[1]} {known[2]}()"
        elif known[0] in ("class", "module"):
            self.path = f"{known[0]} {known[1]}"
        else:
            self.path = ""

    def extend_path(self, via: int, label: Any, about: str | None) -> None:
        """Adds an index, a key or an attribute to the expression at hand."""
        if via == ITEM:
            names = self.holder[4] if self.mode == "closure" and self.holder else ()
            if label < len(names) and self.holder:
                self.path = f"closure variable {names[label]!r} of {self.holder[1]}()"
            else:
                self.path = (self.path or "tuple") + f"[{label}]"
        elif via == KEY:
            self.key(str(label))
            return
        elif via == AS_KEY:
            self.path = f"{self.path or 'dict'}, as a key"
        elif label == "":
            self.mode = "attribute"
            return
        elif label == ".__closure__":
            self.mode = "closure"
            return
        elif isinstance(label, str):
            self.attribute(label)
            return
        elif about is not None:  # an unnamed reference
            self.flush()
            self.path = about
        self.mode = ""

    def key(self, name: str) -> None:
        if self.mode == "attribute":
            self.attribute("." + name)
        elif self.mode == "registry":
            self.path += "." + name
            self.mode = ""
        else:
            text = name[1:] if name.startswith("\x01") else repr(name)
            self.path = f"{self.path or 'dict'}[{text}]"
            self.mode = ""

    def attribute(self, label: str) -> None:
        self.mode = "registry" if label[1:] in _REGISTRIES else ""
        if self.mode or label == UNSAID:
            return
        if self.holder is not None and self.holder[0] == "suspended":
            _, _, function, file, first = self.holder
            self.flush()
            found = Variable(label[1:], file, function, None, first)
            self.links.append(Reference("variable", found.describe(), None, found))
        else:
            self.path = (self.path or "attribute ") + label

    # ------------------------------------------------------------------ tensors and graphs

    def tensor(self, via: int, label: Any, about: tuple[Any, ...]) -> None:
        _, shape, dtype, _, _, _, node, _ = about
        name, line = node if node is not None else ("", None)
        place = f", {Line(*line).describe()}" if line else ""
        what = f"tensor {format_shape(shape)} {dtype}" + (f" ({name}{place})" if name else "")
        if self.scope and via in (LOCAL, KEY, STACK):
            self.variable(via, label)
        elif via in (ITEM, KEY, AS_KEY, REFERENT):
            if label == "?":
                self.flush()
            else:
                self.extend_path(via, label, None)
        elif via == SAVED:
            self.add("saved", f"saved {label!r} of {node_text(self.node)}", self.node[1])
        elif via == VARIABLE:
            what = f"the leaf at the end of the graph: {what}"
        kind, words = {
            GRADIENT: ("gradient", "its .grad: "),
            BASE: ("view", "the tensor that it is a view of: "),
            TANGENT: ("tensor", "its tangent: "),
        }.get(via, ("tensor", ""))
        self.add(kind, words + what, line)
        self.scope = ()
        self.holder = None

    def graph_node(self, via: int, label: Any, about: Any) -> None:
        if self.scope and via in (LOCAL, KEY, STACK):
            self.variable(via, label)
        if via != INPUT:
            self.path = "" if via == HANDLE else self.path
            self.flush()
        if via == HANDLE:
            self.add("graph", f"node {node_text(about)}", about[1])
        self.nodes += label if via == INPUT else 1
        self.node = about
        self.scope = ()
        self.holder = None
