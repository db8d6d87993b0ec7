"""Draw the pictures of edges and backgrounds: one frame of the example clip, drawn in all the ways.

python docs/draw_edges.py
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from threedcseg import load_model
from threedcseg.atomic import replacing
from threedcseg.inference.settings import Settings
from threedcseg.outputs.background import open_background
from threedcseg.outputs.cutout import cut_out
from threedcseg.outputs.formats import Renderer, SegmentedFrame
from threedcseg.outputs.rendering import Rendering
from threedcseg.segmentation.video import segment_source
from threedcseg.video.reader import open_video

ROOT = Path(__file__).parents[1]
CLIP = ROOT / "examples" / "dog.mp4"
FRAME = 20
BEHIND = "#3060c0"
ROWS, COLUMNS = slice(150, 330), slice(290, 530)  # what is shown of the frame, enlarged
LARGER = 2


def segmented(rendering: Rendering) -> SegmentedFrame:
    """Frame `FRAME` of the clip, with the alpha of ``rendering``."""
    renderer = Renderer(rendering)
    with open_video(CLIP) as source:
        for frame, probabilities in segment_source(source, load_model("compact"), Settings()):
            found = SegmentedFrame(frame, probabilities, probabilities > 0.5)
            result = renderer.next(found, frame.index == 0)
            result.alpha  # noqa: B018  # a matte needs that of the frames before
            if frame.index == FRAME:
                return result
    raise ValueError(f"{CLIP} has no frame {FRAME}")


def edges() -> Iterator[tuple[str, np.ndarray]]:
    """On a new background: hard, soft with the clip's colours, soft, matte."""
    hard, soft, matte = (segmented(Rendering(edges)) for edges in ("hard", "soft", "matte"))
    height, width = hard.mask.shape
    with open_background(BEHIND, height, width) as background:
        behind = background.behind(hard.picture, hard.alpha, hard.frame.time)
    yield "the clip", hard.picture
    yield "hard", cut_out(hard.picture, hard.alpha, behind)
    yield "soft, with the clip's colours", cut_out(soft.picture, soft.alpha, behind)
    yield "soft", cut_out(soft.colors, soft.alpha, behind)
    yield "matte", cut_out(matte.colors, matte.alpha, behind)
    yield "matte, its alpha", cv2.cvtColor(matte.alpha, cv2.COLOR_GRAY2RGB)


def backgrounds() -> Iterator[tuple[str, np.ndarray]]:
    """The object on its own frame, blurred and gray."""
    soft = segmented(Rendering("soft"))
    height, width = soft.mask.shape
    for text in ("blur", "gray"):
        with open_background(text, height, width) as background:
            behind = background.behind(soft.picture, soft.alpha, soft.frame.time)
        yield f"--background {text}", cut_out(soft.colors, soft.alpha, behind)


def labelled(text: str, picture: np.ndarray) -> np.ndarray:
    """The picture with ``text`` on a dark strip along its top."""
    out = picture.copy()
    out[:34] = 30
    white = (255, 255, 255)
    return cv2.putText(out, text, (10, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.6, white, 1, cv2.LINE_AA)


def save(picture: np.ndarray, name: str) -> None:
    with replacing(ROOT / "docs" / name) as temporary:
        Image.fromarray(picture).save(temporary, "WEBP", quality=80, method=6)


if __name__ == "__main__":
    tiles = []
    for text, picture in edges():
        part = picture[ROWS, COLUMNS]
        tiles.append(labelled(text, cv2.resize(part, None, fx=LARGER, fy=LARGER)))
    save(np.vstack([np.hstack(tiles[:3]), np.hstack(tiles[3:])]), "edges.webp")
    save(np.hstack([labelled(*pair) for pair in backgrounds()]), "backgrounds.webp")
