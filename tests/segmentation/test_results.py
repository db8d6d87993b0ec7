"""What a run writes of frames that are given to it one by one."""

from dataclasses import replace

import numpy as np
import pytest
from made_videos import write_video

from threedcseg.errors import InputError
from threedcseg.inference.predictor import Shot
from threedcseg.inference.settings import Settings
from threedcseg.outputs.record import Provenance, RunRecord
from threedcseg.outputs.rendering import Rendering
from threedcseg.outputs.result_folder import UNFINISHED_NAME
from threedcseg.segmentation.results import ResultWriter
from threedcseg.segmentation.video import run_terms
from threedcseg.video.reader import Reading

SETTINGS = Settings()


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    frames = [np.full((32, 48, 3), 10 * i, np.uint8) for i in range(4)]
    path = write_video(tmp_path_factory.mktemp("in") / "gray.mp4", frames)
    with Reading().open(path) as opened:
        yield opened


def writer(source, folder, settings=SETTINGS, **options):
    terms = run_terms("gray.mp4", None, settings, ("masks", "overlay"), Rendering(), Provenance())
    return ResultWriter(source, folder, settings, terms, {}, **options)


def half(frame):
    """The left half is foreground."""
    probabilities = np.zeros(frame.image.shape[:2], np.float32)
    probabilities[:, : probabilities.shape[1] // 2] = 0.9
    return probabilities


def files(folder):
    return {path.name for path in folder.iterdir()}


def test_masks_videos_and_a_record(source, tmp_path):
    seen = []
    with writer(source, tmp_path, also=[seen.append]) as results:
        for frame in source:
            begins = (Shot(frame.index // 2, frame.index, 6),) if frame.index % 2 == 0 else ()
            results.add(frame, half(frame), begins)
        results.complete()
    assert files(tmp_path) == {
        *(f"{number:05d}.png" for number in range(4)),
        "overlay.mp4",
        UNFINISHED_NAME,
    }
    record = results.finish()
    assert record == RunRecord.read(tmp_path)
    assert record.num_frames == 4 and record.cuts == (2,)
    assert [found.frame.index for found in seen] == [0, 1, 2, 3]
    assert all(len(found.objects) == 1 for found in seen)  # for whom it is written besides


def test_what_is_broken_off_leaves_no_video(source, tmp_path):
    frame = next(iter(source))
    with pytest.raises(RuntimeError), writer(source, tmp_path) as results:
        results.add(frame, half(frame))
        raise RuntimeError
    assert "overlay.mp4" not in files(tmp_path)
    assert RunRecord.read(tmp_path) is None


def test_without_a_frame_there_is_nothing(source, tmp_path):
    with (
        pytest.raises(InputError, match=r"gray\.mp4 was stopped before its first mask"),
        writer(source, tmp_path) as results,
    ):
        results.complete()
    assert files(tmp_path) == {UNFINISHED_NAME}


def test_the_mask_is_where_the_settings_say(source, tmp_path):
    seen = []
    strict = replace(SETTINGS, threshold=0.95)
    with writer(source, tmp_path, strict, also=[seen.append]) as results:
        frame = next(iter(source))
        results.add(frame, half(frame))
        results.complete()
    assert not seen[0].mask.any()
