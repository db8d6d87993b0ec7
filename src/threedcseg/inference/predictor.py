"""Frames in, probability maps out: windows, network, stitching (section 3.3 of the paper)."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from threedcseg.clips.transforms import Geometry
from threedcseg.clips.windows import iter_clips
from threedcseg.errors import InputError
from threedcseg.inference.settings import Settings
from threedcseg.inference.stitch import Stitcher

Network = Callable[[Tensor], Tensor]
"""Any callable from clips ``(B, 3, T, H, W)`` in [0, 1] to logits ``(B, K, T, H, W)``."""


def segment(
    frames: Iterable[np.ndarray], network: Network, settings: Settings | None = None
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield ``(frame_index, probabilities)`` for every frame, in order, as early as possible.

    ``frames``: ``(H, W, 3)`` uint8 RGB, all of one size, any number of them; at most
    ``clip_length`` are held at a time. ``probabilities``: ``(H, W)`` float32 in [0, 1].
    Raises `InputError` for an array of another shape or dtype, or a change of size.
    """
    settings = settings or Settings()
    shrunk = _Shrunk(frames, settings)
    stitcher = Stitcher()
    step = settings.clip_length - settings.overlap
    clips = iter_clips(shrunk, settings.clip_length, settings.overlap, settings.tail)
    for window, clip in clips:
        stitcher.add(window, predict_clip(np.stack(clip), network))
        end = window[0] + step if settings.emit == "final" else window[-1] + 1
        for index, probabilities in stitcher.finish(end):
            yield index, shrunk.geometry.to_source(probabilities, settings.upsampling)
    for index, probabilities in stitcher.finish():
        yield index, shrunk.geometry.to_source(probabilities, settings.upsampling)


class _Shrunk:
    """The frames at the network's size; `geometry` is known from the first frame on."""

    geometry: Geometry

    def __init__(self, frames: Iterable[np.ndarray], settings: Settings) -> None:
        self.frames = frames
        self.settings = settings

    def __iter__(self) -> Iterator[np.ndarray]:
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
            yield self.geometry.to_network(frame)


@torch.inference_mode()
def predict_clip(clip: np.ndarray, network: Network) -> np.ndarray:
    """``(T, h, w, 3)`` uint8 RGB to foreground probabilities ``(T, h, w)`` float32."""
    device = next(network.parameters()).device if isinstance(network, torch.nn.Module) else None
    batch = torch.from_numpy(clip).to(device).permute(3, 0, 1, 2)[None]  # (1, 3, T, h, w)
    return to_probabilities(network(batch.float() / 255))[0].float().cpu().numpy()


def to_probabilities(logits: Tensor) -> Tensor:
    """Logits ``(B, K, T, H, W)`` to foreground probabilities ``(B, T, H, W)`` in [0, 1].

    A sigmoid for one channel; for two, a softmax over the channels. The published weights need
    the softmax although they were trained with a binary loss on the last channel only.
    """
    if logits.shape[1] == 1:
        return logits.sigmoid().squeeze(1)
    return logits.softmax(dim=1)[:, -1]
