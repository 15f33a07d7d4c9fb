"""Mistakes of shape, dtype, index and value."""

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
    Case(
        "matmul_dtype",
        "Matrices of different dtypes",
        """\
import numpy
data = torch.from_numpy(numpy.ones((2, 3)))
layer = nn.Linear(3, 1)
layer(data)
""",
        ("float64", ".float()"),
    ),
    Case(
        "integer_result",
        "A floating result into an integer tensor",
        """\
counts = torch.tensor([1, 2, 3])
counts *= 0.5
""",
        (".float()",),
    ),
    Case(
        "index_dtype",
        "A floating tensor as index",
        """\
table = torch.ones(5, 3)
where = torch.tensor([0.0, 1.0])
table[where]
""",
        (".long()",),
        error="IndexError",
    ),
    Case(
        "index_out_of_range",
        "An index out of range",
        """\
x = torch.ones(5, 3)
rows = torch.tensor([0, 2, 5])
x[rows]
""",
        ("0 to 4",),
        error="IndexError",
    ),
    Case(
        "element_out_of_range",
        "An element out of range",
        """\
x = torch.ones(5, 3)
x[1, 3]
""",
        ("0 to 2",),
        error="IndexError",
    ),
    Case(
        "embedding_out_of_range",
        "A token that the vocabulary lacks",
        """\
embed = nn.Embedding(10, 4)
embed(torch.tensor([[1, 2], [3, 10]]))
""",
        ("Index 10", "0 to 9"),
        error="IndexError",
    ),
    Case(
        "target_out_of_range",
        "A class that the scores lack",
        """\
scores = torch.ones(4, 3, requires_grad=True)
target = torch.tensor([0, 1, 2, 3])
F.cross_entropy(scores, target)
""",
        ("3 classes",),
        error="IndexError",
    ),
    Case(
        "target_dtype",
        "Class numbers as floats",
        """\
scores = torch.ones(4, 3, requires_grad=True)
target = torch.tensor([0.0, 1.0, 2.0, 0.0])
F.cross_entropy(scores, target)
""",
        (".long()",),
    ),
    Case(
        "target_count",
        "More targets than scores",
        """\
scores = torch.ones(4, 3, requires_grad=True)
target = torch.zeros(5, dtype=torch.long)
F.cross_entropy(scores, target)
""",
        ("4", "5"),
        error="ValueError",
    ),
    Case(
        "bce_shape",
        "Targets of another shape than the scores",
        """\
scores = torch.ones(8, 1, requires_grad=True)
target = torch.zeros(8)
F.binary_cross_entropy_with_logits(scores, target)
""",
        ("[8, 1]", "squeeze"),
        error="ValueError",
    ),
    Case(
        "mse_shape",
        "A loss that broadcasts its target",
        """\
prediction = torch.ones(8, 1, requires_grad=True)
target = torch.zeros(8)
F.mse_loss(prediction, target)
""",
        ("squeeze(1)",),
        error="UserWarning",
    ),
    Case(
        "truth_of_several",
        "A condition on several elements",
        """\
x = torch.ones(3)
if x > 0:
    print("positive")
""",
        (".any()", ".all()"),
    ),
    Case(
        "item_of_several",
        "`.item()` of several elements",
        """\
loss = torch.ones(3)
loss.item()
""",
        ("[3]", ".tolist()"),
    ),
    Case(
        "mask_shape",
        "A mask of another shape",
        """\
x = torch.ones(2, 3)
x[torch.tensor([True, False, True])]
""",
        ("[3]", "[2, 3]", "A mask has the sizes"),
        error="IndexError",
    ),
    Case(
        "ragged",
        "Rows of different lengths",
        """\
torch.tensor([[1.0, 2.0], [3.0]])
""",
        ("equally long",),
        error="ValueError",
    ),
    Case(
        "too_many_indices",
        "More indices than dimensions",
        """\
x = torch.ones(5, 3)
x[0, 0, 0]
""",
        ("2",),
        error="IndexError",
    ),
)
