"""How fast training clips are decoded, against decoding every frame whole with Pillow.

    python benchmarks/decoding.py [--data DAVIS] [--size 240 432] [--clips 60]

Both ways read the frames and masks of the same clips, single-threaded and in turns. "Pillow" opens
every frame and every mask and resizes them to the network's size, frames bilinear or with Pillow's
default, bicubic, masks to the nearest pixel; "clips" is `VideoClips.draw`, which also crops and
mirrors. Masks are decoded when a worker first meets them and remembered from then on, so both are
given. The 1080p data are the 480p ones enlarged, with grain, compressed again.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image

from threedcseg.datasets.masks import read_mask
from threedcseg.datasets.registry import open_dataset
from threedcseg.datasets.sequence import Sequence
from threedcseg.training.clips.augmentation import Augmentation
from threedcseg.training.clips.mask_cache import MaskCache, RunLengths
from threedcseg.training.clips.sampling import sample_indices
from threedcseg.training.clips.video import VideoClips
from threedcseg.video.images import read_image

CLIP_LENGTH, SPAN = 8, 32
Ways = dict[str, Callable[[int], object]]


def medians(ways: Ways, numbers: range) -> dict[str, float]:
    """Seconds of each way, median over numbers; the ways take turns at going first."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    order = list(ways.items())
    for number in numbers:
        for name, way in order:
            started = time.perf_counter()
            way(number)
            seconds[name].append(time.perf_counter() - started)
        order.append(order.pop(0))
    return {name: statistics.median(values) for name, values in seconds.items()}


def pillow_clip(
    sequences: list[Sequence], size: tuple[int, int], how: Image.Resampling, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """The frames that `VideoClips.draw` chooses for a number, decoded whole and resized."""
    rng = np.random.default_rng(number)
    sequence = sequences[int(rng.integers(len(sequences)))]
    rng.choice((SPAN,))
    frames, masks = [], []
    for index in dict.fromkeys(sample_indices(len(sequence.frames), CLIP_LENGTH, SPAN, rng)):
        mask_path = sequence.masks[index]
        assert isinstance(mask_path, Path)
        with Image.open(sequence.frames[index]) as frame, Image.open(mask_path) as mask:
            small = frame.convert("RGB").resize(size[::-1], how)
            frames.append(np.asarray(small))
            masks.append(np.asarray(mask.resize(size[::-1], Image.Resampling.NEAREST)))
    return np.stack(frames), np.stack(masks)


def compare_clips(name: str, sequences: list[Sequence], size: tuple[int, int], clips: int) -> None:
    """Prints clips a second of each way, and how many times Pillow's."""

    def draw(cache: MaskCache) -> Callable[[int], object]:
        source = VideoClips(sequences, (SPAN,), cache=cache)
        return lambda number: source.draw(
            CLIP_LENGTH, size, Augmentation(), np.random.default_rng(number)
        )

    known = draw(MaskCache())
    for number in range(clips):
        known(number)
    seconds = medians(
        {
            "Pillow": lambda number: pillow_clip(
                sequences, size, Image.Resampling.BILINEAR, number
            ),
            "Pillow, bicubic": lambda number: pillow_clip(
                sequences, size, Image.Resampling.BICUBIC, number
            ),
            "clips, masks new": draw(MaskCache(limit=0)),
            "clips, masks known": known,
        },
        range(clips),
    )
    for way, median in seconds.items():
        ratio = seconds["Pillow"] / median
        print(f"{name:>6} to {size[0]}x{size[1]}  {way:20}{1 / median:8.1f} clips/s{ratio:6.1f}x")


def compare_frames(name: str, paths: list[Path], short_edge: int) -> None:
    """Prints milliseconds of a frame decoded at the reduction that ``short_edge`` allows."""
    reduced = {
        1: cv2.IMREAD_COLOR_RGB,
        2: cv2.IMREAD_REDUCED_GRAYSCALE_2 | cv2.IMREAD_COLOR_RGB,
        4: cv2.IMREAD_REDUCED_GRAYSCALE_4 | cv2.IMREAD_COLOR_RGB,
        8: cv2.IMREAD_REDUCED_GRAYSCALE_8 | cv2.IMREAD_COLOR_RGB,
    }
    height = min(read_image(paths[0]).shape[:2])
    factor = next((f for f in (8, 4, 2) if height // f >= short_edge), 1)
    seconds = medians(
        {
            "OpenCV": lambda number: cv2.imread(str(paths[number]), reduced[factor]),
            "read_image": lambda number: read_image(paths[number], short_edge),
        },
        range(len(paths)),
    )
    print(f"{name:>6} frames, ms: " + ", ".join(f"{w} {1e3 * s:.3f}" for w, s in seconds.items()))


def compare_masks(name: str, paths: list[Path]) -> None:
    """Prints milliseconds of decoders of mask files. OpenCV gives a palette's colours."""
    known = [RunLengths.of(read_mask(path)) for path in paths]

    def with_av(number: int) -> np.ndarray:
        decoder = av.CodecContext.create("png", "r")
        assert isinstance(decoder, av.VideoCodecContext)
        packet = av.Packet(paths[number].read_bytes())
        return [*decoder.decode(packet), *decoder.decode(None)][0].to_ndarray()

    seconds = medians(
        {
            "Pillow": lambda number: np.asarray(Image.open(paths[number])),
            "OpenCV": lambda number: cv2.imread(str(paths[number]), cv2.IMREAD_UNCHANGED),
            "PyAV": with_av,
            "read_mask": lambda number: read_mask(paths[number]),
            "remembered": lambda number: known[number].array(),
        },
        range(len(paths)),
    )
    print(f"{name:>6} masks, ms: " + ", ".join(f"{w} {1e3 * s:.3f}" for w, s in seconds.items()))


def enlarged(sequences: list[Sequence], folder: Path, height: int = 1080) -> list[Sequence]:
    """The first 40 frames of each sequence as JPEG and PNG files of another height."""
    rng = np.random.default_rng(0)
    larger = []
    for sequence in sequences:
        frames, masks = [], []
        (folder / sequence.name).mkdir()
        for path, mask in list(zip(sequence.frames, sequence.masks, strict=True))[:40]:
            assert mask is not None
            image = read_image(path)
            size = (round(image.shape[1] * height / image.shape[0]), height)
            image = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
            grain = rng.normal(0, 3, (*image.shape[:2], 1))
            frames.append(folder / sequence.name / f"{path.stem}.jpg")
            masks.append(folder / sequence.name / f"{path.stem}.png")
            image = np.clip(image + grain, 0, 255).astype(np.uint8)
            Image.fromarray(image).save(frames[-1], quality=92)
            whole = cv2.resize(read_mask(mask), size, interpolation=cv2.INTER_NEAREST)
            cv2.imwrite(str(masks[-1]), whole)
        larger.append(Sequence(sequence.name, tuple(frames), tuple(masks)))
    return larger


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("DAVIS"), help="root of a DAVIS 2016")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--size", type=int, nargs=2, default=(240, 432), metavar=("H", "W"))
    parser.add_argument("--clips", type=int, default=60)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    sequences = open_dataset("davis16", args.data, args.split, resolution="480p").sequences
    with tempfile.TemporaryDirectory() as folder:
        sets = {"480p": sequences, "1080p": enlarged(sequences, Path(folder))}
        for name, each in sets.items():
            compare_clips(name, each, tuple(args.size), args.clips)
        for name, each in sets.items():
            compare_frames(name, [path for s in each for path in s.frames[:20]], min(args.size))
        for name, each in sets.items():
            masks = [mask for s in each for mask in s.masks[:10]]
            compare_masks(name, [mask for mask in masks if isinstance(mask, Path)])


if __name__ == "__main__":
    main()
