"""The interactive page: one HTML file that holds the graph, its script and its styles.

The script and the styles are bundled from ``viewer/`` by ``npm run build`` and stand in
``chainrule/viewer/static``. Where they are missing, the page is a simpler one without a script.

Nothing is loaded from anywhere: the page's Content-Security-Policy allows the one script and the
one style sheet inside it, by their hashes, and no connection at all. What a graph says (names,
source lines) is data in an inert element, escaped, and becomes text only.
"""

from __future__ import annotations

import json
from pathlib import Path

from chainrule.viewer._plain_page import plain_page

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["has_bundle", "page"]

_STATIC = Path(__file__).with_name("static")


def has_bundle() -> bool:
    """Whether pages are interactive: the bundle of the page's script and styles was built."""
    return (_STATIC / "page.js").is_file() and (_STATIC / "page.css").is_file()


def page(payload: Mapping[str, Any], svg: str | None = None) -> str:
    """One self-contained HTML page of a graph, or of the steps of a recorded run.

    Args:
        payload: ``{"graphs": [...], "steps": [...], "profile": ... or None}``, where each graph is
            of format "chainrule.graph", version 1; see `chainrule.graph.export.to_payload`.
        svg: a static picture, shown where the interactive one cannot be: by the simpler page, and
            in browsers that run no scripts. It is written into the page as it is, so it must come
            from a trusted drawing function.

    Returns:
        The text of the file, to be written as UTF-8.

    Raises:
        ValueError: the payload is no such mapping, or holds NaN or infinity as a number; they are
            the strings "nan", "inf" and "-inf".
    """
    graphs = _graphs(payload)
    title = next((str(graph["title"]) for graph in graphs if graph.get("title")), "")
    title = title or ("Profile" if not graphs and payload.get("profile") else "Computation graph")
    if not has_bundle():
        return plain_page(payload, title, svg)
    script = (_STATIC / "page.js").read_text(encoding="utf-8")
    style = (_STATIC / "page.css").read_text(encoding="utf-8")
    return _interactive_page(title, _inert_json(payload), script, style, svg)


def _graphs(payload: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    graphs = payload.get("graphs")
    if not isinstance(graphs, list):
        raise ValueError(
            'a page shows {"graphs": [...], "steps": [...], "profile": ...}, which has a list of '
            "graphs; chainrule.graph.export.to_payload(graph) makes it"
        )
    for graph in graphs:
        if graph.get("format") != "chainrule.graph" or graph.get("version") != 1:
            raise ValueError(
                f'a page shows graphs of format "chainrule.graph", version 1, not '
                f"{graph.get('format')!r}, version {graph.get('version')!r}"
            )
    return graphs


def _inert_json(payload: Mapping[str, Any]) -> str:
    """JSON that cannot end the element it stands in, whatever the texts inside it say."""
    try:
        text = json.dumps(payload, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    except ValueError as error:
        raise ValueError(
            'the payload holds NaN or infinity as a number; write them as "nan", "inf" or "-inf"'
        ) from error
    # Outside its strings, JSON has none of these signs.
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _interactive_page(title: str, data: str, script: str, style: str, svg: str | None) -> str:
    from html import escape

    # An element's text ends at its end tag: the bundle must not spell it in a string.
    script = script.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hash(script)}",
            f"style-src {_hash(style)}",
            "img-src blob: data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    still = f'<div id="still">{svg}</div>' if svg else ""
    return (
        "<!doctype html>\n"
        '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(title)}</title>\n"
        f"<style>{style}</style>\n"
        "</head>\n<body>\n"
        f"<noscript><p>This page needs scripts to unfold the graph.</p>{still}</noscript>\n"
        f'<script type="application/json" id="chainrule-data">{data}</script>\n'
        f"<script>{script}</script>\n"
        "</body>\n</html>\n"
    )


def _hash(text: str) -> str:
    from base64 import b64encode
    from hashlib import sha256

    return f"'sha256-{b64encode(sha256(text.encode('utf-8')).digest()).decode('ascii')}'"
