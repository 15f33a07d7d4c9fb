"""Mistakes that leave no graph, or a graph that is gone."""

from __future__ import annotations

from errors.case import Case

CASES = (
    Case(
        "detached",
        "A `detach()` on the way to the loss",
        """\
w = torch.ones(3, requires_grad=True)
h = (w * 2).detach()
loss = h.square().sum()
loss.backward()
""",
        ("detach()", "train.py:2:  h = (w * 2).detach()"),
    ),
    Case(
        "no_grad",
        "The loss was computed under `no_grad`",
        """\
w = torch.ones(3, requires_grad=True)
with torch.no_grad():
    loss = (w * 2).sum()
loss.backward()
""",
        ("train.py:3:  loss = (w * 2).sum()", "train.py:2:  with torch.no_grad():"),
    ),
    Case(
        "recording_left_off",
        "Recording was switched off and never on again",
        """\
torch.set_grad_enabled(False)
w = torch.ones(3, requires_grad=True)
loss = (w * 2).sum()
loss.backward()
""",
        ("train.py:3:  loss = (w * 2).sum()", "train.py:1:  torch.set_grad_enabled(False)"),
    ),
    Case(
        "inference_mode",
        "The loss was computed under `inference_mode`",
        """\
w = torch.ones(3, requires_grad=True)
with torch.inference_mode():
    loss = (w * 2).sum()
loss.backward()
""",
        ("train.py:3:  loss = (w * 2).sum()", "train.py:2:  with torch.inference_mode():"),
    ),
    Case(
        "accuracy_as_loss",
        "A step without derivative: `argmax`, a comparison",
        """\
model = nn.Linear(4, 3)
x, target = torch.ones(8, 4), torch.zeros(8, dtype=torch.long)
right = model(x).argmax(1) == target
loss = 1 - right.float().mean()
loss.backward()
""",
        ("argmax", "train.py:3:  right = model(x).argmax(1) == target"),
    ),
    Case(
        "integers",
        "A conversion to integers on the way",
        """\
w = torch.ones(3, requires_grad=True)
steps = (w * 10).long()
loss = steps.float().sum()
loss.backward()
""",
        ("train.py:2:  steps = (w * 10).long()",),
    ),
    Case(
        "data",
        "`.data` in the forward pass",
        """\
w = torch.ones(3, requires_grad=True)
loss = (w.data * 2).sum()
loss.backward()
""",
        (".data", "train.py:2:  loss = (w.data * 2).sum()"),
    ),
    Case(
        "copied",
        "Losses collected with `torch.tensor`",
        """\
w = torch.ones(3, requires_grad=True)
losses = [(w * k).sum() for k in range(3)]
loss = torch.tensor(losses).mean()
loss.backward()
""",
        ("copying the numbers", "train.py:3:  loss = torch.tensor(losses).mean()", "torch.stack"),
    ),
    Case(
        "item",
        "A number taken out with `.item()`",
        """\
w = torch.ones(3, requires_grad=True)
total = torch.zeros(1)
for k in range(3):
    total += (w * k).sum().item()
total.backward()
""",
        (".item()",),
    ),
    Case(
        "frozen",
        "All parameters are frozen",
        """\
model = nn.Linear(4, 1)
for p in model.parameters():
    p.requires_grad = False
loss = model(torch.ones(8, 4)).mean()
loss.backward()
""",
        ("train.py:3:  p.requires_grad = False",),
    ),
    Case(
        "nothing_required",
        "Nothing ever required a gradient",
        """\
w = torch.ones(3)
loss = (w * 2).sum()
loss.backward()
""",
        ("requires_grad=True",),
    ),
    Case(
        "gradient_of_a_gradient",
        "A second derivative without `create_graph`",
        """\
x = torch.ones(3, requires_grad=True)
y = (x ** 3).sum()
(slope,) = torch.autograd.grad(y, x)
slope.sum().backward()
""",
        ("train.py:3:  (slope,) = torch.autograd.grad(y, x)", "create_graph=True"),
    ),
    Case(
        "non_differentiable_output",
        "An output that a custom `Function` marked as not differentiable",
        """\
class Rank(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = x.argsort().to(x.dtype)
        ctx.mark_non_differentiable(y)
        return y
    @staticmethod
    def backward(ctx, g):
        return g
x = torch.ones(3, requires_grad=True)
Rank.apply(x).sum().backward()
""",
        ("custom Function", "train.py:11:  Rank.apply(x).sum().backward()"),
    ),
    Case(
        "second_backward",
        "A second backward through the same graph",
        """\
w = torch.ones(3, requires_grad=True)
loss = (w * w).sum()
loss.backward()
loss.backward()
""",
        ("train.py:2:  loss = (w * w).sum()", "train.py:3:  loss.backward()", "retain_graph=True"),
    ),
    Case(
        "hidden_state",
        "A state carried from step to step",
        """\
cell = nn.Linear(4, 4)
state = torch.zeros(1, 4)
for step in range(2):
    state = torch.tanh(cell(state))
    loss = state.square().sum()
    loss.backward()
""",
        (
            "train.py:4:  state = torch.tanh(cell(state))",
            "train.py:6:  loss.backward()",
            "detach()",
        ),
    ),
    Case(
        "saved_after_free",
        "A saved value read after backward",
        """\
x = torch.ones(3, requires_grad=True)
y = x.exp().sum()
node = y.grad_fn.next_functions[0][0]
y.backward()
saved = node._saved_result
""",
        ("train.py:2:  y = x.exp().sum()", "train.py:4:  y.backward()"),
    ),
    Case(
        "unused_input",
        "The gradient of an input that was not used",
        """\
a = torch.ones(2, 3, requires_grad=True)
b = torch.ones(4, requires_grad=True)
loss = a.sum()
torch.autograd.grad(loss, [a, b])
""",
        ("[4]", "allow_unused=True"),
    ),
    Case(
        "unused_parameter",
        "A parameter that the loss does not depend on",
        """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.used = nn.Linear(2, 1)
        self.spare = nn.Linear(2, 1)
    def forward(self, x):
        return self.used(x)
net = Net()
loss = net(torch.ones(4, 2)).mean()
torch.autograd.grad(loss, list(net.parameters()))
""",
        ('Input 2 is parameter "spare.weight" of shape [1, 2]', "allow_unused=True"),
    ),
    Case(
        "used_too_early",
        "The gradient of a tensor that the loss was not computed from",
        """\
a = torch.ones(3, requires_grad=True)
b = a * 2
loss = (a * 3).sum()
torch.autograd.grad(loss, b)
""",
        ("train.py:2:  b = a * 2", "allow_unused=True"),
    ),
    Case(
        "input_without_grad",
        "The gradient of an input that asks for none",
        """\
x = torch.ones(3)
w = torch.ones(3, requires_grad=True)
loss = (w * x).sum()
torch.autograd.grad(loss, x)
""",
        ("requires_grad=True",),
    ),
)
