"""Operators of forward mode."""

from ops._dsl import VIEW, op

op(
    "_dual_view(Tensor self) -> Tensor",
    kind=VIEW,
    kernel="whole_view",
    node="AliasBackward0",
    vjp={"self": "grad"},
    batch="keep_front",
    method=False,
    doc="The same elements as a new tensor, to which a tangent can be attached.",
)
