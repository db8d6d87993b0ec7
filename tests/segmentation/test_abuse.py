"""Very large and very thin frames, odd names: masks of the right size in the right place."""

import csv
import json
import os
import shutil
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_videos import gray_frames, read_all, write_video

from threedcseg.errors import InputError
from threedcseg.inference.settings import Settings
from threedcseg.outputs.formats import FORMATS
from threedcseg.segmentation.manifest import read_manifest
from threedcseg.segmentation.video import segment_video
from threedcseg.video.live import live_name
from threedcseg.video.paths import output_names

SETTINGS = Settings(short_edge=32)


def network(clip):
    return clip[:, :1] * 20 - 10


def test_8k_frames(tmp_path):
    folder = tmp_path / "8k"
    folder.mkdir()
    image = np.zeros((4320, 7680, 3), np.uint8)
    image[:, 3840:] = 255
    for name in "ab":
        cv2.imwrite(str(folder / f"{name}.jpg"), image)
    assert segment_video(folder, tmp_path / "out", network, SETTINGS).num_frames == 2
    mask = cv2.imread(str(tmp_path / "out" / "b.png"), cv2.IMREAD_UNCHANGED)
    assert mask.shape == (4320, 7680)
    assert not mask[:, :3700].any() and mask[:, 4000:].all()


ODD_VIDEOS = {
    "one pixel wide": {"size": (40, 1), "pix_fmt": "rgb24"},
    "one pixel high": {"size": (1, 40), "pix_fmt": "rgb24"},
    "one pixel": {"size": (1, 1), "pix_fmt": "rgb24"},
    "two by two": {"size": (2, 2), "codec": "libx264", "pix_fmt": "yuv420p"},
    "one frame": {"count": 1, "pix_fmt": "rgb24"},
    "gray": {"pix_fmt": "gray"},
    "16 bits": {"pix_fmt": "rgb48be"},
    "with alpha": {"pix_fmt": "rgba"},
    "on its side": {"size": (35, 63), "pix_fmt": "rgb24", "rotation": 90},
    "variable rate": {"count": 5, "pix_fmt": "rgb24", "ticks": (0, 40, 80, 300, 900)},
    "a frame an hour": {"count": 3, "pix_fmt": "rgb24", "ticks": (0, 3600_000, 7200_000)},
}


@pytest.mark.parametrize("name", ODD_VIDEOS)
def test_every_product_of_odd_videos(tmp_path, name):
    """Each holds all frames at their times, upright; sides are even where H.264 needs it."""
    made = {"codec": "png", "count": 4, "size": (35, 63), **ODD_VIDEOS[name]}
    (height, width), count, ticks = made.pop("size"), made.pop("count"), made.pop("ticks", None)
    image = np.full((height, width, 3), 20, np.uint8)
    image[: (height + 1) // 2] = 235
    if ticks:
        made |= {"times": [Fraction(tick, 1000) for tick in ticks], "time_base": Fraction(1, 1000)}
    source = write_video(tmp_path / "v.mov", [image] * count, **made)
    times = [frame.time for frame in read_all(source)]
    if made.get("rotation"):
        height, width = width, height
    out = tmp_path / "out"
    result = segment_video(source, out, network, SETTINGS, write=tuple(FORMATS))
    assert result.num_frames == count == len(times)
    for folder in ("", "probabilities", "palette"):
        files = list((out / folder).glob("*.png"))
        assert len(files) == count
        assert cv2.imread(str(files[0]), cv2.IMREAD_UNCHANGED).shape[:2] == (height, width)
    for name in ("overlay.mp4", "matte.mp4", "cutout.mp4", "alpha.mov", "alpha.webm"):
        frames = read_all(out / name)
        assert [float(f.time) for f in frames] == pytest.approx([float(t) for t in times], abs=2e-3)
        odd = (height % 2, width % 2) if name.endswith("mp4") else (0, 0)
        assert frames[0].image.shape[:2] == (height + odd[0], width + odd[1]), name


NOT_UTF8 = os.fsdecode(b"\xff\xfe")
NAMES = [
    "a b.mp4", "Ünï-犬 😀.mp4", "-dash.mp4", "--x.mp4", "..mp4", "new\nline.mp4", "a:b%03d.mp4",
    "犬" * 83 + ".mp4", "x" * 251 + ".mp4", NOT_UTF8 + ".mp4", "\x1b[31mred.mp4",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_odd_names_stay_in_the_output_folder(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    source = write_video(tmp_path / name, gray_frames(3, 16, 32))
    before = source.read_bytes()
    (out_name,) = output_names([source])
    out = tmp_path / "out" / out_name
    assert out.resolve().parent == (tmp_path / "out").resolve()
    assert segment_video(source, out, network, SETTINGS, write=["overlay"]).num_frames == 3
    assert (out / "overlay.mp4").exists() and source.read_bytes() == before
    assert json.loads((out / "3dcseg.json").read_text("utf-8"))["num_frames"] == 3


def test_names_that_are_alike_fit_into_the_file_system(tmp_path):
    paths = [tmp_path / (letter * 255) / ("犬" * 83 + ".mp4") for letter in "ppq"]
    names = output_names(paths)
    assert len(set(names)) == 3
    for name in (*names, live_name("rtsp://host/" + "x" * 300)):
        (tmp_path / "out" / f".{name}.claim").mkdir(parents=True)  # the longest name made of it


@pytest.mark.skipif(os.name != "posix", reason="needs names of any bytes")
def test_frames_whose_names_are_not_utf8(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    cv2.imwrite(str(tmp_path / "a.png"), np.full((16, 32, 3), 255, np.uint8))
    (tmp_path / "a.png").rename(folder / f"{NOT_UTF8}.png")
    write = ("masks", "probabilities", "palette", "coco", "cvat", "boxes")
    segment_video(folder, tmp_path / "out", network, SETTINGS, write=write)
    assert (tmp_path / "out" / f"{NOT_UTF8}.png").is_file()
    with (tmp_path / "out" / "boxes.csv").open(errors="surrogateescape", newline="") as file:
        (row,) = csv.DictReader(file)
    coco = json.loads((tmp_path / "out" / "coco.json").read_text())
    assert row["name"] == NOT_UTF8 and coco["images"][0]["file_name"] == f"{NOT_UTF8}.png"


def test_a_list_as_windows_writes_it(tmp_path):
    write_video(tmp_path / "犬.mp4", gray_frames(1, 16, 32))
    (tmp_path / "list.txt").write_bytes("\ufeff犬.mp4\r\n\r\n".encode())
    assert read_manifest(tmp_path / "list.txt") == [tmp_path / "犬.mp4"]


def test_output_equal_to_input_is_refused(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    cv2.imwrite(str(folder / "0.png"), np.zeros((8, 8, 3), np.uint8))
    before = (folder / "0.png").read_bytes()
    for out in (folder, tmp_path, folder / ".." / "frames"):
        with pytest.raises(InputError, match="output folder"):
            segment_video(folder, out, network, SETTINGS)
    assert [p.name for p in folder.iterdir()] == ["0.png"]
    assert (folder / "0.png").read_bytes() == before


def test_output_equal_to_input_by_links_is_refused(tmp_path):
    """Links to the folder, to its parent, and frames that are links into the output."""
    source = write_video(tmp_path / "v.mp4", gray_frames(3, 16, 32))
    frames = tmp_path / "run" / "v"
    segment_video(source, frames, network, SETTINGS)
    before = {path.name: path.read_bytes() for path in frames.iterdir()}
    (tmp_path / "link").symlink_to(frames)
    (tmp_path / "parent").symlink_to(frames.parent)
    links = tmp_path / "links"
    links.mkdir()
    for path in frames.glob("*.png"):
        (links / path.name).symlink_to(path)
    for given, out in (
        (frames, tmp_path / "link"),
        (tmp_path / "link", frames),
        (frames, tmp_path / "parent"),
        (tmp_path / "parent" / "v", frames),
        (links, frames),
    ):
        with pytest.raises(InputError, match="output folder"):
            segment_video(given, out, network, SETTINGS)
        assert {path.name: path.read_bytes() for path in frames.iterdir()} == before


def test_a_result_that_is_another_name_of_the_input_leaves_it_alone(tmp_path):
    """An old overlay that is a hard or symbolic link to the video is replaced, not written to."""
    source = write_video(tmp_path / "v.mp4", gray_frames(3, 16, 32))
    before = source.read_bytes()
    out = tmp_path / "out"
    for link in (Path.hardlink_to, Path.symlink_to):
        shutil.rmtree(out, ignore_errors=True)
        segment_video(source, out, network, SETTINGS, write=["overlay"])
        (out / "overlay.mp4").unlink()
        link(out / "overlay.mp4", source)
        segment_video(source, out, network, SETTINGS, write=["overlay"])
        assert source.read_bytes() == before
        assert not (out / "overlay.mp4").samefile(source)
