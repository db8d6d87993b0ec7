"""All frames seen before the first is given on, for when that depends on a later one."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Self

from threedcseg.outputs.choice import Chooser, Chosen, ObjectChoice, only_chosen
from threedcseg.outputs.corrections import Corrections
from threedcseg.outputs.formats import SegmentedFrame
from threedcseg.segmentation.corrected import CorrectedFrames
from threedcseg.segmentation.stored import StoredFrames
from threedcseg.video.frame import Frame, FrameSource


class FirstPass:
    """Takes the masks of a video, then gives them on with the objects that are wanted, corrected.

    A later frame may show which objects ``choice`` means, or have been corrected by a person.
    Between `add` and `frames`, within ``with``, masks lie in a temporary file in ``folder``.
    ``chosen`` says after it which objects were meant. Raises `InputError` for a choice that cannot
    be, as soon as that is clear.
    """

    chosen: Chosen | None = None

    def __init__(
        self,
        source: FrameSource,
        choice: ObjectChoice,
        corrections: Corrections | None = None,
        folder: Path | None = None,
    ) -> None:
        self._chooses, self._chooser = bool(choice), Chooser(choice, source)
        self._corrections, self._folder = corrections, folder

    def __enter__(self) -> Self:
        self._file = TemporaryFile(dir=self._folder)
        self._stored = StoredFrames(self._file)
        self._corrected = None
        if self._corrections is not None:
            self._corrected = CorrectedFrames(self._corrections, self._stored)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, found: SegmentedFrame, begins_shot: bool) -> None:
        """The next frame, with its objects; its picture is not kept."""
        if self._corrected is None:
            self._chooser(found, begins_shot)
        (self._corrected or self._stored).add(found, begins_shot)

    def frames(self, source: Iterable[Frame]) -> Iterator[tuple[SegmentedFrame, bool]]:
        """All frames again, with the pictures of ``source``, which are read anew, and whether each
        begins a shot."""
        if self._corrected is not None:
            self._corrected.check_all_met()
            for each in self._corrected.frames(source) if self._chooses else ():
                self._chooser(*each)  # among the objects as they are now
        self.chosen = self._chooser.chosen() if self._chooses else None
        for found, begins_shot in (self._corrected or self._stored).frames(source):
            yield (only_chosen(found, self.chosen) if self.chosen else found), begins_shot
