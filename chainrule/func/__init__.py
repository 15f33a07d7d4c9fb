"""Transforms of functions: derivatives that are functions themselves, and nest.

Every transform takes a function of tensors (in tuples, lists and dictionaries if need be). The
order of nesting does not matter: gradients of gradients, forward mode over reverse mode and
reverse mode over forward mode are all exact.
"""

from __future__ import annotations

from ._forward import hessian, jacfwd, jvp, linearize
from ._module import functional_call
from ._reverse import grad, grad_and_value, jacrev, vjp
from ._vmap import vmap

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "vjp",
    "vmap",
]
