"""An object of several regions is one polygon."""

import cv2
import numpy as np

from threedcseg.outputs.cvat import _outline
from threedcseg.outputs.regions import TrackedObject


def test_several_regions_are_one_polygon() -> None:
    region = np.zeros((60, 90), bool)
    region[5:40, 3:30] = True
    region[10:50, 40:60] = True
    region[55, 70] = True  # of one pixel
    outline = _outline(TrackedObject(1, 10, 20, 90, 60, int(region.sum()), region))
    points = np.array([pair.split(",") for pair in outline.split(";")], float)
    assert np.abs(points.min(axis=0) - (13, 25)).max() < 0.5
    assert np.abs(points.max(axis=0) - (81, 76)).max() < 0.5
    drawn = np.zeros((60 * 8, 90 * 8), np.uint8)
    cv2.fillPoly(drawn, [np.rint((points - (10, 20)) * 8 - 0.5).astype(np.int32)], 255)
    whole = cv2.resize(region.view(np.uint8), (90 * 8, 60 * 8), interpolation=0)
    assert np.mean((drawn > 0) != (whole > 0)) < 0.01
