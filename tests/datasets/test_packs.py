import io
import json
import zlib

import av
import cv2
import numpy as np
import pytest

from threedcseg.datasets.packs import read_footage, read_pack
from threedcseg.datasets.registry import open_dataset
from threedcseg.errors import InputError


def packed(mask: np.ndarray) -> bytes:
    return zlib.compress(np.packbits(mask > 127, axis=None).tobytes())


@pytest.fixture
def stills(tmp_path):
    """A pack of two stills of different sizes; the second has no label."""
    rng = np.random.default_rng(0)
    entries, blob, made = [], b"", []
    for name, (height, width), labelled in (("one", (30, 50), True), ("two", (24, 20), False)):
        image = cv2.resize(rng.integers(0, 256, (5, 5, 3), np.uint8), (width, height))
        mask = np.where(rng.random((height, width)) > 0.5, np.uint8(255), np.uint8(0))
        webp = cv2.imencode(".webp", image[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
        bits = packed(mask) if labelled else b""
        entries.append([name, "made", height, width, len(blob), len(webp), len(bits)])
        blob += webp + bits
        made.append((image, mask))
    (tmp_path / "stills.bin").write_bytes(blob)
    (tmp_path / "stills.json").write_text(json.dumps(entries))
    return tmp_path / "stills", made


@pytest.fixture
def sequences(tmp_path):
    """A pack of a sequence of five frames, of which 0, 2 and 3 have a mask."""
    frames = [np.full((32, 48, 3), 40 * t + 20, np.uint8) for t in range(5)]
    masks = {t: np.zeros((32, 48), np.uint8) for t in (0, 2, 3)}
    for t, mask in masks.items():
        mask[4 : 10 + t, 5:20] = 255
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode())
    blob = b"before" + buffer.getvalue()
    places = []
    for t in range(5):
        bits = packed(masks[t]) if t in masks else b""
        places.append([len(blob), len(bits)] if bits else None)
        blob += bits
    entry = {"name": "steps", "group": "made", "h": 32, "w": 48}
    entry |= {"video": [6, len(buffer.getvalue())], "masks": places}
    (tmp_path / "videos.vbin").write_bytes(blob)
    (tmp_path / "videos.vjson").write_text(json.dumps([entry]))
    return tmp_path / "videos", frames, masks


def test_stills_come_as_they_were_packed(stills):
    path, made = stills
    footage = read_pack(path)
    assert [(f.name, f.group, f.pixels.shape) for f in footage] == [("one", "made", (1, 30, 50, 4))]
    image, mask = made[0]
    assert np.array_equal(footage[0].pixels[0, ..., :3], image)
    assert np.array_equal(footage[0].pixels[0, ..., 3], mask)


def test_of_a_sequence_come_the_frames_that_have_a_mask(sequences):
    path, frames, masks = sequences
    (footage,) = read_pack(path)
    assert footage.numbers.tolist() == [0, 2, 3]
    for number, pixels in zip(footage.numbers, footage.pixels, strict=True):
        assert np.abs(pixels[..., :3].astype(int) - frames[number]).max() <= 3
        assert np.array_equal(pixels[..., 3], masks[number])


def test_what_is_missing_or_damaged_is_named(stills, sequences, tmp_path):
    with pytest.raises(InputError, match=r"other: no pack of that name: .*other\.json"):
        read_pack(tmp_path / "other")
    path, _ = stills
    blob = path.with_suffix(".bin").read_bytes()
    path.with_suffix(".bin").write_bytes(blob[: len(blob) // 3])
    with pytest.raises(InputError, match=r"stills\.bin: entry 0 cannot be read"):
        read_pack(path)
    path.with_suffix(".json").write_text("[")
    with pytest.raises(InputError, match=r"stills\.json: not a readable pack"):
        read_pack(path)
    path, *_ = sequences
    path.with_suffix(".vbin").unlink()
    with pytest.raises(InputError, match=r"videos\.vjson: not a readable pack"):
        read_pack(path)


def test_layouts_on_disk_come_alike_and_are_shrunk(tmp_path):
    rng = np.random.default_rng(0)
    for part in ("frames", "masks"):
        (tmp_path / "walk" / part).mkdir(parents=True)
    mask = np.zeros((80, 120), np.uint8)
    mask[20:60, 30:90] = 255
    for t in range(3):
        image = cv2.resize(rng.integers(0, 256, (4, 6, 3), np.uint8), (120, 80))
        cv2.imwrite(str(tmp_path / "walk" / "frames" / f"{t}.png"), image[..., ::-1])
        if t != 1:
            cv2.imwrite(str(tmp_path / "walk" / "masks" / f"{t}.png"), mask)
    sequences = open_dataset("folder", tmp_path, "all").sequences
    (full,) = read_footage(sequences, "own")
    assert full.group == "own" and full.numbers.tolist() == [0, 2]
    assert np.array_equal(full.pixels[1, ..., :3], image)
    assert np.array_equal(full.pixels[1, ..., 3], mask)
    (small,) = read_footage(sequences, "own", max_short_edge=40)
    assert small.pixels.shape == (2, 40, 60, 4)
    assert np.array_equal(small.pixels[0, ..., 3], mask[::2, ::2])


def test_masks_of_another_size_are_named(tmp_path):
    for part, shape in (("images", (8, 9, 3)), ("masks", (8, 8))):
        (tmp_path / part).mkdir()
        cv2.imwrite(str(tmp_path / part / "a.png"), np.full(shape, 255, np.uint8))
    with pytest.raises(InputError, match=r"a\.png: the mask is 8x8, its frame a\.png 9x8"):
        read_footage(open_dataset("stills", tmp_path).sequences, "own")
