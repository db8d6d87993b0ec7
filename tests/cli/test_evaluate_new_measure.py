"""The recipe "a measure" of CONTRIBUTING.md: a module that computes it, and a protocol that lists
it. Tables, records, reports and ablations follow."""

import importlib.util
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from threedcseg.ablation.experiment import MeasuredRow
from threedcseg.ablation.tables import Row, Table
from threedcseg.ablation.write import markdown
from threedcseg.cli.main import main
from threedcseg.evaluation.protocols import PROTOCOLS

MODULE = '''
"""Excess: by how much the predicted area differs from the true one."""

import numpy as np

from threedcseg.metrics.figure import Figure
from threedcseg.metrics.measure import Measure
from threedcseg.metrics.pair import MaskPair


def excess(prediction: np.ndarray, ground_truth: np.ndarray) -> float:
    """Of two masks ``(H, W)`` bool, in [0, 1]."""
    return abs(np.count_nonzero(prediction) - np.count_nonzero(ground_truth)) / prediction.size


def _of_pair(pair: MaskPair) -> float:
    return excess(pair.mask, pair.truth)


EXCESS = Measure(
    "excess", (Figure("excess", lower_is_better=True),), _of_pair, curve="excess of area"
)
'''


@pytest.fixture
def measure(tmp_path):
    """The toy, imported from a file of its own as from ``metrics/excess.py``."""
    path = tmp_path / "excess.py"
    path.write_text(MODULE)
    spec = importlib.util.spec_from_file_location("excess", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.EXCESS


@pytest.mark.parametrize("name", ["davis16", "saliency"])
def test_a_measure_is_shown_wherever_figures_are(
    measure, name, tiny_data, tmp_path, monkeypatch, capsys
):
    listing = replace(PROTOCOLS[name], measures=(*PROTOCOLS[name].measures, measure))
    monkeypatch.setitem(PROTOCOLS, name, listing)  # the one line in protocols.py

    truth = tiny_data / "davis" / "Annotations" / "480p"
    for path in truth.glob("*/*.png"):
        mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        mask[:24] = 0  # the upper half of the disc
        (tmp_path / "masks" / path.parent.name).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "masks" / path.parent.name / path.name), mask)
    missed = np.count_nonzero(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)[:24]) / mask.size

    result = tmp_path / "result.json"
    words = [str(tmp_path / "masks"), str(truth), "--protocol", name, "--json", str(result)]
    assert main(["evaluate", *words]) == 0
    table = capsys.readouterr().out
    assert "excess" in table and f"{100 * missed:.2f}" in table

    record = json.loads(result.read_text())
    assert record["overall"]["excess"] == pytest.approx(missed, rel=0.01)
    assert len(record["sequences"]["left"]["per_frame"]["excess"]) == 10

    assert main(["report", str(result), "-o", str(tmp_path / "report")]) == 0
    page = (tmp_path / "report" / "index.html").read_text("utf-8")
    assert f">{100 * record['overall']['excess']:.1f}<" in page
    assert "excess of area of left" in page  # its curve

    row = MeasuredRow(Row("ours", {}, "final"), record["overall"])
    assert f"| {100 * missed:.1f} |" in markdown(Table("toy", measure.figures, ()), [row])
