"""Make the moving picture of the README: the example clip, wiped from source to overlay.

python docs/make_pictures.py
"""

from math import cos, pi
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from threedcseg import load_model
from threedcseg.atomic import replacing
from threedcseg.inference.settings import Settings
from threedcseg.outputs.overlay import overlay
from threedcseg.segmentation.video import segment_source
from threedcseg.video.reader import open_video

ROOT = Path(__file__).parents[1]
SIZE = 640, 360
EVERY = 2  # frames of the clip to one of the picture


def wipe(left: np.ndarray, right: np.ndarray, share: float) -> np.ndarray:
    """``left`` up to ``share`` of the width, then a white line, then ``right``; ``(H, W, 3)``."""
    width = left.shape[1]
    line = round(share * width)
    joined = np.where(np.arange(width)[:, None] < line, left, right)
    joined[:, max(0, line - 1) : line + 1] = 255
    return joined


def moving_picture(video: Path, out: Path) -> None:
    """Segment ``video`` with the network that ships and write the wipe as an animated WebP."""
    settings = Settings()
    pictures = []
    with open_video(video) as source:
        delay = round(1000 * EVERY / source.rate)  # milliseconds
        for frame, probabilities in segment_source(source, load_model("compact"), settings):
            if frame.index % EVERY == 0:
                marked = overlay(frame.image, settings.mask(probabilities))
                small = [
                    cv2.resize(image, SIZE, interpolation=cv2.INTER_AREA)
                    for image in (frame.image, marked)
                ]
                pictures.append(small)
    swing = [0.5 - 0.42 * cos(2 * pi * i / len(pictures)) for i in range(len(pictures))]
    first, *rest = [
        Image.fromarray(wipe(*pair, share)) for pair, share in zip(pictures, swing, strict=True)
    ]
    with replacing(out) as temporary:
        first.save(
            temporary, "WEBP", save_all=True, append_images=rest, duration=delay, loop=0,
            quality=55, method=6,
        )  # fmt: skip


if __name__ == "__main__":
    moving_picture(ROOT / "examples" / "dog.mp4", ROOT / "docs" / "dog.webp")
