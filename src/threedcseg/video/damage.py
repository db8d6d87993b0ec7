"""What could not be read of a source: counted in one place, told wherever its results are told."""

from dataclasses import dataclass
from fractions import Fraction

from threedcseg.video.structure import Flaw


@dataclass
class Damage:
    """Of one reading of a source; false while nothing is lost.

    Attributes:
        expected: frames that it says it holds; None where it does not say.
        decoded: frames that it gave.
        mended: of these, with parts that the decoder made up.
        at: seconds to the first damage; None: there is none.
        flaw: what the structure of the file says, whatever can be read of it.
    """

    expected: int | None = None
    decoded: int = 0
    mended: int = 0
    at: float | None = None
    flaw: Flaw | None = None

    def __bool__(self) -> bool:
        return self.at is not None

    def met(self, at: Fraction) -> None:
        """There is damage ``at`` so many seconds."""
        seconds = round(max(0.0, float(at)), 3)
        self.at = seconds if self.at is None else min(self.at, seconds)

    def __str__(self) -> str:
        """``24 expected, 12 decoded: damaged at 0.5 s``."""
        counts = [] if self.expected is None else [f"{self.expected} expected"]
        counts.append(f"{self.decoded} decoded")
        if self.mended:
            counts.append(f"{self.mended} of them in part")
        return f"{', '.join(counts)}: {self.flaw or 'damaged'} at {self.at or 0:.1f} s"
