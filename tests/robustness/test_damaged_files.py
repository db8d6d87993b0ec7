"""Hundreds of damaged files, by seed: an error in one line, or a loss that is told, or no loss."""

import shutil
import signal
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from damager import DAMAGERS, drop_packet, packets_of
from made_videos import noisy_frames, write_video

from threedcseg.errors import InputError
from threedcseg.inference.settings import Settings
from threedcseg.outputs.record import RunRecord
from threedcseg.segmentation.video import segment_video

COUNT = 24  # frames of each file
PATIENCE = 120  # seconds, after which something hangs
FRAGMENTS = "frag_keyframe"
FORMATS = {
    "mp4": ("libx264", "yuv420p", {}),
    "fragments.mp4": ("libx264", "yuv420p", {"movflags": FRAGMENTS}),
    "stream.mp4": ("libx264", "yuv420p", {"movflags": f"{FRAGMENTS}+empty_moov"}),
    "webm": ("libvpx-vp9", "yuv420p", {}),
    "mkv": ("libx264", "yuv420p", {}),
    "avi": ("mpeg4", "yuv420p", {}),
    "mov": ("mjpeg", "yuvj420p", {}),
    "gif": ("gif", "gray", {}),
    "y4m": ("wrapped_avframe", "yuv420p", {}),
    "flv": ("flv", "yuv420p", {}),
    "ogv": ("libvpx", "yuv420p", {}),
    "wmv": ("wmv2", "yuv420p", {}),
    "folder": ("", "", {}),
}
# Bits in the header of one payload hide a frame, and the rest of its packet is as it should be.
# FFmpeg says nothing of it, and WMV may leave frames out and begin at any time.
UNSEEN = {("clip.wmv", seed) for seed in (96, 200, 250)}


def brightness(clip: torch.Tensor) -> torch.Tensor:
    """A network that takes what is bright for the object."""
    return clip[:, :1] * 8 - 4


@pytest.fixture(scope="module", params=FORMATS)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    codec, pix_fmt, container_options = FORMATS[request.param]
    place = tmp_path_factory.mktemp("whole")
    if request.param == "folder":
        for number, image in enumerate(noisy_frames(COUNT)):
            cv2.imwrite(str(place / f"{number:05d}.png"), image)
        return place
    return write_video(
        place / f"clip.{request.param}",
        noisy_frames(COUNT),
        codec=codec,
        pix_fmt=pix_fmt,
        container_options=container_options,
    )


@contextmanager
def patience() -> Iterator[None]:
    def give_up(*_: object) -> None:
        raise TimeoutError(f"it takes longer than {PATIENCE} seconds")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def damaged_copy(whole: Path, place: Path, seed: int) -> tuple[Path, str]:
    """A copy of a file, or of a folder with one file, damaged as ``seed`` says; and how."""
    rng = np.random.default_rng([seed, zlib.crc32(whole.name.encode())])
    damager = DAMAGERS[seed % len(DAMAGERS)]
    if damager is drop_packet and whole.suffix == ".gif":
        damager = DAMAGERS[0]  # a GIF without one of its images is a whole one
    copy = place / whole.name
    if whole.is_dir():
        shutil.copytree(whole, copy)
        file = sorted(copy.iterdir())[rng.integers(COUNT)]
        data, packets = bytearray(file.read_bytes()), []
    else:
        file = copy
        data, packets = bytearray(whole.read_bytes()), packets_of(whole)
    damager(data, rng, packets)
    file.write_bytes(data)
    return copy, damager.__name__


def fault_of(path: Path, folder: Path, write: tuple[str, ...]) -> str:
    """What is wrong with how a damaged file is dealt with; empty where nothing is."""
    try:
        with patience():
            result = segment_video(path, folder, brightness, Settings(), write=write)
    except InputError as error:
        return "" if "\n" not in str(error) else "an error of several lines"
    except Exception as error:
        return repr(error)
    record = RunRecord.read(folder)
    if record is None or record.num_frames != len(list(folder.glob("*.png"))):
        return "the record is not what is there"
    if not result.damage and result.num_frames != COUNT:
        return f"{result.num_frames} frames, and nothing said"
    return ""


def check(whole: Path, tmp_path: Path, seeds: range) -> None:
    faults = []
    for seed in seeds:
        place = tmp_path / str(seed)
        place.mkdir()
        path, how = damaged_copy(whole, place, seed)
        # Odd sizes, rates and clocks stand in headers: what is made of them has its own.
        write = ("masks", "overlay", "alpha.webm") if how == "edit_header" else ("masks",)
        fault = fault_of(path, place / "out", write)
        if fault and (whole.name, seed) not in UNSEEN:
            faults.append(f"seed {seed} ({how}): {fault}")
        shutil.rmtree(place)
    assert not faults, "\n".join(faults)


def test_of_an_undamaged_file_nothing_is_said(whole: Path, tmp_path: Path) -> None:
    result = segment_video(whole, tmp_path / "out", brightness, Settings())
    assert result.num_frames == COUNT and result.damage is None


def test_300_damaged_files(whole: Path, tmp_path: Path) -> None:
    check(whole, tmp_path, range(24))


@pytest.mark.slow
def test_3000_damaged_files(whole: Path, tmp_path: Path) -> None:
    check(whole, tmp_path, range(24, 256))
