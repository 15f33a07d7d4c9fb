"""The page without a script: a static picture, and the nodes as tables in folded groups."""

from __future__ import annotations

from html import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

__all__ = ["plain_page"]

# A browser lays out this many rows at once without delay; of more, groups tell only the count.
_MOST_ROWS = 20_000
_KINDS = ("operator", "variable", "saved input")
_HEADINGS = (
    "node",
    "operator",
    "shape",
    "dtype",
    "saved",
    "value",
    "gradient",
    "line",
    "derivative",
)

_STYLE = """
:root { color-scheme: light dark; --paper: #fbfbf9; --ink: #1c1e24; --soft: #646975;
  --rule: #e3e2dc; --tint: #f1f2f6; --grad: #c04a13; --value: #2359b5; }
@media (prefers-color-scheme: dark) { :root { --paper: #15171c; --ink: #eceef2; --soft: #9aa0ad;
  --rule: #2d313a; --tint: #20242c; --grad: #ff9a62; --value: #86b1ff; } }
body { margin: 0 auto; max-width: 1200px; padding: 28px 24px 60px; background: var(--paper);
  color: var(--ink); font: 14px/1.5 "Inter", "Segoe UI", system-ui, Arial, sans-serif; }
h1 { font-size: 22px; letter-spacing: -0.015em; margin: 0 0 4px; }
h2 { font-size: 15px; margin: 28px 0 8px; }
p { color: var(--soft); margin: 0 0 18px; }
figure { margin: 0 0 14px; text-align: center; padding: 16px; overflow: auto;
  background: #fff; border-radius: 12px; border: 1px solid var(--rule); }
details { margin: 3px 0 3px 14px; padding-left: 10px; border-left: 2px solid var(--rule); }
main > details { margin-left: 0; }
summary { cursor: pointer; padding: 4px 6px; border-radius: 6px; }
summary:hover { background: var(--tint); }
summary b { font-weight: 600; }
summary span { color: var(--soft); margin-left: 8px; }
.table { overflow-x: auto; margin: 4px 0 10px; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th { text-align: left; color: var(--soft); font-weight: 550; }
th, td { padding: 3px 14px 3px 6px; border-bottom: 1px solid var(--rule); white-space: nowrap; }
td.value { color: var(--value); } td.grad { color: var(--grad); }
td.leaf { font-style: italic; }
""".strip()


def plain_page(payload: Mapping[str, Any], title: str, svg: str | None) -> str:
    """A readable page that needs no script: `svg` as it is, then each graph's groups and nodes."""
    body = [f"<h1>{escape(title)}</h1>"]
    graphs: Sequence[Mapping[str, Any]] = payload["graphs"]
    if svg:
        body.append(f"<figure>{svg}</figure>")
    for number, graph in enumerate(graphs):
        if len(graphs) > 1:
            body.append(f"<h2>Graph {number + 1}</h2>")
        body.extend(_Table(graph).lines())
    if payload.get("steps"):
        body.extend(_steps(payload["steps"]))
    if payload.get("profile"):
        body.extend(_profile(payload["profile"]))
    return (
        "<!doctype html>\n"
        '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        "<body>\n<main>\n" + "\n".join(body) + "\n</main>\n</body>\n</html>\n"
    )


class _Table:
    """The nodes of one graph by their innermost groups."""

    def __init__(self, graph: Mapping[str, Any]) -> None:
        self.graph = graph
        self.strings: Sequence[str] = graph["strings"]
        self.nodes: Mapping[str, Sequence[Any]] = graph["nodes"]
        self.size = len(self.nodes["kind"])
        folds: Mapping[str, Any] = graph.get("folds") or {}
        fold = next(
            (folds[name] for name in ("module", "structure", "line") if folds.get(name)), None
        )
        self.groups: Sequence[Mapping[str, Any]] = fold["groups"] if fold else []
        self.members: dict[int, list[int]] = {}
        for node in range(self.size):
            self.members.setdefault(fold["group"][node] if fold else -1, []).append(node)
        self.children: dict[int, list[int]] = {}
        for index, group in enumerate(self.groups):
            self.children.setdefault(group["parent"], []).append(index)

    def text(self, index: int) -> str:
        return self.strings[index] if index >= 0 else ""

    def lines(self) -> Iterator[str]:
        edges = len(self.graph["edges"]["source"])
        saved = sum(self.nodes["bytes"])
        yield f"<p>{self.size:,} nodes, {edges:,} edges, {_bytes(saved)} saved for backward</p>"
        # A stack instead of calls: groups may stand in each other deeply.
        stack: list[str | int] = [-1]
        while stack:
            item = stack.pop()
            if isinstance(item, str):
                yield item
                continue
            if item >= 0:
                yield self.opening(item)
            own = self.members.get(item)
            if own:
                yield from self.table(own)
            if item >= 0:
                stack.append("</details>")
            stack.extend(reversed(self.children.get(item, ())))

    def opening(self, index: int) -> str:
        group = self.groups[index]
        name = self.text(group["label"])
        repeats = f"×{group['repeats']}"
        facts = [repeats] if group["repeats"] > 1 and not name.endswith(repeats) else []
        facts += [f"{group['count']:,} nodes", self.text(group["detail"])]
        words = " · ".join(fact for fact in facts if fact)
        label = escape(name or "(no module)")
        return f"<details><summary><b>{label}</b><span>{escape(words)}</span></summary>"

    def table(self, nodes: Sequence[int]) -> Iterator[str]:
        if self.size > _MOST_ROWS:
            counts: dict[str, int] = {}
            for node in nodes:
                name = self.text(self.nodes["op"][node]) or _KINDS[self.nodes["kind"][node]]
                counts[name] = counts.get(name, 0) + 1
            most = sorted(counts.items(), key=lambda pair: -pair[1])
            yield f"<p>{escape(', '.join(f'{name} ×{count:,}' for name, count in most))}</p>"
            return
        heads = "".join(f"<th>{heading}</th>" for heading in _HEADINGS)
        yield f'<div class="table"><table><thead><tr>{heads}</tr></thead><tbody>'
        for node in nodes:
            yield self.row(node)
        yield "</tbody></table></div>"

    def row(self, node: int) -> str:
        nodes = self.nodes
        kind = nodes["kind"][node]
        operator = self.text(nodes["op"][node])
        name = self.text(nodes["variable"][node])
        file = self.text(nodes["file"][node]).replace("\\", "/").rpartition("/")[2]
        place = f"{file}:{nodes['line'][node]}" if nodes["line"][node] else ""
        formula = "; ".join(filter(None, map(self.text, nodes["formula"][node])))
        cells = (
            (name or operator, "leaf" if kind else ""),
            (operator or _KINDS[kind], ""),
            (self.text(nodes["shape"][node]) or "scalar", ""),
            (self.text(nodes["dtype"][node]), ""),
            (_bytes(nodes["bytes"][node]), ""),
            (self.summary(nodes["value"][node]), "value"),
            (self.summary(nodes["grad"][node]), "grad"),
            (place, ""),
            (formula, ""),
        )
        return "<tr>" + "".join(_cell(text, style) for text, style in cells) + "</tr>"

    def summary(self, index: int) -> str:
        return _summary(self.graph["summaries"][index]) if index >= 0 else ""


def _cell(text: str, style: str) -> str:
    kind = f' class="{style}"' if style else ""
    return f"<td{kind}>{escape(text)}</td>"


def _steps(steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield '<h2>Training steps</h2><div class="table"><table><tbody>'
    for step in steps:
        loss = f"loss {_number(step['loss'])}"
        yield f"<tr>{_cell(step['label'], '')}{_cell(loss, 'value')}</tr>"
    yield "</tbody></table></div>"


def _profile(profile: Mapping[str, Any]) -> Iterator[str]:
    """Time by name, the largest first."""
    totals: dict[str, tuple[float, int]] = {}
    spans = profile["spans"]
    for name, duration in zip(spans["name"], spans["duration"], strict=True):
        time, count = totals.get(profile["strings"][name], (0.0, 0))
        totals[profile["strings"][name]] = (time + duration, count + 1)
    yield '<h2>Profile</h2><div class="table"><table><thead><tr><th>name</th><th>time</th>'
    yield "<th>calls</th></tr></thead><tbody>"
    for name, (time, count) in sorted(totals.items(), key=lambda item: -item[1][0])[:200]:
        yield f"<tr>{_cell(name, '')}{_cell(f'{time:,.1f} µs', '')}{_cell(f'{count:,}', '')}</tr>"
    yield "</tbody></table></div>"


def _summary(summary: Mapping[str, Any]) -> str:
    values = summary.get("values")
    if summary["count"] == 1 and values:
        return _number(values[0])
    return f"{_number(summary['min'])} … {_number(summary['max'])}"


def _number(value: float | str | None) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else f"{value:.5g}"


def _bytes(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
