"""Windows begin anew at a cut: in `segment`, in its delay, and in what is recorded."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from made_videos import write_video

from threedcseg.errors import InputError
from threedcseg.inference.predictor import segment
from threedcseg.inference.settings import PUBLISHED, Settings
from threedcseg.inference.shots import FLASH
from threedcseg.outputs.record import RunRecord
from threedcseg.segmentation.video import segment_video

SETTINGS = Settings(short_edge=32, upsampling="linear", overlap=1, stride=1, tta=1)
RED, BLUE, GREEN = (220, 20, 20), (20, 20, 220), (20, 200, 20)


def scene(colour, count):
    """Frames of one colour, with noise."""
    noise = np.random.default_rng(sum(colour)).integers(-5, 6, (count, 32, 48, 3))
    return list((noise + np.array(colour)).clip(0, 255).astype(np.uint8))


def mean_redness(clip):
    """A network that says everywhere how red its whole clip is on average: it mixes the frames."""
    level = (clip[:, :1] - clip[:, 2:]).mean(dim=(2, 3, 4), keepdim=True)
    return level.expand_as(clip[:, :1])


def maps(frames, settings, network=mean_redness):
    return np.stack([p for _, p in segment(frames, network, settings)])


@pytest.mark.parametrize("lengths", [(12, 13), (8, 1), (1, 8, 3), (3, 3, 3), (20, 2, 1), (6, 10)])
@pytest.mark.parametrize("tail", ["shift", "repeat-first"])
@pytest.mark.parametrize("emit", ["final", "early"])
@pytest.mark.parametrize("overlap", [3, 7])
def test_each_shot_is_segmented_as_a_video_of_its_own(lengths, tail, emit, overlap):
    settings = replace(SETTINGS, tail=tail, emit=emit, overlap=overlap)
    scenes = [scene(c, n) for c, n in zip((RED, BLUE, GREEN), lengths, strict=False)]
    joined = maps([frame for part in scenes for frame in part], settings)
    apart = np.concatenate([maps(part, replace(settings, shots=False)) for part in scenes])
    assert np.array_equal(joined, apart)


def test_without_shots_the_scenes_are_mixed():
    frames = [*scene(RED, 12), *scene(BLUE, 12)]
    mixed = maps(frames, replace(SETTINGS, shots=False))
    assert len(set(mixed[:, 0, 0].round(2))) > 2
    assert len(set(maps(frames, SETTINGS)[:, 0, 0].round(2))) == 2


def test_without_a_cut_nothing_changes():
    frames = scene(RED, 23)
    assert np.array_equal(maps(frames, SETTINGS), maps(frames, replace(SETTINGS, shots=False)))


def test_shots_begin_before_their_frames():
    events = []
    frames = [*scene(RED, 9), *scene(BLUE, 2), *scene(GREEN, 9)]
    for index, _ in segment(
        frames, mean_redness, SETTINGS, lambda shot: events.append(("shot", shot.first))
    ):
        events.append(("frame", index))
    expected = [("frame", index) for index in range(20)]
    expected.insert(0, ("shot", 0))
    expected.insert(10, ("shot", 9))
    expected.insert(13, ("shot", 11))
    assert events == expected


@pytest.mark.parametrize(("emit", "delay"), [("final", 7), ("early", 6)])
@pytest.mark.parametrize("median", [1, 5])
def test_delay_is_bounded_across_cuts(emit, delay, median):
    """`Settings`; in the first clip of a shot, a frame waits for the clip to be filled."""
    scenes = [scene((RED, BLUE)[i % 2], n) for i, n in enumerate((17, 8, 21, 30))]
    frames = [frame for part in scenes for frame in part]
    read = []

    def stream():
        for index, frame in enumerate(frames):
            read.append(index)
            yield frame

    settings = replace(SETTINGS, emit=emit, median=median)
    for index, _ in segment(stream(), mean_redness, settings):
        into_shot = index - max(start for start in (0, 17, 25, 46) if start <= index)
        filling = max(0, 7 - into_shot)
        assert len(read) - 1 - index <= max(delay, filling) + FLASH + median // 2


def test_the_median_stops_at_a_cut():
    frames = [*scene(RED, 9), *scene(BLUE, 9)]
    assert np.array_equal(maps(frames, replace(SETTINGS, median=7)), maps(frames, SETTINGS))


def spotted(clip):
    """A network whose foreground is what is red, in every frame for itself."""
    return (clip[:, :1] - clip[:, 2:] - 0.5) * 20


def test_post_processing_is_part_of_what_comes_out():
    frames = scene(BLUE, 9)
    for frame in frames:
        frame[4:20, 4:20] = RED
        frame[24:27, 40:43] = RED
    frames[4][4:20, 28:44] = RED
    plain = maps(frames, SETTINGS, spotted) > 0.5
    assert plain[0, 25, 41] and plain[4, 10, 36]
    steady = maps(frames, replace(SETTINGS, median=3), spotted) > 0.5
    assert steady[4, 25, 41] and not steady[4, 10, 36]
    for options in ({"keep_largest": 1}, {"drop_specks": 0.02}):
        cleaned = maps(frames, replace(SETTINGS, median=3, **options), spotted) > 0.5
        assert cleaned[:, 10, 10].all() and not cleaned[:, 25, 41].any()


def test_what_is_sure_in_one_shot_says_nothing_of_the_next():
    frames = [*scene(BLUE, 9), *scene(GREEN, 9)]
    for index, frame in enumerate(frames):
        frame[4:20, 4:20] = RED
        frame[4:20, 28:44] = RED if index < 9 else (186, 20, 20)

    def reddish(clip):
        return (clip[:, :1] - clip[:, 1:2] - 0.6) * 20

    for shots, there in ((True, False), (False, True)):
        found = maps(frames, replace(SETTINGS, shots=shots), reddish) > 0.5
        assert found[:, 10, 10].all() and found[:9, 10, 36].all()
        assert found[9, 10, 36] == there
    everything = maps(frames, replace(SETTINGS, drop_unsure=0.0), reddish) > 0.5
    assert everything[:, 10, 36].all()


def test_cuts_are_recorded_and_reported(tmp_path):
    frames = [*scene(RED, 9), *scene(BLUE, 12), *scene(GREEN, 3)]
    source = write_video(tmp_path / "in.mp4", frames, options={"crf": "4"})
    begun = []
    out = tmp_path / "out"
    result = segment_video(source, out, mean_redness, SETTINGS, on_shot=begun.append)
    record = RunRecord.read(out)
    assert [shot.first for shot in begun] == [0, 9, 21]
    assert list(record.cuts) == list(result.cuts) == [9, 21]
    assert [shot.first_frame for shot in record.shots] == [0, 9, 21]
    assert len(list(out.glob("*.png"))) == 24
    segment_video(source, out, mean_redness, replace(SETTINGS, shots=False), on_shot=begun.append)
    assert RunRecord.read(out).cuts == ()
    assert len(begun) == 4


def test_the_record_says_the_stride_that_large_frames_had(tmp_path, monkeypatch):
    frames = [*scene(RED, 9), *scene(BLUE, 12)]
    source = write_video(tmp_path / "in.mp4", frames, options={"crf": "4"})
    size = frames[0].nbytes
    monkeypatch.setattr("threedcseg.inference.predictor.HELD_BYTES", 8 * 2 * size)
    settings = replace(SETTINGS, overlap=0, stride=6)
    segment_video(source, tmp_path / "out", mean_redness, settings)
    record = RunRecord.read(tmp_path / "out")
    assert record.settings["stride"] == 6
    assert [(shot.first_frame, shot.stride) for shot in record.shots] == [(0, 2), (9, 2)]


def test_objects_after_a_cut_are_new(tmp_path):
    frames = [*scene(BLUE, 9), *scene(GREEN, 9)]
    for frame in frames:
        frame[8:24, 8:24] = RED
    source = write_video(tmp_path / "in.mp4", frames, options={"crf": "4"})
    for shots, tracks in ((True, ["1"] * 9 + ["2"] * 9), (False, ["1"] * 18)):
        settings = replace(SETTINGS, shots=shots)
        segment_video(source, tmp_path / "out", spotted, settings, write=("boxes",))
        with (tmp_path / "out" / "boxes.csv").open() as file:
            assert [row["track"] for row in csv.DictReader(file)] == tracks


def test_the_published_preset_knows_neither_shots_nor_guided_upsampling():
    assert not PUBLISHED.shots and PUBLISHED.upsampling == "nearest" and PUBLISHED.median == 1
    assert (
        PUBLISHED.keep_largest is None and not PUBLISHED.drop_specks and not PUBLISHED.drop_unsure
    )


@pytest.mark.parametrize(
    ("options", "needle"),
    [
        ({"median": 2}, "odd number"),
        ({"median": 0}, "odd number"),
        ({"median": 33}, "odd number"),
        ({"keep_largest": 0}, "1 or more"),
        ({"drop_specks": 1.0}, "0 or more, below 1"),
        ({"drop_specks": -0.1}, "0 or more, below 1"),
        ({"drop_unsure": 1.0}, "0 or more, below 1"),
        ({"upsampling": "cubic"}, "guided, linear, nearest"),
    ],
)
def test_settings_that_cannot_work(options, needle):
    with pytest.raises(InputError, match=needle):
        Settings(**options).check()


@pytest.mark.parametrize("stride", [1, 3])
def test_memory_is_that_of_a_clip(stride):
    """Of a long shot and of many short ones, only so many frames are held as documented."""
    held, most = [0], [0]

    class Counted(np.ndarray):
        def __del__(self):
            held[0] -= 1

    def stream():
        for index in range(120):
            colour = (RED, BLUE)[index // 40 % 2] if index < 80 else (RED, BLUE, GREEN)[index % 3]
            frame = scene(colour, 1)[0].copy().view(Counted)
            held[0] += 1
            most[0] = max(most[0], held[0])
            yield frame

    settings = replace(SETTINGS, upsampling="guided", median=3, stride=stride)
    with torch.inference_mode():
        assert len(list(segment(stream(), mean_redness, settings))) == 120
    assert most[0] <= settings.clip_length * stride + settings.median // 2 + FLASH + 2
