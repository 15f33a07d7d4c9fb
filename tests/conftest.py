"""Shared fixtures of the test-suite.

The suite is written against torch's names (`import chainrule as torch`). The same files run
against real torch when `chainrule` resolves to it; what holds only for Chainrule is marked
`chainrule_only`.
"""

import sys
from pathlib import Path
from types import ModuleType

import pytest

import chainrule

HERE = Path(__file__).parent
if str(HERE) not in sys.path:  # the helper module `checks` lies beside this file
    sys.path.insert(0, str(HERE))


def against_torch() -> bool:
    """True when `chainrule` is a stand-in that resolves to real torch."""
    return chainrule.__name__ == "torch"


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks of this suite."""
    config.addinivalue_line(
        "markers",
        "chainrule_only: a promise that goes beyond torch; skipped when run against torch",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what goes beyond torch when torch is under test."""
    if not against_torch():
        return
    for item in items:
        if item.get_closest_marker("chainrule_only"):
            item.add_marker(pytest.mark.skip(reason="goes beyond torch"))


@pytest.fixture
def real_torch() -> ModuleType:
    """The installed torch, the oracle of live comparisons; skips the test where it is absent."""
    torch: ModuleType = pytest.importorskip("torch", reason="torch, the oracle, is not installed")
    if not hasattr(torch, "_dynamo"):
        pytest.skip("the name torch resolves to something that is not torch")
    return torch
