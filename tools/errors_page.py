"""Writes ``docs/errors.md``: what PyTorch and Chainrule say about each canonical mistake.

The mistakes stand in ``tests/errors``. Chainrule's messages come from running them; PyTorch's are
kept in ``tests/errors/torch_messages.json``, which ``--record`` writes anew where torch is
installed. ``--check`` writes nothing and fails if the page is stale.
"""

from __future__ import annotations

import argparse
import html
import json
import re
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT), str(ROOT / "tests")]  # last: an installed chainrule is the one to run

from errors.case import Case, Outcome, first_sentence, run  # type: ignore  # noqa: E402
from errors.cases import CASES, CHAPTERS  # type: ignore  # noqa: E402

PAGE = ROOT / "docs" / "errors.md"
RECORDED = ROOT / "tests" / "errors" / "torch_messages.json"

INTRODUCTION = """\
# Errors

An error of Chainrule begins with PyTorch's own first sentence, so that what is written about it
elsewhere still applies and programs that look for it still work. Then it says, a line each,

- **where**: the lines of the program that are involved, with their text: where a value was
  recorded, changed, freed or cut off, where recording was switched off, where an operand came from;
- **the way out**.

The lines are known because every recorded operation, every change in place and every cut remembers
the line of the program that made it; that is always on, and costs at most a few per cent of the
smallest operation.

Each program below begins with

```py
import torch
from torch import nn
import torch.nn.functional as F
```

and its lines are counted as those of a file `train.py`. The messages are those of PyTorch {version}
and of Chainrule, word for word: `python tools/errors_page.py` writes this page, and a test keeps it
true.
"""


def recorded() -> tuple[str, dict[str, Outcome]]:
    """torch's version and its outcomes by the case's name, as they were recorded."""
    data = json.loads(RECORDED.read_text(encoding="utf-8"))
    return data["torch"], {name: Outcome(*pair) for name, pair in data["outcomes"].items()}


def record() -> None:
    """Run all cases under torch and keep what it says."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
    outcomes = {}
    for case in CASES:
        outcome = run(case, torch)
        outcomes[case.name] = [outcome.error, plain(outcome.message)]
    data = {"torch": torch.__version__.split("+")[0], "outcomes": outcomes}
    RECORDED.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def plain(message: str) -> str:
    """A message of torch without the place in torch's own source, which differs by build."""
    return re.sub(r" \(Triggered internally at [^)]*\)", "", message).rstrip()


def page() -> str:
    """The text of the page."""
    import chainrule

    version, theirs = recorded()
    ours = {case.name: run(case, chainrule) for case in CASES}
    parts = [INTRODUCTION.format(version=version), _table(theirs, ours)]
    for chapter, cases in CHAPTERS.items():
        parts.append(f"## {chapter}\n")
        parts += [_section(case, theirs[case.name], ours[case.name]) for case in cases]
    return "\n".join(parts)


def _table(theirs: dict[str, Outcome], ours: dict[str, Outcome]) -> str:
    rows = ["| mistake | PyTorch says | Chainrule adds |", "|---|---|---|"]
    for case in CASES:
        says = _cell([shortened(first_sentence(theirs[case.name].message))])
        added = [line.strip() for line in ours[case.name].message.splitlines()[1:]]
        known = {line.strip() for line in theirs[case.name].message.splitlines()}
        adds = _cell([line for line in added if line not in known])
        rows.append(f"| [{case.title}](#{case.name}) | {says} | {adds or 'nothing'} |")
    return "\n".join(rows) + "\n"


def shortened(text: str, limit: int = 100) -> str:
    """The text, cut at a word where it is longer than ``limit``."""
    return text if len(text) <= limit else text[: limit + 1].rpartition(" ")[0] + " …"


def _cell(lines: list[str]) -> str:
    return "<br>".join(html.escape(line, quote=False).replace("|", "\\|") for line in lines)


def _section(case: Case, theirs: Outcome, ours: Outcome) -> str:
    return "\n".join(
        [
            f'### <a id="{case.name}"></a>{case.title}\n',
            f"```py\n{case.program}```\n",
            f"PyTorch:\n\n```text\n{_shown(theirs)}\n```\n",
            f"Chainrule:\n\n```text\n{_shown(ours)}\n```\n",
        ]
    )


def _shown(outcome: Outcome) -> str:
    lines = (line.rstrip().expandtabs(4) for line in outcome.message.splitlines())
    return f"{outcome.error}: " + "\n".join(lines)


def main() -> int:
    """Write, record or check; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="run the cases under torch first")
    parser.add_argument("--check", action="store_true", help="write nothing, fail if stale")
    arguments = parser.parse_args()
    if arguments.record:
        record()
    text = page()
    if arguments.check:
        stale = not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text
        if stale:
            print("docs/errors.md is stale: run python tools/errors_page.py")
        return int(stale)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
