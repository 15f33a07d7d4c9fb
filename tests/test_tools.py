"""The checks of the sources find what they are there to find."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # last: an installed chainrule is the one under test

from tools import check_docs, check_layers, check_length, sources  # noqa: E402


def plant(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


# Layers ------------------------------------------------------------------------------------------

ALLOWED = {
    "csrc/base/a.h": "#pragma once\n#include <cstdint>\n",
    "csrc/kernels/cpu/a.cpp": '#include "base/a.h"\n#include "kernels/kernel.h"\n',
    "csrc/tensor/a.cpp": '#include "tensor/a.h"\n#include "kernels/kernel.h"\n',
    "csrc/forward/a.cpp": '#include "forward.h"\n#include "tensor/a.h"\n',
    "csrc/autograd/a.cpp": '#include "tensor/a.h"\n',
    "csrc/rules/a.cpp": '#include "autograd/a.h"\n#include "ops_unary.h"\n',
    "csrc/transform/a.cpp": '#include "rules/a.h"\n',
    "csrc/bind/a.cpp": '#include <Python.h>\n#include "transform/a.h"\n#include "bind_unary.h"\n',
    "ops/a.py": "import math\nfrom ops._dsl import op\n",
    "opgen/a.py": "import ast\nimport ops\nfrom . import b\n",
    "chainrule/a.py": "from chainrule import _C\ndef f():\n    import numpy as np\n",
    "chainrule/viewer/a.py": "import chainrule\nfrom chainrule.viewer._text import b\n"
    "from . import _html\nchainrule.__version__\n",
}

VIOLATIONS = {
    "csrc/base/b.h": ('#include "tensor/a.h"', "layer base"),
    "csrc/kernels/b.cpp": ('#include "tensor/a.h"', "layer kernels"),
    "csrc/kernels/cpu/c.cpp": ('#include "autograd/a.h"', "layer kernels"),
    "csrc/kernels/cpu/d.cpp": ('#include "ops_unary.h"', "higher layer rules"),
    "csrc/tensor/b.cpp": ('#include "autograd/a.h"', "layer tensor"),
    "csrc/forward/b.cpp": ('#include "autograd/a.h"', "layer forward"),
    "csrc/extra/b.cpp": ("", "its folder is no layer"),
    "csrc/autograd/b.cpp": ('#  include "rules/a.h"', "layer autograd"),
    "csrc/rules/b.cpp": ("#include <Python.h>", "csrc/bind only"),
    "csrc/transform/b.cpp": ('#include "bind/a.h"', "layer transform"),
    "csrc/bind/b.cpp": ('#include "../tensor/a.h"', "not relative to csrc/"),
    "ops/b.py": ("import chainrule", "ops may not import chainrule"),
    "ops/c.py": ("from opgen.parse import f", "ops may not import opgen"),
    "opgen/b.py": ("from chainrule import nn", "opgen may not import chainrule"),
    "chainrule/b.py": ("import opgen", "chainrule may not import opgen"),
    "chainrule/c.py": ("import numpy", "optional"),
    "chainrule/viewer/b.py": ("from chainrule import _C", "public names only"),
    "chainrule/viewer/c.py": ("from .. import _C", "public names only"),
    "chainrule/viewer/d.py": ("import chainrule\nchainrule._C.x()", "public names only"),
}


def test_downward_includes_and_imports_are_allowed(tmp_path):
    for name, text in ALLOWED.items():
        plant(tmp_path, name, text)
    assert check_layers.violations(tmp_path) == []


@pytest.mark.parametrize("name", VIOLATIONS)
def test_an_upward_include_or_import_is_found(tmp_path, name):
    text, complaint = VIOLATIONS[name]
    plant(tmp_path, name, text + "\n")
    found = check_layers.violations(tmp_path)
    assert found
    assert found[0].startswith(f"{name}:")
    assert complaint in found[0]


def test_generated_sources_belong_to_the_layer_of_their_name(tmp_path):
    plant(tmp_path, "generated/kernels_unary.cpp", '#include "autograd/a.h"\n')
    plant(tmp_path, "generated/ops_unary.cpp", '#include "rules/a.h"\n#include <Python.h>\n')
    plant(tmp_path, "generated/bind_unary.cpp", "#include <Python.h>\n")
    found = check_layers.violations(tmp_path, tmp_path / "generated")
    assert [line.partition(":")[0] for line in found] == ["kernels_unary.cpp", "ops_unary.cpp"]


def test_the_project_keeps_its_layers():
    assert check_layers.violations(ROOT) == []


# Lengths -----------------------------------------------------------------------------------------


def test_a_long_file_is_found(tmp_path):
    plant(tmp_path, "csrc/base/long.cpp", "// line\n" * (check_length.LIMIT + 1))
    plant(tmp_path, "chainrule/enough.py", "# line\n" * check_length.LIMIT)
    plant(tmp_path, "build/generated/long.cpp", "// line\n" * 5000)
    found = check_length.violations(tmp_path)
    assert len(found) == 1
    assert found[0].startswith("csrc/base/long.cpp:801: 801 lines")


def test_the_project_has_no_long_file():
    assert check_length.violations(ROOT) == []


def test_built_and_hidden_folders_are_no_sources(tmp_path):
    for name in ("a.py", ".venv/b.py", "build-sanitize/c.py", "x/__pycache__/d.py", "x/_C.pyi"):
        plant(tmp_path, name, "")
    assert [path.name for path in sources.files(tmp_path, ".py", ".pyi")] == ["a.py"]


# Documentation -----------------------------------------------------------------------------------

PAGE = "Text\n\n```python\nx = 3\n```\n\n```text\nnot run(\n```\n\n```python\n{}\n```\n"


@pytest.mark.parametrize("example", ["assert x == 3", ">>> x + 1\n4", "print"])
def test_a_right_example_passes(tmp_path, example):
    plant(tmp_path, "page.md", PAGE.format(example))
    assert check_docs.failures(tmp_path / "page.md", "page.md") == []


@pytest.mark.parametrize(
    ("example", "complaint"),
    [
        ("assert x == 4", "AssertionError"),
        ("x.nothing", "line 12"),
        ("if", "SyntaxError"),
        (">>> x + 1\n5", "Got:\n    4"),
    ],
)
def test_a_wrong_example_is_found_with_its_line(tmp_path, example, complaint):
    plant(tmp_path, "page.md", PAGE.format(example))
    found = check_docs.failures(tmp_path / "page.md", "page.md")
    assert len(found) == 1
    assert found[0].startswith("page.md:12: ")
    assert complaint in found[0]
