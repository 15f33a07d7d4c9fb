"""The modes that switch recording on and off; see each name's own documentation."""

from chainrule._C import enable_grad, inference_mode, no_grad, set_grad_enabled

__all__ = ["enable_grad", "inference_mode", "no_grad", "set_grad_enabled"]
