"""Waiting for what will come about: ended by a guard against hanging, not by a measure of speed."""

import time
from collections.abc import Callable

PATIENCE = 300.0
"""Seconds, on a machine that has other things to do."""


def until(condition: Callable[[], object]) -> None:
    """Come back as soon as ``condition`` holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it does not come about"
        time.sleep(0.02)
