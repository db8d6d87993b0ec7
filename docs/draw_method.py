"""Draw the figures of docs/method.md: docs/method-network.svg and docs/method-windows.svg.

python docs/draw_method.py

Frames and masks in them are those of the example clip and of the network that ships; channels,
strides and windows are asked of the code.
"""

from pathlib import Path
from typing import Any

import cv2
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle

from threedcseg import create_model, load_model
from threedcseg.atomic import replacing
from threedcseg.inference.predictor import segment
from threedcseg.inference.windows import all_windows
from threedcseg.outputs.overlay import overlay
from threedcseg.video.reader import open_video

ROOT = Path(__file__).parents[1]
INK, QUIET, PAPER = "#22303c", "#66727e", "#ffffff"
ENCODER, BRIDGE, DECODER = "#4c86c6", "#8a63c9", "#e8743b"
SHIFT = 0.045  # from one frame of a stack to the next
RATIO = 9 / 16


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """A white page of ``width`` x ``height`` inches, with axes in inches."""
    figure = plt.figure(figsize=(width, height), facecolor=PAPER)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    return figure, axes


def words(axes: Axes, x: float, y: float, text: str, **how: Any) -> None:
    style = {"color": QUIET, "fontsize": 9, "ha": "center", "va": "center", "zorder": 5}
    axes.text(x, y, text, **{**style, **how})


def title(axes: Axes, x: float, y: float, text: str, color: str = INK) -> None:
    words(axes, x, y, text, color=color, fontsize=12, weight="bold")


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], **how: Any) -> None:
    style = {"arrowstyle": "-|>", "mutation_scale": 11, "color": QUIET, "linewidth": 1.2}
    axes.add_patch(FancyArrowPatch(start, end, shrinkA=0, shrinkB=0, zorder=2, **{**style, **how}))


def line(axes: Axes, *points: tuple[float, float]) -> None:
    """An arrow with corners."""
    xs, ys = zip(*points[:-1], strict=True)
    axes.plot(xs, ys, color=QUIET, linewidth=1.2, zorder=2, solid_capstyle="butt")
    arrow(axes, points[-2], points[-1])


def picture(axes: Axes, left: float, low: float, width: float, image: np.ndarray) -> None:
    small = cv2.resize(
        image, (round(width * 220), round(width * 220 * RATIO)), None, 0, 0, cv2.INTER_AREA
    )
    box = (left, left + width, low, low + width * RATIO)
    axes.imshow(small, extent=box, zorder=3, cmap="gray", vmin=0, vmax=255)


def stack(axes: Axes, x: float, y: float, width: float, what: str | list[np.ndarray]) -> None:
    """Eight frames one behind another around ``x``, ``y``: a feature map's colour, or images."""
    for i in reversed(range(8)):
        left, low = x - width / 2 + (i - 3.5) * SHIFT, y - width * RATIO / 2 + (i - 3.5) * SHIFT
        if not isinstance(what, str):
            picture(axes, left, low, width, what[i])
        face = what if isinstance(what, str) else "none"
        size = (width, width * RATIO)
        axes.add_patch(Rectangle((left, low), *size, fc=face, ec=PAPER, lw=0.7, zorder=3))


def reach(width: float) -> tuple[float, float]:
    """From the middle of a stack to its sides, and to its top and bottom, with a little air."""
    air = 3.5 * SHIFT + 0.07
    return width / 2 + air, width * RATIO / 2 + air


def block(
    axes: Axes, x: float, y: float, text: str, color: str, width: float = 0.64, alpha: float = 1.0
) -> None:
    """A rounded box with its text, around its middle."""
    corner = (x - width / 2, y - 0.16)
    style = {
        "boxstyle": "round,pad=0,rounding_size=0.08",
        "fc": color,
        "ec": "none",
        "alpha": alpha,
    }
    axes.add_patch(FancyBboxPatch(corner, width, 0.32, zorder=3, **style))
    words(axes, x, y, text, color=PAPER)


def plus(axes: Axes, x: float, y: float) -> None:
    axes.add_patch(Circle((x, y), 0.12, fc=PAPER, ec=INK, lw=1.1, zorder=3))
    words(axes, x, y, "+", color=INK, fontsize=10)


def residual(axes: Axes, x: float, y: float, color: str) -> float:
    """Two convolutions with a skip from ``x`` to the right; returns where its arrow ends."""
    line(axes, (x + 0.1, y), (x + 0.1, y + 0.36), (x + 1.9, y + 0.36), (x + 1.9, y + 0.12))
    for start, end, middle in ((x, x + 0.22, x + 0.54), (x + 0.86, x + 0.98, x + 1.3)):
        arrow(axes, (start, y), (end, y))
        block(axes, middle, y, "3x3x3", color)
    arrow(axes, (x + 1.62, y), (x + 1.78, y))
    plus(axes, x + 1.9, y)
    return x + 2.02


def draw_network(clip: list[np.ndarray], masks: list[np.ndarray]) -> Figure:
    """The whole network with the numbers of `compact`, and the two modules of the decoder."""
    network = create_model("compact")
    maps = list(zip(network.encoder.out_channels, network.encoder.strides, strict=True))
    figure, axes = canvas(12, 7.6)
    left, right, rows, widths = 4.1, 7.9, (6.35, 5.15, 4.12, 3.25), (1.2, 0.9, 0.6, 0.4)

    side, _ = reach(1.6)
    stack(axes, 1.25, rows[0], 1.6, clip)
    words(axes, 1.25, rows[0] - 0.95, "8 frames, 3 x 8 x H x W")
    arrow(axes, (1.25 + side, rows[0]), (left - reach(widths[0])[0], rows[0]))
    title(axes, left, 7.3, "Encoder", ENCODER)
    words(axes, left, 7.05, "channel-separated 3D convolutions")
    title(axes, right, 7.3, "Decoder", DECODER)
    words(axes, right, 7.05, "from coarse to fine")

    for (count, strides), y, width in zip(maps, rows, widths, strict=True):
        stack(axes, left, y, width, ENCODER)
        text = f"{count} channels\nH/{strides[1]} x W/{strides[1]}"
        words(axes, left - reach(widths[0])[0] - 0.02, y - 0.22, text, ha="right")
    for finer, coarser in zip(range(3), range(1, 4), strict=True):
        top, bottom = (
            rows[finer] - reach(widths[finer])[1],
            rows[coarser] + reach(widths[coarser])[1],
        )
        arrow(axes, (left, top), (left, bottom))
        start = bottom if coarser < 3 else rows[3] + 0.2
        arrow(axes, (right, start), (right, top))
        words(axes, right + 0.12, (start + top) / 2, "x 2", ha="left")
    for y, width in zip(rows[:3], widths[:3], strict=True):
        stack(axes, right, y, width, DECODER)
        arrow(axes, (left + reach(width)[0], y), (right - reach(width)[0], y))
        block(axes, (left + right) / 2, y, "RF3D", DECODER)
    arrow(axes, (left + reach(widths[3])[0], rows[3]), (right - 0.34, rows[3]))
    block(axes, right, rows[3], "GC3D", BRIDGE)
    words(axes, right + 0.45, rows[3], "bridge: context from 7 x 7 cells", ha="left")

    arrow(axes, (right + reach(widths[0])[0], rows[0]), (10.75 - side, rows[0]))
    words(axes, 9.28, rows[0] + 0.17, "x 4")
    stack(axes, 10.75, rows[0], 1.6, masks)
    words(axes, 10.75, rows[0] - 0.95, "8 maps of probabilities, H x W")

    axes.plot((0.4, 11.6), (2.4, 2.4), color="#d5dbe1", linewidth=1)
    draw_gc3d(axes, 0.35, 0.95)
    draw_rf3d(axes, 5.6, 0.95)
    return figure


def draw_gc3d(axes: Axes, x: float, y: float) -> None:
    title(axes, x + 2.3, 1.9, "GC3D, 3D global convolution", BRIDGE)
    words(axes, x + 0.18, y, "map")
    for side, first, second in ((0.3, "1x7x1", "1x1x7"), (-0.3, "1x1x7", "1x7x1")):
        line(axes, (x + 0.42, y), (x + 0.54, y), (x + 0.54, y + side), (x + 0.68, y + side))
        block(axes, x + 1.0, y + side, first, BRIDGE)
        arrow(axes, (x + 1.32, y + side), (x + 1.46, y + side))
        block(axes, x + 1.78, y + side, second, BRIDGE)
        line(axes, (x + 2.1, y + side), (x + 2.26, y + side), (x + 2.26, y + 0.4 * side))
    plus(axes, x + 2.26, y)
    end = residual(axes, x + 2.38, y, BRIDGE)
    arrow(axes, (end, y), (end + 0.25, y))


def draw_rf3d(axes: Axes, x: float, y: float) -> None:
    title(axes, x + 3.0, 1.9, "RF3D, 3D refinement", DECODER)
    words(axes, x + 0.18, y, "encoder's\nmap")
    arrow(axes, (x + 0.52, y), (x + 0.66, y))
    block(axes, x + 0.98, y, "3x3x3", DECODER)
    end = residual(axes, x + 1.3, y, DECODER)
    arrow(axes, (end, y), (end + 0.18, y))
    plus(axes, end + 0.3, y)
    block(axes, end + 0.3, y - 0.55, "x 2", DECODER, 0.5)
    arrow(axes, (end + 0.3, y - 0.39), (end + 0.3, y - 0.12))
    words(axes, end - 0.75, y - 0.55, "coarser map")
    arrow(axes, (end - 0.3, y - 0.55), (end + 0.05, y - 0.55))
    end = residual(axes, end + 0.42, y, DECODER)
    arrow(axes, (end, y), (end + 0.25, y))


def draw_windows(frames: list[np.ndarray], probabilities: list[np.ndarray]) -> Figure:
    """The clips of a short video, what they share, and when each mask is final."""
    windows = all_windows(len(frames))
    covering = [[window for window in windows if i in window] for i in range(len(frames))]
    figure, axes = canvas(12, 2.9)
    step = 10.3 / len(frames)
    width = step - 0.05
    height = width * RATIO
    middle = [1.5 + (i + 0.5) * step for i in range(len(frames))]

    def row(y: float, name: str, texts: list[str] | None = None) -> float:
        words(axes, 1.4, y, name, ha="right", color=INK)
        for x, text in zip(middle, texts or [], strict=False):
            words(axes, x, y, text)
        return y

    y = row(2.65, "frame", [str(i) for i in range(len(frames))])
    for x, image in zip(middle, frames, strict=True):
        picture(axes, x - width / 2, y - 0.16 - height, width, image)
    y -= height + 0.48
    for number, window in enumerate(windows):
        row(y, f"clip {number + 1}")
        for i in window:
            shared = len(covering[i]) > 1
            color = (ENCODER, BRIDGE, DECODER)[number % 3]
            block(axes, middle[i], y, "1/2" if shared else "1", color, width, 0.6 if shared else 1)
        y -= 0.4
    for x, image, found in zip(middle, frames, probabilities, strict=True):
        picture(axes, x - width / 2, y - 0.22, width, overlay(image, found > 0.5))
    row(y - 0.22 + height / 2, "mask")
    row(y - 0.45, "final with frame", [str(found[-1][-1]) for found in covering])
    return figure


def save(figure: Figure, name: str) -> None:
    with replacing(ROOT / "docs" / name) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    plt.rcParams.update({"svg.hashsalt": "3dcseg", "font.family": "DejaVu Sans"})
    with open_video(ROOT / "examples" / "dog.mp4") as source:
        frames = [frame.image for frame in source if frame.index < 23]
    probabilities = [found for _, found in segment(frames, load_model("compact"))]
    maps = [(255 * found).astype(np.uint8) for found in probabilities]
    save(draw_network(frames[:8], maps[:8]), "method-network.svg")
    save(draw_windows(frames[:18], probabilities[:18]), "method-windows.svg")


if __name__ == "__main__":
    main()
