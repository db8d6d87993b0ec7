"""Batches of clips, each a function of the seed and its number, made ahead of the step they feed."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from threedcseg.training.clips.appearance import Appearance, changed
from threedcseg.training.clips.draw import Draw
from threedcseg.training.clips.layers import Framing, Plan, Planner, Scene
from threedcseg.training.clips.rendering import render
from threedcseg.training.clips.stock import Stock


@dataclass(frozen=True)
class Batch:
    """``frames (B, 3, T, H, W)`` and ``masks (B, 1, T, H, W)`` {0, 255}, uint8 on the device.

    Both lie in memory channels-last. ``sources``: of each clip, the names of what it shows.
    """

    frames: Tensor
    masks: Tensor
    sources: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Mix:
    """How many clips of a batch are videos, stills in camera motion, and scenes put together."""

    videos: int = 0
    stills: int = 0
    layered: int = 0

    @property
    def clips(self) -> int:
        return self.videos + self.stills + self.layered


@dataclass(frozen=True)
class BatchMaker:
    """Batch ``i`` of ``clip_length`` frames of ``size``, a pure function of ``(seed, i)``.

    On two kinds of device the clips are the same but for rounding and grain.
    """

    stock: Stock
    mix: Mix
    clip_length: int
    size: tuple[int, int]
    seed: int = 0
    framing: Framing = field(default_factory=Framing)
    scene: Scene = field(default_factory=Scene)
    appearance: Appearance = field(default_factory=Appearance)

    @torch.no_grad()
    def __call__(self, number: int, clips: slice = slice(None)) -> Batch:
        """Batch ``number``, or the ``clips`` of it that are one process's share."""
        draw = Draw(self.seed, number)
        plans = self.plans(draw)
        chosen = range(self.mix.clips)[clips]
        size, canvases = self.size, self.stock.canvases
        moves = np.array([self._moves(index) for index in chosen])
        pixels = render(canvases, [plans[index].layers for index in chosen], size)
        masks = pixels[..., 3]  # (B, T, H, W)
        frames = changed(pixels[..., :3].contiguous(), masks, moves, self.appearance, draw)
        return Batch(
            (frames * 255).round_().to(torch.uint8).permute(0, 4, 1, 2, 3),
            (masks * 255).to(torch.uint8)[:, None],
            tuple(plans[index].sources for index in chosen),
        )

    def plans(self, draw: Draw) -> list[Plan]:
        """The clips of a batch as layers: videos, then stills, then scenes."""
        planner = Planner(self.stock, self.clip_length, self.size, self.framing, self.scene)
        return [
            *(planner.video(draw) for _ in range(self.mix.videos)),
            *(planner.still(draw) for _ in range(self.mix.stills)),
            *(planner.layered(draw) for _ in range(self.mix.layered)),
        ]

    def _moves(self, index: int) -> bool:
        return not self.mix.videos <= index < self.mix.videos + self.mix.stills


def ahead(
    make: Callable[[int], Batch], numbers: Iterable[int], device: torch.device, depth: int = 2
) -> Iterator[Batch]:
    """Batches in order, the next ``depth`` of them made while one is used.

    In a thread, and on a GPU in a stream, of its own. What fails in it is raised here.
    """
    made: queue.Queue[tuple[Batch, torch.cuda.Event | None] | BaseException | None]
    made = queue.Queue(depth)
    stop = threading.Event()
    stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def put(item: tuple[Batch, torch.cuda.Event | None] | BaseException | None) -> None:
        while not stop.is_set():
            try:
                return made.put(item, timeout=0.1)
            except queue.Full:
                continue

    def run() -> None:
        try:
            with torch.cuda.stream(stream):  # nothing where there is no stream
                for number in numbers:
                    if stop.is_set():
                        return
                    batch = make(number)
                    put((batch, None if stream is None else stream.record_event()))
            put(None)
        except BaseException as error:
            put(error)

    thread = threading.Thread(target=run, name="batches", daemon=True)
    thread.start()
    try:
        while (item := made.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            batch, event = item
            if event is not None:
                current = torch.cuda.current_stream(device)
                current.wait_event(event)
                for tensor in (batch.frames, batch.masks):
                    tensor.record_stream(current)
            yield batch
    finally:
        stop.set()
        thread.join()
