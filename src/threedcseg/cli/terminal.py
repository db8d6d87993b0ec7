"""Standard output and standard error of a command.

Names may hold what a terminal obeys: it is shown escaped. A reader may have gone: the work goes on.
"""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from io import TextIOBase, TextIOWrapper
from typing import Any, TextIO

_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters but tabs and ends of lines, and what turns the direction of text around."""


def escaped(text: str) -> str:
    r"""The text with whatever a terminal would obey written out.

    >>> escaped("a\x1b[2Jb.mp4")
    'a\\x1b[2Jb.mp4'
    """
    return _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class _Plain(TextIOBase):
    """What is written to it, `escaped`, to ``beneath``, until nobody reads that any more."""

    def __init__(self, beneath: TextIO) -> None:
        self.beneath = beneath

    def write(self, text: str) -> int:
        try:
            self.beneath.write(text if text == "\r" else escaped(text))  # the end of a live line
        except BrokenPipeError:
            self._give_up()
        return len(text)

    def flush(self) -> None:
        try:
            self.beneath.flush()
        except BrokenPipeError:
            self._give_up()

    def _give_up(self) -> None:
        """From now on, and what is still held back, to nowhere."""
        with suppress(OSError), open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), self.beneath.fileno())

    def isatty(self) -> bool:
        return self.beneath.isatty()

    def fileno(self) -> int:
        return self.beneath.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.beneath.encoding


@contextmanager
def plain_streams() -> Iterator[None]:
    """Within it, all that is printed is `escaped`, and a pipe that has closed ends nothing.

    A stream that was closed from the start leads nowhere, so that no file that is opened later gets
    its number, and with it the messages of libraries.
    """
    while (free := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(free)
    with open(os.devnull, "w") as nowhere:
        out, err = _Plain(sys.stdout or nowhere), _Plain(sys.stderr or nowhere)
        if isinstance(out.beneath, TextIOWrapper):  # also names that the terminal cannot show
            out.beneath.reconfigure(errors="backslashreplace")
        streams: Any = redirect_stdout(out), redirect_stderr(err)
        with streams[0], streams[1]:
            try:
                yield
            finally:
                out.flush()
                err.flush()


def bare(stream: Any) -> TextIO:
    """A stream of `plain_streams` as it was: for a bar, which moves the cursor."""
    return getattr(stream, "beneath", stream)
