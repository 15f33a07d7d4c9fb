"""Mistakes that change values in place, or flags and gradients in a wrong way."""

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
        ("train.py:4:  second =", "train.py:6:  optimizer.step()"),
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
    Case(
        "requires_grad_of_a_result",
        "`requires_grad` of a result switched off",
        """\
w = torch.ones(3, requires_grad=True)
h = w * 2
h.requires_grad = False
""",
        ("detach()", "train.py:2:  h = w * 2"),
    ),
    Case(
        "requires_grad_of_integers",
        "A gradient asked of integers",
        """\
index = torch.arange(3)
index.requires_grad_()
""",
        ("int64", ".float()"),
    ),
    Case(
        "integers_with_gradient",
        "Integers created with `requires_grad=True`",
        """\
w = torch.tensor([1, 2, 3], requires_grad=True)
""",
        ("int64", "1.0"),
    ),
    Case(
        "vector_backward",
        "`backward()` of a tensor with several elements",
        """\
w = torch.ones(3, requires_grad=True)
loss = (w * 2) ** 2
loss.backward()
""",
        ("[3]", "train.py:2:  loss = (w * 2) ** 2", ".sum()"),
    ),
    Case(
        "gradient_shape",
        "A gradient of the wrong shape given to backward",
        """\
w = torch.ones(3, requires_grad=True)
y = w * 2
y.backward(torch.ones(2))
""",
        ("[3]", "train.py:2:  y = w * 2", "torch.ones_like"),
    ),
    Case(
        "function_gradient_shape",
        "A custom `Function` returns a gradient of the wrong shape",
        """\
class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2
    @staticmethod
    def backward(ctx, g):
        return g.repeat(2)
x = torch.ones(3, requires_grad=True)
Double.apply(x).sum().backward()
""",
        ("train.py:9:  Double.apply(x).sum().backward()",),
    ),
    Case(
        "function_gradient_count",
        "A custom `Function` returns too few gradients",
        """\
class Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x * factor
    @staticmethod
    def backward(ctx, g):
        return g * ctx.factor
x = torch.ones(3, requires_grad=True)
Scale.apply(x, 2.0).sum().backward()
""",
        ("train.py:10:  Scale.apply(x, 2.0).sum().backward()", "None"),
    ),
    Case(
        "saved_number",
        "A number given to `save_for_backward`",
        """\
class Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.save_for_backward(x, factor)
        return x * factor
    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[1], None
Scale.apply(torch.ones(3, requires_grad=True), 2.0)
""",
        ("ctx.factor = factor",),
        error="TypeError",
    ),
    Case(
        "hook_shape",
        "A hook that returns a gradient of another shape",
        """\
w = torch.ones(3, requires_grad=True)
def halve(grad):
    return grad.sum() / 2
w.register_hook(halve)
(w * w).sum().backward()
""",
        ("halve", "[3]", "[]"),
    ),
    Case(
        "grad_shape_assigned",
        "A `.grad` of the wrong shape assigned",
        """\
w = torch.ones(2, 3, requires_grad=True)
w.grad = torch.zeros(3, 2)
""",
        ("[3, 2]",),
    ),
    Case(
        "grad_dtype_assigned",
        "A `.grad` of the wrong dtype assigned",
        """\
w = torch.ones(3, requires_grad=True)
w.grad = torch.zeros(3, dtype=torch.float64)
""",
        ("double", ".to(torch.float32)"),
        keeps="attempting to assign a gradient with dtype 'double' to a tensor with ",
    ),
    Case(
        "grad_of_a_result",
        "`.grad` of a result read",
        """\
w = torch.ones(3, requires_grad=True)
h = w * 2
h.sum().backward()
slope = h.grad
""",
        ("train.py:2:  h = w * 2", "retain_grad()"),
        error="UserWarning",
    ),
    Case(
        "numpy",
        "`.numpy()` of a tensor that requires grad",
        """\
w = torch.ones(3, requires_grad=True)
y = w * 2
y.numpy()
""",
        ("detach().numpy()", "train.py:2:  y = w * 2"),
    ),
    Case(
        "deepcopy",
        "`deepcopy` of a result",
        """\
import copy
w = torch.ones(3, requires_grad=True)
h = w * 2
copy.deepcopy(h)
""",
        ("train.py:3:  h = w * 2", "detach()"),
    ),
    Case(
        "empty_optimizer",
        "An optimizer without parameters",
        """\
model = nn.Sequential(nn.ReLU())
torch.optim.SGD(model.parameters(), lr=0.1)
""",
        ("empty",),
        error="ValueError",
    ),
    Case(
        "optimizer_of_a_result",
        "An optimizer for a computed tensor",
        """\
w = torch.ones(3, requires_grad=True) * 0.1
torch.optim.SGD([w], lr=0.1)
""",
        ("train.py:1:  w =",),
        error="ValueError",
    ),
)
