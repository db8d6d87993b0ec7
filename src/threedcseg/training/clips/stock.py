"""What clips are drawn from: which sequences how often, and which objects can be cut out."""

from collections.abc import Sequence as Items

import numpy as np

from threedcseg.errors import InputError
from threedcseg.training.clips.canvases import Canvases, Entry
from threedcseg.training.clips.draw import Draw


class Stock:
    """Videos, stills and objects of `Canvases`; ``weights``: how often each entry is drawn.

    ``things``: stills whose object is whole and neither tiny nor everything, to be pasted;
    ``kinds``: the same by group. Raises `InputError` where all weights are 0.
    """

    def __init__(self, canvases: Canvases, weights: Items[float]) -> None:
        self.canvases = canvases
        self._firsts = np.array([entry.first for entry in canvases.entries])
        used = [(e, w) for e, w in zip(canvases.entries, weights, strict=True) if w > 0]
        if not used:
            raise InputError("no pictures to make clips from", "give a source a weight above 0")
        videos = [(e, w) for e, w in used if len(e.numbers) > 1]
        stills = [(e, w) for e, w in used if len(e.numbers) == 1]
        self.videos, self._video_places = _listed(videos)
        self.stills, self._still_places = _listed(stills)
        self.things = [e for e in self.stills if self.is_whole(e.first)]
        self.kinds: dict[str, list[Entry]] = {}
        for entry in self.things:
            self.kinds.setdefault(entry.group, []).append(entry)

    def video(self, draw: Draw) -> Entry:
        return self.videos[draw.weighted(self._video_places)]

    def still(self, draw: Draw) -> Entry:
        return self.stills[draw.weighted(self._still_places)]

    def entry_of(self, picture: int) -> Entry:
        """The sequence that a picture belongs to."""
        return self.canvases.entries[int(np.searchsorted(self._firsts, picture, "right")) - 1]

    def is_whole(self, picture: int) -> bool:
        """Whether a picture's object touches at most one border and covers 1 to 60 % of it."""
        top, left, rows, columns, area = self.canvases.boxes[picture]
        height, width = self.canvases.sizes[picture, 0]
        borders = (top < 2, left < 2, top + rows > height - 2, left + columns > width - 2)
        return sum(borders) <= 1 and 0.01 < area / (height * width) < 0.6


def _listed(chosen: list[tuple[Entry, float]]) -> tuple[list[Entry], np.ndarray]:
    weights = np.array([weight for _, weight in chosen])
    return [entry for entry, _ in chosen], np.cumsum(weights) / max(weights.sum(), 1e-12)
