"""Against figures of the field's own kits: J and F to 1e-6, saliency measures to 1e-4."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from threedcseg.evaluation.protocols import PROTOCOLS
from threedcseg.evaluation.scoring import davis16, pair_up, score

GOLDEN = Path(__file__).parent / "golden"
SALIENCY = {
    "MAE": "mae",
    "S": "smeasure",
    "Fbeta_w": "wfmeasure",
    "Fbeta_adaptive": "adp_f",
    "Fbeta_max": "max_f",
    "Fbeta_mean": "mean_f",
    "E_adaptive": "adp_e",
    "E_max": "max_e",
    "E_mean": "mean_e",
}


def dog() -> tuple[np.ndarray, np.ndarray]:
    maps = np.asarray(Image.open(GOLDEN / "dog_maps.png")).reshape(12, 480, 854)
    return maps, np.asarray(Image.open(GOLDEN / "dog_truth.png")).reshape(12, 480, 854)


def check_davis(name: str, maps: np.ndarray, truth: np.ndarray, golden: dict) -> None:
    result = davis16({name: (maps, truth)})
    (sequence,) = result.sequences
    for measure in "JF":
        values = golden[name][measure]
        np.testing.assert_allclose(sequence.per_frame[measure], values["per_frame"], atol=1e-6)
        for statistic in ("mean", "recall", "decay"):
            found = sequence.figures[f"{measure}_{statistic}"]
            assert found == pytest.approx(values[statistic], abs=1e-6)
    assert sequence.num_frames == 10
    both = (golden[name]["J"]["mean"] + golden[name]["F"]["mean"]) / 2
    assert result.overall["J&F"] == pytest.approx(both, abs=1e-6)


def check_saliency(name: str, maps: np.ndarray, truth: np.ndarray, golden: dict) -> None:
    result = score(PROTOCOLS["saliency"], [(name, pair_up(maps, truth))])
    found = {key: result.overall[key] for key in SALIENCY}
    expected = {key: golden[name]["sod"][theirs] for key, theirs in SALIENCY.items()}
    assert found == pytest.approx(expected, abs=1e-4)
    assert result.overall["J_mean"] == pytest.approx(np.mean(golden[name]["J"]["per_frame"]))


def test_davis16_of_dog_with_its_edge_cases():
    check_davis("dog", *dog(), json.loads((GOLDEN / "metrics.json").read_text()))


def test_saliency_of_dog_with_its_edge_cases():
    check_saliency("dog", *dog(), json.loads((GOLDEN / "metrics.json").read_text()))


@pytest.mark.parametrize("name", ["dog", "camel"])
def test_all_golden_values(shared: Path, name: str):
    golden = json.loads((shared / "golden" / "metrics.json").read_text())
    with np.load(shared / "golden" / "metrics.npz") as arrays:
        maps, bits = arrays[f"{name}_pred"], arrays[f"{name}_gt"]
    truth = np.unpackbits(bits, axis=-1)[..., : maps.shape[-1]].astype(bool)
    check_davis(name, maps, truth, golden)
    check_saliency(name, maps, truth, golden)
