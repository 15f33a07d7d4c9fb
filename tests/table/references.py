"""References in numpy of the rows that name none, and what the references do not say."""

from typing import Any

import numpy as np


def softplus(x: Any) -> Any:
    return np.log1p(np.exp(x))


def erf(x: Any) -> Any:
    import math

    return np.vectorize(math.erf, otypes=[float])(x)


def swap(x: Any, wanted: bool = True) -> Any:
    return np.swapaxes(x, -1, -2) if wanted else x


def cross(x: Any, y: Any) -> Any:
    """The sum of the outer products of rows."""
    return x.reshape(-1, x.shape[-1]).T @ y.reshape(-1, y.shape[-1])


def softmax(x: Any, dim: int) -> Any:
    return np.exp(x) / np.exp(x).sum(dim, keepdims=True)


def take_out(x: Any, dim: int, *rest: Any) -> Any:
    index: list[Any] = [slice(None)] * x.ndim
    index[dim] = slice(*rest)
    return x[tuple(index)]


def put_back(x: Any, shape: Any, dim: int, *rest: Any) -> Any:
    out = np.zeros(shape)
    index: list[Any] = [slice(None)] * out.ndim
    index[dim] = slice(*rest)
    out[tuple(index)] = x
    return out


def select_back(x: Any, shape: Any, dim: int, index: int) -> Any:
    out = np.zeros(shape)
    np.moveaxis(out, dim, 0)[index] = x
    return out


def add_at(x: Any, shape: Any, index: Any) -> Any:
    out = np.zeros(shape)
    np.add.at(out, index, x)
    return out


def put(x: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    out = x.copy()
    if accumulate:
        np.add.at(out, tuple(indices), values)
    else:
        out[tuple(indices)] = values
    return out


def cleared(x: Any, where: Any) -> Any:
    out = x.copy()
    out[where] = 0
    return out


def scattered(x: Any, mask: Any, source: Any) -> Any:
    out = x.copy()
    out[mask] = source.ravel()[: mask.sum()]
    return out


def masked_back(x: Any, shape: Any, mask: Any) -> Any:
    out = np.zeros(shape)
    out[mask] = x.ravel()[: mask.sum()]
    return out


def normal(x: Any, axes: Any, eps: float) -> Any:
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def layer_norm(x: Any, dims: int, weight: Any, bias: Any, eps: float) -> Any:
    axes = tuple(range(x.ndim - dims, x.ndim))
    out = normal(x, axes, eps)
    return out * (1 if weight is None else weight) + (0 if bias is None else bias)


def clip(x: Any, low: Any = None, high: Any = None) -> Any:
    return np.minimum(
        np.maximum(x, -np.inf if low is None else low), np.inf if high is None else high
    )


REFERENCES: dict[str, Any] = {
    # Pointwise
    "_pow2": np.square,
    "_pow": np.power,
    "pow_base": np.power,
    "_number_minus": lambda x, y: y - x,
    "_div_trunc": lambda x, y: np.trunc(x / y).astype(x.dtype),
    "_squared_difference": lambda x, y: (x - y) ** 2,
    "_clamp": clip,
    "_clamp_min": np.maximum,
    "_clamp_max": np.minimum,
    "_gelu_erf": lambda x: x * (1 + erf(x / np.sqrt(2))) / 2,
    "_gelu_tanh": lambda x: x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2,
    "_logsigmoid": lambda x: -softplus(-x),
    "_softsign": lambda x: x / (1 + np.abs(x)),
    "_prelu_kernel": lambda x, w: np.where(x > 0, x, w * x),
    # Copies and views
    "_to_dtype": lambda x: x,
    "_to": lambda x: x,
    "_dual_view": lambda x: x,
    "_alias": lambda x: x,
    "_unsafe_view": np.reshape,
    "_permute_back": lambda x, dims: np.transpose(x, np.argsort(dims)),
    "_numpy_T": np.transpose,
    "_mT": lambda x: np.swapaxes(x, -1, -2),
    "_H": np.transpose,
    "_roll_back": lambda x, shifts, dims=None: np.roll(x, [-s for s in shifts], dims)
    if dims
    else np.roll(x, -shifts[0]),
    "_repeat_adjoint": lambda x, shape, repeats: x.reshape(2, 2, 1, 3).sum((0, 2)),
    "repeat_interleave_tensor": lambda x, repeats, dim=None: np.repeat(x, repeats, dim),
    "_select_adjoint": select_back,
    "_slice": take_out,
    "_slice_adjoint": put_back,
    "_diagonal_adjoint": lambda x, shape, *_: np.eye(4, 3) @ np.diag(x),
    "_unfold_adjoint": lambda x, shape, dim, size, step: sum(
        np.pad(x[i], (i * step, shape[0] - i * step - size)) for i in range(len(x))
    ),
    "_unpad": lambda x, pad: (
        x[:, 1:-2] if len(pad) == 2 else np.pad(x[2:], ((0, 0), (1, 0)))[:, :-1]
    ),
    "_cat": lambda xs, dim, sizes: np.concatenate(xs, dim),
    "_atleast_1d": np.atleast_1d,
    "_atleast_2d": np.atleast_2d,
    "_atleast_3d": np.atleast_3d,
    "_broadcast_tensors": lambda xs: np.broadcast_arrays(*xs),
    "_meshgrid": lambda xs, indexing="ij": np.meshgrid(*xs, indexing=indexing),
    # Indexing
    "_index_select_adjoint": lambda x, shape, dim, index: add_at(x, shape, index),
    "_gather_adjoint": lambda x, shape, dim, index: add_at(x, shape, (index, np.array([[0, 1]]))),
    "_gather_for": lambda x, dim, index, shape: np.pad(
        np.take_along_axis(x, index, dim), ((0, 2), (0, 0))
    ),
    "_take_adjoint": lambda x, shape, index: add_at(x, np.prod(shape), index).reshape(shape),
    "_index": lambda x, indices, dims: x[tuple(indices)],
    "_index_adjoint": lambda x, indices, dims, shape: add_at(x, shape, tuple(indices)),
    "_index_put": lambda x, values, indices, dims, accumulate=False: put(
        x, indices, values, accumulate
    ),
    "_index_clear": lambda x, indices, dims, keep: x if keep else cleared(x, tuple(indices)),
    "index_put": put,
    "_nonzero": np.argwhere,
    "_nonzero_tuple": np.nonzero,
    "where_condition": np.nonzero,
    "_masked_select": lambda x, mask: x[mask],
    "_masked_select_adjoint": masked_back,
    "_masked_scatter": scattered,
    "_mask_clear": cleared,
    "_embedding_rows": lambda x, index, padding, scale: x[index]
    * (np.where(index == padding, 0, 1 / np.array([2, 1, 2]) if scale else 1)[:, None]),
    "_embedding_adjoint": lambda x, index, shape, padding, scale: add_at(
        x * (np.where(index == padding, 0, 1 / np.array([2, 1, 2]) if scale else 1)[:, None]),
        shape,
        index,
    ),
    "_unique": lambda x, *_: np.unique(x, return_inverse=True, return_counts=True),
    "searchsorted": lambda x, values, right=False: np.searchsorted(
        x, values, "right" if right else "left"
    ),
    "_repeat_positions": lambda x: np.repeat(np.arange(len(x)), x),
    "_mm_cross": cross,
    "_linear": lambda x, w, b=None: x @ w.T + (0 if b is None else b),
    "_mm_rows": lambda x, y, transposed=False: x @ (y.T if transposed else y),
    "_bmm": lambda x, y, transposed=False, transposed2=False: (
        np.swapaxes(x, -1, -2) if transposed else x
    )
    @ (np.swapaxes(y, -1, -2) if transposed2 else y),
    "_mm_rows_grad_mat2": lambda g, x, transposed: cross(g, x) if transposed else cross(x, g),
    "_bmm_grad_self": lambda g, y, t, t2: swap(g @ (y if t2 else swap(y)), t),
    "_bmm_grad_mat2": lambda g, x, t, t2: swap((x if t else swap(x)) @ g, t2),
    "_tensordot": lambda x, y, dims_self, dims_other: np.tensordot(x, y, (dims_self, dims_other)),
    "_einsum": lambda equation, xs: np.einsum(equation, *xs),
    "_trace_back": lambda x, size: np.eye(*size) * x,
    "_cumsum_reversed": lambda x, dim: np.flip(np.cumsum(np.flip(x, dim), dim), dim),
    "var_unbiased": lambda x, unbiased: x.var(ddof=int(unbiased)),
    "var_unbiased_dim": lambda x, dim, unbiased: x.var(dim, ddof=int(unbiased)),
    "std_unbiased": lambda x, unbiased: x.std(ddof=int(unbiased)),
    "std_unbiased_dim": lambda x, dim, unbiased: x.std(dim, ddof=int(unbiased)),
    "_softmax": softmax,
    "_softmax_backward": lambda g, y, dim: y * (g - (g * y).sum(dim, keepdims=True)),
    "_softmax_backward_grad_y": lambda h, g, y, dim: h * (g - (g * y).sum(dim, keepdims=True))
    - g * (h * y).sum(dim, keepdims=True),
    "_log_softmax": lambda x, dim: np.log(softmax(x, dim)),
    "_log_softmax_backward": lambda g, y, dim: g - np.exp(y) * g.sum(dim, keepdims=True),
    "_log_softmax_adjoint": lambda h, y, dim: h - (h * np.exp(y)).sum(dim, keepdims=True),
    "_mask_source": lambda x, mask, shape: np.resize(
        np.append(x[mask], np.zeros(np.prod(shape) - mask.sum())), shape
    ),
    # A mean's factor is in the elements already.
    "_loss_tangent": lambda x, how: x if how == "none" else x.sum(),
    "_layer_norm_scaled": lambda w, x, dims, eps: w * normal(x, (-1,), eps),
    "_batch_norm_scaled": lambda w, x, eps: w * normal(x, (0,), eps),
    "_channel_sums": lambda x: x.sum(tuple(i for i in range(x.ndim) if i != 1)),
    "_per_channel": lambda w, x: w.reshape(1, -1, *[1] * (x.ndim - 2)),
    **{f"{n}dropout": lambda x, p, train: x
       for n in ("", "feature_", "alpha_", "feature_alpha_")},
}  # fmt: skip

# Rows whose values are tested through others: what makes them right is stated there.
WITHOUT: dict[str, str] = {
    **dict.fromkeys(("_zeros", "_restride", "_distinct_entries"), "helpers of gradients"),
    **{f"_{n}": f"the values of {n}" for n in ("nll_loss", "layer_norm", "batch_norm")},
    **{f"_{n}_{part}": f"the gradients and tangents of {n}"
       for n in ("layer_norm", "batch_norm")
       for part in ("grad_input", "grad_weight", "tangent")},
    "_nll_scatter": "the gradients of nll_loss",
    "view_dtype": "a test of its own in test_forward.py",
    "_shift": "the gradients of cumprod",
    "norm_str": "the values of norm",
    **{n: f"the values of {n[1:]}"
       for n in ("_binary_cross_entropy", "_binary_cross_entropy_with_logits")},
    **{f"_{n}_{part}": f"the gradients of {n}"
       for n in ("mse", "smooth_l1", "huber", "binary_cross_entropy",
                 "binary_cross_entropy_with_logits")
       for part in ("grad_self", "grad_target", "backward")},
}  # fmt: skip

# Pointwise rows whose integer loops are tested elsewhere or have no counterpart.
FLOATING_ONLY: set[str] = set()


def numpy_words(row: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The keywords as numpy calls them."""
    words = {"dim": "axis", "keepdim": "keepdims"}
    return {words.get(k, k): v for k, v in kwargs.items()}


def torch_words(row: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """The arguments as torch's function takes them: the same but for a few."""
    words: dict[str, str] = {}
    if row.name == "split":
        words = {"split_size": "split_size_or_sections"}
    if row.name == "tensor_split":
        many = isinstance(kwargs.get("indices_or_sections"), tuple)
        words = {"indices_or_sections": "indices" if many else "sections"}
    if row.name == "batch_norm":
        args = (*args, False)
    return args, {words.get(k, k): v for k, v in kwargs.items()}


def refused(row: Any, letter: str) -> bool:
    """Whether torch refuses the dtype although the table has a loop for it."""
    return row.name in ("sub", "rsub", "neg") and letter == "b"
