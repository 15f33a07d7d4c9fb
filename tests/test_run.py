"""`chainrule run` behaves as `python` does, except that torch is Chainrule."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

OTHER_TORCH = "raise SystemExit('the other torch was imported')\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to work in, and beside it an installed torch that must never be imported."""
    other = tmp_path / "other" / "torch"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text(OTHER_TORCH)
    work = tmp_path / "work"
    work.mkdir()
    return work


def start(folder: Path, arguments: list[str], text: str | None = None):
    """Run the interpreter in `folder`; gives exit status and what it printed."""
    import chainrule

    package = Path(chainrule.__file__).parents[1]
    search = os.pathsep.join([str(folder.parent / "other"), str(package)])
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": search, "NO_COLOR": "1"},
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
    )


def run(folder: Path, *arguments: str, text: str | None = None):
    return start(folder, ["-m", "chainrule", "run", *arguments], text)


def run_script(folder: Path, source: str):
    (folder / "script.py").write_text(source)
    return run(folder, "script.py")


def printed(result) -> str:
    assert result.returncode == 0, result.stderr
    return result.stdout


# torch is Chainrule ------------------------------------------------------------------------------


def test_torch_and_its_submodules_are_chainrules_own_modules(folder):
    output = run_script(
        folder,
        "import torch\n"
        "import torch.nn as nn\n"
        "import torch.nn.functional as F\n"
        "from torch import nn as again\n"
        "from torch.utils.data import DataLoader\n"
        "import sys, chainrule, chainrule.nn.functional, chainrule.utils.data\n"
        "assert torch is chainrule and sys.modules['torch'] is chainrule\n"
        "assert nn is again is chainrule.nn and torch.nn is nn\n"
        "assert F is chainrule.nn.functional and sys.modules['torch.nn.functional'] is F\n"
        "assert DataLoader is chainrule.utils.data.DataLoader\n"
        "assert nn.__spec__.name == 'chainrule.nn' and torch.__spec__.name == 'chainrule'\n"
        "print('same')\n",
    )
    assert printed(output) == "same\n"


def test_a_missing_name_is_an_error_with_the_scripts_line(folder):
    result = run_script(folder, "import torch\n\ntorch.not_there(3)\n")
    script = folder / "script.py"
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(
        "AttributeError: module 'torch' has no attribute 'not_there': "
        f"torch.not_there is not in Chainrule yet (used at {script}:3)"
    )
    assert "_missing.py" not in result.stderr and "__init__.py" not in result.stderr


def test_a_missing_name_of_a_submodule_is_an_error_with_the_scripts_line(folder):
    result = run_script(folder, "from torch import nn\n\n\nnn.NotThere()\n")
    assert result.returncode == 1
    assert "torch.nn.NotThere is not in Chainrule yet" in result.stderr
    assert "script.py:4)" in result.stderr


def test_hasattr_and_getattr_with_a_default_still_work(folder):
    output = run_script(
        folder,
        "import torch, torch.nn\n"
        "print(hasattr(torch, 'not_there'), getattr(torch.nn, 'NotThere', 7))\n",
    )
    assert printed(output) == "False 7\n"


@pytest.mark.parametrize(
    ("line", "feature"),
    [
        ("from torch import not_there", "torch.not_there"),
        ("from torch.nn import NotThere", "torch.nn.NotThere"),
    ],
)
def test_importing_a_missing_name_is_an_import_error(folder, line, feature):
    result = run_script(folder, f"import os\n{line}\n")
    name = feature.rpartition(".")[2]
    assert result.returncode == 1
    assert f"ImportError: cannot import name '{name}' from 'torch" in result.stderr
    assert f"{feature} is not in Chainrule yet" in result.stderr
    assert "script.py:2)" in result.stderr


@pytest.mark.parametrize(
    "line", ["import torch.not_there", "from torch.not_there import name", "import torch.nn.other"]
)
def test_importing_a_missing_module_is_an_error_with_the_scripts_line(folder, line):
    result = run_script(folder, f"\n{line}\n")
    feature = line.split()[1]
    script = folder / "script.py"
    assert result.returncode == 1
    assert result.stderr == (
        "Traceback (most recent call last):\n"
        f'  File "{script}", line 2, in <module>\n'
        f"    {line}\n"
        f"ModuleNotFoundError: No module named '{feature}': it is not in Chainrule yet "
        f"(used at {script}:2)\n"
    )


def test_a_program_can_ask_whether_a_module_of_torch_is_there(folder):
    output = run_script(
        folder,
        "from importlib.util import find_spec\n"
        "print(find_spec('torch.not_there'), find_spec('torch') is not None)\n"
        "try:\n    import torch.not_there\nexcept ImportError:\n    print('handled')\n",
    )
    assert printed(output) == "None True\nhandled\n"


def test_another_torch_that_is_already_imported_is_refused(folder):
    code = (
        "import sys, types; sys.modules['torch'] = types.ModuleType('torch')\n"
        "from chainrule._alias import install\n"
        "install()\n"
    )
    result = start(folder, ["-c", code])
    assert "RuntimeError: torch is already imported from elsewhere" in result.stderr


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_child_processes_see_the_same_torch(folder, method):
    output = run_script(
        folder,
        "import multiprocessing, sys\n"
        "import torch\n"
        "def name(_):\n"
        "    import torch.nn\n"
        "    return torch.__name__\n"
        "if __name__ == '__main__':\n"
        f"    with multiprocessing.get_context('{method}').Pool(1) as pool:\n"
        "        print(pool.map(name, [0]))\n",
    )
    assert printed(output) == "['chainrule']\n"


# All else is as with python ----------------------------------------------------------------------

PROGRAMS = {
    "what a program sees": (
        "import sys, helper\n"
        "print(sys.argv, __name__, __file__, __package__, __spec__, sys.path[0], helper.X)\n"
        "print(sys.modules['__main__'].__dict__ is globals(), __builtins__.__name__)\n"
        "print(type(__loader__).__name__, __doc__)\n"
    ),
    "docstring": '"""Text."""\nprint(__doc__)\n',
    "future": "from __future__ import annotations\nx: nothing\nprint(__annotations__)\n",
    "encoding": "# -*- coding: latin-1 -*-\nprint('\xe9'.encode('utf-8'))\n",
    "error": "def f():\n    return 1 / 0\n\n\nf()\n",
    "chained": "try:\n    {}['a']\nexcept KeyError as e:\n    raise ValueError('b') from e\n",
    "syntax": "x = 3\nif x\n    pass\n",
    "empty": "",
    "exit": "import sys\nsys.exit(3)\n",
    "exit with text": "raise SystemExit('reason')\n",
    "exit with nothing": "raise SystemExit\n",
    "interrupt": "raise KeyboardInterrupt\n",
    "interrupt signal": "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n",
    "exit handlers": "import atexit\natexit.register(print, 'bye')\nraise ValueError('x')\n",
    "thread": (
        "import threading, time\n"
        "def f():\n    time.sleep(0.2)\n    print('after')\n"
        "threading.Thread(target=f).start()\nraise ValueError('x')\n"
    ),
    "own hook": (
        "import sys, traceback\n"
        "def hook(kind, error, trace):\n    print(traceback.extract_tb(trace))\n"
        "sys.excepthook = hook\n1 / 0\n"
    ),
    "pickle": (
        "import pickle\nclass A:\n    pass\nprint(type(pickle.loads(pickle.dumps(A()))) is A)\n"
    ),
    "import error": "import surely_not_installed\n",
    "group": "raise ExceptionGroup('two', [ValueError(1), TypeError(2)])\n",
}


def same_as_python(folder: Path, arguments: list[str], text: str | None = None) -> None:
    ours = run(folder, *arguments, text=text)
    python = start(folder, arguments, text)
    assert (ours.returncode, ours.stdout, ours.stderr) == (
        python.returncode,
        python.stdout,
        python.stderr,
    )


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_script_runs_as_with_python(folder, name):
    deep = folder / "a b" / "deep"
    deep.mkdir(parents=True)
    (deep / "helper.py").write_text("X = 5\n")
    encoding = "latin-1" if name == "encoding" else "utf-8"
    (deep / "program.py").write_text(PROGRAMS[name], encoding=encoding)
    same_as_python(folder, ["a b/deep/program.py", "--flag", "-m", "x y", "--", "-h"])


@pytest.mark.parametrize("name", ["error", "exit", "import error", "syntax", "interrupt"])
def test_a_module_runs_as_with_python(folder, name):
    package = folder / "pack"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "part.py").write_text(PROGRAMS[name])
    same_as_python(folder, ["-m", "pack.part", "--flag"])


def test_a_module_sees_what_it_sees_with_python(folder):
    (folder / "part.py").write_text(
        "import sys\nprint(sys.argv, sys.path[0], __name__, __spec__.name, __file__)\n"
    )
    same_as_python(folder, ["-m", "part", "-m", "x"])


@pytest.mark.parametrize("name", ["error", "exit", "syntax", "interrupt"])
def test_a_command_runs_as_with_python(folder, name):
    same_as_python(folder, ["-c", PROGRAMS[name], "a", "-b"])


def test_a_command_sees_what_it_sees_with_python(folder):
    same_as_python(folder, ["-c", "import sys; print(sys.argv, sys.path[0], __name__)", "-b"])


@pytest.mark.parametrize("name", ["error", "exit", "docstring"])
def test_standard_input_runs_as_with_python(folder, name):
    same_as_python(folder, ["-", "a"], text=PROGRAMS[name])


def test_a_folder_and_a_zip_file_run_as_with_python(folder):
    app = folder / "app"
    app.mkdir()
    (app / "__main__.py").write_text("import sys, part\nprint(sys.argv, sys.path[0], __name__)\n")
    (app / "part.py").write_text("")
    same_as_python(folder, ["app", "x"])
    with zipfile.ZipFile(folder / "app.zip", "w") as archive:
        for file in app.iterdir():
            if file.is_file():
                archive.write(file, file.name)
    same_as_python(folder, ["app.zip", "x"])


# The command line itself -------------------------------------------------------------------------


def test_a_missing_script_is_named(folder):
    result = run(folder, "nowhere.py")
    assert result.returncode == 2
    assert "can't open file" in result.stderr
    assert str(folder / "nowhere.py") in result.stderr


@pytest.mark.parametrize("arguments", [[], ["-m"], ["-c"], ["--unknown", "x.py"]])
def test_a_command_line_that_names_no_program_is_refused(folder, arguments):
    result = run(folder, *arguments)
    assert result.returncode == 2
    assert "usage: chainrule run" in result.stderr


def test_version_and_help(folder):
    import chainrule

    version = start(folder, ["-m", "chainrule", "--version"])
    assert printed(version) == f"chainrule {chainrule.__version__}\n"
    assert "run script.py" in printed(start(folder, ["-m", "chainrule", "--help"]))
    assert "usage: chainrule run" in printed(run(folder, "--help"))
    unknown = start(folder, ["-m", "chainrule", "walk"])
    assert unknown.returncode == 2
    assert "unknown command 'walk'" in unknown.stderr


def test_the_command_is_installed_with_the_package(folder):
    from importlib.metadata import entry_points

    commands = entry_points(group="console_scripts", name="chainrule")
    if not commands:
        pytest.skip("chainrule is used from its folder, not installed")
    assert {command.value for command in commands} == {"chainrule.cli:main"}
