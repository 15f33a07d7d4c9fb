"""Finds groups of a memory report by the line of a test."""

import sys


def here(offset=0):
    """The caller's line."""
    return sys._getframe(1).f_lineno + offset


def group_at(report, line):
    """The group of a line of the calling file, or None."""
    file = sys._getframe(1).f_code.co_filename
    for group in report.groups:
        if group.location and (group.location.file, group.location.line) == (file, line):
            return group
    return None


def variables(chain):
    """The names of the variables of a chain."""
    return [link.variable.name for link in chain if link.variable is not None]
