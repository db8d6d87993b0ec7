"""A figure: what it is called, its unit, which way is better, and how it is written."""

from dataclasses import dataclass
from typing import Literal

Unit = Literal["per cent", "fraction", "seconds", "millions"]


@dataclass(frozen=True)
class Figure:
    """A named number, declared once for every table, chart and file that shows it.

    Attributes:
        name: in records and tables.
        unit: "per cent": values are fractions of 1 that are shown times 100; else shown as they
            are.
        lower_is_better: as for errors and times.
        digits: after the point, as the field prints them.
        symbol: the heading of a column where the name is not.
    """

    name: str
    unit: Unit = "per cent"
    lower_is_better: bool = False
    digits: int = 1
    symbol: str = ""

    @property
    def heading(self) -> str:
        """What stands above a column: ``J mean``, ``Fβ max``."""
        return self.symbol or self.name.replace("_", " ")

    def text(self, value: float | None, more: int = 0) -> str:
        """A value as it is shown, with ``more`` digits than usual; a dash for None.

        >>> Figure("J_mean").text(0.8754), Figure("MAE", "fraction", digits=3).text(0.0154, more=1)
        ('87.5', '0.0154')
        """
        if value is None:
            return "\N{EN DASH}"
        return f"{100 * value if self.unit == 'per cent' else value:.{self.digits + more}f}"
