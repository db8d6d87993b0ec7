"""The parts of a report by themselves: results read back, curves, error maps, picked frames."""

import json

import numpy as np
import pytest
from PIL import Image

from threedcseg.errors import InputError
from threedcseg.published import SINCE, TABLE_4
from threedcseg.report.charts import panels, path
from threedcseg.report.comparison import published_for
from threedcseg.report.page import groups
from threedcseg.report.pictures import (
    FALSE_NEGATIVE,
    FALSE_POSITIVE,
    error_map,
    picked_frames,
    shrink,
)
from threedcseg.report.results import read_runs
from threedcseg.report.scenes import find_scenes


def test_runs_are_named_after_their_files(material):
    first, second = read_runs(material.results)
    assert (first.name, second.name) == ("first", "second")
    assert first.protocol.name == "davis16"
    assert first.record.threshold == 0.5
    assert list(first.sequences) == ["left", "right"]


def test_runs_of_one_file_name_have_their_folders_before_it(material, tmp_path):
    copy = tmp_path / "first.json"
    copy.write_text(material.results[0].read_text())
    names = [run.name for run in read_runs([material.results[0], copy])]
    assert names == [f"{material.results[0].parent.name}/first", f"{tmp_path.name}/first"]


@pytest.mark.parametrize("names", [["one"], ["same", "same"], ["one", ""]])
def test_names_must_be_one_a_run_and_different(material, names):
    with pytest.raises(InputError, match="name"):
        read_runs(material.results, names)


def without(record, *keys):
    for key in keys[:-1]:
        record = record[key]
    del record[keys[-1]]


@pytest.mark.parametrize(
    "keys",
    [
        ["format"],
        ["protocol"],
        ["overall"],
        ["overall", "J&F"],
        ["provenance"],
        ["resolution"],
        ["sequences"],
        ["sequences", "left", "figures"],
        ["sequences", "left", "frames"],
        ["sequences", "left", "figures", "flicker"],
        ["threshold"],
    ],
)
def test_a_result_that_is_not_whole_is_refused(material, tmp_path, keys):
    record = json.loads(material.results[0].read_text())
    without(record, *keys)
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"broken\.json"):
        read_runs([broken])


def test_curves_break_where_nothing_is_known():
    assert path([0.0, 1.0, None, 0.5, 0.5]) == "M0 100L250 0M750 50L1000 50"


def test_curves_of_every_run_are_told_in_words(material):
    both = panels("left", read_runs(material.results))
    assert [panel.measure for panel in both] == ["J", "F"]
    assert [curve.run for curve in both[0].curves] == [0, 1]
    assert "from 0.0 (frame 00006)" in both[0].curves[0].summary


def test_the_error_map_colours_what_is_wrong_and_nothing_else():
    image = np.full((2, 2, 3), 100, np.uint8)
    mask = np.array([[True, True], [False, False]])
    truth = np.array([[True, False], [True, False]])
    out = error_map(image, mask, truth).astype(int)
    assert len({*out[0, 0]}) == 1 and out[0, 0, 0] > out[1, 1, 0]  # right: white over gray
    assert {*out[1, 1]} == {60}  # neither: dimmed
    for pixel, color in ((out[0, 1], FALSE_POSITIVE), (out[1, 0], FALSE_NEGATIVE)):
        assert np.abs(pixel - np.array(color)).max() < 30


def test_small_masks_keep_pixels_that_are_half_set():
    mask = np.zeros((4, 8), bool)
    mask[:, :5] = True
    assert shrink(mask, 4).tolist() == [[True, True, True, False]] * 2
    assert shrink(mask, 100) is mask


def test_best_median_and_worst_are_of_the_frames_that_count(material):
    (run,) = read_runs(material.results[:1])
    picked = picked_frames(run)
    assert picked["worst"] == (0.0, "left", 6)
    values = [
        value
        for part in run.sequences.values()
        for value, counts in zip(part.per_frame["J"], part.counted, strict=True)
        if counts
    ]
    assert len(values) == 16
    assert picked["best"][0] == max(values)
    assert picked["median"][0] == sorted(values)[7]


def test_masks_are_checked_against_the_record(material):
    runs = read_runs(material.results[:1])
    truth = material.davis / "Annotations" / "480p"
    scenes = find_scenes(runs, truth)
    picture = scenes[0].read(3)
    assert picture.image.shape == (48, 80, 3)
    assert picture.masks[0].sum() < picture.truth.sum()
    others = find_scenes(runs, truth, predictions=material.masks[1:])
    with pytest.raises(InputError, match="is not what"):
        others[0].read(3)


def test_frames_of_another_size_are_refused(material, tmp_path):
    runs = read_runs(material.results[:1])
    for name in ("left", "right"):
        (tmp_path / name).mkdir()
        for number in range(10):
            Image.new("RGB", (40, 24)).save(tmp_path / name / f"{number:05d}.jpg")
    scenes = find_scenes(runs, material.davis / "Annotations" / "480p", frames=tmp_path)
    with pytest.raises(InputError, match="40x24"):
        scenes[0].read(0)


def test_table_4_agrees_with_itself():
    """J&F is the mean of J and F, to the last digit that is printed."""
    for method, figures in TABLE_4.items():
        if "J&F" in figures:
            mean = (figures["J_mean"] + figures["F_mean"]) / 2
            assert abs(figures["J&F"] - mean) < 0.00051, method


def test_published_figures_stand_only_beside_their_protocol_and_set():
    shown = [row.method for row in published_for("davis16", "DAVIS 2016, dev").rows]
    assert shown == [*SINCE, *TABLE_4]
    assert published_for("davis16", "DAVIS 2017 merged, val") is None
    assert published_for("davis2017-unsupervised", "DAVIS 2016, val") is None
    pooled = published_for("3dc-seg-published", "FBMS-59, test")
    assert pooled.rows[0].figures == {"F1_max": 0.845, "MAE": 0.048}
    assert set(published_for("saliency", "ViSal, all").rows[0].figures) == {"MAE"}


def test_runs_of_different_ground_truth_are_kept_apart(material, tmp_path):
    other = json.loads(material.results[1].read_text()) | {"ground_truth": "another"}
    path = tmp_path / "other.json"
    path.write_text(json.dumps(other))
    apart = groups(read_runs([material.results[0], path]))
    assert [group.runs for group in apart] == [(0,), (1,)]
    together = groups(read_runs(material.results))
    assert [group.runs for group in together] == [(0, 1)]
    assert together[0].best["J_mean"] == max(
        run.record.overall["J_mean"] for run in read_runs(material.results)
    )
