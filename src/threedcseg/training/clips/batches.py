"""Batches of clips, each a function of the seed and its number, made ahead of their steps."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch

from threedcseg.pipelining import ahead
from threedcseg.training.batch import Batch
from threedcseg.training.clips.appearance import changed
from threedcseg.training.clips.draw import Draw
from threedcseg.training.clips.layers import Planner
from threedcseg.training.clips.rendering import render


@dataclass(frozen=True)
class BatchMaker:
    """Batch ``i`` of planned clips, a pure function of ``(seed, i)``.

    The first and last ``context`` frames of the clips come without masks.
    On two kinds of device the clips are the same but for rounding and grain.
    """

    planner: Planner
    seed: int = 0
    context: int = 0

    @torch.no_grad()
    def __call__(self, number: int, share: slice = slice(None)) -> Batch:
        """Batch ``number``, or a process's ``share`` of its clips."""
        plans = self.planner.batch(Draw(self.seed, number))[share]
        canvases, size = self.planner.stock.canvases, self.planner.size
        # One by one on a CPU, where what fits the cache is made several times faster.
        together = len(plans) if canvases.device.type == "cuda" else 1
        frames, masks = [], []
        for first in range(0, len(plans), together):
            some = plans[first : first + together]
            pixels = render(canvases, [plan.layers for plan in some], size)  # (n, T, H, W, 4)
            mask = pixels[..., 3]
            image = changed(pixels[..., :3].contiguous(), mask, [plan.look for plan in some])
            frames.append(image.mul_(255).round_().to(torch.uint8))
            own = mask[:, self.context : mask.shape[1] - self.context]
            masks.append(own.mul(255).to(torch.uint8))
        return Batch(
            torch.cat(frames).permute(0, 4, 1, 2, 3),
            torch.cat(masks)[:, None],
            tuple(plan.sources for plan in plans),
        )


def batches_ahead(
    make: Callable[[int], Batch], numbers: Iterable[int], device: torch.device, depth: int = 2
) -> Iterator[Batch]:
    """Batches in order, the next ``depth`` of them made while one is used.

    In a thread, and on a GPU in a stream, of its own. What fails in it is raised here.
    """
    stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def made() -> Iterator[tuple[Batch, torch.cuda.Event | None]]:
        for number in numbers:
            with torch.cuda.stream(stream):  # nothing where there is no stream
                batch = make(number)
                event = None if stream is None else stream.record_event()
            yield batch, event

    with ahead(made(), depth) as coming:
        for batch, event in coming:
            if event is not None:
                current = torch.cuda.current_stream(device)
                current.wait_event(event)
                for tensor in (batch.frames, batch.masks):
                    tensor.record_stream(current)
            yield batch
