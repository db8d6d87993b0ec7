"""Views between clips, frames and time rows, none of which copies a channels-last clip.

A clip `(B, C, T, H, W)` kept channels-last lies in memory as `(B, T, H, W, C)`. Read as
`(B*T, C, H, W)` it is a batch of channels-last frames, on which a 1xkxk convolution is a plain 2D
one; read as `(B, C, T, H*W)` it is a channels-last image whose rows are time, on which a temporal
convolution is a 2D one of kernel (3, 1). Both run on the fast 2D kernels of every backend: on a
CPU the native depthwise `conv3d` trains about 20 times slower.
"""

from torch import Tensor


def to_frames(clip: Tensor) -> Tensor:
    """``(B, C, T, H, W)`` to ``(B*T, C, H, W)``; a view if the clip is channels-last."""
    return clip.permute(0, 2, 3, 4, 1).flatten(0, 1).permute(0, 3, 1, 2)


def to_clip(frames: Tensor, batch: int) -> Tensor:
    """``(B*T, C, H, W)`` back to ``(B, C, T, H, W)``; a view if the frames are channels-last."""
    return frames.permute(0, 2, 3, 1).unflatten(0, (batch, -1)).permute(0, 4, 1, 2, 3)


def to_time_rows(frames: Tensor, batch: int) -> Tensor:
    """``(B*T, C, H, W)`` to ``(B, C, T, H*W)``; a view if the frames are channels-last."""
    return frames.permute(0, 2, 3, 1).flatten(1, 2).unflatten(0, (batch, -1)).permute(0, 3, 1, 2)


def from_time_rows(rows: Tensor, height: int) -> Tensor:
    """``(B, C, T, H*W)`` back to ``(B*T, C, H, W)``; a view if the rows are channels-last."""
    return rows.permute(0, 2, 3, 1).flatten(0, 1).unflatten(1, (height, -1)).permute(0, 3, 1, 2)
