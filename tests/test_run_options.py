"""What `chainrule run` can watch while a program runs."""

import json

import pytest

from chainrule._inspection import BadOption, take_options
from tests.test_run import folder, run  # noqa: F401

TRAINS = """
import torch
w = torch.tensor(3.0, requires_grad=True)
for step in range(3):
    loss = (w * w).exp()
    loss.backward()
print("done", __import__("sys").argv[1:])
"""


def write(folder, source):  # noqa: F811
    (folder / "script.py").write_text(source)


@pytest.mark.parametrize(
    ("given", "options", "rest"),
    [
        (["s.py", "--graph", "o.html"], {"--graph": "o.html"}, ["s.py"]),
        (
            ["--graph", "o.svg", "--anomaly", "s.py"],
            {"--graph": "o.svg", "--anomaly": ""},
            ["s.py"],
        ),
        (["s.py", "--graph", "o.txt", "--", "--graph"], {"--graph": "o.txt"}, ["s.py", "--graph"]),
        (["s.py", "--", "--graph", "x"], {}, ["s.py", "--", "--graph", "x"]),
        (["s.py", "--anomaly"], {}, ["s.py", "--anomaly"]),
        (["-m", "mod", "a", "--graph", "o.html"], {"--graph": "o.html"}, ["-m", "mod", "a"]),
        (["--watch-memory", "-c", "x=1"], {"--watch-memory": ""}, ["-c", "x=1"]),
        ([], {}, []),
    ],
)
def test_options_are_told_from_the_scripts_arguments(given, options, rest):
    assert take_options(given) == (options, rest)


@pytest.mark.parametrize(
    "given", [["--graph"], ["--graph", "--anomaly", "s.py"], ["s.py", "--graph"]]
)
def test_a_missing_file_name_is_an_error(given):
    with pytest.raises(BadOption, match="needs the name of a file"):
        take_options(given)
    with pytest.raises(BadOption, match="twice"):
        take_options(["--anomaly", "--anomaly", "s.py"])


@pytest.mark.parametrize("name", ["out.html", "out.txt", "out.dot", "out.json"])
def test_the_graph_of_the_last_backward_is_drawn(folder, name):  # noqa: F811
    write(folder, TRAINS)
    done = run(folder, "script.py", "--graph", name, "arg")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done ['arg']\n"
    assert f"the graph of backward pass 3 is in {name}" in done.stderr
    text = (folder / name).read_text()
    assert "exp" in text and "w" in text
    if name.endswith(".json"):
        assert json.loads(text)["format"] == "chainrule.graph"


def test_a_script_that_fails_keeps_its_traceback_and_its_graph(folder):  # noqa: F811
    write(folder, TRAINS + "raise KeyError('oh')\n")
    done = run(folder, "--graph", "out.txt", "script.py")
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("KeyError: 'oh'")
    assert "_inspection" not in done.stderr and "run.py" not in done.stderr
    assert (folder / "out.txt").exists()


def test_no_backward_and_a_bad_suffix_are_said(folder):  # noqa: F811
    write(folder, "print('hi')\n")
    done = run(folder, "--graph", "out.html", "script.py")
    assert done.returncode == 0 and "no backward pass" in done.stderr
    write(folder, TRAINS)
    done = run(folder, "--graph", "out.bmp", "script.py")
    assert done.returncode == 2 and done.stdout == ""
    assert "out.bmp" in done.stderr and ".svg" in done.stderr
    done = run(folder, "--graph", "no/such/folder.txt", "script.py")
    assert done.returncode == 0 and "was not written" in done.stderr


def test_a_profile_is_a_page_or_a_trace(folder):  # noqa: F811
    write(folder, TRAINS)
    assert run(folder, "--profile", "p.html", "script.py").returncode == 0
    assert "aten::exp" in (folder / "p.html").read_text()
    assert run(folder, "--profile", "p.json", "script.py").returncode == 0
    events = json.loads((folder / "p.json").read_text())["traceEvents"]
    assert any(event.get("name") == "aten::exp" for event in events)


def test_the_first_bad_number_stops_the_script(folder):  # noqa: F811
    write(
        folder,
        "import torch\nx = torch.zeros(2, requires_grad=True)\ny = x.log()\nprint('after')\n",
    )
    done = run(folder, "--anomaly", "script.py")
    assert done.returncode == 1 and "after" not in done.stdout
    assert "script.py:3" in done.stderr and "log" in done.stderr


def test_growing_lines_are_named(folder):  # noqa: F811
    write(
        folder,
        "import torch\n"
        "w = torch.ones(1000, requires_grad=True)\n"
        "total = 0\n"
        "for step in range(12):\n"
        "    (w * 2).sum().backward()\n"
        "    loss = (w * w).exp().sum()\n"
        "    total += loss\n",
    )
    done = run(folder, "--watch-memory", "script.py")
    assert done.returncode == 0, done.stderr
    assert "script.py:7" in done.stdout + done.stderr
