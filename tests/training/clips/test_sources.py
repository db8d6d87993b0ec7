import shutil

import numpy as np
import pytest
from tiny_recipes import recipe

from threedcseg.errors import InputError
from threedcseg.training.clips import annotated
from threedcseg.training.clips.on_device import decoded
from threedcseg.training.clips.sources import open_source, stage_clips
from threedcseg.training.recipe import DataSource, Source
from threedcseg.video.images import read_image


@pytest.mark.parametrize("stage", [0, 1])
def test_a_clip_names_the_files_that_it_reads(tiny_data, monkeypatch, stage):
    given = recipe(tiny_data)
    drawn = stage_clips(given, given.stages[stage], seed=5)
    read = []
    monkeypatch.setattr(
        annotated, "read_image", lambda path, *rest: read.append(path) or read_image(path, *rest)
    )
    lengths = set()
    for number in range(12):
        read.clear()
        sources = drawn[number][2]
        assert sources and sources == tuple(dict.fromkeys(map(str, read)))
        lengths.add(len(sources))
    assert len(lengths) > 1  # one still, an object over another one, a video


@pytest.mark.parametrize(
    ("source", "needles"),
    [
        (Source("davis16", "none"), ["none: no such folder"]),
        (Source("davis16", "davis", split="empty"), ["empty.txt", "the split is empty"]),
        (Source("davis16", "davis", split="tset"), ["tset.txt", "dev, empty, train"]),
        (Source("davis16", "davis", resolution="4k"), ["4k"]),
        (Source("folder", "folders", split="few"), ["few"]),
        (Source("stills", "davis"), ["no images/ and masks/"]),
        (Source("stills", "stills", resolution="480p"), ["has no option 'resolution'"]),
        (Source("davis16", "davis", only=("lfet",)), ["no sequence 'lfet'", "mean 'left'"]),
        (Source("davis16", "davis", without=("lfet",)), ["no sequence 'lfet'", "mean 'left'"]),
        (Source("davis16", "davis", only=("left",), without=("left",)), ["leave no sequence"]),
    ],
    ids=lambda value: f"{value.kind}-{value.split}" if isinstance(value, DataSource) else "",
)
def test_sources_that_cannot_be_used(tiny_data, tmp_path, source, needles):
    shutil.copytree(tiny_data, tmp_path, dirs_exist_ok=True)
    (tmp_path / "davis" / "ImageSets" / "empty.txt").write_text("\n")
    (tmp_path / "folders").mkdir()
    (tmp_path / "folders" / "few.txt").write_text("")
    with pytest.raises(InputError) as error:
        open_source(tmp_path, source)
    assert all(needle in str(error.value) for needle in needles), error.value
    assert "\n" not in str(error.value)


def test_a_resolution_that_is_not_there_is_made_of_the_next_larger_one(tiny_data, tmp_path):
    """DAVIS as it is downloaded has no 288p, which our recipes name."""
    shutil.copytree(tiny_data / "davis", tmp_path / "davis")  # 480p alone, of 48 rows
    wanted = Source("davis16", "davis", resolution="24p")
    (frame, *_) = open_source(tmp_path, wanted).sequences[0].frames
    assert frame.parent.parent.name == "480p"
    pixels = decoded(tmp_path, wanted)[0].pixels
    assert pixels.shape[1:3] == (24, 40) and set(np.unique(pixels[..., 3])) == {0, 255}
    for kind in ("JPEGImages", "Annotations"):
        shutil.copytree(tmp_path / "davis" / kind / "480p", tmp_path / "davis" / kind / "24p")
    (frame, *_) = open_source(tmp_path, wanted).sequences[0].frames
    assert frame.parent.parent.name == "24p"


def test_options_reach_the_reader(tiny_data):
    source = Source("davis16", "davis", options={"resolution": "480p"})
    assert len(open_source(tiny_data, source).sequences) == 2


def test_sequences_are_held_out(tiny_data):
    def names(**chosen):
        return [
            s.name for s in open_source(tiny_data, Source("davis16", "davis", **chosen)).sequences
        ]

    assert names() == ["left", "right"]
    assert names(only=("right",)) == ["right"]
    assert names(without=("right",)) == ["left"]
