"""Frames in, probability maps out: windows, network, stitching (section 3.3 of the paper)."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import groupby, repeat
from operator import itemgetter

import numpy as np
import torch
from torch import Tensor, nn

from threedcseg.errors import InputError
from threedcseg.inference.geometry import Geometry
from threedcseg.inference.postprocessing import drop_regions, median_over_time
from threedcseg.inference.settings import VIEWS, Settings
from threedcseg.inference.shots import mark_shots
from threedcseg.inference.stitch import Stitcher
from threedcseg.inference.windows import iter_clips

Network = Callable[[Tensor], Tensor]
"""Any callable from clips ``(B, 3, T, H, W)`` in [0, 1] to logits ``(B, K, T, H, W)``."""

HELD_BYTES = 400_000_000
"""Spaced windows may hold so many bytes of frames (1080p: 64 frames, 4K: 16)."""


def segment(
    frames: Iterable[np.ndarray],
    network: Network,
    settings: Settings | None = None,
    on_cut: Callable[[int], None] | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield ``(frame_index, probabilities)`` for every frame, in order, as early as possible.

    ``frames``: ``(H, W, 3)`` uint8 RGB, all of one size, any number of them; at most
    ``clip_length * spacing + median // 2 + 2`` are held at a time, and ``spacing`` is smaller where
    that would take more than `HELD_BYTES`. ``probabilities``: ``(H, W)`` float32 in
    [0, 1]. ``on_cut`` is called with the index of each frame that begins a new shot, before its
    probabilities are yielded. Raises `InputError` for an array of another shape or dtype, or a
    change of size.
    """
    settings = settings or Settings()
    resizer = _Resizer(frames, settings)
    marked = mark_shots(resizer.shrunk()) if settings.shots else zip(repeat(0), resizer.shrunk())
    index = 0
    for shot, members in groupby(marked, key=itemgetter(0)):
        if shot and on_cut is not None:
            on_cut(index)
        affordable = replace(settings, spacing=_spacing(settings, resizer.geometry))
        maps = _segment_shot((frame for _, frame in members), network, affordable)
        for probabilities in median_over_time(maps, settings.median):
            yield index, _cleaned(resizer.enlarge(probabilities), settings)
            index += 1


def _segment_shot(
    frames: Iterable[np.ndarray], network: Network, settings: Settings
) -> Iterator[np.ndarray]:
    """Probabilities ``(h, w)`` for every frame ``(h, w, 3)`` of a shot, at the network's size."""
    stitcher = Stitcher()
    windowing = settings.clip_length, settings.overlap, settings.tail, settings.spacing
    for window, clip, settled in iter_clips(frames, *windowing):
        stitcher.add(
            window, predict_clip(np.stack(clip), network, settings.views, settings.multiple)
        )
        for _, probabilities in stitcher.finish(settled if settings.emit == "final" else None):
            yield probabilities
    for _, probabilities in stitcher.finish():
        yield probabilities


def _spacing(settings: Settings, geometry: Geometry) -> int:
    height, width = geometry.source
    return max(1, min(settings.spacing, HELD_BYTES // (settings.clip_length * height * width * 3)))


def _cleaned(probabilities: np.ndarray, settings: Settings) -> np.ndarray:
    return drop_regions(
        probabilities, settings.threshold, settings.keep_largest, settings.drop_specks
    )


class _Resizer:
    """Frames to the network's size, and its maps back to theirs, in the same order."""

    geometry: Geometry  # known from the first frame on

    def __init__(self, frames: Iterable[np.ndarray], settings: Settings) -> None:
        self.frames = frames
        self.settings = settings
        self._pending: deque[np.ndarray] = deque()  # frames that guide the upsampling of their maps

    def shrunk(self) -> Iterator[np.ndarray]:
        settings = self.settings
        for index, frame in enumerate(self.frames):
            if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
                raise InputError(
                    f"frame {index} is {frame.dtype} {frame.shape}: give (H, W, 3) uint8 RGB"
                )
            if index == 0:
                height, width = frame.shape[:2]
                self.geometry = Geometry.fit(
                    height, width, settings.short_edge, settings.multiple, settings.pad
                )
            elif frame.shape[:2] != self.geometry.source:
                height, width = self.geometry.source
                raise InputError(
                    f"frame {index} is {frame.shape[1]}x{frame.shape[0]} after frames of "
                    f"{width}x{height}: all frames of a video must have one size"
                )
            if settings.upsampling == "guided":
                self._pending.append(frame)
            yield self.geometry.to_network(frame)

    def enlarge(self, probabilities: np.ndarray) -> np.ndarray:
        image = self._pending.popleft() if self._pending else None
        return self.geometry.to_source(probabilities, self.settings.upsampling, image)


@torch.inference_mode()
def predict_clip(
    clip: np.ndarray, network: Network, views: int = 1, multiple: int = 16
) -> np.ndarray:
    """``(T, h, w, 3)`` uint8 RGB to foreground probabilities ``(T, h, w)`` float32.

    The logits are the mean of those of the first ``views`` of `VIEWS`; the smaller ones have sides
    of multiples of ``multiple`` pixels.
    """
    device = next(network.parameters()).device if isinstance(network, torch.nn.Module) else None
    batch = torch.from_numpy(clip).to(device).permute(3, 0, 1, 2)[None]  # (1, 3, T, h, w)
    batch = batch.float() / 255
    logits = [_seen(batch, network, *view, multiple) for view in VIEWS[:views]]
    return to_probabilities(torch.stack(logits).mean(0))[0].float().cpu().numpy()


def _seen(batch: Tensor, network: Network, scale: float, mirrored: bool, multiple: int) -> Tensor:
    """Logits ``(1, K, T, h, w)`` float32 of one view of ``(1, 3, T, h, w)``."""
    if mirrored:
        return _seen(batch.flip(-1), network, scale, False, multiple).flip(-1)
    if scale == 1:
        return network(batch).float()
    size = list(batch.shape[-2:])
    smaller = [max(1, round(side * scale / multiple)) * multiple for side in size]
    return _resized(network(_resized(batch, smaller)).float(), size)


def _resized(batch: Tensor, size: list[int]) -> Tensor:
    """``(B, C, T, H, W)`` to ``(B, C, T, *size)``, frame by frame."""
    frames = batch.transpose(1, 2).flatten(0, 1)  # (B T, C, H, W)
    frames = nn.functional.interpolate(frames, size, mode="bilinear", antialias=True)
    return frames.unflatten(0, (batch.shape[0], -1)).transpose(1, 2)


def to_probabilities(logits: Tensor) -> Tensor:
    """Logits ``(B, K, T, H, W)`` to foreground probabilities ``(B, T, H, W)`` in [0, 1].

    A sigmoid for one channel; for two, a softmax over the channels. The published weights need
    the softmax although they were trained with a binary loss on the last channel only.
    """
    if logits.shape[1] == 1:
        return logits.sigmoid().squeeze(1)
    return logits.softmax(dim=1)[:, -1]
