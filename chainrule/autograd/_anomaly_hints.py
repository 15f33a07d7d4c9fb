"""What usually helps, by operator: the last line of an anomaly's error."""

from __future__ import annotations

from ._anomaly_values import Values, number_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["backward_hint", "forward_hint"]

# Above this no product of a sane network ends, in float32 or float64.
_DIVERGED = 1e15
_GROWN = 1e6  # nor does a parameter get as large

_LOGS = {"log", "log2", "log10"}
_EXPS = {"exp", "exp2", "expm1", "cosh", "sinh"}
_DIVISIONS = {"div", "reciprocal", "remainder", "fmod", "floor_divide"}
_PRODUCTS = {"mm", "bmm", "matmul", "addmm", "baddbmm", "linear", "dot", "mv", "einsum", "outer"}
_STEPS = {"sgd_step", "adam_step"}
_WHERE = "A where() around it does not help: 0·∞ is NaN. Make its argument safe first"


_SLOWER = (
    "Lower the learning rate, clip the gradients (torch.nn.utils.clip_grad_norm_), or scale the "
    "data."
)


def _diverged(values: Sequence[Values], parameters: dict[str, Values]) -> str | None:
    largest = max((v.magnitude for v in values), default=0.0)
    if largest < _DIVERGED:
        return None
    grown = max(parameters, key=lambda name: parameters[name].magnitude, default=None)
    if grown is not None and parameters[grown].magnitude > _GROWN:
        size = number_text(parameters[grown].magnitude)
        return f"The parameter {grown} has grown to {size}: training diverges. {_SLOWER}"
    return f"Its inputs are as large as {number_text(largest)}: training diverges. {_SLOWER}"


def _log(x: Values) -> str | None:
    if x.least is not None and x.least < 0:
        return "The logarithm of a negative number is NaN: see what gave its argument."
    if x.zeros:
        return (
            "log(0) is -inf. Keep the argument away from 0, as in x.clamp(min=1e-12).log(); for "
            "probabilities use log_softmax or logsigmoid, not the log of a softmax or sigmoid."
        )
    return None


def _exp(name: str, x: Values) -> str | None:
    if x.largest is None:
        return None
    limit = {"float32": 88.7, "float64": 709.8}.get(x.dtype, 88.7)
    if name == "exp2":
        limit = 128.0 if x.dtype != "float64" else 1024.0
    if x.magnitude <= limit:
        return None
    return (
        f"{name}({number_text(x.magnitude)}) is too large for {x.dtype}, which ends at "
        f"{name}({number_text(limit)}). Subtract the maximum first, or use softmax, logsumexp, "
        "softplus or sigmoid, which do; large arguments often mean that training diverges: lower "
        "the learning rate."
    )


def _division(facts: Sequence[Values], result: Values) -> str | None:
    divisor = facts[-1]
    if len(facts) > 1 or divisor.zeros:  # one fact: the other operand is a number
        if not divisor.zeros:
            return None
        what = "0 / 0 is NaN" if result.nan else "A division by 0 is infinite"
        count = "a zero" if divisor.zeros == 1 else f"{divisor.zeros} zeros"
        zeros = "is 0" if divisor.count == 1 else f"has {count}"
        return f"{what}: the divisor {zeros}. Add a small number to it: x / (d + 1e-8)."
    return "The divisor is 0." if result.bad == result.count else None


def _power(facts: Sequence[Values], result: Values) -> str | None:
    base = facts[0]
    if result.nan and base.least is not None and base.least < 0:
        return "A negative number has no power with a fractional exponent: clamp(min=0), or abs()."
    if base.zeros and result.plus:
        return "0 to a negative exponent is infinite: keep the base away from 0, clamp(min=1e-8)."
    return None


def _domain(name: str, x: Values) -> str | None:
    """Functions that are defined between -1 and 1, or from 0 or 1 on."""
    low, high = x.least, x.largest
    if low is None or high is None:
        return None
    if name in ("acos", "asin") and (low < -1 or high > 1):
        return f"{name} takes numbers from -1 to 1; rounding may pass that: clamp(-1, 1)."
    if name in ("atanh", "erfinv") and (low <= -1 or high >= 1):
        return f"{name} is finite between -1 and 1 only: clamp(-1 + 1e-6, 1 - 1e-6)."
    if name == "acosh" and low < 1:
        return "acosh takes numbers from 1 on: clamp(min=1)."
    if name == "sqrt" and low < 0:
        return "The square root of a negative number is NaN; rounding may give one: clamp(min=0)."
    if name == "rsqrt" and low <= 0:
        return "rsqrt takes numbers above 0: add a small number, as in (x + 1e-8).rsqrt()."
    if name == "log1p" and low <= -1:
        return "log1p takes numbers above -1."
    if name == "logit" and (low <= 0 or high >= 1):
        return "logit takes numbers between 0 and 1: give eps, as in x.logit(eps=1e-6)."
    return None


def _conversion(x: Values, result: Values) -> str | None:
    if x.dtype == result.dtype:
        return None
    return f"{number_text(x.magnitude)} is too large for {result.dtype}."


def forward_hint(
    name: str,
    facts: Sequence[Values],
    result: Values,
    changes: int = 0,
    parameters: dict[str, Values] | None = None,
) -> str | None:
    """What usually helps when an operator gave a bad number; None if nothing is known.

    Args:
        name: of the operator, without the table's underscore.
        facts: its inputs.
        result: its bad output.
        changes: how many of the inputs it changed in place.
        parameters: those of the inputs that are trained, by name.
    """
    name = name.rstrip("_") if changes else name
    known = facts[changes:]
    hint = None
    first = known[0] if known else None
    if name in _STEPS:
        return (
            "The step of the optimizer left the numbers of the dtype: the gradient or the learning "
            "rate is too large. Lower the learning rate or clip the gradients "
            "(torch.nn.utils.clip_grad_norm_)."
        )
    if first is None:
        pass
    elif name in _LOGS:
        hint = _log(first)
    elif name in _EXPS:
        hint = _exp(name, first)
    elif name in _DIVISIONS:
        hint = _division(known, result)
    elif name == "pow":
        hint = _power(known, result)
    elif name == "to_dtype":
        hint = _conversion(first, result)
    elif name in ("softmax", "log_softmax") and first.minus:
        hint = "A row in which everything is -inf has no softmax: leave one element unmasked."
    elif name in ("std", "var", "mean", "nll_loss") and not result.plus and not result.minus:
        hint = _statistics(name, first)
    else:
        hint = _domain(name, first)
    if hint:
        return hint
    diverged = _diverged(known, parameters or {})
    if diverged:
        return diverged
    if name == "mul" and result.nan:
        return "0 · inf is NaN."
    if name in ("add", "sub") and result.nan:
        return "inf - inf is NaN."
    return None


def _statistics(name: str, x: Values) -> str | None:
    if name == "nll_loss":
        return "The mean over no targets is 0 / 0: every target is ignore_index, or has weight 0."
    if x.count == 0:
        return f"The {name} of no elements is 0 / 0."
    if name in ("std", "var"):
        return f"The {name} of one element divides by 0: give correction=0, or more elements."
    return None


# Backward: the singular points of derivatives -----------------------------------------------------


def _at_zero(values: Values | None) -> bool:
    return values is not None and values.zeros > 0


def _sqrt(saved: dict[str, Values], numbers: dict[str, float]) -> str | None:
    if _at_zero(saved.get("result")):
        return (
            "The slope of sqrt at 0 is infinite, and 0·∞ is NaN: use (x + 1e-12).sqrt() or "
            "x.clamp(min=1e-12).sqrt(); for the length of a vector torch.linalg.vector_norm(v), "
            "for a spread x.std(), whose slope at 0 is 0."
        )
    return None


def _log_slope(saved: dict[str, Values], numbers: dict[str, float]) -> str | None:
    if _at_zero(saved.get("self")):
        return (
            "The slope of log at 0 is infinite. "
            f"{_WHERE}: torch.where(x > 0, x, 1).log(), or x.clamp(min=1e-12).log()."
        )
    return None


def _div_slope(saved: dict[str, Values], numbers: dict[str, float]) -> str | None:
    if _at_zero(saved.get("other")) or numbers.get("other") == 0:
        return f"The divisor has zeros. {_WHERE}: x / torch.where(d != 0, d, 1)."
    return None


def _pow_slope(saved: dict[str, Values], numbers: dict[str, float]) -> str | None:
    base, exponent = saved.get("self"), numbers.get("exponent")
    if exponent is None and "exponent" in saved and saved["exponent"].count == 1:
        exponent = float(saved["exponent"].tensor.item())
    if _at_zero(base):
        if exponent is not None and exponent < 1:
            return (
                f"The slope of x ** {number_text(exponent)} at 0 is infinite. {_WHERE}: "
                "x.clamp(min=1e-12)."
            )
        return f"The power of 0 has no finite slope there. {_WHERE}: x.clamp(min=1e-12)."
    if base is not None and base.least is not None and base.least < 0:
        return "A negative base has no slope for its exponent: log(base) is NaN. Use clamp(min=0)."
    return None


def _one(name: str) -> Callable[[dict[str, Values], dict[str, float]], str | None]:
    def hint(saved: dict[str, Values], numbers: dict[str, float]) -> str | None:
        x = saved.get("self")
        if x is not None and x.magnitude >= 1:
            return (
                f"The slope of {name} at 1 and -1 is infinite: use {name} of "
                "x.clamp(-1 + 1e-6, 1 - 1e-6)."
            )
        return None

    return hint


def _atan2(saved: dict[str, Values], numbers: dict[str, float]) -> str | None:
    if all(_at_zero(v) for v in saved.values()):
        return "atan2 has no slope at (0, 0): add a small number to one of its arguments."
    return None


def _exp_slope(saved: dict[str, Values], numbers: dict[str, float]) -> str | None:
    y = saved.get("result") or saved.get("self")
    if y is not None and (y.plus or y.magnitude > 1e30):
        return "The exponential is near the end of its dtype: subtract the maximum, or use softmax."
    return None


_BACKWARD: dict[str, Callable[[dict[str, Values], dict[str, float]], str | None]] = {
    "sqrt": _sqrt,
    "rsqrt": _sqrt,
    "log": _log_slope,
    "log2": _log_slope,
    "log10": _log_slope,
    "div": _div_slope,
    "reciprocal": _div_slope,
    "pow": _pow_slope,
    "acos": _one("acos"),
    "asin": _one("asin"),
    "atanh": _one("atanh"),
    "atan2": _atan2,
    "exp": _exp_slope,
}


def backward_hint(
    name: str,
    saved: dict[str, Values],
    numbers: dict[str, float],
    gradients: Sequence[Values],
    parameters: dict[str, Values] | None = None,
) -> str | None:
    """What usually helps when a node gave a bad gradient; None if nothing is known.

    Args:
        name: of the operator that the node belongs to.
        saved: the tensors that the node keeps, by name.
        numbers: the numbers it keeps.
        gradients: those that arrived.
        parameters: those of its inputs that are trained, by name.
    """
    rule = _BACKWARD.get(name.lstrip("_"))
    hint = rule(saved, numbers) if rule else None
    return hint or _diverged([*saved.values(), *gradients], parameters or {})
