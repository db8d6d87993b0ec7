"""Arrays as they come, masks, gray values or probabilities, to what the measures take."""

import numpy as np

from threedcseg.errors import InputError

THRESHOLD = 0.5
"""Foreground is where the probability is above it."""


def to_mask(values: np.ndarray, threshold: float = THRESHOLD) -> np.ndarray:
    """A mask or map as ``(H, W)`` bool: where its probability is above ``threshold``.

    Args:
        values: ``(H, W)`` bool (a mask), uint8 or uint16 (the probability is the share of the
            largest value), or floats in [0, 1].

    Raises:
        InputError: not ``(H, W)``, another dtype, NaN, or values outside of [0, 1].
    """
    check_map(values)
    if values.dtype == np.bool_:
        return values
    if values.dtype.kind == "u":
        return values > int(threshold * np.iinfo(values.dtype).max)
    return values > threshold


def to_foreground(values: np.ndarray) -> np.ndarray:
    """Ground truth as ``(H, W)`` bool: bool as it is, uint8 where above 127 (void, 127, is not).

    Raises:
        InputError: not ``(H, W)``, another dtype, or labels such as 0 and 1.
    """
    if values.dtype == np.bool_ and values.ndim == 2:
        return values
    if values.dtype != np.uint8 or values.ndim != 2 or 0 < values.max(initial=0) < 127:
        raise InputError(
            f"ground truth {_words(values)} with values up to {values.max(initial=0)}, expected "
            "(H, W) bool or uint8 {0, 255}",
            "binarise it",
        )
    return values > 127


def check_map(values: np.ndarray) -> None:
    """Raise `InputError` for what `to_mask` cannot take."""
    if values.ndim != 2 or values.size == 0:
        raise InputError(
            f"a map of shape {values.shape}, expected (H, W)", "give one value a pixel"
        )
    if values.dtype in (np.bool_, np.uint8, np.uint16):
        return
    if values.dtype.kind != "f":
        raise InputError(
            f"a map of {values.dtype}, expected bool, uint8, uint16 or floats in [0, 1]",
            "convert it",
        )
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):  # also where NaN
        found = "NaN" if low != low or high != high else f"{low:.3g} to {high:.3g}"
        raise InputError(
            f"values {found}, expected probabilities in [0, 1]", "see what made the map"
        )


def _words(values: np.ndarray) -> str:
    return f"{'x'.join(map(str, values.shape))} {values.dtype}"
