"""Matrix products beside NumPy and torch: values, gradients of first and second order, tangents."""

import numpy as np
import pytest
from oracle import assert_same, compare

import chainrule

RNG = np.random.default_rng(3)


def array(*shape: int) -> np.ndarray:
    return RNG.uniform(-1, 1, shape)


MATMUL_SHAPES = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3, 4)),
    ((1, 3), (3, 1)),
    ((0, 3), (3, 4)),
    ((2, 0), (0, 4)),
    ((5, 2, 3), (3,)),
    ((3,), (5, 3, 4)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((5, 1, 2, 3), (6, 3, 4)),
    ((1, 2, 3), (6, 3, 4)),
    ((6, 2, 3), (1, 3, 4)),
    ((2, 2, 1, 3), (2, 2, 3, 1)),
    ((0, 2, 3), (0, 3, 4)),
]


@pytest.mark.parametrize(("a", "b"), MATMUL_SHAPES)
def test_matmul_like_numpy(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    x, y = array(*a), array(*b)
    assert_same(chainrule.matmul(chainrule.tensor(x), chainrule.tensor(y)), np.matmul(x, y))


@pytest.mark.parametrize(("a", "b"), MATMUL_SHAPES)
def test_matmul_like_torch(real_torch, a: tuple[int, ...], b: tuple[int, ...]) -> None:
    compare(real_torch, lambda lib, x, y: lib.matmul(x, y), array(*a), array(*b))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 17, 33, 100])
@pytest.mark.parametrize("turned", ["nn", "nt", "tn", "tt", "slices"])
def test_any_memory_layout(size: int, turned: str) -> None:
    x, y = array(size, size + 1), array(size + 1, size + 2)
    a, b = chainrule.tensor(x), chainrule.tensor(y)
    if turned == "slices":
        a = chainrule.tensor(np.repeat(np.repeat(x, 2, 0), 3, 1))[::2, ::3]
        b = chainrule.tensor(np.repeat(np.repeat(y, 2, 0), 2, 1))[::2, ::2]
    else:
        a = chainrule.tensor(x.T.copy()).t() if turned[0] == "t" else a
        b = chainrule.tensor(y.T.copy()).t() if turned[1] == "t" else b
    assert_same(a @ b, x @ y)
    assert_same(chainrule.mv(a, b[:, 0]), x @ y[:, 0])
    assert_same(chainrule.nn.functional.linear(a, b.t()), x @ y)


def test_expanded_operands() -> None:
    x, y = array(1, 3), array(3, 1)
    a = chainrule.tensor(x).expand(4, 3)
    b = chainrule.tensor(y).expand(3, 5)
    assert_same(a @ b, np.broadcast_to(x, (4, 3)) @ np.broadcast_to(y, (3, 5)))
    batch = chainrule.tensor(x).expand(6, 4, 3)
    assert_same(batch @ b, np.broadcast_to(x, (6, 4, 3)) @ np.broadcast_to(y, (3, 5)))


PRODUCTS = {
    "mm": (lambda lib, x, y: lib.mm(x, y), [(2, 3), (3, 4)]),
    "mm of transposed": (lambda lib, x, y: lib.mm(x.t(), y.t()), [(3, 2), (4, 3)]),
    "mv": (lambda lib, x, y: lib.mv(x, y), [(2, 3), (3,)]),
    "dot": (lambda lib, x, y: lib.dot(x, y), [(3,), (3,)]),
    "vdot": (lambda lib, x, y: lib.vdot(x, y), [(3,), (3,)]),
    "bmm": (lambda lib, x, y: lib.bmm(x, y), [(2, 3, 4), (2, 4, 2)]),
    "outer": (lambda lib, x, y: lib.outer(x, y), [(2,), (3,)]),
    "inner": (lambda lib, x, y: lib.inner(x, y), [(2, 3), (4, 3)]),
    "kron": (lambda lib, x, y: lib.kron(x, y), [(2, 3), (4, 2)]),
    "trace": (lambda lib, x: lib.trace(x), [(3, 4)]),
    "cross": (lambda lib, x, y: lib.cross(x, y, dim=-1), [(2, 3), (2, 3)]),
    "addmm": (lambda lib, b, x, y: lib.addmm(b, x, y), [(4,), (2, 3), (3, 4)]),
    "addmm scaled": (
        lambda lib, b, x, y: lib.addmm(b, x, y, beta=0.5, alpha=2),
        [(2, 1), (2, 3), (3, 4)],
    ),
    "addmv": (lambda lib, b, x, y: lib.addmv(b, x, y, beta=0.5, alpha=2), [(2,), (2, 3), (3,)]),
    "addr": (lambda lib, b, x, y: lib.addr(b, x, y, beta=0.5, alpha=2), [(2, 3), (2,), (3,)]),
    "baddbmm": (
        lambda lib, b, x, y: lib.baddbmm(b, x, y, beta=0.5, alpha=2),
        [(3, 2), (2, 3, 4), (2, 4, 2)],
    ),
    "addbmm": (
        lambda lib, b, x, y: lib.addbmm(b, x, y, beta=0.5, alpha=2),
        [(3, 2), (2, 3, 4), (2, 4, 2)],
    ),
    "linear": (
        lambda lib, x, w, b: lib.nn.functional.linear(x, w, b),
        [(4, 3), (2, 3), (2,)],
    ),
    "linear without bias": (lambda lib, x, w: lib.nn.functional.linear(x, w), [(4, 3), (2, 3)]),
    "linear of a vector": (
        lambda lib, x, w, b: lib.nn.functional.linear(x, w, b),
        [(3,), (2, 3), (2,)],
    ),
    "linear to a number": (lambda lib, x, w: lib.nn.functional.linear(x, w), [(4, 3), (3,)]),
    "linear of a batch": (
        lambda lib, x, w, b: lib.nn.functional.linear(x, w, b),
        [(2, 4, 3), (2, 3), (2,)],
    ),
    "bilinear": (
        lambda lib, x, y, w, b: lib.nn.functional.bilinear(x, y, w, b),
        [(4, 2), (4, 3), (5, 2, 3), (5,)],
    ),
    "cdist": (lambda lib, x, y: lib.cdist(x, y), [(3, 2), (4, 2)]),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_product_like_torch(real_torch, name: str) -> None:
    function, shapes = PRODUCTS[name]
    second = name != "cdist"  # torch has no double backward of cdist
    compare(real_torch, function, *[array(*s) for s in shapes], second=second, forward=second)


def test_sums_of_products_in_place(real_torch) -> None:
    shapes = {
        "addmm_": [(2, 4), (2, 3), (3, 4)],
        "addmv_": [(2,), (2, 3), (3,)],
        "addr_": [(2, 3), (2,), (3,)],
        "baddbmm_": [(2, 3, 2), (2, 3, 4), (2, 4, 2)],
        "addbmm_": [(3, 2), (2, 3, 4), (2, 4, 2)],
    }
    for name, sizes in shapes.items():
        compare(
            real_torch,
            lambda lib, b, x, y, name=name: getattr(b * 2, name)(x, y, beta=0.5, alpha=2),
            *[array(*s) for s in sizes],
        )
    with pytest.raises(RuntimeError):
        chainrule.zeros(4).addmm_(chainrule.ones(2, 3), chainrule.ones(3, 4))


EINSUMS = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("ij,j->i", (2, 3), (3,)),
    ("i,j->ij", (2,), (3,)),
    ("ij->ji", (2, 3)),
    ("ij->", (2, 3)),
    ("ij->j", (2, 3)),
    ("ii", (3, 3)),
    ("ii->i", (3, 3)),
    ("iij->ij", (3, 3, 2)),
    ("...ij->...ji", (2, 3, 4)),
    ("...ij,...jk->...ik", (2, 1, 3, 4), (5, 4, 2)),
    ("...ij,jk", (2, 3, 4), (4, 2)),
    ("i...,i...->...", (3, 2), (3, 2)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
    ("ij,ij,ij->i", (2, 3), (2, 3), (2, 3)),
    ("bn,anm,bm->ba", (2, 3), (4, 3, 5), (2, 5)),
    (" i j , j -> i ", (2, 3), (3,)),
    ("ij,jk->ik", (2, 1), (3, 4)),
    ("iJ,Jk->ik", (2, 3), (3, 4)),
    ("ij,kl->", (2, 3), (4, 2)),
    (",ij->ij", (), (2, 3)),
]


@pytest.mark.parametrize("case", EINSUMS, ids=str)
def test_einsum_like_torch(real_torch, case) -> None:
    equation, *shapes = case
    arrays = [array(*s) for s in shapes]
    compare(real_torch, lambda lib, *tensors: lib.einsum(equation, *tensors), *arrays)


def tensordot(lib, x, y, dims):
    """The operator below `torch.tensordot`, which takes the pairs of dimensions apart."""
    if lib is not chainrule:
        return lib.tensordot(x, y, dims)
    if isinstance(dims, int):
        dims = (range(-dims, 0), range(dims))
    return chainrule._C._tensordot(x, y, tuple(dims[0]), tuple(dims[1]))


@pytest.mark.parametrize(
    "dims", [0, 1, 2, ([1], [0]), ([0, 1], [1, 0]), ((-1,), (0,)), (([1, 0]), ([0, 1]))]
)
def test_tensordot_like_torch(real_torch, dims) -> None:
    compare(real_torch, lambda lib, x, y: tensordot(lib, x, y, dims), array(3, 3), array(3, 3))


def test_integers() -> None:
    x = RNG.integers(-5, 5, (4, 6))
    y = RNG.integers(-5, 5, (6, 3))
    assert_same(chainrule.tensor(x) @ chainrule.tensor(y), x @ y)
    assert (chainrule.tensor(x) @ chainrule.tensor(y)).dtype == chainrule.int64


ERRORS = {
    "mm sizes": lambda lib, z: lib.mm(z(2, 3), z(4, 5)),
    "mm dtypes": lambda lib, z: lib.mm(z(2, 3), z(3, 5).double()),
    "mm bool": lambda lib, z: lib.mm(z(2, 3).bool(), z(3, 5).bool()),
    "mm vector": lambda lib, z: lib.mm(z(3), z(3, 5)),
    "mm by vector": lambda lib, z: lib.mm(z(3, 5), z(3)),
    "mv sizes": lambda lib, z: lib.mv(z(2, 3), z(4)),
    "mv dtypes": lambda lib, z: lib.mv(z(2, 3), z(3).double()),
    "mv dims": lambda lib, z: lib.mv(z(3), z(3)),
    "dot sizes": lambda lib, z: lib.dot(z(3), z(4)),
    "dot dtypes": lambda lib, z: lib.dot(z(3), z(3).double()),
    "dot dims": lambda lib, z: lib.dot(z(3, 1), z(3)),
    "bmm sizes": lambda lib, z: lib.bmm(z(2, 2, 3), z(2, 4, 5)),
    "bmm batches": lambda lib, z: lib.bmm(z(2, 2, 3), z(3, 3, 5)),
    "bmm dtypes": lambda lib, z: lib.bmm(z(2, 2, 3), z(2, 3, 5).double()),
    "bmm dims": lambda lib, z: lib.bmm(z(2, 3), z(2, 3, 5)),
    "matmul 0-d": lambda lib, z: lib.matmul(z(), z(3)),
    "matmul 2, 1": lambda lib, z: lib.matmul(z(2, 3), z(4)),
    "matmul 1, 2": lambda lib, z: lib.matmul(z(3), z(4, 2)),
    "matmul 3, 2": lambda lib, z: lib.matmul(z(5, 2, 3), z(4, 2)),
    "matmul 3, 3": lambda lib, z: lib.matmul(z(5, 2, 3), z(5, 4, 2)),
    "matmul batches": lambda lib, z: lib.matmul(z(5, 2, 3), z(6, 3, 2)),
    "linear sizes": lambda lib, z: lib.nn.functional.linear(z(2, 3), z(5, 4)),
    "linear bias": lambda lib, z: lib.nn.functional.linear(z(2, 3), z(5, 3), z(4)),
    "linear dtypes": lambda lib, z: lib.nn.functional.linear(z(2, 3), z(5, 3).double()),
    "addmm sizes": lambda lib, z: lib.addmm(z(4), z(2, 3), z(3, 5)),
    "addmm dtypes": lambda lib, z: lib.addmm(z(5).double(), z(2, 3), z(3, 5)),
    "outer dims": lambda lib, z: lib.outer(z(2, 2), z(3)),
    "inner sizes": lambda lib, z: lib.inner(z(2, 3), z(4, 2)),
    "tensordot sizes": lambda lib, z: tensordot(lib, z(2, 3), z(4, 2), ([0], [0])),
    "einsum sizes": lambda lib, z: lib.einsum("ij,jk->ik", z(2, 3), z(4, 5)),
    "einsum output": lambda lib, z: lib.einsum("ij,jk->il", z(2, 3), z(3, 5)),
    "einsum dims": lambda lib, z: lib.einsum("ijk->ik", z(2, 3)),
    "einsum operands": lambda lib, z: lib.einsum("ij,jk", z(2, 3)),
    "einsum subscript": lambda lib, z: lib.einsum("i1->i", z(2, 3)),
    "einsum repeated": lambda lib, z: lib.einsum("ij->ii", z(2, 3)),
    "einsum diagonal": lambda lib, z: lib.einsum("ii->i", z(2, 3)),
    "einsum dot": lambda lib, z: lib.einsum("i.j->i", z(2, 3, 4)),
    "cdist columns": lambda lib, z: lib.cdist(z(2, 3), z(2, 4)),
    "trace dims": lambda lib, z: lib.trace(z(2)),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_begin_as_torchs(real_torch, name: str) -> None:
    def message(lib) -> tuple[type, str]:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the kind is compared below
            ERRORS[name](lib, lambda *s: lib.zeros(s))
        return caught.type, str(caught.value)

    kind, text = message(real_torch)
    own_kind, own_text = message(chainrule)
    assert own_kind is kind
    assert own_text.startswith(text.splitlines()[0].rstrip(".")), (own_text, text)


def test_names_in_the_graph() -> None:
    x = chainrule.ones(2, 3, requires_grad=True)
    y = chainrule.ones(3, 2, requires_grad=True)
    v = chainrule.ones(3, requires_grad=True)
    names = {
        "MmBackward0": x @ y,
        "MvBackward0": x @ v,
        "DotBackward0": v @ v,
        "BmmBackward0": x.reshape(1, 2, 3) @ y.reshape(1, 3, 2),
        "AddmmBackward0": chainrule.addmm(v, y, x),
    }
    for name, result in names.items():
        assert result.grad_fn.name() == name
    edges = [type(edge[0]).__name__ for edge in (x @ y).grad_fn.next_functions]
    assert edges == ["AccumulateGrad"] * 2
