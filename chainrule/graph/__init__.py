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

__all__ = ["Edge", "Graph", "Location", "Node"]
