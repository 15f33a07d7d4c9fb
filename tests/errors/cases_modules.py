"""Mistakes with modules and their state."""

from __future__ import annotations

from errors.case import Case

CASES = (
    Case(
        "no_super_init",
        "`super().__init__()` forgotten",
        """\
class Net(nn.Module):
    def __init__(self):
        self.layer = nn.Linear(2, 1)
Net()
""",
        ("super().__init__()",),
        error="AttributeError",
    ),
    Case(
        "missing_submodule",
        "A submodule that was never assigned",
        """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer1 = nn.Linear(2, 1)
    def forward(self, x):
        return self.layer_1(x)
Net()(torch.ones(1, 2))
""",
        ("layer_1", "layer1"),
        error="AttributeError",
    ),
    Case(
        "no_forward",
        "A module without `forward`",
        """\
class Net(nn.Module):
    def foward(self, x):
        return x
Net()(torch.ones(1))
""",
        ('"foward": did you mean "forward"',),
        error="NotImplementedError",
    ),
    Case(
        "state_dict_keys",
        "A state dict with other keys",
        """\
saved = nn.Sequential(nn.Linear(2, 1)).state_dict()
model = nn.Linear(2, 1)
model.load_state_dict(saved)
""",
        ('begin with "0."',),
    ),
    Case(
        "state_dict_sizes",
        "A state dict with other sizes",
        """\
saved = nn.Linear(3, 1).state_dict()
model = nn.Linear(2, 1)
model.load_state_dict(saved)
""",
        ("torch.Size([1, 3])", "torch.Size([1, 2])", "strict=False"),
    ),
    Case(
        "wrong_argument",
        "A list where a tensor belongs",
        """\
layer = nn.Linear(2, 1)
layer([1.0, 2.0])
""",
        ("list", "torch.tensor"),
        error="TypeError",
    ),
)
