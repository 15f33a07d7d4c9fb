"""A picture of a graph, in whatever form it is asked for."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import IO, Any

from chainrule.viewer import dot as dot_form
from chainrule.viewer import labels
from chainrule.viewer import svg as svg_form
from chainrule.viewer import text as text_form
from chainrule.viewer.layout import MissingLayout
from chainrule.viewer.reader import OPERATOR, Reader
from chainrule.viewer.view import View

FORMS = ("text", "svg", "html", "dot", "json")
_TOO_TANGLED = 20_000  # layers that all links cross together, beyond which nobody can follow them
_SUFFIXES = {".svg": "svg", ".html": "html", ".htm": "html", ".dot": "dot", ".gv": "dot"}
_SUFFIXES |= {".json": "json", ".txt": "text"}
_STYLES = {
    "variable": "bold",
    "operator": "dim",
    "group": "bold blue",
    "heading": "bold blue",
    "value": "cyan",
    "gradient": "yellow",
    "local": "bold",
    "shape": "",
    "expression": "",
    "place": "dim",
    "note": "dim",
    "tree": "dim",
}


class Picture:
    """The picture that `chainrule.show` returns. ``print`` writes it as text, a notebook draws it.

    Args:
        graph: an exported graph (format "chainrule.graph").
        fold: "module", "line" or "structure": what becomes one box; None folds nothing.
        boxes: how many boxes there are at most, up to 400; None leaves it to the picture.
        direction: of the SVG and dot forms, "down", "up" or "right".
        width: columns of the text; None: those of the terminal, or 80.
        steps: of a recorded run, all that the page shows of it.
    """

    def __init__(
        self,
        graph: dict[str, Any],
        *,
        fold: str | None = "module",
        boxes: int | None = None,
        direction: str | None = None,
        width: int | None = None,
        steps: dict[str, Any] | None = None,
    ) -> None:
        if fold not in ("module", "line", "structure", None):
            raise ValueError(f"fold must be 'module', 'line', 'structure' or None, not {fold!r}")
        if direction not in ("down", "up", "right", None):
            raise ValueError(f"direction must be 'down', 'up' or 'right', not {direction!r}")
        if width is not None and width < 20:
            raise ValueError(f"width must be 20 columns or more, not {width}")
        self.graph = graph
        self._reader = Reader(graph)
        self._fold = fold
        self._boxes = boxes
        self._direction = direction
        self._width = width
        self._steps = steps
        self._svg: str | None = None
        self._views: dict[bool, View] = {}
        self._view(attach=False)  # a wrong argument is an error here, not when it is drawn

    def _view(self, attach: bool) -> View:
        if attach not in self._views:
            self._views[attach] = View(self._reader, self._fold, self._boxes, attach)
        return self._views[attach]

    def text(self, width: int | None = None) -> str:
        """The picture as plain text of at most ``width`` columns (at least 20)."""
        return text_form.plain(text_form.lines(self._view(False)), self._columns(width))

    def svg(self) -> str:
        """The picture as an SVG document.

        Raises:
            ImportError: Graphviz, which finds the layout, is not installed.
        """
        if self._svg is None:
            view = self._view(True)
            while view.span() > _TOO_TANGLED and len(view.boxes) > 20:
                most = max(20, len(view.boxes) // 2)
                view = View(self._reader, self._fold, self._boxes, True, most)
                view.notes.append("Fewer boxes than there is room for: too many long links.")
            self._svg = svg_form.render(view, self._direction)
        return self._svg

    def dot(self) -> str:
        """The picture in Graphviz's language."""
        return dot_form.render(self._view(True), self._direction or "down")

    def json(self) -> str:
        """The whole graph as JSON, unfolded: format "chainrule.graph", version 1."""
        return json.dumps(self.graph, ensure_ascii=False, allow_nan=False, separators=(",", ":"))

    def html(self) -> str:
        """A page for a browser, to unfold, search and step through; it loads nothing."""
        from chainrule.viewer.html import has_bundle, page

        drawn = None
        if not has_bundle():  # the page without a script shows a drawing
            with contextlib.suppress(MissingLayout):
                drawn = self.svg()
        alone = {"graphs": [self.graph], "steps": [], "profile": None}
        return page(alone if self._steps is None else self._steps, svg=drawn)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture to a file, in the form that its suffix names.

        Args:
            path: ends in .svg, .html, .dot, .json or .txt.

        Raises:
            ValueError: another suffix.
        """
        target = Path(path)
        form = form_of(target)
        target.write_text(self._in_form(form), encoding="utf-8")

    def _in_form(self, form: str) -> str:
        written: str = getattr(self, form)()
        return written

    def print(
        self, file: IO[str] | None = None, *, form: str = "text", color: bool | None = None
    ) -> None:
        """Write the picture to a stream.

        Args:
            file: the stream; None is standard output.
            form: "text", "svg", "html", "dot" or "json".
            color: whether text has colours; None: on a terminal that has them, if the package
                rich is installed and the environment does not set ``NO_COLOR``.

        Raises:
            ImportError: ``color=True`` without the package rich.
        """
        if form not in FORMS:
            raise ValueError(f"form must be one of {', '.join(map(repr, FORMS))}, not {form!r}")
        stream = sys.stdout if file is None else file
        if form != "text":
            stream.write(self._in_form(form))
            return
        width = self._columns(None, stream)
        page = text_form.lines(self._view(False))
        only_ascii = not text_form.can_write(stream, "×│└…∂")
        if not only_ascii and _colors(stream, color):
            _print_rich(page, width, stream, forced=bool(color))
        else:
            stream.write(text_form.plain(page, width, only_ascii))

    def _columns(self, width: int | None, stream: IO[str] | None = None) -> int:
        width = self._width if width is None else width
        if width is not None:
            return max(20, width)
        stream = sys.stdout if stream is None else stream
        if not _is_terminal(stream):
            return 80
        try:
            return max(20, os.get_terminal_size(stream.fileno()).columns)
        except (OSError, ValueError, AttributeError):
            return 80

    def __str__(self) -> str:
        return self.text().rstrip("\n")

    def __repr__(self) -> str:
        reader = self._reader
        names = ", ".join(reader.variable(r) or reader.operator(r) for r in reader.roots[:3])
        operators = sum(kind == OPERATOR for kind in reader.kinds)
        count = labels.counted(operators, "operator")
        return f"<Picture of {labels.printable(names)}: {count}>"

    def _repr_svg_(self) -> str | None:
        try:
            return self.svg()
        except MissingLayout:
            return None

    def _repr_html_(self) -> str:
        drawn = self._repr_svg_()
        if drawn is not None:
            return f'<div style="overflow:auto;max-height:80vh">{drawn}</div>'
        from html import escape

        page = escape(self.html(), quote=True)
        return (
            f'<iframe srcdoc="{page}" style="width:100%;height:600px;border:0" '
            'sandbox="allow-scripts" title="computation graph"></iframe>'
        )

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self._repr_html_()}


def form_of(path: Path) -> str:
    """The form that a file's suffix names.

    Raises:
        ValueError: no form has this suffix.
    """
    form = _SUFFIXES.get(path.suffix.lower())
    if form is None:
        raise ValueError(
            f"cannot tell from {path.name!r} what to write: the name must end in "
            ".svg, .html, .dot, .json or .txt"
        )
    return form


def _is_terminal(stream: IO[str]) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False


def _colors(stream: IO[str], color: bool | None) -> bool:
    """Whether to write colours, which the package rich does."""
    if color is None and (
        os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not _is_terminal(stream)
    ):
        return False
    if color is False:
        return False
    try:
        import rich  # noqa: F401
    except ImportError:
        if color:
            raise ImportError(
                'color=True needs the package rich: pip install "chainrule[viewer]"'
            ) from None
        return False
    return True


def _print_rich(page: list[text_form.Line], width: int, stream: IO[str], forced: bool) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(
        file=stream,
        width=width,
        force_terminal=True if forced else None,
        no_color=False if forced else None,
        highlight=False,
    )
    for line in page:
        cells = text_form.fitted(line, width)
        pieces = [(cell.text, _STYLES.get(cell.style, "")) for cell in cells]
        console.print(Text.assemble(*pieces), no_wrap=True, overflow="crop", crop=True)
