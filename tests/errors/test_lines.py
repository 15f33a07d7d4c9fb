"""The lines of programs in messages: their text, where it is unknown, and what must not happen."""

import linecache
import subprocess
import sys

import pytest

import chainrule as torch

pytestmark = pytest.mark.chainrule_only


def failing_backward():
    x = torch.ones(2, requires_grad=True)
    y = x.exp()  # the text of this line
    y.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation") as caught:
        y.sum().backward()
    return str(caught.value)


def test_the_text_of_the_line_stands_beside_its_number():
    assert ":  y = x.exp()  # the text of this line" in failing_backward()


def test_without_the_source_the_number_stands_alone():
    source = "import chainrule as torch\ndef f(x):\n    return x.detach()\n"
    space = {}
    exec(compile(source, "/nowhere/gone.py", "exec"), space)
    cut = space["f"](torch.ones(2, requires_grad=True))
    with pytest.raises(RuntimeError) as caught:
        cut.sum().backward()
    assert "cut it off at /nowhere/gone.py:3\n" in str(caught.value)


def test_an_error_in_finding_the_text_does_not_hide_the_error(monkeypatch):
    def broken(*arguments):
        raise OSError("the disk is gone")

    monkeypatch.setattr(linecache, "getline", broken)
    message = failing_backward()
    assert "recorded at " in message
    assert "the text of this line" not in message


def test_an_error_in_naming_the_module_does_not_hide_the_error():
    class Net(torch.nn.Module):
        def named_modules(self, *arguments, **options):
            raise ValueError("not now")

        def __init__(self):
            super().__init__()
            self.layers = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(3, 3))

        def forward(self, x):
            return self.layers(x)

    with pytest.raises(RuntimeError, match=r"^mat1 and mat2 shapes cannot be multiplied"):
        Net()(torch.ones(1, 2))


def test_a_module_that_is_gone_is_named_by_its_class():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh())
    y = model(torch.ones(1, 2, requires_grad=True))
    del model
    y.sum().backward()
    with pytest.raises(RuntimeError, match=r"a module Tanh recorded at"):
        y.sum().backward()


def test_long_lines_and_other_alphabets_are_cut_between_characters(tmp_path):
    long = "ü" * 200
    source = f"def f(x):\n    return x.detach()  # {long}\n"
    file = tmp_path / "long.py"
    file.write_text(source, encoding="utf-8")
    space = {}
    exec(compile(source, str(file), "exec"), space)
    with pytest.raises(RuntimeError) as caught:
        space["f"](torch.ones(2, requires_grad=True)).sum().backward()
    (shown,) = [text for text in str(caught.value).splitlines() if "cut it off" in text]
    assert shown.endswith("üüü…")
    assert len(shown) < len(str(file)) + 200


def test_messages_name_the_user_and_never_this_package():
    layer = torch.nn.Linear(2, 2)
    y = layer(torch.ones(1, 2)).tanh()
    y.sum().backward()
    with pytest.raises(RuntimeError) as caught:
        y.sum().backward()
    package = torch.__file__.rpartition("/")[0]
    assert f"{package}/" not in str(caught.value)


def test_script_run_as_torch(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(
        "import torch\n"
        "w = torch.ones(2, requires_grad=True)\n"
        "with torch.no_grad():\n"
        "    loss = (w * 2).sum()\n"
        "loss.backward()\n"
    )
    ran = subprocess.run(
        [sys.executable, "-m", "chainrule", "run", str(script)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert f"was not recorded at {script}:4:  loss = (w * 2).sum()" in ran.stderr
    assert f"Recording was switched off at {script}:3:  with torch.no_grad():" in ran.stderr


def test_standard_input_has_numbers_only():
    program = (
        "import chainrule as torch\ntorch.ones(2, requires_grad=True).detach().sum().backward()\n"
    )
    ran = subprocess.run(
        [sys.executable, "-"], input=program, capture_output=True, text=True, check=False
    )
    assert "detach() cut it off at <stdin>:2\n" in ran.stderr


# gradients that hooks return


@pytest.mark.parametrize("where", ["tensor", "leaf", "before", "after"])
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda g: g.sum(), r"^hook 'hook' has changed the size of value\n"),
        (lambda g: g.long(), r"^hook 'hook' has changed the type of value \(was torch.Float"),
    ],
)
def test_a_hook_keeps_shape_and_dtype(where, change, sentence):
    x = torch.ones(2, requires_grad=True)
    y = x * x

    def hook(*arguments):
        grad = arguments[0]
        if isinstance(grad, tuple):
            return (change(grad[0]), *grad[1:])
        return change(grad)

    {
        "tensor": y.register_hook,
        "leaf": x.register_hook,
        "before": y.grad_fn.register_prehook,
        "after": y.grad_fn.register_hook,
    }[where](hook)
    with pytest.raises(RuntimeError, match=sentence):
        y.sum().backward()


def test_a_gradient_of_another_dtype_is_converted():
    x = torch.ones(2, requires_grad=True)
    (x * 2).backward(torch.tensor([1, 2]))
    assert x.grad.tolist() == [2.0, 4.0]
    assert x.grad.dtype == torch.float32
    (slope,) = torch.autograd.grad(x * 2, x, torch.ones(2, dtype=torch.float64))
    assert slope.dtype == torch.float32

    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            return (grad * 2).long()

    (slope,) = torch.autograd.grad(Double.apply(x).sum(), x)
    assert slope.tolist() == [2.0, 2.0]
    assert slope.dtype == torch.float32
