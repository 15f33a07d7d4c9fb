"""Mistakes of shape."""

from __future__ import annotations

from errors.case import Case

CASES = (
    Case(
        "matmul",
        "Matrices that do not fit",
        """\
x = torch.ones(2, 3, requires_grad=True)
h = x * 2
w = torch.ones(4, 3)
y = h @ w
""",
        ("train.py:2:  h = x * 2", ".T"),
    ),
    Case(
        "linear",
        "An image into a linear layer",
        """\
model = nn.Sequential(nn.Linear(784, 10), nn.ReLU())
images = torch.ones(8, 1, 28, 28)
model(images)
""",
        ("train.py:2:  images = torch.ones(8, 1, 28, 28)", 'module "0" (Linear)', "flatten(1)"),
    ),
    Case(
        "layers",
        "Layers that do not fit each other",
        """\
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(32, 4))
model(torch.ones(5, 8))
""",
        ('ReluBackward0 of module "1" (ReLU)', 'module "2" (Linear)', "in_features=16"),
    ),
    Case(
        "batch_norm",
        "Channels that a batch norm was not made for",
        """\
norm = nn.BatchNorm1d(3)
norm(torch.ones(4, 5))
""",
        ("[4, 5]", "made for 3"),
    ),
    Case(
        "matrix_and_vector",
        "A matrix and a vector that do not fit",
        """\
a = torch.ones(2, 3)
v = torch.ones(2)
a @ v
""",
        ("mat.T",),
    ),
    Case(
        "bmm",
        "Batches of matrices that do not fit",
        """\
query = torch.ones(2, 5, 8)
key = torch.ones(2, 5, 8)
torch.bmm(query, key)
""",
        ("transpose(1, 2)",),
    ),
    Case(
        "broadcast",
        "Shapes that do not broadcast",
        """\
x = torch.ones(4, 3, requires_grad=True)
scaled = x * 2
mean = scaled.mean(1)
centered = scaled - mean
""",
        ("train.py:2:  scaled = x * 2", "train.py:3:  mean = scaled.mean(1)", "unsqueeze(1)"),
    ),
    Case(
        "in_place_broadcast",
        "An in-place operation whose result is larger",
        """\
total = torch.zeros(3)
total += torch.ones(4, 3)
""",
        ("[4, 3]",),
    ),
    Case(
        "expanded_in_place",
        "An expanded tensor changed in place",
        """\
row = torch.ones(1, 3)
x = row.expand(4, 3)
x += 1
""",
        ("clone()", "[4, 3]", "expand()"),
    ),
    Case(
        "cat_of_numbers",
        "Single numbers joined with `cat`",
        """\
a, b = torch.tensor(1.0), torch.tensor(2.0)
torch.cat([a, b])
""",
        ("torch.stack",),
    ),
    Case(
        "cat",
        "Tensors joined that differ elsewhere",
        """\
a = torch.ones(2, 3)
b = torch.ones(2, 4)
torch.cat([a, b])
""",
        ("[2, 3]", "[2, 4]", "dim=1"),
    ),
    Case(
        "stack",
        "Tensors stacked that differ",
        """\
rows = [torch.ones(3), torch.ones(4)]
torch.stack(rows)
""",
        ("[3]", "[4]"),
    ),
    Case(
        "view_of_a_transpose",
        "`view` of a transposed tensor",
        """\
x = torch.ones(2, 3)
x.t().view(6)
""",
        (".reshape(",),
    ),
    Case(
        "reshape",
        "A shape with another number of elements",
        """\
x = torch.ones(8, 3)
x.reshape(4, 5)
""",
        ("24", "20"),
    ),
    Case(
        "dim",
        "A dimension that is not there",
        """\
x = torch.ones(2, 3)
x.sum(2)
""",
        ("2",),
        error="IndexError",
    ),
)
