"""The one exception that means "the input is at fault, and here is what to do"."""

from collections.abc import Iterable


class InputError(ValueError):
    """Something the user gave cannot be used.

    ``what`` names what was given and, where it helps, what was expected; ``remedy`` says what to
    do. As text they are one line, ``what: remedy``. The command line prints it after ``error:``
    and exits with status 2; nothing else is caught.
    """

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what, remedy)  # both, so that it can be pickled
        self.what, self.remedy = what, remedy

    def __str__(self) -> str:
        return " ".join(f"{self.what}: {self.remedy}".removesuffix(": ").split())


def some(names: Iterable[str], most: int = 5) -> str:
    """The first of many names, for a message.

    >>> some("abcdefg", 3)
    'a, b, c, ...'
    """
    names = list(names)
    return ", ".join(names[:most]) + ", ..." * (len(names) > most)
