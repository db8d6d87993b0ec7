"""Two runs on the tiny DAVIS: one misses a strip and blinks, one is the ground truth moved."""

import shutil
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from threedcseg.cli.main import main

WORST = 6  # the frame in which the first run shows nothing at all


class Material(NamedTuple):
    davis: Path
    masks: tuple[Path, Path]
    results: tuple[Path, Path]


def run_report(material: Material, output: Path, *words: str) -> int:
    truth = ["--ground-truth", str(material.davis / "Annotations" / "480p")]
    return main(["report", *map(str, material.results), "-o", str(output), *truth, *words])


@pytest.fixture(scope="session")
def material(tiny_data, tmp_path_factory) -> Material:
    root = tmp_path_factory.mktemp("runs")
    davis = root / "davis"
    shutil.copytree(tiny_data / "davis", davis)
    truth = davis / "Annotations" / "480p"
    masks, results = (root / "first", root / "second"), []
    for path in sorted(truth.glob("*/*.png")):
        mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        strip, moved = mask.copy(), np.roll(mask, 2, axis=1)
        strip[:20] = 0
        if path.parent.name == "left" and path.stem == f"{WORST:05d}":
            strip[:] = 0
        for folder, made in zip(masks, (strip, moved), strict=True):
            (folder / path.parent.name).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / path.parent.name / path.name), made)
    for folder in masks:
        results.append(root / f"{folder.name}.json")
        words = [str(folder), str(truth), "--json", str(results[-1])]
        assert main(["evaluate", *words, "--ground-truth-name", "DAVIS 2016, tiny"]) == 0
    return Material(davis, masks, (results[0], results[1]))


@pytest.fixture(scope="session")
def report(material, tmp_path_factory) -> Path:
    """The report on both runs, made by the command."""
    folder = tmp_path_factory.mktemp("reports") / "report"
    assert run_report(material, folder) == 0
    return folder
