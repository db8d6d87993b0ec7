"""An annotator's round trip: what was corrected is in the results, and mends the frames around."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_videos import write_video

from threedcseg.errors import InputError
from threedcseg.inference.settings import Settings
from threedcseg.outputs.choice import ObjectChoice
from threedcseg.segmentation.video import segment_video

COUNT, HEIGHT, WIDTH = 24, 96, 160
SETTINGS = Settings(short_edge=96)


def redness(clip):
    """A network whose foreground is what is red, softly: it does not see the green part."""
    return (clip[:, :1] - clip[:, 1:2]) * 12 - 4


def truth(i: int) -> np.ndarray:
    """A disc with a square head that is not red, moving to the right."""
    mask = cv2.circle(np.zeros((HEIGHT, WIDTH), np.uint8), (30 + 4 * i, 55), 18, 255, -1)
    return cv2.rectangle(mask, (24 + 4 * i, 14), (36 + 4 * i, 40), 255, -1) > 0


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    frames = []
    for i in range(COUNT):
        image = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
        cv2.rectangle(image, (24 + 4 * i, 14), (36 + 4 * i, 40), (60, 160, 60), -1)
        cv2.circle(image, (30 + 4 * i, 55), 18, (230, 30, 30), -1)
        frames.append(image)
    folder = tmp_path_factory.mktemp("in")
    return write_video(folder / "disc.mp4", frames, options={"crf": "4"})


def run(source: Path, folder: Path, **options) -> np.ndarray:
    segment_video(source, folder, redness, SETTINGS, **options)
    paths = sorted(folder.glob("*.png"))
    return np.stack([cv2.imread(str(path), cv2.IMREAD_UNCHANGED) > 0 for path in paths])


def quality(masks: np.ndarray) -> np.ndarray:
    pairs = [(mask, truth(i)) for i, mask in enumerate(masks)]
    return np.array([(a & b).sum() / (a | b).sum() for a, b in pairs])


@pytest.fixture(scope="module")
def corrected(tmp_path_factory) -> Path:
    """Two frames of all."""
    folder = tmp_path_factory.mktemp("corrected")
    for i in (4, 18):
        cv2.imwrite(str(folder / f"{i:05d}.png"), truth(i).astype(np.uint8) * 255)
    return folder


def test_corrections_are_kept_and_carried_along(source, corrected, tmp_path):
    before = quality(run(source, tmp_path / "before"))
    masks = run(source, tmp_path / "out", write=["masks", "probabilities"], corrected=corrected)
    after = quality(masks)
    assert before.max() < 0.8
    assert np.array_equal(masks[4], truth(4)) and np.array_equal(masks[18], truth(18))
    assert after[5:18].min() > 0.93, "between them it has its head, where that has gone"
    assert after[3] > 0.9 and after[19] > 0.9 and np.all(after >= before - 1e-3)
    soft = cv2.imread(str(tmp_path / "out" / "probabilities" / "00011.png"), 0)
    assert soft[masks[11]].min() > 100 and soft[~masks[11]].max() < 150
    record = json.loads((tmp_path / "out" / "3dcseg.json").read_text())
    assert record["corrected"][0] == str(corrected) and len(record["corrected"][1]) == 64


def test_the_round_trip_through_cvat_and_coco(source, tmp_path):
    """What was written comes back unchanged, and what was changed comes back changed."""
    write = ["masks", "cvat", "coco"]
    masks = run(source, tmp_path / "draft", write=write)
    for name in ("cvat.xml", "coco.json"):
        again = run(source, tmp_path / name, corrected=tmp_path / "draft" / name)
        both = [(a & b).sum() / (a | b).sum() for a, b in zip(again, masks, strict=True)]
        assert min(both) > (0.95 if name == "cvat.xml" else 0.9999)


def test_what_was_deleted_goes_and_numbers_follow(source, corrected, tmp_path):
    first = cv2.imread(str(corrected / "00004.png"), 0)
    other = tmp_path / "two"
    other.mkdir()
    cv2.circle(first, (130, 20), 9, 255, -1)  # a second object, by hand
    cv2.imwrite(str(other / "00004.png"), first)
    cv2.imwrite(str(other / "00012.png"), np.zeros((HEIGHT, WIDTH), np.uint8))
    cv2.imwrite(str(other / "00020.png"), truth(20).astype(np.uint8) * 255)
    choice = ObjectChoice(drop=("130,20@#4",))
    masks = run(source, tmp_path / "out", corrected=other, choice=choice)
    assert np.array_equal(masks[4], truth(4)) and not masks[12].any()
    assert masks[6].any() and not masks[10].any() and not masks[14].any() and masks[18].any()


def test_another_correction_is_another_result(source, corrected, tmp_path):
    run(source, tmp_path / "out", corrected=corrected)
    again = segment_video(source, tmp_path / "out", redness, SETTINGS)
    assert not again.done_before


def test_masks_of_no_frame_and_of_another_size(source, tmp_path):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.imwrite(str(tmp_path / "00099.png"), mask)
    with pytest.raises(InputError, match="has frame 00099, which the video has not"):
        run(source, tmp_path / "out", corrected=tmp_path)
    (tmp_path / "00099.png").unlink()
    cv2.imwrite(str(tmp_path / "00003.png"), mask[1:])
    with pytest.raises(InputError, match="is 160x95, the frames are 160x96"):
        run(source, tmp_path / "out2", corrected=tmp_path)
