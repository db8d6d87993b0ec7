import json
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from made_videos import gray_frames, write_video

from threedcseg.cli.main import main
from threedcseg.models import create_model
from threedcseg.models.weights import save_weights
from threedcseg.outputs.record import RunRecord


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """A tiny untrained compact network."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, create_model("compact", width="lite0", channels=8).eval())
    return path


@pytest.fixture
def segment(weights, tmp_path):
    """Run `3dcseg segment` with the tiny network at a small resolution."""

    def run(*arguments):
        words = [str(a) for a in arguments]
        options = ["-o", str(tmp_path / "out"), "--model", str(weights), "--short-edge", "32"]
        return main(["segment", *words, *options])

    return run


def one_line_error(capsys, *needles):
    err = capsys.readouterr().err
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, err
    assert "Traceback" not in err
    for needle in needles:
        assert needle in errors[0]


def test_masks_probabilities_overlay_and_record(segment, tmp_path):
    video = write_video(tmp_path / "clip.mp4", gray_frames(11, 50, 70))
    assert segment(video, "--probabilities", "--overlay") == 0
    folder = tmp_path / "out" / "clip"
    masks = sorted(folder.glob("*.png"))
    assert [m.name for m in masks] == [f"{i:05d}.png" for i in range(11)]
    mask = cv2.imread(str(masks[0]), cv2.IMREAD_UNCHANGED)
    assert mask.shape == (50, 70) and set(np.unique(mask)) <= {0, 255}
    maps = sorted((folder / "probabilities").glob("*.png"))
    assert len(maps) == 11
    soft = cv2.imread(str(maps[0]), cv2.IMREAD_UNCHANGED)
    assert ((soft > 128) <= (mask == 255)).all() and ((soft < 127) <= (mask == 0)).all()
    with av.open(str(folder / "overlay.mp4")) as overlay:
        assert sum(1 for _ in overlay.decode(video=0)) == 11
    record = json.loads((folder / "3dcseg.json").read_text())
    assert record["num_frames"] == 11 and record["settings"]["short_edge"] == 32


def test_folders_of_frames_keep_their_names(segment, tmp_path):
    frames = tmp_path / "walk"
    frames.mkdir()
    for name, image in zip(("f8", "f9", "f10"), gray_frames(3), strict=True):
        cv2.imwrite(str(frames / f"{name}.jpg"), image)
    assert segment(frames) == 0
    assert {p.stem for p in (tmp_path / "out" / "walk").glob("*.png")} == {"f8", "f9", "f10"}


def test_a_folder_of_videos_gives_a_folder_each(segment, tmp_path):
    for name in ("a", "b"):
        (tmp_path / "in").mkdir(exist_ok=True)
        write_video(tmp_path / "in" / f"{name}.mp4", gray_frames(2))
    assert segment(tmp_path / "in") == 0
    assert len(list((tmp_path / "out").glob("*/00001.png"))) == 2


@pytest.mark.parametrize(("height", "width", "count"), [(2, 2, 1), (34, 50, 2), (64, 36, 9)])
def test_odd_sizes_and_single_frames(segment, tmp_path, height, width, count):
    video = write_video(tmp_path / "v.mkv", gray_frames(count, height, width))
    assert segment(video, "--overlay") == 0
    masks = sorted((tmp_path / "out" / "v").glob("*.png"))
    assert len(masks) == count
    assert cv2.imread(str(masks[0]), cv2.IMREAD_UNCHANGED).shape == (height, width)


def test_options_reach_the_windows(segment, tmp_path):
    video = write_video(tmp_path / "v.mp4", gray_frames(9))
    assert segment(video, "--clip-length", "4", "--dense", "--tail", "repeat-first") == 0
    record = json.loads((tmp_path / "out" / "v" / "3dcseg.json").read_text())
    assert record["settings"]["overlap"] == 3
    assert record["settings"]["clip_length"] == 4
    assert record["settings"]["tail"] == "repeat-first"


@pytest.mark.parametrize(
    ("options", "needle"),
    [
        (["--overlap", "8"], "overlap 8"),
        (["--clip-length", "0"], "clip length 0"),
        (["--threshold", "1.5"], "threshold 1.5"),
        (["--device", "cuda:7"], "cuda:7"),
        (["--device", "toaster"], "toaster"),
        (["--model", "compcat"], "compact"),
    ],
)
def test_bad_options(segment, tmp_path, capsys, options, needle):
    video = write_video(tmp_path / "v.mp4", gray_frames(2))
    if options[0] == "--model":
        status = main(["segment", str(video), "-o", str(tmp_path / "out"), *options])
    else:
        status = segment(video, *options)
    assert status == 2
    one_line_error(capsys, needle)


def test_bad_inputs_name_the_file(segment, tmp_path, capsys):
    empty = tmp_path / "empty.mp4"
    empty.write_bytes(b"")
    text = tmp_path / "text.mp4"
    text.write_text("not a video " * 1000)
    (tmp_path / "bare").mkdir()
    for path in (tmp_path / "missing.mp4", empty, text, tmp_path / "bare"):
        assert segment(path) == 2
        one_line_error(capsys, path.name)


def test_a_damaged_video_is_done_and_the_loss_told(segment, tmp_path, capsys):
    whole = write_video(tmp_path / "w.mkv", gray_frames(60), options={"crf": "1"})
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert segment(cut, "--overlay") == 3
    out, err = capsys.readouterr()
    assert re.search(r"\(60 expected, (\d+) decoded: cut short at \d\.\d s\)", out)
    folder = tmp_path / "out" / "cut"
    record = RunRecord.read(folder)
    assert 20 < record.num_frames < 40 and (folder / "overlay.mp4").exists()
    assert record.damage.expected == 60 and record.damage.decoded == record.num_frames

    assert segment(cut, "--overlay") == 3  # also of what was done before
    assert "done before" in capsys.readouterr().out
    assert segment(whole, cut) == 3
    assert "\n  damaged: " in capsys.readouterr().err
    assert segment(cut, "--quiet") == 3
    out, err = capsys.readouterr()
    assert not out and "damaged: " in err and "60 expected" in err
    assert segment(cut, "--json") == 3
    done = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert done["damage"]["expected"] == 60 and done["damage"]["flaw"] == "cut short"


def test_masks_behind_a_gap_have_the_numbers_of_the_source(segment, tmp_path):
    path = write_video(
        tmp_path / "a.mkv",
        gray_frames(60),
        codec="libvpx-vp9",
        container_options={"cluster_time_limit": "500"},
    )
    data = bytearray(path.read_bytes())
    place = data.index(b"\x1f\x43\xb6\x75", len(data) // 3)
    data[place : place + 60] = bytes(60)
    path.write_bytes(data)
    assert segment(path) == 3
    folder = tmp_path / "out" / "a"
    names = [mask.stem for mask in sorted(folder.glob("*.png"))]
    assert names[0] == "00000" and names[-1] == "00059" and 20 < len(names) < 60
    assert segment(path, "--redo") == 3  # and all of them are its own
    assert len(list(folder.glob("*.png"))) == len(names)


def test_damaged_and_foreign_weights(tmp_path, weights, capsys):
    video = write_video(tmp_path / "v.mp4", gray_frames(2))
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(weights.read_bytes()[:1000])
    foreign = tmp_path / "foreign.safetensors"
    foreign.write_bytes(b"\x00" * 100)
    for path in (damaged, foreign, tmp_path / "missing.safetensors"):
        status = main(["segment", str(video), "-o", str(tmp_path / "out"), "--model", str(path)])
        assert status == 2
        one_line_error(capsys, path.name)
    words = [str(video), "-o", str(tmp_path / "out"), "--model", "3dc-seg", "--weights"]
    status = main(["segment", *words, str(weights)])
    assert status == 2
    one_line_error(capsys, "compact", "3dc-seg")


def test_output_that_cannot_be_used(segment, tmp_path, capsys):
    video = write_video(tmp_path / "v.mp4", gray_frames(2))
    (tmp_path / "out").write_text("a file")
    assert segment(video) == 2
    one_line_error(capsys, "out")


def test_frames_are_never_written_among(weights, tmp_path, capsys):
    frames = tmp_path / "set" / "walk"
    frames.mkdir(parents=True)
    for index, image in enumerate(gray_frames(3)):
        cv2.imwrite(str(frames / f"{index:05d}.png"), image)
    before = {p: p.read_bytes() for p in frames.iterdir()}
    status = main(["segment", str(frames), "-o", str(frames.parent), "--model", str(weights)])
    assert status == 2
    one_line_error(capsys, "walk")
    assert {p: p.read_bytes() for p in frames.iterdir()} == before


def test_variable_frame_rate_is_kept_in_the_overlay(segment, tmp_path):
    times = [Fraction(n, 100) for n in (0, 4, 8, 30, 34, 90)]
    video = write_video(
        tmp_path / "v.mkv", gray_frames(6), times=times, time_base=Fraction(1, 1000)
    )
    assert segment(video, "--overlay") == 0
    with av.open(str(tmp_path / "out" / "v" / "overlay.mp4")) as overlay:
        shown = [frame.time for frame in overlay.decode(video=0)]
    assert shown == pytest.approx([float(t) for t in times], abs=0.002)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_video(weights, tmp_path):
    """By less than half of what the frames alone would need, were they kept."""
    script = (
        "import resource, sys\n"
        "from threedcseg.cli.main import main\n"
        "short, long, *words = sys.argv[1:]\n"
        "for video in (short, long):\n"
        "    assert main(['segment', video, *words]) == 0\n"
        "    print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    videos = [
        write_video(tmp_path / f"{count}.mp4", gray_frames(10, 192, 256) * (count // 10))
        for count in (120, 480)
    ]
    words = [*videos, "-o", tmp_path / "out", "--model", weights, "--overlay", "--short-edge", "32"]
    command = [sys.executable, "-c", script, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    short, long = (int(line[5:]) for line in done.stdout.splitlines() if line.startswith("peak "))
    unit = 1 if sys.platform == "darwin" else 1024
    assert unit * (long - short) < 0.5 * (480 - 120) * 192 * 256 * 3
