"""How the formats that people look at are drawn."""

from dataclasses import dataclass
from typing import Literal, get_args

from threedcseg.errors import InputError
from threedcseg.outputs.background import GREEN, check_background

Edges = Literal["hard", "soft"]
"""What matte, cut-out and alpha are made from: the masks (hard), or the probabilities (soft), of
which 5 % and less are transparent, 95 % and more opaque, since no network is ever quite certain."""


@dataclass(frozen=True)
class Rendering:
    """Rendering options: the edges of matte, cut-out and alpha, and what stands behind the cut-out.

    ``background`` is a colour, an image, a video or a folder of frames.
    """

    edges: Edges = "hard"
    background: str = GREEN

    def check(self) -> None:
        """Raise `InputError` for values that cannot work."""
        if self.edges not in get_args(Edges):
            raise InputError(f"unknown edges {self.edges!r}", "choose hard or soft")
        check_background(self.background)
