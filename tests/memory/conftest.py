"""Tests of memory begin without the garbage of the tests before them."""

import gc

import pytest


@pytest.fixture(autouse=True)
def no_garbage():
    gc.collect()
