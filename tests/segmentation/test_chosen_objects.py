"""Of two objects in a video one is chosen, and all that is written follows."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_videos import read_all, write_video
from PIL import Image

from threedcseg.errors import InputError
from threedcseg.inference.settings import Settings
from threedcseg.outputs.choice import ObjectChoice
from threedcseg.segmentation.video import segment_video

COUNT, HEIGHT, WIDTH = 20, 96, 128
SETTINGS = Settings(short_edge=96)
WRITE = ("masks", "probabilities", "alpha.mov", "cutout", "boxes", "palette", "cvat", "objects")


def redness(clip):
    """A network whose foreground is what is red, softly."""
    return (clip[:, :1] - clip[:, 1:2]) * 12 - 4


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A disc from the first frame on, another from the eighth on; both move."""
    frames = []
    for i in range(COUNT):
        image = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
        cv2.circle(image, (30 + i, 30), 14, (230, 30, 30), -1)
        if i >= 8:
            cv2.circle(image, (100 - i, 75), 10, (230, 60, 30), -1)
        frames.append(image)
    folder = tmp_path_factory.mktemp("in")
    return write_video(folder / "discs.mp4", frames, options={"crf": "4"})


def images(folder: Path) -> np.ndarray:
    paths = sorted(folder.glob("*.png"))
    return np.stack([np.asarray(Image.open(path)) for path in paths])


@pytest.fixture(scope="module")
def everything(source, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("all") / "out"
    segment_video(source, folder, redness, SETTINGS, write=WRITE)
    return folder


def test_the_sheet_and_the_table_show_both(everything):
    with (everything / "objects" / "objects.csv").open() as file:
        first, second = csv.DictReader(file)
    assert (first["object"], first["first_frame"], first["frames"]) == ("1", "0", "20")
    assert (second["object"], second["first_frame"], second["last_frame"]) == ("2", "8", "19")
    assert 450 < int(first["area"]) < 750 and 0.03 < float(first["share"]) < 0.07
    sheet = cv2.imread(str(everything / "objects" / "objects.png"))
    assert sheet.shape[1] == 320 and (sheet[..., 2] > 200).sum() > 2000


@pytest.mark.parametrize(
    "choice",
    [ObjectChoice(keep=("91,75@#9",)), ObjectChoice(drop=("0.25,0.3",)), ObjectChoice(keep=("2",))],
)
def test_all_outputs_follow_the_choice(source, everything, tmp_path, choice):
    segment_video(source, tmp_path / "out", redness, SETTINGS, write=WRITE, choice=choice)
    folder = tmp_path / "out"
    below = np.arange(HEIGHT)[:, None] > 52
    for kind in ("", "probabilities", "palette"):
        whole = images(everything / kind)
        found = whole > (12 if kind == "probabilities" else 0)  # what is everywhere is divided
        assert np.array_equal(images(folder / kind)[found], (whole * below)[found]), kind
    for row in csv.DictReader((folder / "boxes.csv").open()):
        assert row["track"] == "2" and int(row["frame"]) >= 8
    assert '<track id="1"' in (folder / "cvat.xml").read_text()
    assert '<track id="0"' not in (folder / "cvat.xml").read_text()
    cut = [frame.image for frame in read_all(folder / "cutout.mp4")]
    assert cut[12][30, 42, 0] < 60 and cut[12][75, 88, 0] > 200
    record = json.loads((folder / "3dcseg.json").read_text())
    asked = {"keep": list(choice.keep), "drop": list(choice.drop), "drop_small": 0}
    assert record["choice"] == asked
    assert record["chosen"]["keep"] == ([2] if choice.keep else None)


def test_another_choice_is_another_result_and_the_same_is_done_before(source, tmp_path):
    first = ObjectChoice(keep=("1",))
    segment_video(source, tmp_path / "out", redness, SETTINGS, choice=first)
    segment_video(source, tmp_path / "out", redness, SETTINGS, choice=ObjectChoice(drop=("1",)))
    assert not images(tmp_path / "out")[:8].any() and images(tmp_path / "out")[8:].any()


def test_a_choice_of_nothing_leaves_no_result(source, tmp_path):
    choice = ObjectChoice(keep=("91,75",))
    with pytest.raises(InputError, match=r"no object at 91,75 in frame 0; nearest: object 1"):
        segment_video(source, tmp_path / "out", redness, SETTINGS, choice=choice)
    assert not (tmp_path / "out" / "3dcseg.json").exists()
    assert not list((tmp_path / "out").glob("*.png"))
