"""Mistakes with gradients, with flags, and in custom Functions."""

from __future__ import annotations

from errors.case import Case

CASES = (
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
        "function_called",
        "A custom `Function` called like a module",
        """\
class Double(torch.autograd.Function):
    def forward(self, x):
        return x * 2
Double()(torch.ones(3))
""",
        ("Double.apply(",),
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
