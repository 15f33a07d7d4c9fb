"""The canonical errors: torch's first sentence, then where it happened and what to do."""

import inspect
import re
import subprocess
import sys

import pytest

import chainrule as torch

FREED = "Trying to backward through the graph a second time"
MODIFIED = (
    "one of the variables needed for gradient computation has been modified by an inplace operation"
)


def place(mark):
    """The pattern `file:line` of the line of the calling test that ends in the comment `# mark`."""
    frame = inspect.currentframe().f_back
    lines, first = inspect.getsourcelines(frame.f_code)
    (offset,) = [k for k, line in enumerate(lines) if line.rstrip().endswith(f"# {mark}")]
    return re.escape(f"{frame.f_code.co_filename}:{first + offset}") + r"\b"


# first sentences


def test_second_backward():
    x = torch.ones(2, requires_grad=True)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="^" + FREED) as caught:
        y.backward()
    assert "retain_graph=True" in str(caught.value)


def test_modified_by_an_in_place_operation():
    x = torch.ones(2, 3, requires_grad=True)
    y = x.exp()
    y += 1
    with pytest.raises(RuntimeError, match="^" + MODIFIED) as caught:
        y.sum().backward()
    message = str(caught.value)
    assert "[torch.FloatTensor [2, 3]], which is output 0 of Exp" in message
    assert "is at version 1; expected version 0" in message


def test_backward_of_a_vector():
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(
        RuntimeError, match=r"^grad can be implicitly created only for scalar outputs"
    ):
        (x * 2).backward()


def test_backward_of_a_constant():
    with pytest.raises(
        RuntimeError,
        match=r"^element 0 of tensors does not require grad and does not have a grad_fn",
    ):
        torch.ones(1).backward()
    x = torch.ones(1, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"^element 1 of tensors does not require grad"):
        torch.autograd.backward([x * 2, torch.ones(1)])


def test_in_place_on_a_leaf():
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(
        RuntimeError,
        match=r"^a leaf Variable that requires grad is being used in an in-place operation",
    ):
        x.mul_(2)
    with pytest.raises(
        RuntimeError,
        match=r"^a view of a leaf Variable that requires grad is being used in an in-place",
    ):
        x[:1].mul_(2)


def test_unused_input():
    x, unused = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    with pytest.raises(
        RuntimeError,
        match=r"^The differentiated Tensor at index 1 appears to not have been used in the graph",
    ) as caught:
        torch.autograd.grad(x.sum(), [x, unused])
    assert "allow_unused=True" in str(caught.value)


def test_input_that_does_not_require_grad():
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(
        RuntimeError, match=r"^One of the differentiated Tensors does not require grad"
    ):
        torch.autograd.grad(x.sum(), torch.ones(2))


def test_requires_grad_of_a_non_leaf():
    y = torch.ones(2, requires_grad=True) * 2
    with pytest.raises(
        RuntimeError, match=r"^you can only change requires_grad flags of leaf variables"
    ):
        y.requires_grad = False


def test_wrong_grad():
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(
        RuntimeError, match=r"^attempting to assign a gradient of size '\[3\]' to a tensor of size"
    ):
        x.grad = torch.ones(3)
    with pytest.raises(
        RuntimeError, match=r"^attempting to assign a gradient with dtype 'double' to a tensor with"
    ):
        x.grad = torch.ones(2, dtype=torch.float64)


def test_one_of_several_views():
    y = torch.ones(4, requires_grad=True) * 1
    with pytest.raises(
        RuntimeError, match=r"^Output 1 of Split is a view and is being modified inplace"
    ):
        y.split(2)[1].zero_()


def test_gradient_of_the_wrong_shape():
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(
        RuntimeError,
        match=r"^Mismatch in shape: grad_output\[0\] has a shape of .*\[3\].* and output",
    ):
        (x * 2).backward(torch.ones(3))


def test_shapes_that_do_not_broadcast():
    with pytest.raises(
        RuntimeError,
        match=r"^The size of tensor a \(2\) must match the size of tensor b \(3\) at non-singleton",
    ):
        torch.ones(2) + torch.ones(3)


def test_shapes_that_do_not_multiply():
    with pytest.raises(
        RuntimeError,
        match=r"^mat1 and mat2 shapes cannot be multiplied \(2x3 and 2x3\)",
    ):
        torch.ones(2, 3) @ torch.ones(2, 3)


def test_numpy_of_what_requires_grad():
    pytest.importorskip("numpy")
    with pytest.raises(
        RuntimeError,
        match=r"^Can't call numpy\(\) on Tensor that requires grad. Use tensor.detach\(\)",
    ):
        torch.ones(2, requires_grad=True).numpy()


def test_ambiguous_truth():
    with pytest.raises(
        RuntimeError, match=r"^Boolean value of Tensor with more than one value is ambiguous"
    ):
        bool(torch.ones(2))


# where


@pytest.mark.chainrule_only
def test_second_backward_names_the_operation_and_the_freeing_backward():
    x = torch.ones(2, requires_grad=True)
    y = x * x  # recorded here
    loss = y.sum()
    loss.backward()  # freed here
    with pytest.raises(RuntimeError, match="^" + FREED) as caught:
        loss.backward()
    message = str(caught.value)
    assert re.search("recorded at " + place("recorded here"), message)
    assert re.search("freed by the backward at " + place("freed here"), message)


@pytest.mark.chainrule_only
def test_graph_freed_by_autograd_grad_names_that_call():
    x = torch.ones(2, requires_grad=True)
    loss = (x.exp() * x).sum()  # recorded here
    torch.autograd.grad(loss, x)  # freed here
    with pytest.raises(RuntimeError, match="^" + FREED) as caught:
        torch.autograd.grad(loss, x)
    message = str(caught.value)
    assert re.search("recorded at " + place("recorded here"), message)
    assert re.search("freed by the backward at " + place("freed here"), message)


@pytest.mark.chainrule_only
def test_in_place_error_names_the_operation_and_the_changing_line():
    x = torch.ones(2, requires_grad=True)
    y = x * 1
    z = y * y  # recorded here
    y.add_(1)  # changed here
    with pytest.raises(RuntimeError, match="^" + MODIFIED) as caught:
        z.sum().backward()
    message = str(caught.value)
    assert re.search("recorded at " + place("recorded here"), message)
    assert re.search("changed at " + place("changed here"), message)


@pytest.mark.chainrule_only
def test_in_place_error_names_a_change_through_a_view():
    x = torch.ones(4, requires_grad=True)
    y = x * 1
    z = y.sin()  # recorded here
    y.view(2, 2)[0] = 3.0  # changed here
    with pytest.raises(RuntimeError, match="^" + MODIFIED) as caught:
        z.sum().backward()
    message = str(caught.value)
    assert re.search("recorded at " + place("recorded here"), message)
    assert re.search("changed at " + place("changed here"), message)


@pytest.mark.chainrule_only
def test_in_place_error_names_the_last_of_several_changes():
    x = torch.ones(2, requires_grad=True)
    y = x.exp()  # recorded here
    y.mul_(2)
    y += 1  # changed here
    with pytest.raises(RuntimeError, match="^" + MODIFIED) as caught:
        y.sum().backward()
    message = str(caught.value)
    assert re.search("recorded at " + place("recorded here"), message)
    assert re.search("changed at " + place("changed here"), message)


@pytest.mark.chainrule_only
def test_line_is_that_of_the_operation_inside_a_called_function():
    def model(x):
        hidden = x.tanh()
        return hidden * hidden  # recorded here

    x = torch.ones(2, requires_grad=True)
    loss = model(x).sum()
    loss.backward()
    with pytest.raises(RuntimeError, match="^" + FREED) as caught:
        loss.backward()
    frame_lines, first = inspect.getsourcelines(model)
    (offset,) = [k for k, line in enumerate(frame_lines) if "# recorded here" in line]
    assert f"recorded at {__file__}:{first + offset}" in str(caught.value)


@pytest.mark.chainrule_only
def test_error_of_a_script_names_the_script(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(
        "import chainrule as torch\n"
        "x = torch.ones(2, requires_grad=True)\n"
        "y = x.exp()\n"
        "y.zero_()\n"
        "y.sum().backward()\n"
    )
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert f"recorded at {script}:3" in ran.stderr
    assert f"changed at {script}:4" in ran.stderr
