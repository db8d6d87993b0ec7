"""How the formats that people look at are drawn."""

from dataclasses import dataclass
from typing import Literal, get_args

from threedcseg.errors import InputError
from threedcseg.outputs.background import GREEN, check_background

Edges = Literal["hard", "soft", "matte"]
"""What matte, cut-out and alpha are made from: the masks (hard), or the probabilities (soft), of
which 5 % and less are transparent, 95 % and more opaque, since no network is ever quite certain;
or from both and the picture (matte, `outputs.matting`), hair and motion blur included."""
FARTHEST = 100  # pixels that an edge may be moved or feathered


@dataclass(frozen=True)
class Rendering:
    """Rendering options: the edges of matte, cut-out and alpha, and what stands behind the cut-out.

    ``background`` is a colour, an image, a video or a folder of frames, or ``blur`` or ``gray``,
    which are the frame itself. ``grow`` is by how many pixels objects grow in every output, below
    0 by how many they shrink; ``feather`` over how many pixels the edges of matte, cut-out and
    alpha fade.
    """

    edges: Edges = "hard"
    background: str = GREEN
    grow: int = 0
    feather: int = 0

    def check(self) -> None:
        """Raise `InputError` for values that cannot work."""
        if self.edges not in get_args(Edges):
            choices = ", ".join(get_args(Edges))
            raise InputError(f"unknown edges {self.edges!r}", f"choose one of {choices}")
        for what, pixels in (("grow", abs(self.grow)), ("feather", self.feather)):
            if not 0 <= pixels <= FARTHEST:
                raise InputError(f"{what} {pixels} pixels", f"give a number up to {FARTHEST}")
        check_background(self.background)
