"""Metrics side by side with straightforward implementations of the kits' methods.

    python benchmarks/metrics.py [--data DAVIS/Annotations/480p] [--rounds 3]

Predictions are the ground truth, distorted: moved, eroded or dilated, with specks and holes, soft
for the saliency measures. Times are interleaved, sequence by sequence, and medians over rounds.
"As the 2016 kit" dilates with `binary_dilation` (skimage's is SciPy's), "as the 2017 kit" with
OpenCV; "in memory" leaves out the reading of files. Every number is compared.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from scipy import ndimage

from threedcseg.evaluation.protocols import PROTOCOLS
from threedcseg.evaluation.reading import MapFile, TruthFile
from threedcseg.evaluation.results import Result
from threedcseg.evaluation.scoring import Pair, score
from threedcseg.metrics.boundary import boundary_f_measure
from threedcseg.metrics.maps import to_mask
from threedcseg.metrics.region import region_similarity
from threedcseg.metrics.saliency import SaliencyMeasures, saliency_measures

Dilation = Callable[[np.ndarray, int], np.ndarray]
EPSILON = float(np.spacing(1))


# The DAVIS kits' method, one frame at a time


def plain_region(prediction: np.ndarray, ground_truth: np.ndarray) -> float:
    union = np.sum(prediction | ground_truth)
    return float(np.sum(prediction & ground_truth) / union) if union else 1.0


def plain_boundary(
    prediction: np.ndarray, ground_truth: np.ndarray, dilate: Dilation, radius: int | None = None
) -> float:
    if radius is None:
        radius = int(np.ceil(0.008 * np.linalg.norm(prediction.shape)))
    ours, theirs = plain_boundary_map(prediction), plain_boundary_map(ground_truth)
    near_ours, near_theirs = dilate(ours, radius), dilate(theirs, radius)
    num_ours, num_theirs = np.sum(ours), np.sum(theirs)
    if num_ours == 0 or num_theirs == 0:
        return float(num_ours == num_theirs)
    precision = np.sum(ours & near_theirs) / num_ours
    recall = np.sum(theirs & near_ours) / num_theirs
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def plain_boundary_map(mask: np.ndarray) -> np.ndarray:
    east, south, southeast = np.zeros_like(mask), np.zeros_like(mask), np.zeros_like(mask)
    east[:, :-1], south[:-1], southeast[:-1, :-1] = mask[:, 1:], mask[1:], mask[1:, 1:]
    boundary = (mask ^ east) | (mask ^ south) | (mask ^ southeast)
    boundary[-1] = mask[-1] ^ east[-1]
    boundary[:, -1] = mask[:, -1] ^ south[:, -1]
    boundary[-1, -1] = False
    return boundary


@lru_cache
def disk(radius: int) -> np.ndarray:
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return (x * x + y * y <= radius * radius).astype(np.uint8)


def dilate_2016(mask: np.ndarray, radius: int) -> np.ndarray:
    return ndimage.binary_dilation(mask, disk(radius))


def dilate_2017(mask: np.ndarray, radius: int) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), disk(radius)).astype(bool)


def plain_davis(pairs: Iterable[Pair], dilate: Dilation) -> list[tuple[float, float]]:
    scores = []
    for pair in pairs:
        mask, truth = _array(pair.prediction) > 127, _array(pair.ground_truth) > 0
        scores.append((plain_region(mask, truth), plain_boundary(mask, truth, dilate)))
    return scores


def _array(source: object) -> np.ndarray:
    if isinstance(source, MapFile | TruthFile):
        return np.array(Image.open(source.path))
    assert isinstance(source, np.ndarray)
    return source


# The saliency measures with a loop over 256 thresholds, one map at a time


def plain_saliency(prediction: np.ndarray, ground_truth: np.ndarray) -> SaliencyMeasures:
    """Of a map ``(H, W)`` uint8, normalised."""
    soft = prediction / 255
    if soft.max() != soft.min():
        soft = (soft - soft.min()) / (soft.max() - soft.min())
    cuts = (soft * 255).astype(np.uint8)
    adaptive = soft >= min(2 * soft.mean(), 1)
    curves = [
        (plain_f(cuts >= t, ground_truth), plain_e(cuts >= t, ground_truth))
        for t in range(255, -1, -1)
    ]
    f_curve, e_curve = np.array(curves).T
    return SaliencyMeasures(
        mae=float(np.abs(soft - ground_truth).mean()),
        s_measure=plain_s(soft, ground_truth),
        weighted_f=plain_weighted_f(soft, ground_truth),
        adaptive_f=plain_f(adaptive, ground_truth),
        adaptive_e=plain_e(adaptive, ground_truth),
        f_curve=f_curve,
        e_curve=e_curve,
    )


def plain_f(mask: np.ndarray, truth: np.ndarray) -> float:
    true = np.sum(mask & truth)
    if true == 0:
        return 0.0
    precision, recall = true / np.sum(mask), true / np.sum(truth)
    return float(1.3 * precision * recall / (0.3 * precision + recall))


def plain_e(mask: np.ndarray, truth: np.ndarray) -> float:
    if not truth.any():
        enhanced = np.sum(~mask)
    elif truth.all():
        enhanced = np.sum(mask)
    else:
        ours, theirs = mask - mask.mean(), truth - truth.mean()
        alignment = 2 * ours * theirs / (ours**2 + theirs**2 + EPSILON)
        enhanced = np.sum((alignment + 1) ** 2 / 4)
    return float(enhanced / (mask.size - 1 + EPSILON))


def plain_s(soft: np.ndarray, truth: np.ndarray) -> float:
    if not truth.any():
        return float(1 - soft.mean())
    if truth.all():
        return float(soft.mean())

    def uniform(values: np.ndarray) -> float:
        deviation = values.std(ddof=1) if values.size > 1 else 0.0
        return 2 * values.mean() / (values.mean() ** 2 + 1 + deviation + EPSILON)

    share = truth.mean()
    by_class = share * uniform(soft[truth]) + (1 - share) * uniform(1 - soft[~truth])
    y, x = (round(float(c)) + 1 for c in np.argwhere(truth).mean(axis=0))
    by_quarter = 0.0
    for rows in (slice(y), slice(y, None)):
        for columns in (slice(x), slice(x, None)):
            a, b = soft[rows, columns], truth[rows, columns]
            if a.size:
                by_quarter += plain_ssim(a, b) * a.size / soft.size
    return float(max(0, (by_class + by_quarter) / 2))


def plain_ssim(a: np.ndarray, b: np.ndarray) -> float:
    x, y, n = a.mean(), b.mean(), max(a.size - 1, 1)
    if a.min() == a.max():
        x = a.flat[0]  # the kit's mean of equal values is off by a rounding, or is not, by chance
    covariance = np.sum((a - x) * (b - y)) / n
    variances = np.sum((a - x) ** 2) / n + np.sum((b - y) ** 2) / n
    above, below = 4 * x * y * covariance, (x**2 + y**2) * variances
    if above != 0:
        return float(above / (below + EPSILON))
    return float(below == 0)


def plain_weighted_f(soft: np.ndarray, truth: np.ndarray) -> float:
    if not truth.any():
        return 0.0
    distance, nearest = ndimage.distance_transform_edt(~truth, return_indices=True)
    error = np.abs(soft - truth)
    extended = np.where(truth, error, error[nearest[0], nearest[1]])
    taps = np.exp(-(np.arange(-3, 4) ** 2) / 50)
    kernel = np.outer(taps, taps) / taps.sum() ** 2
    blurred = ndimage.convolve(extended, kernel, mode="constant")
    error = np.where(truth, np.minimum(error, blurred), error)
    error *= np.where(truth, 1, 2 - np.exp(np.log(0.5) / 5 * distance))
    true = truth.sum() - error[truth].sum()
    recall, precision = 1 - error[truth].mean(), true / (true + error[~truth].sum() + EPSILON)
    return float(2 * recall * precision / (recall + precision + EPSILON))


# The benchmark


def distort(truth: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """A mask {0, 255} and a soft map, both uint8, as a middling network might make of a frame."""
    rng = np.random.default_rng(number)
    moved = np.roll(truth.astype(np.uint8) * 255, rng.integers(-6, 7, 2), (0, 1))
    square = np.ones((3 + 2 * (number % 4),) * 2, np.uint8)
    moved = cv2.erode(moved, square) if number % 2 else cv2.dilate(moved, square)
    height, width = truth.shape
    for value in (255, 0, 0):
        centre = int(rng.integers(width)), int(rng.integers(height))
        cv2.circle(moved, centre, int(rng.integers(5, 25)), value, -1)
    soft = cv2.GaussianBlur(moved, (0, 0), 4)
    return np.where(soft > 127, 255, 0).astype(np.uint8), soft


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path("DAVIS/Annotations/480p")
    parser.add_argument("--data", type=Path, default=default, help="SEQ/FRAME.png masks")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--saliency-every", type=int, default=46, metavar="N", help="frames")
    parser.add_argument("--without-2016", action="store_true", help="leave the slowest out")
    args = parser.parse_args()
    if not args.data.is_dir():
        sys.exit(f"{args.data}: no such folder; give --data SEQ/FRAME.png")
    with tempfile.TemporaryDirectory() as folder:
        sequences = write_predictions(args.data, Path(folder))
        total = sum(len(pairs) for pairs in sequences.values())
        sizes = {pair.ground_truth.read().shape for pairs in sequences.values() for pair in pairs}
        print(f"{total} frames of {len(sequences)} sequences, {sizes}")
        davis(sequences, args.rounds, args.workers, kit_2016=not args.without_2016)
    saliency(sequences_in_memory(args.data), args.saliency_every, args.rounds)
    return 0


def write_predictions(data: Path, folder: Path) -> dict[str, list[Pair]]:
    sequences = {}
    for sequence in sorted(path for path in data.iterdir() if path.is_dir()):
        (folder / sequence.name).mkdir()
        pairs = []
        for number, path in enumerate(sorted(sequence.glob("*.png"))):
            mask, _ = distort(TruthFile(path).read(), number)
            prediction = folder / sequence.name / path.name
            cv2.imwrite(str(prediction), mask)
            pairs.append(Pair(path.stem, MapFile(prediction), TruthFile(path)))
        sequences[sequence.name] = pairs
    return sequences


def sequences_in_memory(data: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    truths = [TruthFile(path).read() for path in sorted(data.glob("*/*.png"))]
    return [(distort(truth, number)[1], truth) for number, truth in enumerate(truths)]


def davis(
    sequences: dict[str, list[Pair]], rounds: int, workers: int, *, kit_2016: bool = True
) -> None:
    """J and F of all frames, from files and from memory."""

    def ours(name: str, pairs: list[Pair]) -> list[tuple[float, float]]:
        return per_frame(score(PROTOCOLS["davis16"], [(name, pairs)], workers=workers))

    def ours_alone(name: str, pairs: list[Pair]) -> list[tuple[float, float]]:
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(fast_davis, pairs))

    protocol = "threedcseg, davis16 with flicker"
    ways = {
        "as the 2017 kit": lambda name, pairs: plain_davis(pairs, dilate_2017),
        "threedcseg, J and F": ours_alone,
        protocol: ours,
    }
    if kit_2016:
        ways = {"as the 2016 kit": lambda name, pairs: plain_davis(pairs, dilate_2016), **ways}
    for where in ("from files", "in memory"):
        times: dict[str, list[float]] = {way: [] for way in ways}
        worst = 0.0
        for _ in range(rounds):
            spent = dict.fromkeys(ways, 0.0)
            for name, files in sequences.items():
                pairs = files if where == "from files" else [load(pair) for pair in files]
                scores = {}
                for way, function in ways.items():
                    start = time.perf_counter()
                    scores[way] = function(name, pairs)
                    spent[way] += time.perf_counter() - start
                first, *others = scores.values()
                worst = max([worst, *(float(np.abs(np.subtract(first, o)).max()) for o in others)])
            for way in ways:
                times[way].append(spent[way])
        report(f"J and F, {where}, ours in {workers} threads", times, worst)


def fast_davis(pair: Pair) -> tuple[float, float]:
    mask, truth = (
        source if isinstance(source, np.ndarray) else source.read()
        for source in (pair.prediction, pair.ground_truth)
    )
    mask = to_mask(mask)
    return region_similarity(mask, truth), boundary_f_measure(mask, truth)


def load(pair: Pair) -> Pair:
    return Pair(pair.frame, pair.prediction.read(), pair.ground_truth.read())


def per_frame(result: Result) -> list[tuple[float, float]]:
    (sequence,) = result.sequences
    return list(zip(sequence.per_frame["J"], sequence.per_frame["F"], strict=True))


def saliency(frames: list[tuple[np.ndarray, np.ndarray]], every: int, rounds: int) -> None:
    """All saliency measures of some frames."""
    ways = {"loop over 256 thresholds": plain_saliency, "threedcseg": saliency_measures}
    times: dict[str, list[float]] = {way: [] for way in ways}
    worst = 0.0
    chosen = frames[::every]
    for _ in range(rounds):
        spent = dict.fromkeys(ways, 0.0)
        for prediction, truth in chosen:
            found = []
            for way, function in ways.items():
                start = time.perf_counter()
                found.append(numbers(function(prediction, truth)))
                spent[way] += time.perf_counter() - start
            worst = max(worst, float(np.abs(found[0] - found[1]).max()))
        for way in ways:
            times[way].append(spent[way])
    report(f"saliency measures, {len(chosen)} frames, in memory, one thread", times, worst)


def numbers(m: SaliencyMeasures) -> np.ndarray:
    single = [m.mae, m.s_measure, m.weighted_f, m.adaptive_f, m.adaptive_e]
    return np.concatenate([single, m.f_curve, m.e_curve])


def report(title: str, times: dict[str, list[float]], worst: float) -> None:
    """Medians, and how many times as long as each of ours the others take."""
    print(f"\n{title}; largest difference of any number {worst:.1e}")
    medians = {way: statistics.median(seconds) for way, seconds in times.items()}
    ours = [way for way in medians if way.startswith("threedcseg")]
    for way, median in medians.items():
        ratios = "" if way in ours else ", ".join(f"{median / medians[o]:.1f}x" for o in ours)
        print(f"  {way:34} {median:8.3f} s   {ratios}")


if __name__ == "__main__":
    sys.exit(main())
