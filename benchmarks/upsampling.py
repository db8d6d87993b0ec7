"""What guided upsampling costs beside linear, for maps of the default network.

    python benchmarks/upsampling.py [--data DAVIS] [--times 40]

The map is a true mask, blurred: it has edges where the image has them, as a network's has. What it
does for J and F: `3dcseg evaluate --model compact --data ... --upsampling guided`, and `linear`.
"""

import argparse
import statistics
import time
from pathlib import Path

import cv2
import numpy as np

from threedcseg.inference.geometry import Geometry, Upsampling

WAYS: tuple[Upsampling, ...] = ("linear", "guided")
SIZES = {"854x480": (480, 854), "1920x1080": (1080, 1920), "3840x2160": (2160, 3840)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("DAVIS"))
    parser.add_argument("--times", type=int, default=40)
    args = parser.parse_args()
    image = cv2.imread(str(args.data / "JPEGImages/480p/dog/00030.jpg"))
    mask = cv2.imread(str(args.data / "Annotations/480p/dog/00030.png"), cv2.IMREAD_GRAYSCALE)
    for name, size in SIZES.items():
        geometry = Geometry.fit(*size, short_edge=256, multiple=16)
        small = cv2.resize(mask, geometry.resized[::-1], interpolation=cv2.INTER_AREA)
        probabilities = cv2.GaussianBlur(small.astype(np.float32) / 255, (0, 0), 3)
        frame = cv2.resize(image, size[::-1], interpolation=cv2.INTER_CUBIC)
        seconds: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(args.times):
            for way in WAYS:
                started = time.perf_counter()
                geometry.to_source(probabilities, way, frame)
                seconds[way].append(time.perf_counter() - started)
        medians = (f"{way} {1000 * statistics.median(seconds[way]):.2f} ms" for way in WAYS)
        print(f"{name}: {', '.join(medians)}", flush=True)


if __name__ == "__main__":
    main()
