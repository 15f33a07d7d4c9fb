"""Calls operators with random odd arguments: `python fuzz.py SEED CALLS`. Exceptions are welcome.

The parent test checks that this process ends by itself. Each call is written to the standard error
before it runs, so that the last line names the culprit of a crash.
"""

import math
import os
import random
import resource
import sys
import warnings
from collections.abc import Callable
from typing import Any

import chainrule as torch
from chainrule.nn import functional

MEMORY = 1 << 30  # beyond what is mapped at the start; larger requests must fail with an exception
LARGEST = 4096  # elements of a result that is used again

# Operators by the kinds of their arguments: T tensor, I index tensor, B mask, d dimension,
# n number, s sizes, l several tensors, k key, x anything.
SIGNATURES = {
    "T": """
        neg abs exp expm1 log log1p sqrt rsqrt reciprocal square sin cos tan asin acos atan
        sinh cosh tanh sigmoid relu erf sign floor ceil round trunc isnan isinf isfinite
        logical_not sum mean prod amax amin max min argmax argmin all any var std t squeeze
        flatten unbind diagonal clone detach triu tril zeros_like contiguous float double long
        bool item tolist size stride zero_ exp_ norm requires_grad_ backward retain_grad numpy
        detach_ data_ptr gelu silu softplus leaky_relu uniform_ normal_ __len__ __bool__
        __float__ __int__ __index__ __repr__ as_tensor tensor
    """,
    "TT": """
        add sub mul div pow maximum minimum atan2 remainder floor_divide eq ne lt le gt ge
        logical_and logical_or logical_xor matmul mm mv bmm dot linear mse_loss type_as
        view_as add_ mul_ sub_ div_ pow_ copy_ fill_ __contains__ __rsub__ __rpow__
        result_type
    """,
    "Tn": """
        add mul div pow remainder floor_divide eq lt clamp add_ mul_ div_ pow_ full_like
        dropout fill_
    """,
    "Tnn": "clamp clamp_ uniform_ normal_",
    "Td": """
        sum mean prod amax amin max min argmax argmin all any var std logsumexp cumsum softmax
        log_softmax squeeze unsqueeze unbind flatten triu tril diagonal size stride split
        chunk
    """,
    "Tdd": "transpose flatten select diagonal split chunk sum mean amax",
    "Tddd": "narrow diagonal",
    "Ts": """
        view reshape permute expand split sum mean amax var std as_strided squeeze new_zeros
    """,
    "Tss": "as_strided",
    "Tssd": "as_strided",
    "TdI": "gather index_select",
    "TdIT": "scatter_add",
    "TI": "cross_entropy nll_loss __getitem__",
    "IT": "embedding",
    "TTT": "addmm linear",
    "BTT": "where",
    "TBn": "masked_fill masked_fill_",
    "TBT": "masked_fill masked_fill_",
    "Tk": "__getitem__",
    "TkT": "__setitem__ index_put index_put_",
    "Tkn": "__setitem__",
    "l": "cat stack",
    "ld": "cat stack",
    "s": "zeros ones empty rand randn Tensor",
    "sn": "full",
    "d": "zeros arange eye randperm",
    "dd": "arange eye",
    "nnn": "arange",
    "nnd": "linspace",
    "ds": "randint",
    "dds": "randint",
    "x": "tensor as_tensor Tensor",
    "Tx": """
        to type view __eq__ __matmul__ __format__ register_hook
        register_post_accumulate_grad_hook
    """,
}  # fmt: skip
CALLS = [(name, kinds) for kinds, names in SIGNATURES.items() for name in names.split()]
ATTRIBUTES = [
    "T", "mT", "H", "shape", "grad", "grad_fn", "_version", "_base", "data", "is_leaf", "device",
    "dtype", "output_nr",
]  # fmt: skip
KEYWORDS = [
    "dim", "keepdim", "dtype", "alpha", "reduction", "diagonal", "correction", "steps", "size",
    "device",
]  # fmt: skip


def absurd_value(draw: random.Random, pool: list[Any]) -> Any:
    """Something that no operator expects in most places."""
    extremes = [2**31, 2**32 + 1, 2**62, 2**63 - 1, -(2**63), 2**63, 2**70, -(2**40), 2**33]
    absurd = [
        None, True, False, 0.5, math.nan, math.inf, -math.inf, 1e300, 1j, "a", "", b"x", [], (), {},
        [None], ["a"], [[1, 2], [3]], object(), int, len, ..., slice(None), slice(None, None, -1),
        slice(5, 2**63), (slice(None), None, ...), torch.float64, torch.bool, torch.int64,
        draw.choice(extremes), (draw.choice(extremes), draw.choice(extremes)),
        [draw.choice(extremes)], (2, draw.choice(extremes)), [draw.choice(pool), draw.choice(pool)],
        (draw.choice(pool),),
    ]  # fmt: skip
    return draw.choice(absurd)


def argument(kind: str, draw: random.Random, pool: list[Any]) -> Any:
    """An argument of the kind; now and then another tensor, or something absurd."""
    roll = draw.random()
    if kind == "x" or roll < 0.08:
        return absurd_value(draw, pool)
    if kind == "T" or roll < 0.1:
        return draw.choice(pool)
    if kind == "d":
        return draw.randrange(-3, 5)
    if kind == "n":
        return draw.choice([0, 1, -2, 0.5, -1.5, True, math.nan, math.inf, 1e300, 2**62])
    if kind == "s":
        return tuple(draw.randrange(-1, 5) for _ in range(draw.randrange(4)))
    if kind == "l":
        return [draw.choice(pool) for _ in range(draw.randrange(4))]
    if kind in "IB":
        shape = [draw.randrange(4) for _ in range(draw.randrange(4))]
        values = [draw.randrange(-4, 5) for _ in range(math.prod(shape))]
        dtype = torch.int64 if kind == "I" else torch.bool
        return torch.tensor(values, dtype=dtype).view(shape)
    parts = [
        draw.choice([0, -1, 2, ..., None, slice(None), slice(1, None, 2), [0, 1], True])
        if draw.random() < 0.7
        else argument(draw.choice("IB"), draw, pool)
        for _ in range(draw.randrange(4))
    ]
    return draw.choice([tuple(parts), parts[0] if parts else ...])


def fresh_pool() -> list[Any]:
    """Tensors of odd shapes, layouts, dtypes and histories."""
    leaf = torch.ones(2, 3, requires_grad=True)
    used = (leaf * leaf).sum()
    used.backward()
    changed = leaf * 1
    changed[0] = 2.0
    return [
        torch.arange(6.0).view(2, 3), torch.arange(6), torch.arange(6).view(3, 2),
        torch.tensor([True, False, True]), torch.tensor(2.5), torch.tensor(3), torch.tensor(True),
        torch.ones(0), torch.ones(0, 3), torch.ones(2, 0, 3), torch.ones(1, 1, 1),
        torch.arange(24.0, dtype=torch.float64).view(2, 3, 4).transpose(0, 2),
        torch.arange(12.0)[::3], torch.ones(1).expand(5), torch.ones(2, 1).expand(2, 1000),
        torch.tensor([5, -1, 100]), torch.tensor([math.nan, math.inf]), torch.ones(3, 3).double(),
        torch.arange(4).expand(3, 4), leaf, leaf * 2, leaf[0], used, changed, changed.t(),
    ]  # fmt: skip


def usable(value: Any) -> bool:
    """Whether a result may serve as an argument of later calls."""
    return isinstance(value, torch.Tensor) and value.numel() <= LARGEST and value.dim() < 10


def describe(value: Any) -> str:
    """A short text for an argument."""
    if isinstance(value, torch.Tensor):
        return f"<{value.dtype} {tuple(value.shape)} {value.stride()}>"
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__}({', '.join(map(describe, value))})"
    return repr(value)


def find(name: str, draw: random.Random, arguments: list[Any]) -> Callable[..., Any] | None:
    """The operator as a method of its first argument or as a function, where it exists."""
    places = [torch, functional]
    if arguments and isinstance(arguments[0], torch.Tensor) and draw.random() < 0.5:
        method: Callable[..., Any] | None = getattr(arguments[0], name, None)
        if method is not None:
            del arguments[0]
            return method
    for place in places:
        if hasattr(place, name):
            function: Callable[..., Any] = getattr(place, name)
            return function
    return getattr(torch.Tensor, name, None)


def main(seed: int, calls: int) -> None:
    """Run the calls."""
    warnings.simplefilter("ignore")
    draw = random.Random(seed)
    _ = torch.ones(300, 300) @ torch.ones(300, 300)  # worker threads start before memory is limited
    _ = torch.ones(1_000_000).exp().sum()
    with open("/proc/self/statm") as statm:
        mapped = int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY, mapped + MEMORY))
    pool = fresh_pool()
    for number in range(calls):
        if number % 50 == 0:
            pool = fresh_pool()
        name, kinds = draw.choice(CALLS)
        arguments = [argument(kind, draw, pool) for kind in kinds]
        if draw.random() < 0.05:
            arguments.append(absurd_value(draw, pool))
        keywords = {}
        if draw.random() < 0.1:
            keywords[draw.choice(KEYWORDS)] = argument("d", draw, pool)
        text = f"{number} {name}({', '.join(map(describe, arguments))}, {keywords})\n"
        os.write(2, text.encode())
        function = find(name, draw, arguments)
        if function is None:
            continue
        try:
            result = function(*arguments, **keywords)
            if usable(result):
                pool[draw.randrange(len(pool))] = result
                repr(result)
                getattr(result, draw.choice(ATTRIBUTES))
                if result.requires_grad and draw.random() < 0.5:
                    result.sum().backward()
        except Exception as problem:
            str(problem)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
