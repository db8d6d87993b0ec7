"""Are the masks that are said to be doubtful the bad ones?

    python benchmarks/doubt.py [--data DAVIS] [--split dev] [--only NAME ...]

The network segments a split of DAVIS. Printed is the share of the worst tenth of frames, by J, that
is among the tenth with the most doubt (`outputs.doubt`): in each sequence, their mean, and over the
frames of all sequences together. By chance it would be 10 %. Beside it, J of the marked frames and
of the others, and the rank correlation of doubt and J; then the mean J by doubt.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from threedcseg import load_model
from threedcseg.datasets.registry import open_dataset
from threedcseg.datasets.sequence import Sequence
from threedcseg.evaluation.reading import truth_of
from threedcseg.inference.predictor import Network, segment
from threedcseg.inference.settings import Settings
from threedcseg.metrics.region import region_similarity
from threedcseg.outputs.doubt import SHARE, DoubtMeter
from threedcseg.video.images import read_image

BINS = (0.0, 0.05, 0.1, 0.2, 0.3, 1.01)


def measure(sequence: Sequence, network: Network, settings: Settings) -> tuple[np.ndarray, ...]:
    """J and doubt, ``(T,)`` both."""
    meter, scores, shots = DoubtMeter(settings.threshold), [], set[int]()
    frames = (read_image(path) for path in sequence.frames)
    for index, probabilities in segment(
        frames, network, settings, lambda shot: shots.add(shot.first)
    ):
        meter.update(index, probabilities, index in shots)
        mask = sequence.masks[index]
        assert mask is not None
        truth = truth_of(mask, "half").read()
        scores.append(region_similarity(settings.mask(probabilities), truth))
    return np.array(scores), meter.doubts


def caught(scores: np.ndarray, doubts: np.ndarray) -> float:
    """Share of the worst tenth that is among the most doubtful tenth."""
    count = max(1, round(SHARE * len(scores)))
    worst, marked = (np.argsort(x, kind="stable")[:count] for x in (scores, -doubts))
    return len(np.intersect1d(worst, marked)) / count


def line(name: str, scores: np.ndarray, doubts: np.ndarray, found: float) -> None:
    marked = np.argsort(-doubts, kind="stable")[: max(1, round(SHARE * len(scores)))]
    others = np.setdiff1d(np.arange(len(scores)), marked)
    rank = -float(spearmanr(scores, doubts)[0])
    print(
        f"| {name} | {len(scores)} | {100 * found:.0f} | {100 * scores[marked].mean():.1f} | "
        f"{100 * scores[others].mean():.1f} | {rank:.2f} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("DAVIS"))
    parser.add_argument("--split", default="dev")
    parser.add_argument("--resolution", default="480p")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of the split")
    parser.add_argument("--model", default="compact")
    args = parser.parse_args()
    network = load_model(args.model)
    settings = Settings.recommended_by(network)
    dataset = open_dataset("davis16", args.data, args.split, resolution=args.resolution)
    print("| sequence | frames | caught, % | J of marked | J of others | rank correlation |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    all_scores, all_doubts, shares = [], [], []
    for sequence in dataset.sequences:
        if args.only and sequence.name not in args.only:
            continue
        scores, doubts = measure(sequence, network, settings)
        shares.append(caught(scores, doubts))
        line(sequence.name, scores, doubts, shares[-1])
        all_scores.append(scores)
        all_doubts.append(doubts)
    scores, doubts = np.concatenate(all_scores), np.concatenate(all_doubts)
    print(f"| mean of the sequences | | {100 * np.mean(shares):.0f} | | | |")
    line("all frames together", scores, doubts, caught(scores, doubts))
    print("| doubt | frames | J |\n| --- | ---: | ---: |")
    for least, most in pairwise(BINS):
        within = (doubts >= least) & (doubts < most)
        if within.any():
            print(f"| {least} to {most} | {within.sum()} | {100 * scores[within].mean():.1f} |")


if __name__ == "__main__":
    main()
