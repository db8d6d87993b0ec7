"""Errors of rounding, which differ from processor to processor: measured, never a number."""

from torch import Tensor


def errs_at_most(times: float, found: Tensor, plain: Tensor, exact: Tensor) -> bool:
    """Whether the largest error of ``found`` is at most so many times that of ``plain``.

    ``plain`` is what torch gives in the same precision, ``exact`` in float64. A mistake gives
    errors thousands of times as large.
    """
    error, usual = ((x.double() - exact).abs().max() for x in (found, plain))
    return bool(error <= times * usual)
