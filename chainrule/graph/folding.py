"""Folds a graph into boxes: by module, by source line, by repeated structure.

A folding says which box each node stands in; boxes stand in boxes. Each holds a stretch of the
recording order (leaves and constants stand near their users), so the folded graph has no cycle
either. No box has more than about 60 members.
"""

from __future__ import annotations

from collections import namedtuple

from chainrule.graph._facts import Facts, collector_off, facts_of
from chainrule.graph._folders import FOLDERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from chainrule.graph.model import Graph

__all__ = ["KINDS", "Folding", "Group", "fold"]

KINDS = ("module", "line", "structure")

Group = namedtuple("Group", ["parent", "label", "kind", "count", "repeats", "detail"])
Group.__doc__ = """One box of a folding.

``parent`` is the index of the group it stands in (-1: none); ``kind`` one of "module", "line",
"repeat" (its members are ``repeats`` times the same) and "part"; ``count`` the number of nodes
inside, at all depths; ``label`` what to write on it, ``detail`` what to say about it.
"""


class Folding:
    """How a graph is folded.

    Attributes:
        by: "module", "line" or "structure".
        group: for each node the index of the innermost group that holds it, -1 for none.
        groups: the groups; a parent stands before its children.
    """

    def __init__(self, by: str, group: list[int], groups: list[Group]) -> None:
        self.by = by
        self.group = group
        self.groups = groups

    def members(self, index: int = -1) -> tuple[list[int], list[int]]:
        """The nodes and the groups that stand directly in a group (-1: outside all groups)."""
        nodes = [node for node, group in enumerate(self.group) if group == index]
        groups = [i for i, group in enumerate(self.groups) if group.parent == index]
        return nodes, groups

    def to_dict(self) -> dict[str, Any]:
        """The folding as plain lists and dicts, for JSON."""
        return {"group": list(self.group), "groups": [group._asdict() for group in self.groups]}

    def __repr__(self) -> str:
        return f"Folding(by={self.by!r}, {len(self.group)} nodes in {len(self.groups)} groups)"


def fold(graph: Graph, by: str = "module") -> Folding:
    """Fold a graph.

    Args:
        graph: what to fold.
        by: "module": a box for each call of an ``nn.Module``, consecutive modules of equal
            structure in one "repeat" box; "line": a box for the operations of one source line, and
            one with a count for lines that repeat, such as the body of a loop; "structure": a box
            for a repeated sequence of the same operators, shapes and wiring.

    Raises:
        ValueError: an unknown `by`.
    """
    if by not in KINDS:
        raise ValueError(f"a graph folds by {', '.join(map(repr, KINDS))}, not by {by!r}")
    with collector_off():
        return fold_facts(facts_of(graph), by)


def fold_facts(facts: Facts, by: str) -> Folding:
    """What `fold` does, from what it needs to know of the graph."""
    with collector_off():
        return _fold_facts(facts, by)


def _fold_facts(facts: Facts, by: str) -> Folding:
    folder = FOLDERS[by](facts)
    folder.fold()
    boxes = folder.boxes
    counts = boxes.finish(facts.leaves, facts.users)
    columns = (boxes.parent, boxes.label, boxes.kind, counts, boxes.repeats, boxes.detail)
    return Folding(by, boxes.group_of, list(map(Group._make, zip(*columns, strict=True))))
