"""Tiny data sets on disk, in the layouts that are published."""

from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (24, 40)  # height, width


def write_frame(path: Path, size: tuple[int, int] = SIZE, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(path)
    return path


def box(value: int = 255, size: tuple[int, int] = SIZE, dtype: type = np.uint8) -> np.ndarray:
    """``(H, W)``: 0, and ``value`` in rows 8 to 15 and columns 10 to 19."""
    labels = np.zeros(size, dtype)
    labels[8:16, 10:20] = value
    return labels


def write_labels(path: Path, labels: np.ndarray | None = None, mode: str = "L") -> Path:
    """Labels ``(H, W)`` or colours ``(H, W, 3)``, by default the box, as an image of a mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = box() if labels is None else labels
    if mode in {"P", "PA"}:
        image = Image.fromarray(labels)
        image.putpalette([level for i in range(256) for level in (i, 0, 255 - i)])
        image = image.convert("PA") if mode == "PA" else image
    elif mode == "I;16":
        image = Image.fromarray(labels.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(labels).convert(mode)
    image.save(path)
    return path


def write_list(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def davis16_tree(root: Path, lengths: dict[str, int], split: str = "train") -> Path:
    """As published: lists of pairs, masks of mode L."""
    pairs = []
    for name, length in lengths.items():
        for i in range(length):
            frame = f"/JPEGImages/480p/{name}/{i:05d}.jpg"
            mask = f"/Annotations/480p/{name}/{i:05d}.png"
            write_frame(root / frame[1:], seed=i)
            write_labels(root / mask[1:])
            pairs.append(f"{frame} {mask} ")
    write_list(root / "ImageSets" / "480p" / f"{split}.txt", *pairs)
    return root


def davis17_tree(root: Path, name: str = "dogs", length: int = 3) -> Path:
    """Palette masks with objects 1 and 2 and void 255, in both kinds of annotation."""
    labels = box(1)
    labels[:, 30:] = 2
    for i in range(length):
        write_frame(root / "JPEGImages" / "480p" / name / f"{i:05d}.jpg", seed=i)
        write_labels(root / "Annotations" / "480p" / name / f"{i:05d}.png", labels, "P")
        whole = labels.copy()
        whole[:4] = 255
        folder = root / "Annotations_unsupervised" / "480p" / name
        write_labels(folder / f"{i:05d}.png", whole, "P")
    write_list(root / "ImageSets" / "2017" / "val.txt", name)
    write_list(root / "ImageSets" / "2016" / "val.txt", name)
    return root
