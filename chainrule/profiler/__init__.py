"""Profiles over the steps of a program: time, memory and source lines, forward and backward.

>>> import chainrule as torch
>>> from chainrule.profiler import profile, record_function
>>> x = torch.ones(100, requires_grad=True)
>>> with profile() as prof:
...     with record_function("loss"):
...         loss = (x * x).sum()
...     loss.backward()
>>> averages = prof.key_averages()
>>> [row.count for row in averages if row.key == "aten::mul"]
[1]

``print(averages.table(sort_by="self_cpu_time_total"))`` shows the sums by name,
``print(prof.by_line())`` those by source line, ``prof.show()`` a flame view, and
``prof.export_chrome_trace("trace.json")`` writes a trace for Chrome and Perfetto.
"""

from __future__ import annotations

from chainrule.autograd.profiler import record_function
from chainrule.autograd.profiler_util import DeviceType

from ._schedule import ProfilerAction, ProfilerActivity, schedule
from .profiler import profile, supported_activities, tensorboard_trace_handler

__all__ = [
    "DeviceType",
    "ProfilerAction",
    "ProfilerActivity",
    "kineto_available",
    "profile",
    "record_function",
    "schedule",
    "supported_activities",
    "tensorboard_trace_handler",
]


def kineto_available() -> bool:
    """False: Kineto, torch's tracing library, is not used here."""
    return False


def __getattr__(name: str) -> None:
    from chainrule._missing import missing_attribute

    raise missing_attribute(__name__, name)
