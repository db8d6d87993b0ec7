"""From a frame's size to the network's and back: resize, pad, and their inverses."""

from dataclasses import dataclass
from typing import Any

from threedcseg.errors import InputError
from threedcseg.inference.guided import upsample_guided
from threedcseg.inference.resizing import PictureT, pad, resize
from threedcseg.inference.settings import Upsampling


@dataclass(frozen=True)
class Geometry:
    """How frames of one size are brought to the network, and its maps back to that size.

    ``source`` and ``resized`` are ``(height, width)``; ``padding`` is ``(top, bottom, left,
    right)`` zeros around the resized frame.
    """

    source: tuple[int, int]
    resized: tuple[int, int]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)

    @classmethod
    def fit(
        cls, height: int, width: int, short_edge: int, multiple: int, pad: bool = False
    ) -> "Geometry":
        """Scale the short edge to ``short_edge`` pixels and make both sides a ``multiple``.

        With ``pad`` the aspect ratio is exact and zeros are split evenly around the frame, the odd
        one at the bottom and right, as the published code does; without it both sides are rounded
        to the nearest multiple. Raises `InputError` for a frame without pixels.
        """
        if min(height, width) < 1:
            raise InputError(f"frames of {width}x{height} have no pixels", "give a real video")
        scale = short_edge / min(height, width)
        # A strip one pixel wide would otherwise be scaled to hundreds of thousands of pixels.
        longest = 4 * short_edge
        size = [min(longest, max(1, round(side * scale))) for side in (height, width)]
        if not pad:
            rows, columns = (max(1, round(side / multiple)) * multiple for side in size)
            return cls((height, width), (rows, columns))
        missing = [-side % multiple for side in size]
        top, left = missing[0] // 2, missing[1] // 2
        padding = (top, missing[0] - top, left, missing[1] - left)
        return cls((height, width), (size[0], size[1]), padding)

    def to_network(self, frame: PictureT) -> PictureT:
        """``(H, W, 3)`` uint8 to ``(h, w, 3)`` uint8 at the network's size."""
        shrinking = self.resized[0] < frame.shape[0]
        small = resize(frame, self.resized, "area" if shrinking else "linear")
        return pad(small, self.padding) if any(self.padding) else small

    def to_source(
        self,
        probabilities: PictureT,
        upsampling: Upsampling = "linear",
        image: PictureT | None = None,
    ) -> PictureT:
        """``(h, w)`` float32 probabilities to ``(H, W)`` float32 at the source's size.

        "guided" lets the edges follow ``image``, the frame ``(H, W, 3)`` uint8 RGB; the others need
        none.
        """
        top, _, left, _ = self.padding
        rows, columns = self.resized
        inner: Any = probabilities[top : top + rows, left : left + columns]
        if upsampling == "guided":
            if image is None:
                raise ValueError("guided upsampling needs the frame")
            inner = upsample_guided(inner, image)
        else:
            inner = resize(inner, self.source, upsampling)
        full: PictureT = inner
        return full
