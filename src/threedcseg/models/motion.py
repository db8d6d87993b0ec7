"""What moves against the scene: differences of frames after the camera's motion is taken out.

Each neighbour one and three frames away is warped by the motion of the camera (`camera_motions`);
what still differs moves by itself, or was hidden. Where the alignment failed, a difference is
unknown, which is not the same as moving: it is 0, and a map says so.

A clip may come with context: as many frames before it and after it, which this stream alone looks
at. Then all frames of the clip have neighbours on both sides, and the further ones are as far away
as the context goes. A frame of it that is not there is black, of which nothing is known.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from threedcseg.models.camera import (
    LAGS,
    NOISE,
    Level,
    camera_motions,
    halved,
    inside,
    invert,
    part,
    places,
)
from threedcseg.models.layout import to_clip, to_frames


def differences(
    frames: Tensor, steep: Tensor, neighbours: Tensor, motions: Tensor, trust: Tensor
) -> Tensor:
    """``(N, 3, H/2, W/2)`` against their moved neighbours, averaged to stride 8.

    ``steep (N, 1, H/2, W/2)`` is the square of the gradient of the frames.

    Returns ``(N, 4, H/8, W/8)``: absolute and signed difference, difference against the texture
    from 0 to 1, and how far these are known from 0 to 1; 0 where nothing is. A change of exposure
    is taken out.
    """
    points = places(motions, *frames.shape[2:])
    known = inside(points)[:, None] * trust[:, None, None, None]  # (N, 1, H/2, W/2)
    moved = F.grid_sample(neighbours, points, align_corners=False)
    gray, gray_moved = frames.mean(1, keepdim=True), moved.mean(1, keepdim=True)
    light = (known * gray).mean((1, 2, 3)) / ((known * gray_moved).mean((1, 2, 3)) + 1e-6)
    off = moved * light.clamp(0.5, 2.0)[:, None, None, None] - frames
    signed = off.mean(1, keepdim=True)
    parts = [off.abs().mean(1, keepdim=True), signed, signed**2, steep + NOISE**2]
    one = torch.ones_like(known)
    pooled = halved(halved(torch.cat([*parts, one], 1) * known))
    absolute, signed, square, steep, known = pooled.split(1, 1)
    against = known * square / (square + steep + 1e-6)
    return torch.cat([10 * absolute, 10 * signed, against, known], 1)


def both_sides(
    frames: Tensor,
    steep: Tensor,
    lag: int,
    motions: Tensor,
    trust: Tensor,
    batch: int,
    context: int,
) -> list[Tensor]:
    """`differences` to the neighbours before and after, ``(B*T, 4, H/8, W/8)`` each.

    ``frames`` and ``steep`` have ``context`` more of each clip on both sides; ``motions`` and
    ``trust``: of `camera_motions`. Frames without such a neighbour have 0.
    """
    missing = max(lag - context, 0)  # frames of a clip without one
    first, end = context, len(frames) // batch - context - missing

    def both(maps: Tensor, before: int, after: int) -> Tensor:
        return torch.cat([part(maps, batch, first + step, end + step) for step in (before, after)])

    back = part(motions, batch, first + missing - lag, end + missing - lag)
    found = differences(
        both(frames, missing, 0),
        both(steep, missing, 0),
        both(frames, missing - lag, lag),
        torch.cat([back, invert(part(motions, batch, first, end))]),
        both(trust, missing - lag, 0),
    )
    sides = []
    for side, ends in zip(found.chunk(2), ((missing, 0), (0, missing)), strict=True):
        clips = F.pad(side.unflatten(0, (batch, -1)), (0, 0, 0, 0, 0, 0, *ends))
        sides.append(clips.flatten(0, 1))
    return sides


def moving(clip: Tensor, context: int = 0) -> tuple[Tensor, Tensor]:
    """What the stream sees of clips ``(B, 3, T + 2 context, H, W)``, of at least two frames.

    ``(B*T, C, H/8, W/8)``: for each neighbour its `differences` and the absolute one less its mean
    over the frame; then, for each lag, the lesser of before and after, for what was hidden differs
    from one side only. With it how far anything is known, ``(B*T, 1, H/8, W/8)``.
    """
    batch, count = len(clip), clip.shape[2] - 2 * context
    lags = LAGS[0], max(LAGS[1], context)
    frames = halved(to_frames(clip)).contiguous()  # (B*T, 3, H/2, W/2)
    gray = frames.mean(1, keepdim=True)
    level = Level.of(gray)
    steep = (level.gx**2 + level.gy**2)[:, None]
    found = camera_motions(gray, batch, lags)
    maps: list[Tensor] = []
    sure: list[Tensor] = []
    sides: list[Tensor] = []
    for lag in lags:
        if lag < count + context:
            sides = both_sides(frames, steep, lag, *found[lag], batch, context)
        else:  # the clip is too short
            sides = [torch.zeros_like(side) for side in sides]
        for side in sides:
            absolute, known = side[:, :1], side[:, 3:]
            mean = absolute.sum((2, 3), keepdim=True) / (known.sum((2, 3), keepdim=True) + 1e-3)
            maps += [side[:, :3], absolute - mean * known, known]
            sure.append(known)
        (one, known), (two, known_too) = ((side[:, 2:3], side[:, 3:]) for side in sides)
        either = torch.maximum(one * (1 - known_too), two * (1 - known))
        maps.append(torch.maximum(torch.minimum(one, two), either))
    return torch.cat(maps, 1), torch.stack(sure).amax(0)


class MotionStream(nn.Module):
    """A light stream beside an encoder: what moves by itself, added to the encoder's maps.

    ``channels`` are those of the encoder's maps at strides 8, 16 and 32. The last convolutions
    start at zero: untrained, nothing is added. Where nothing is known, nothing is ever added. In
    training it is left out in a share of ``dropout`` of the clips.
    """

    WIDTH = 32

    def __init__(self, channels: tuple[int, ...], dropout: float = 0.2) -> None:
        super().__init__()
        self.dropout = dropout
        inputs = 2 * len(LAGS) * 5 + len(LAGS)
        self.steps = nn.ModuleList(
            nn.Conv2d(inputs if i == 0 else self.WIDTH, self.WIDTH, 3, 1 if i == 0 else 2, 1)
            for i in range(len(channels))
        )
        self.more = nn.ModuleList(nn.Conv2d(self.WIDTH, self.WIDTH, 3, 1, 1) for _ in channels)
        self.out = nn.ModuleList(nn.Conv2d(self.WIDTH, count, 1) for count in channels)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)

    def forward(self, clip: Tensor, features: list[Tensor], context: int = 0) -> list[Tensor]:
        """RGB ``(B, 3, T + 2 context, H, W)`` in [0, 1] and the encoder's maps of T frames to those
        maps, more in them."""
        if clip.shape[2] == 1:
            return features
        device = "cpu" if clip.is_meta else clip.device.type  # torch knows no autocast on meta
        with torch.autocast(device, enabled=False):
            seen, known = moving(clip.float(), context)
        dtype = next(self.parameters()).dtype  # bfloat16 where memory is estimated
        return self.add(seen.to(dtype), known.to(dtype), features)

    def add(self, seen: Tensor, known: Tensor, features: list[Tensor]) -> list[Tensor]:
        """What `moving` gives, and the encoder's maps, to those maps, more in them."""
        batch = len(features[0])
        if self.training and self.dropout:
            kept = torch.rand(batch, 1, 1, 1, 1, device=known.device) >= self.dropout
            known = (known.unflatten(0, (batch, -1)) * kept).flatten(0, 1)
        x, first = seen, len(features) - len(self.out)
        result = features[:first]
        stages = zip(features[first:], self.steps, self.more, self.out, strict=True)
        for stage, (feature, step, more, out) in enumerate(stages):
            if stage:
                known = F.avg_pool2d(known, 2, ceil_mode=True)
            x = F.relu(step(x))
            x = x + F.relu(more(x))
            result.append(feature + to_clip(out(x) * known, batch))
        return result
