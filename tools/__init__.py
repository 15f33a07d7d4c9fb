"""Checks of the sources that CI runs; each is a command: ``python tools/check_….py``."""
