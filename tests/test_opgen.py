"""The generator: what it refuses, what it writes, and that each line can be traced to its row."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
if not (ROOT / "opgen").is_dir():
    pytest.skip("the generator is not beside these tests", allow_module_level=True)
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # last: an installed chainrule is the one under test

from opgen import emit, formula, notation, show, table  # noqa: E402

DSL = (ROOT / "ops" / "_dsl.py").read_text(encoding="utf-8")
HEAD = "from ops._dsl import *\n"  # the planted row starts on the second line


@pytest.fixture
def planted(tmp_path):
    """A function that loads a table whose family `family` has this text."""

    def load(text):
        folder = tmp_path / "ops"
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").write_text("")
        (folder / "_dsl.py").write_text(DSL)
        (folder / "family.py").write_text(HEAD + text)
        os.utime(folder / "family.py", ns=(len(text), hash(text) & 0xFFFFFFF))
        return table.load(tmp_path)

    yield load
    table.load(ROOT)  # puts the real `ops` back among the loaded modules


COMPLETE = {
    "kind": '"structural"',
    "doc": '"Something."',
    "kernel": '"f"',
    "vjp": '{"self": "grad"}',
    "jvp": '"self_t"',
    "batch": '"loop"',
}


def row(signature='"f(Tensor self) -> Tensor"', **changes):
    columns = {k: v for k, v in {**COMPLETE, **changes}.items() if v is not None}
    return f"op({signature}, {', '.join(f'{k}={v}' for k, v in columns.items())})\n"


def test_a_complete_row_is_accepted(planted):
    (operator,) = planted(row())
    assert operator.name == "f" and operator.where == "ops/family.py:2"


REFUSED = {
    "no vjp": (row(vjp="{}"), "no vjp for self"),
    "no jvp": (row(jvp=None), "no forward-mode rule"),
    "no batching rule": (row(batch=None), "no batching rule"),
    "unknown kind": (row(kind='"magic"'), "unknown kind 'magic'"),
    "no doc": (row(doc='""'), "needs a doc"),
    "neither formula nor function": (row(kernel=None), "either a scalar formula"),
    "both formula and function": (row(forward='"self"'), "either a scalar formula"),
    "vjp of no parameter": (row(vjp='{"self": "grad", "x": "grad"}'), "vjp names 'x'"),
    "rules of a composite": (row(kind='"composite"'), "no derivative rules of its own"),
    "formula of a reduction": (row(kind='"reduce"', kernel=None, forward='"self"'), "formulas"),
    "vjp of one operand only": (
        row('"f(Tensor self, Tensor other) -> Tensor"', kind='"broadcast"', kernel=None,
            forward='"self + other"', jvp=None, batch=None),
        "no vjp for other",
    ),
    "unreadable signature": (row('"f Tensor self"'), "cannot read the signature"),
    "unknown type": (row('"f(Matrix self) -> Tensor"'), "cannot read the parameter"),
    "declared twice": (row() + row(), "is declared at ops/family.py:2 too"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_an_incomplete_row_is_refused_with_its_file_and_line(planted, case):
    text, message = REFUSED[case]
    with pytest.raises(table.TableError) as problem:
        planted(text)
    line = 3 if case == "declared twice" else 2
    assert str(problem.value).startswith(f"ops/family.py:{line}: ")
    assert message in str(problem.value)


@pytest.mark.parametrize("missing", ["kind", "doc"])
def test_a_row_cannot_leave_out_kind_or_doc(planted, missing):
    with pytest.raises(TypeError, match=missing):
        planted(row(**{missing: None}))


@pytest.mark.parametrize(
    "text", [row(vjp='{"self": "grad * nothing"}'), row(vjp='{"self": "self.colour"}')]
)
def test_a_formula_that_names_the_unknown_is_refused_with_its_file_and_line(planted, text):
    operators = planted(text)
    with pytest.raises(table.TableError, match=r"^ops/family\.py:2: f: a formula names"):
        emit.files(operators, ["family"])


# The commands ------------------------------------------------------------------------------------


def opgen(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "opgen", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_show_prints_what_is_derived_for_one_operator():
    done = opgen("show", "tanh")
    assert done.returncode == 0, done.stderr
    for part in ("ops/unary.py", "tanh(self)", "g·(1 − y²)", "forward mode", "TanhBackward0",
                 "self_t * (1 - out * out)", "keeps the batch dimension", "tanh_"):  # fmt: skip
        assert part in done.stdout


def test_show_knows_every_row():
    operators = table.load()
    for operator in operators:
        assert operator.where in show.text([operator], operator.name)


def test_show_of_an_unknown_name_says_so():
    done = opgen("show", "no_such_operator")
    assert done.returncode == 1
    assert "no_such_operator" in done.stderr and "Traceback" not in done.stderr


def test_unchanged_files_keep_their_time(tmp_path):
    assert opgen("build", "--out", tmp_path).returncode == 0
    files = sorted(tmp_path.iterdir())
    assert files
    (tmp_path / "ops_unary.cpp").write_text("stale")
    for path in files:
        os.utime(path, ns=(1, 1))
    assert opgen("build", "--out", tmp_path).returncode == 0
    changed = [p.name for p in files if p.stat().st_mtime_ns != 1]
    assert changed == ["ops_unary.cpp"]
    listed = opgen("outputs", "--out", tmp_path).stdout.split()
    assert sorted(listed) == [str(p) for p in files]


# What is written -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def generated():
    return emit.files(table.load(), table.families())


def test_every_generated_file_names_the_generator_or_its_family(generated):
    for family in table.families():
        for kind in ("kernels", "ops", "bind"):
            assert generated[f"{kind}_{family}.cpp"].startswith("// Generated by opgen from ops/")


def test_every_operator_cites_its_row_where_it_is_defined(generated):
    for operator in table.load():
        parts = ["bind"]
        if operator.kind != "composite":
            parts.append("ops")
        if operator.pointwise:
            parts.append("kernels")
        for part in parts:
            # A name's overloads are bound together, in the family that declares it first.
            files = [f"{part}_{f}.cpp" for f in table.families()]
            if part != "bind":
                files = [f"{part}_{operator.family}.cpp"]
            cited = any(f"// {operator.where}" in generated[f] for f in files)
            assert cited, f"{operator.name} in {part}"


def test_every_definition_follows_the_row_it_comes_from(generated):
    """Reading upwards from any generated line leads to the row it was derived from."""
    known = {operator.where for operator in table.load()}
    for name, text in generated.items():
        cited = [line.split()[1] for line in text.splitlines() if line.startswith("// ops/")]
        assert set(cited) <= known, name
        if name.startswith("kernels_"):
            lines = text.splitlines()
            for i, line in enumerate(lines):
                if line.startswith("struct "):
                    assert lines[i - 2].startswith("// ops/"), f"{name}: {line}"


# Formulas ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("grad * (1 - out * out)", "(grad * (T(1) - (out * out)))"),
        ("-self", "(-self)"),
        ("self ** 2", "(self * self)"),
        ("self ** other", "pow(self, other)"),
        ("where(self > 0, grad, 0)", "(((self > T(0))) ? (grad) : (T(0)))"),
        ("(self == 0) & (other != 0)", "((self == T(0)) & (other != T(0)))"),
        ("self * LN2", "(self * T(0.69314718055994530942))"),
        ("~self", "inverted_bits(self)"),
        ("exp(-self)", "exp((-self))"),
    ],
)
def test_scalar_formulas_become_expressions_of_one_type(text, expected):
    assert formula.scalar(text, set()) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("grad * out", "(Value(a.grad) * Value(out))"),
        ("-grad", "(-Value(a.grad))"),
        ("x ** 2", "value_ops::square(x)"),
        ("x ** y", "value_ops::_pow(x, y)"),
        ("x < y", "value_ops::lt(x, y)"),
        ("(x < y) | (y < x)", "value_ops::logical_or(value_ops::lt(x, y), value_ops::lt(y, x))"),
        ("f(x, None, True, [0, 1])", "f(x, std::nullopt, true, Dims{0, 1})"),
        ("expand(grad, self.shape)", "expand(a.grad, self_shape)"),
        ("x[0]", "x[0]"),
        ("f('mean')", 'f("mean")'),
    ],
)
def test_differentiable_formulas_become_operators_over_values(text, expected):
    assert formula.value(text, {"grad": "a.grad"}) == expected


@pytest.mark.parametrize("text", ["[x for x in y]", "lambda: 0", "a.b.c", "{1: 2}"])
def test_other_python_is_refused_in_formulas(text):
    for target in (formula.scalar, formula.value):
        with pytest.raises(formula.FormulaError, match="cannot contain"):
            target(text, set() if target is formula.scalar else {})


def test_names_of_a_formula_decide_what_a_node_keeps():
    assert formula.names("grad * (1 - out * out)") == {"grad", "out"}
    assert formula.names("expand(grad, self.shape)") == {"grad", "self.shape"}
    assert formula.names(None) == set()
    assert formula.calls("exp(sin(x)) * y") == {"exp", "sin"}


def test_formulas_for_people():
    assert notation.mathematical("grad * (1 - out ** 2)") == "g·(1 − y²)"
    assert notation.mathematical("_mm_rows(grad, mat2, True) * alpha") == "(g @ mat2ᵀ)·alpha"
    assert notation.mathematical("-grad / (a - (b - c))") == "−g / (a − (b − c))"
    assert notation.mathematical("where(self > 0, grad, 0)") == "g if self > 0 else 0"
    assert notation.mathematical("_take_adjoint(grad, self.shape, index)") == "takeᵀ(g, index)"
