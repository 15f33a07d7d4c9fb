"""What the tests of the anomaly trap share."""

import sys

import pytest

from chainrule.autograd import AnomalyError, anomaly


def here() -> int:
    """The line that calls this."""
    return sys._getframe(1).f_lineno


def caught(program, **options):
    """The error that `program` raises under the trap."""
    with pytest.raises(AnomalyError) as found, anomaly(**options):
        program()
    return found.value
