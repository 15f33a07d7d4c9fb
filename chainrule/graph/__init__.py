"""The public graph API: what was recorded, as nodes and edges that a program can read.

>>> import chainrule as torch
>>> from chainrule.graph import Graph
>>> a = torch.tensor(2.0, requires_grad=True)
>>> b = a * a + 1
>>> [(node.symbol, node.variable) for node in Graph(b).nodes]
[('', 'a'), ('×', None), ('+', 'b')]
"""

from ._source import Location
from .model import Edge, Graph, Node

__all__ = [
    "Edge",
    "Folding",
    "Graph",
    "Location",
    "Node",
    "fold",
    "graph_stats",
    "summarize",
    "to_json",
    "to_payload",
]

# What only pictures and tables need.
_LAZY = {
    "Folding": "folding",
    "fold": "folding",
    "graph_stats": "stats",
    "summarize": "summary",
    "to_json": "export",
    "to_payload": "export",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found: object = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    globals()[name] = found
    return found
