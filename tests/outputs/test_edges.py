"""Edges moved and feathered, in everything that is written."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_videos import gray_frames, read_all, read_alpha, write_video

from threedcseg.cli.main import main
from threedcseg.outputs.edges import feathered, grown
from threedcseg.outputs.formats import FORMATS, Renderer, SegmentedFrame
from threedcseg.outputs.record import RunTerms
from threedcseg.outputs.rendering import Rendering
from threedcseg.outputs.tracking import ObjectTracker
from threedcseg.video.reader import open_video


@pytest.mark.parametrize("pixels", [1, 2, 3, 7, 20])
def test_a_point_becomes_a_disk_and_a_disk_a_point_again(pixels: int) -> None:
    mask = np.zeros((61, 61), bool)
    mask[30, 30] = True
    disk = grown(mask, pixels)
    rows, columns = np.mgrid[-30:31, -30:31]
    away = np.hypot(rows, columns)
    assert disk.dtype == bool
    assert disk[away <= pixels - 1].all() and not disk[away > pixels + 0.75].any()
    assert (grown(disk, -pixels) == mask).all()


def test_probabilities_grow_as_their_mask_does() -> None:
    noise = np.random.default_rng(0).random((90, 120), np.float32)
    probabilities = cv2.GaussianBlur(noise, (0, 0), 5)
    for pixels in (-4, 5):
        moved = grown(probabilities, pixels)
        assert moved.dtype == np.float32
        assert ((moved > 0.5) == grown(probabilities > 0.5, pixels)).all()


def test_what_the_frame_cuts_off_does_not_shrink_there() -> None:
    mask = np.zeros((40, 40), bool)
    mask[10:30, :20] = True
    shrunk = grown(mask, -4)
    assert shrunk[14:26, :16].all() and shrunk.sum() == 12 * 16


def test_a_feathered_edge_fades_over_its_pixels() -> None:
    alpha = np.zeros((20, 80), np.uint8)
    alpha[:, 40:] = 255
    faded = feathered(alpha, 12)[10]
    assert (np.diff(faded.astype(int)) >= 0).all()
    assert faded[33] < 8 and faded[46] > 247 and faded[39:41].mean() == pytest.approx(127.5, abs=1)


def test_every_output_follows(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", gray_frames(2))
    mask = np.zeros((48, 64), bool)
    mask[16:32, 20:44] = True
    rendering = Rendering(grow=3)
    names = ("masks", "probabilities", "boxes", "palette", "matte", "alpha.mov", "rgba")
    with open_video(source) as video:
        for name in names:
            renderer, tracker = Renderer(rendering), ObjectTracker()
            with FORMATS[name].open_in(tmp_path, video, rendering) as sink:
                for frame in video:
                    objects = tracker.update(mask, frame.image, frame.index == 0)
                    found = SegmentedFrame(frame, mask.astype(np.float32), mask, objects)
                    sink(renderer.next(found, False))
    found = {
        name: cv2.imread(str(tmp_path / place / "00001.png"), cv2.IMREAD_UNCHANGED)
        for name, place in (("masks", ""), ("probabilities", "probabilities"), ("rgba", "rgba"))
    }
    want = grown(mask, 3)
    assert want.sum() > mask.sum() * 1.5
    assert ((found["masks"] > 0) == want).all() and ((found["probabilities"] > 0) == want).all()
    assert ((found["rgba"][..., 3] > 0) == want).all()
    assert ((read_alpha(tmp_path / "alpha.mov")[1] > 127) == want).all()
    assert ((read_all(tmp_path / "matte.mp4")[1].image[..., 0] > 127) != want).mean() < 0.01
    boxes = list(csv.DictReader((tmp_path / "boxes.csv").open()))
    assert [boxes[1][side] for side in ("x", "y", "width", "height")] == ["17", "13", "30", "22"]


def test_what_is_grown_is_another_result_whatever_the_format() -> None:
    def terms(**rendering: int) -> RunTerms:
        return RunTerms(
            source="a",
            source_digest="1",
            outputs={},
            rendering=Rendering(**rendering),
            provenance={"weights_sha256": "2"},
        )

    assert not terms().makes("masks", terms(grow=1)) and terms(grow=1).makes("masks", terms(grow=1))
    assert terms().makes("masks", terms(feather=1)) and not terms().makes("rgba", terms(feather=1))


@pytest.mark.parametrize(
    ("options", "needle"),
    [
        (["--grow", "101"], "give a number up to 100"),
        (["--grow", "-1"], "--grow -1"),
        (["--feather", "2"], "add --write alpha.mov or"),
        (["--feather", "200", "--write", "matte"], "feather 200 pixels"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(capsys, options: list[str], needle: str) -> None:
    assert main(["segment", "dog.mp4", *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert needle in line


def test_larger_and_smaller_at_once_is_refused(capsys) -> None:
    assert main(["segment", "dog.mp4", "--grow", "2", "--shrink", "2"]) == 2
    assert "not allowed with" in capsys.readouterr().err
