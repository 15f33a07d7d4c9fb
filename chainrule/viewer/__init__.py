"""Pictures of computation graphs: `show`, `save_graph`, `explain`.

Every picture is drawn from an exported graph (``chainrule.graph.export``): as text, SVG, an
interactive HTML page, Graphviz's language or JSON.
"""

from chainrule.viewer.explain import Explanation, explain
from chainrule.viewer.picture import Picture
from chainrule.viewer.show import save_graph, show

__all__ = ["Explanation", "Picture", "explain", "save_graph", "show"]
