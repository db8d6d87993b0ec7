"""Does a network see motion? Made-up clips in which only motion tells which of two twins is meant.

    python benchmarks/motion.py data/packs/motion --model compact

The pack holds 160 clips of 8 frames, 176x320: an object moves over a photo while its twin stands
with that photo. The network is fed the clips as they are, then each frame alone; printed is the
mean IoU over all frames. A network that cannot tell the twins apart and takes both has about 45.
"""

import argparse
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import torch

from threedcseg import load_model
from threedcseg.inference.predictor import Network, predict_clip


def read_pack(pack: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Clips ``(T, H, W, 3)`` uint8 RGB and masks ``(T, H, W)`` bool of PACK.vjson and .vbin."""
    blob = pack.with_suffix(".vbin").read_bytes()
    for entry in json.loads(pack.with_suffix(".vjson").read_text()):
        start, size = entry["video"]
        with av.open(io.BytesIO(blob[start : start + size]), "r") as container:
            clip = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        shape = entry["h"], entry["w"]
        masks = [_bits(blob[start : start + size], *shape) for start, size in entry["masks"]]
        yield np.stack(clip), np.stack(masks)


def _bits(packed: bytes, height: int, width: int) -> np.ndarray:
    flat = np.unpackbits(np.frombuffer(zlib.decompress(packed), np.uint8))[: height * width]
    return flat.reshape(height, width).astype(bool)


def ious(probabilities: np.ndarray, masks: np.ndarray) -> list[float]:
    """IoU of each frame; 1 where both are empty."""
    found = probabilities > 0.5
    both, either = (found & masks).sum((1, 2)), (found | masks).sum((1, 2))
    return np.where(either > 0, both / np.maximum(either, 1), 1.0).tolist()


def mean_ious(clips: list[tuple[np.ndarray, np.ndarray]], network: Network) -> tuple[float, float]:
    """Mean IoU in percent over all frames: with whole clips, and with each frame alone."""
    together, alone = [], []
    for clip, masks in clips:
        together += ious(predict_clip(clip, network), masks)
        alone += ious(np.concatenate([predict_clip(f[None], network) for f in clip]), masks)
    return 100 * float(np.mean(together)), 100 * float(np.mean(alone))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pack", type=Path, help="path of the pack without its ending")
    parser.add_argument("--model", default="compact", help="name or file of weights")
    parser.add_argument("--clips", type=int, default=160, help="only the first so many (160)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    network = load_model(args.model, precision="float32")
    clips = list(read_pack(args.pack))[: args.clips]
    together, alone = mean_ious(clips, network)
    print(f"{args.model}: {together:.1f} with whole clips, {alone:.1f} with each frame alone")


if __name__ == "__main__":
    main()
