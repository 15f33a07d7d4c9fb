"""Mistakes of dtype, of index and of value."""

from __future__ import annotations

from errors.case import Case

CASES = (
    Case(
        "matmul_dtype",
        "Matrices of different dtypes",
        """\
data = torch.ones(2, 3, dtype=torch.float64)
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
        "mean_of_integers",
        "The mean of integers",
        """\
x = torch.arange(3)
x.mean()
""",
        (".float()",),
    ),
    Case(
        "float_tokens",
        "Tokens as floats",
        """\
embed = nn.Embedding(10, 4)
embed(torch.tensor([1.0, 2.0]))
""",
        (".long()",),
    ),
    Case(
        "condition_dtype",
        "A condition that is no comparison",
        """\
x = torch.tensor([0.0, 1.0])
torch.where(x, x, -x)
""",
        ("condition != 0",),
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
        "column_target",
        "Class numbers in a column",
        """\
scores = torch.ones(4, 3, requires_grad=True)
target = torch.zeros(4, 1, dtype=torch.long)
F.cross_entropy(scores, target)
""",
        ("target.squeeze(1)",),
    ),
    Case(
        "probabilities",
        "Scores where probabilities belong",
        """\
scores = torch.tensor([1.5, -0.5], requires_grad=True)
F.binary_cross_entropy(scores, torch.ones(2))
""",
        ("binary_cross_entropy_with_logits",),
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
