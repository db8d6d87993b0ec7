"""What could not be read of a source: counted in one place, told wherever its results are told."""

from dataclasses import dataclass
from fractions import Fraction

from threedcseg.video.structure import Flaw


@dataclass
class Damage:
    """Of one reading of a source, from its first frame on; false while nothing is lost.

    Attributes:
        expected: frames that it says it holds; None where it does not say.
        decoded: frames that it gave.
        mended: of these, with parts that the decoder made up.
        at: seconds to the first damage; None: there was none so far.
        flaw: what the structure of the file says, whatever could be read.
    """

    expected: int | None = None
    decoded: int = 0
    mended: int = 0
    at: Fraction | None = None
    flaw: Flaw | None = None

    def __bool__(self) -> bool:
        return self.at is not None

    def met(self, at: Fraction) -> None:
        """There is damage ``at`` so many seconds."""
        self.at = at if self.at is None else min(self.at, at)

    def __str__(self) -> str:
        """``24 expected, 12 decoded: damaged at 0.5 s``."""
        counts = [] if self.expected is None else [f"{self.expected} expected"]
        counts.append(f"{self.decoded} decoded")
        if self.mended:
            counts.append(f"{self.mended} of them in part")
        return f"{', '.join(counts)}: {self.flaw or 'damaged'} at {float(self.at or 0):.1f} s"
