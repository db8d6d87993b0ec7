"""Draw docs/augmentations.webp: what training clips are made of, a row each.

    python docs/draw_augmentations.py PACKS     # the folder of packs, as in recipes/compact.yaml

Every row is one clip with one thing in it that may happen; the mask to be learnt is outlined.
"""

import argparse
from dataclasses import fields, replace
from pathlib import Path

import cv2
import numpy as np
import torch

from threedcseg.datasets.packs import read_pack
from threedcseg.training.clips.appearance import Appearance
from threedcseg.training.clips.batches import BatchMaker
from threedcseg.training.clips.canvases import Canvases
from threedcseg.training.clips.layers import Composition, Framing, Mix, Planner
from threedcseg.training.clips.stock import Stock

SIZE, LENGTH, SHOWN = (160, 288), 8, (0, 2, 5, 7)
TALL, WIDE, MARGIN = 92, 166, 178
PACKS = ("videos", "stills-more", "photos")
PLAIN = Appearance(**{f.name: 0.0 for f in fields(Appearance) if f.name != "quality"})
ALONE = Composition(**{f.name: 0.0 for f in fields(Composition)})
CALM = Framing(camera=0.0)


def scene(look: Appearance = PLAIN, **happens: float) -> Mix:
    return Mix(scenes=1, framing=CALM, composition=replace(ALONE, **happens), appearance=look)


# Title, mix, and the seed of a clip that shows it well.
ROWS: tuple[tuple[str, Mix, int], ...] = (
    ("video at inference's stride", Mix(1, framing=CALM, appearance=PLAIN), 24),
    ("a camera set in motion", Mix(1, framing=replace(CALM, camera=1.0), appearance=PLAIN), 3),
    ("still in camera motion", Mix(stills=1, appearance=PLAIN), 2),
    ("one thing moves", scene(), 1),
    ("the camera follows it", scene(followed=1.0), 4),
    ("out of a video", scene(videos=1.0), 2),
    ("lookalikes stand", scene(twins=1.0), 25),
    ("lookalikes of a video's", scene(twins=1.0, videos=1.0), 26),
    ("a crowd stands", scene(crowd=1.0), 5),
    ("other things stand", scene(bystanders=1.0), 6),
    ("several move", scene(companions=1.0), 7),
    ("late, or early away", scene(late=1.0), 8),
    ("behind something near", scene(occluders=1.0), 9),
    ("behind a line", scene(lines=1.0), 10),
    ("spray and dust", scene(replace(PLAIN, spray=1.0)), 26),
    ("compression", scene(replace(PLAIN, compression=1.0, quality=(4.0, 8.0))), 12),
    ("light and colour", scene(replace(Appearance(), blur=0, grain=0, compression=0, spray=0)), 13),
    ("blur and grain", scene(replace(PLAIN, blur=1.0, grain=1.0)), 16),
    ("all as it comes", Mix(scenes=1), 15),
)  # fmt: skip


def row(stock: Stock, title: str, mix: Mix, seed: int) -> np.ndarray:
    batch = BatchMaker(Planner(stock, LENGTH, SIZE, mix), seed)(0)
    frames, masks = batch.frames[0].permute(1, 2, 3, 0).numpy(), batch.masks[0, 0].numpy()
    pictures = [np.full((TALL, MARGIN, 3), 255, np.uint8)]
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(pictures[0], title, (4, TALL // 2), font, 0.36, (30, 30, 30), 1, cv2.LINE_AA)
    for t in SHOWN:
        picture = cv2.resize(frames[t], (WIDE, TALL), interpolation=cv2.INTER_AREA)
        mask = cv2.resize(masks[t], (WIDE, TALL), interpolation=cv2.INTER_NEAREST)
        edges = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]
        cv2.drawContours(picture, edges, -1, (255, 50, 100), 1)
        pictures.append(picture)
    return np.hstack(pictures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("packs", type=Path)
    args = parser.parse_args()
    footage = [item for name in PACKS for item in read_pack(args.packs / name)]
    stock = Stock(Canvases(footage, torch.device("cpu")), [1.0] * len(footage))
    sheet = np.vstack([row(stock, *given) for given in ROWS])
    out = Path(__file__).parent / "augmentations.webp"
    out.write_bytes(cv2.imencode(".webp", sheet[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 70])[1])
    print(f"{out}: {out.stat().st_size / 1000:.0f} kB, {sheet.shape[1]}x{sheet.shape[0]}")


if __name__ == "__main__":
    main()
