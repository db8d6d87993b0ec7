"""Packs of made-up pictures, as their own tool would write them."""

import io
import json
import zlib
from pathlib import Path

import av
import cv2
import numpy as np


def packed(mask: np.ndarray) -> bytes:
    return zlib.compress(np.packbits(mask > 127, axis=None).tobytes())


def pictures() -> list[tuple[np.ndarray, np.ndarray]]:
    """Two images of different sizes and their masks, of a disc each."""
    made = []
    for number, (height, width) in enumerate([(30, 50), (24, 20)]):
        rng = np.random.default_rng(number)
        image = cv2.resize(rng.integers(0, 256, (5, 5, 3), np.uint8), (width, height))
        mask = cv2.circle(np.zeros((height, width), np.uint8), (width // 2, 12), 7, 255, -1)
        made.append((image, mask))
    return made


def stills(folder: Path, name: str = "stills") -> Path:
    """A pack of `pictures`; the second has no label."""
    entries, blob = [], b""
    for still, (image, mask) in zip(("one", "two"), pictures(), strict=True):
        webp = cv2.imencode(".webp", image[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
        bits = packed(mask) if still == "one" else b""
        entries.append([still, "made", *mask.shape, len(blob), len(webp), len(bits)])
        blob += webp + bits
    (folder / f"{name}.bin").write_bytes(blob)
    (folder / f"{name}.json").write_text(json.dumps(entries))
    return folder / name


def frames() -> tuple[list[np.ndarray], dict[int, np.ndarray]]:
    """Five frames, of which 0, 2 and 3 have a mask."""
    masks = {t: np.zeros((32, 48), np.uint8) for t in (0, 2, 3)}
    for t, mask in masks.items():
        mask[4 : 10 + t, 5:20] = 255
    return [np.full((32, 48, 3), 40 * t + 20, np.uint8) for t in range(5)], masks


def sequences(folder: Path, name: str = "videos") -> Path:
    """A pack of one sequence, of `frames`."""
    images, masks = frames()
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())
    blob = b"before" + buffer.getvalue()
    places = []
    for t in range(5):
        bits = packed(masks[t]) if t in masks else b""
        places.append([len(blob), len(bits)] if bits else None)
        blob += bits
    entry = {"name": "steps", "group": "made", "h": 32, "w": 48}
    entry |= {"video": [6, len(buffer.getvalue())], "masks": places}
    (folder / f"{name}.vbin").write_bytes(blob)
    (folder / f"{name}.vjson").write_text(json.dumps([entry]))
    return folder / name
