"""Mistakes that change values in place."""

from __future__ import annotations

from errors.case import Case

MODIFIED = (
    "one of the variables needed for gradient computation has been modified by an inplace "
    "operation: [torch.FloatTensor ["
)

CASES = (
    Case(
        "changed_result",
        "A result that backward needs was changed in place",
        """\
x = torch.ones(3, requires_grad=True)
y = x.exp()
y += 1
y.sum().backward()
""",
        ("train.py:2:  y = x.exp()", "train.py:3:  y += 1"),
    ),
    Case(
        "changed_through_a_view",
        "The same through a view",
        """\
x = torch.ones(4, requires_grad=True)
h = x * 2
y = h.sin()
first = h[:2]
first.zero_()
y.sum().backward()
""",
        ("train.py:3:  y = h.sin()", "train.py:5:  first.zero_()"),
        keeps=MODIFIED,  # of another name: the node that stands for the change of a view
    ),
    Case(
        "step_before_backward",
        "`optimizer.step()` between forward and backward",
        """\
model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
first = model(torch.ones(8, 4)).mean()
second = model(torch.zeros(8, 4)).mean()
first.backward()
optimizer.step()
second.backward()
""",
        ('parameter "1.weight"', "train.py:4:  second =", "train.py:6:  optimizer.step()"),
        keeps=MODIFIED,  # torch saves a transposed view of the weight
    ),
    Case(
        "changed_under_no_grad",
        "Changed under `no_grad` before backward",
        """\
w = torch.ones(3, requires_grad=True)
loss = (w * w).sum()
with torch.no_grad():
    w *= 0.9
loss.backward()
""",
        ("train.py:2:  loss = (w * w).sum()", "train.py:4:  w *= 0.9"),
    ),
    Case(
        "inplace_activation",
        "`inplace=True` after a layer that saves its result",
        """\
model = nn.Sequential(nn.Linear(2, 2), nn.Sigmoid(), nn.ReLU(inplace=True))
loss = model(torch.ones(1, 2)).sum()
loss.backward()
""",
        ('module "1" (Sigmoid)', "train.py:2:  loss = model(", "inplace=True"),
    ),
    Case(
        "leaf_in_place",
        "A parameter updated while operations are recorded",
        """\
w = torch.ones(3, requires_grad=True)
(w * w).sum().backward()
w -= 0.1 * w.grad
""",
        ("torch.no_grad()",),
    ),
    Case(
        "view_of_leaf_in_place",
        "A part of a parameter overwritten",
        """\
w = torch.ones(2, 3, requires_grad=True)
w[0] = 0.0
""",
        ("[2, 3]", "torch.no_grad()"),
    ),
    Case(
        "one_of_several_views",
        "One of several views changed",
        """\
x = torch.ones(4, requires_grad=True)
a, b = (x * 2).chunk(2)
a.zero_()
""",
        ("train.py:2:  a, b = (x * 2).chunk(2)",),
    ),
    Case(
        "view_from_no_grad",
        "A view made under `no_grad` changed outside",
        """\
w = torch.ones(4, requires_grad=True)
h = w * 2
with torch.no_grad():
    part = h[:2]
part.zero_()
""",
        ("train.py:4:  part = h[:2]", "train.py:3:  with torch.no_grad():"),
    ),
    Case(
        "inference_tensor_saved",
        "An inference tensor in recorded computation",
        """\
with torch.inference_mode():
    x = torch.ones(3)
w = torch.ones(3, requires_grad=True)
y = w * x
""",
        ("clone()",),
    ),
    Case(
        "inference_tensor_changed",
        "An inference tensor changed outside",
        """\
with torch.inference_mode():
    x = torch.ones(3)
x += 1
""",
        ("clone()",),
        keeps="Inplace update to inference tensor outside InferenceMode is not allowed.",
    ),
)
