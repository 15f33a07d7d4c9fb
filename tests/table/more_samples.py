"""Samples of the rows that declare none: the private halves of other operators, for the most part.

A row that is neither here nor has samples of its own must be named in `EXERCISED`, with the tests
that exercise it; a new row without either fails.
"""

from typing import Any

import numpy as np


def array(random: Any, *shape: int, low: float = -2, high: float = 2) -> np.ndarray:
    return random.uniform(low, high, shape)


def loss(random: Any) -> list[Any]:
    """Arguments of the gradient of a loss: gradient, input, target in (0, 1), reduction."""
    x, y = random.uniform(0.1, 0.9, (2, 3, 4))
    return [
        ((array(random), x, y, "mean"), {}),
        ((array(random), x, y, "sum"), {}),
        ((array(random, 3, 4), x, y, "none"), {}),
    ]


def loss_with_number(random: Any) -> list[Any]:
    return [((*args, 0.3), {}) for args, _ in loss(random)]


def unary(random: Any) -> list[Any]:
    return [((array(random, *shape),), {}) for shape in ((), (3,), (2, 3), (2, 0, 3))]


def matrices(random: Any) -> list[Any]:
    return [((array(random, 2, 3),), {}), ((array(random, 2, 4, 3),), {})]


def lists(random: Any) -> list[Any]:
    return [(([array(random, 3, 1), array(random, 4)],), {})]


def mask(random: Any, *shape: int) -> np.ndarray:
    return random.uniform(0, 1, shape) > 0.4


INDEX = np.array([2, 0, 2])
PLACES = [np.array([0, 2, 0]), np.array([1, 1, 1])]
TARGET = np.array([1, 0, 2, 1])

SAMPLES: dict[str, Any] = {
    # Copies and views
    "_to_dtype": unary,
    "_to": unary,
    "_restride": lambda r: [((array(r, 2, 3), (2, 3), (3, 1), 0, (3, 2), (1, 3), 0), {})],
    "_roll_back": lambda r: [((array(r, 3, 4), (1, -1), (0, 1)), {}), ((array(r, 3, 4), (5,)), {})],
    "_repeat_adjoint": lambda r: [((array(r, 4, 3), (2, 3), (2, 1)), {})],
    "repeat_interleave_tensor": lambda r: [
        ((array(r, 3, 2), np.array([1, 0, 2])), {"dim": 0}),
        ((array(r, 3), np.array([2, 1, 1])), {}),
    ],
    "_dual_view": unary,
    "_alias": unary,
    "_unsafe_view": lambda r: [((array(r, 2, 6), (3, 4)), {})],
    "_permute_back": lambda r: [((array(r, 2, 3, 4), (2, 0, 1)), {})],
    "_numpy_T": matrices,
    "_mT": matrices,
    "_H": lambda r: [((array(r, 2, 3),), {})],
    "_select_adjoint": lambda r: [((array(r, 4), (3, 4), 0, 1), {})],
    "_slice": lambda r: [((array(r, 5, 3), 0, 1, 5, 2), {}), ((array(r, 5, 3), 1, None, -1), {})],
    "_slice_adjoint": lambda r: [((array(r, 2, 3), (5, 3), 0, 1, 5, 2), {})],
    "_diagonal_adjoint": lambda r: [((array(r, 3), (4, 3), 0, 0, 1), {})],
    "_unfold_adjoint": lambda r: [((array(r, 3, 3), (7,), 0, 3, 2), {})],
    "_unpad": lambda r: [((array(r, 4, 5), (1, 2)), {}), ((array(r, 4, 5), (-1, 1, 2, 0)), {})],
    # Joining
    "_cat": lambda r: [(([array(r, 2, 3), array(r, 1, 3)], 0, (2, 1)), {})],
    "_atleast_1d": unary,
    "_atleast_2d": unary,
    "_atleast_3d": unary,
    "_broadcast_tensors": lists,
    "_meshgrid": lambda r: [
        (([array(r, 3), array(r, 2)],), {}),
        (([array(r, 3), array(r, 2)],), {"indexing": "xy"}),
    ],
    # Indexing
    "_index_select_adjoint": lambda r: [((array(r, 3, 2), (4, 2), 0, INDEX), {})],
    "_gather_adjoint": lambda r: [((array(r, 3, 2), (4, 2), 0, np.stack([INDEX, INDEX], 1)), {})],
    "_gather_for": lambda r: [((array(r, 4, 2), 0, np.stack([INDEX, INDEX], 1), (5, 2)), {})],
    "_take_adjoint": lambda r: [((array(r, 3), (2, 4), INDEX), {})],
    "_distinct_entries": lambda r: [((np.array([2, 0, 1]), (4, 2), 0), {})],
    "_index": lambda r: [((array(r, 3, 4), PLACES, (0, 1)), {})],
    "_index_adjoint": lambda r: [((array(r, 3), PLACES, (0, 1), (3, 4)), {})],
    "_index_put": lambda r: [
        ((array(r, 3, 4), array(r, 2), [np.array([0, 2]), np.array([1, 3])], (0, 1)), {}),
        ((array(r, 3, 4), array(r, 3), PLACES, (0, 1)), {"accumulate": True}),
    ],
    "_index_clear": lambda r: [((array(r, 3, 4), PLACES, (0, 1), keep), {}) for keep in (0, 1)],
    "index_put": lambda r: [
        ((array(r, 3, 4), [np.array([0, 2]), np.array([1, 3])], array(r, 2)), {}),
        ((array(r, 3, 4), PLACES, array(r, 3)), {"accumulate": True}),
    ],
    "_nonzero": lambda r: [((mask(r, 3, 4),), {})],
    "_nonzero_tuple": lambda r: [((mask(r, 3, 4),), {})],
    "where_condition": lambda r: [((mask(r, 3, 4),), {})],
    "_masked_select": lambda r: [((array(r, 3, 4), mask(r, 3, 4)), {})],
    "_masked_select_adjoint": lambda r: [
        ((array(r, 2), (2, 2), np.array([[True, False], [False, True]])), {})
    ],
    "_masked_scatter": lambda r: [((array(r, 3, 4), mask(r, 3, 4), array(r, 12)), {})],
    "_mask_clear": lambda r: [((array(r, 3, 4), mask(r, 3, 4)), {})],
    "_mask_source": lambda r: [((array(r, 3, 4), mask(r, 3, 4), (4, 4)), {})],
    "_embedding_adjoint": lambda r: [
        ((array(r, 3, 2), INDEX, (4, 2), padding, scale), {})
        for padding, scale in ((-1, False), (0, True))
    ],
    "_embedding_rows": lambda r: [
        ((array(r, 4, 2), INDEX, padding, scale), {})
        for padding, scale in ((-1, False), (0, True))
    ],
    "_unique": lambda r: [((np.array([3, 1, 3, 2]), True, True, True), {})],
    "searchsorted": lambda r: [
        ((np.sort(array(r, 5)), array(r, 2, 3)), {}),
        ((np.sort(array(r, 5)), array(r, 4)), {"right": True}),
    ],
    "_repeat_positions": lambda r: [((np.array([1, 0, 2]),), {})],
    # Products
    "_mm_rows_grad_mat2": lambda r: [
        ((array(r, 2, 3, 4), array(r, 2, 3, 5), False), {}),
        ((array(r, 3, 4), array(r, 3, 5), True), {}),
    ],
    "_bmm_grad_self": lambda r: [
        ((array(r, 2, 3, 5), array(r, 2, 4, 5), False, False), {}),
        ((array(r, 2, 3, 5), array(r, 2, 5, 4), True, True), {}),
    ],
    "_bmm_grad_mat2": lambda r: [
        ((array(r, 2, 3, 5), array(r, 2, 3, 4), False, False), {}),
        ((array(r, 2, 3, 5), array(r, 2, 4, 3), True, True), {}),
    ],
    # Pieces of layers and losses
    "_softmax_backward_grad_y": lambda r: [((*r.uniform(-1, 1, (3, 3, 4)), 1), {})],
    "_log_softmax_adjoint": lambda r: [((*r.uniform(-1, 1, (2, 3, 4)), 0), {})],
    "_nll_loss": lambda r: [
        ((array(r, 4, 3), TARGET), {}),
        ((array(r, 4, 3), TARGET, array(r, 3, low=0.5), "sum"), {}),
        ((array(r, 4, 3), TARGET, None, "none", 1), {}),
    ],
    "_loss_tangent": lambda r: [((array(r, 3, 4), how), {}) for how in ("none", "mean", "sum")],
    "_layer_norm": lambda r: [
        ((array(r, 3, 4), 1, array(r, 4), array(r, 4), 1e-5), {}),
        ((array(r, 2, 3, 4), 2, None, None, 1e-5), {}),
    ],
    "_layer_norm_tangent": lambda r: [
        ((array(r, 3, 4), array(r, 3, 4), array(r, 4), 1, 1e-5), {}),
        ((array(r, 3, 4), array(r, 3, 4), None, 2, 1e-5), {}),
    ],
    "_layer_norm_scaled": lambda r: [((array(r, 4), array(r, 3, 4), 1, 1e-5), {})],
    "_batch_norm": lambda r: [
        ((array(r, 4, 3), array(r, 3), array(r, 3), 1e-5), {}),
        ((array(r, 2, 3, 5), None, None, 1e-5), {}),
    ],
    "_batch_norm_tangent": lambda r: [((array(r, 4, 3), array(r, 4, 3), array(r, 3), 1e-5), {})],
    "_batch_norm_scaled": lambda r: [((array(r, 3), array(r, 4, 3), 1e-5), {})],
    "_channel_sums": lambda r: [((array(r, 4, 3),), {}), ((array(r, 4, 3, 2),), {})],
    "_per_channel": lambda r: [((array(r, 3), array(r, 4, 3, 2)), {})],
    **{f"{n}dropout": lambda r: [((array(r, 3, 4), 0.5, False), {})]
       for n in ("", "feature_", "alpha_", "feature_alpha_")},
    **{f"_{n}_grad_{side}": loss_with_number if n in ("smooth_l1", "huber") else loss
       for n in ("mse", "smooth_l1", "huber", "binary_cross_entropy",
                 "binary_cross_entropy_with_logits")
       for side in ("self", "target")},
}  # fmt: skip

# More samples of rows that declare only few.
ADDED: dict[str, Any] = {
    "addmm": lambda r: [((array(r, 3, 5), array(r, 3, 4), array(r, 4, 5)), {"beta": 0.5})],
    "baddbmm": lambda r: [((array(r, 2, 3, 5), array(r, 2, 3, 4), array(r, 2, 4, 5)), {})],
}

# Rows that cannot stand alone, and the tests that exercise them.
EXERCISED: dict[str, str] = {
    "view_dtype": "a test of its own in tests/table/test_forward.py",
    "_zeros": "a helper of derivative formulas (index_add, _index_put here)",
    "_nll_scatter": "the gradient of _nll_loss here, and of nll_loss in tests/test_nn_ops.py",
    "_layer_norm_grad_input": "the gradients of _layer_norm here: mean and deviation belong to x",
    "_layer_norm_grad_weight": "the gradients of _layer_norm here",
    "_batch_norm_grad_input": "the gradients of _batch_norm here",
    "_batch_norm_grad_weight": "the gradients of _batch_norm here",
}

# Parameters in which a composite row is constant although they are floating, as torch has it.
CONSTANT_IN: dict[str, tuple[str, ...]] = {
    "nll_loss": ("weight",),
    "cross_entropy": ("weight",),
}
