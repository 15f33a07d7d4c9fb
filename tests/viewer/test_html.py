"""The page as a file: it is one, it is inert, and it says what is wrong with a payload."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from chainrule.viewer import html

from .browser import payloads

BUNDLED = pytest.mark.skipif(not html.has_bundle(), reason="the page's script was not built")


class Elements(HTMLParser):
    """Collects elements, and the text inside script and style elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.current = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.current = dict(attrs).get("id") or tag

    def handle_endtag(self, tag: str) -> None:
        self.current = ""

    def handle_data(self, data: str) -> None:
        if self.current:
            self.texts[self.current] = self.texts.get(self.current, "") + data


@pytest.fixture
def without_bundle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(html, "_STATIC", tmp_path)


@BUNDLED
def test_the_data_is_read_back_whole() -> None:
    payload = payloads.figure()
    elements = Elements(html.page(payload))
    assert json.loads(elements.texts["chainrule-data"]) == payload


@BUNDLED
@pytest.mark.parametrize("name", ["figure", "hostile"])
def test_the_page_has_only_its_own_elements(name: str) -> None:
    text = html.page(getattr(payloads, name)())
    tags = [tag for tag, _ in Elements(text).found]
    assert tags == [
        "html", "head", "meta", "meta", "meta", "meta", "title", "style", "body", "noscript", "p",
        "script", "script",
    ]  # fmt: skip
    data = Elements(text).texts["chainrule-data"]
    assert not set(data) & set("<>&\u2028")


@BUNDLED
def test_the_policy_allows_the_inline_script_and_style_and_nothing_else() -> None:
    elements = Elements(html.page(payloads.figure()))
    policy = next(a["content"] for _, a in elements.found if a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for kind in ("script", "style"):
        digest = hashlib.sha256(elements.texts[kind].encode()).digest()
        assert f"{kind}-src 'sha256-{base64.b64encode(digest).decode()}'" in policy


@BUNDLED
def test_the_page_names_no_other_place() -> None:
    text = html.page(payloads.figure())
    data = text.index('id="chainrule-data"')
    attributes = re.findall(r'(?:src|href)\s*=\s*"([^"]*)"', text[:data])
    assert attributes == []
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text[: text.index("</style>")])


@BUNDLED
def test_the_page_carries_the_licences_of_what_it_contains() -> None:
    text = html.page(payloads.figure())
    assert "@dagrejs/dagre" in text
    assert "Permission to use, copy, modify" in text


def test_the_plain_page_shows_every_node(without_bundle: None) -> None:
    text = html.page(payloads.figure(), svg="<svg><title>drawn</title></svg>")
    assert "<svg><title>drawn</title></svg>" in text
    assert text.count("<tr>") == 1 + 11
    for words in ("w1", "mul", "train.py:6", "g·other", "-0.5", "19"):
        assert f">{words}<" in text.replace("; g·self", "")


def test_the_plain_page_folds_groups(without_bundle: None) -> None:
    text = html.page(payloads.residual(3))
    assert text.count("<details>") == text.count("</details>") > 5
    assert "<b>blocks</b><span>×3" in text


def test_the_plain_page_escapes_what_it_shows(without_bundle: None) -> None:
    tags = {tag for tag, _ in Elements(html.page(payloads.hostile())).found}
    assert "img" not in tags
    assert "script" not in tags


def test_the_plain_page_counts_instead_of_listing_a_huge_graph(without_bundle: None) -> None:
    text = html.page(payloads.chain(30_000))
    assert "tanh ×15,000" in text
    assert len(text) < 20_000


def test_the_plain_page_shows_steps_and_profile(without_bundle: None) -> None:
    text = html.page(payloads.training(3) | {"profile": payloads.profile(1)})
    assert "step 3" in text
    assert "AddmmBackward0" in text


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({}, "a list of graphs"),
        ({"graphs": [{"format": "chainrule.graph", "version": 2}]}, "version 1, not"),
    ],
)
def test_a_wrong_payload_is_refused(payload: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        html.page(payload)


@BUNDLED
def test_nan_as_a_number_is_refused() -> None:
    payload = payloads.figure()
    payload["graphs"][0]["summaries"][0]["mean"] = float("nan")
    with pytest.raises(ValueError, match='write them as "nan"'):
        html.page(payload)
