"""Draws docs/images/chain-rule.svg, the first picture of the README.

Run it again when the pictures change: ``python tools/readme_figure.py`` (needs Graphviz:
``pip install "chainrule[viewer]"``).
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import chainrule as torch
from chainrule.viewer import save_graph

TARGET = Path(__file__).resolve().parents[1] / "docs" / "images" / "chain-rule.svg"


def main(target: Path = TARGET) -> int:
    """Draw ``L = 10 - (w3*(w1*a) + w4*(w2*a))`` into ``target``."""
    a = torch.tensor(2.0, requires_grad=True)
    w1 = torch.tensor(3.0, requires_grad=True)
    w2 = torch.tensor(2.0, requires_grad=True)
    w3 = torch.tensor(1.0, requires_grad=True)
    w4 = torch.tensor(2.0, requires_grad=True)

    b = w1 * a
    c = w2 * a
    d = w3 * b + w4 * c
    L = 10 - d

    target.parent.mkdir(parents=True, exist_ok=True)
    save_graph(L, target)
    print(f"wrote {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
