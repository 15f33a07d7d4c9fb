"""The types of results with names: ``torch.return_types.max(values=..., indices=...)``."""

from chainrule import _C

globals().update(_C._return_types)
