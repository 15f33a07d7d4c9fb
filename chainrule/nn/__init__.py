"""Networks: modules, their parameters, functions and initial values."""

from chainrule.nn import functional, init, modules, parameter, utils
from chainrule.nn.modules import *  # noqa: F403
from chainrule.nn.parameter import Buffer, Parameter

__all__ = ["Buffer", "Parameter", "functional", "init", "modules", "parameter", "utils"]
__all__ += modules.__all__


def __getattr__(name: str) -> None:
    from chainrule._missing import missing_attribute

    raise missing_attribute(__name__, name)
