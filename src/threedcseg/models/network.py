"""The whole network on one screen: normalise, encode, decode, upsample."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from threedcseg.models.blocks import upsample
from threedcseg.models.decoder import Decoder
from threedcseg.models.encoders.encoder import Encoder


class SegmentationNetwork(nn.Module):
    """Fully 3D-convolutional encoder-decoder (section 3, figure 3).

    ``forward`` takes clips ``(B, 3, T, H, W)`` of RGB in [0, 1], any ``T >= 1`` and any size, and
    returns logits ``(B, K, T, H, W)`` at the same size; ``K`` is 1 (foreground) or 2 (background,
    foreground). ``mean`` and ``std`` are those of its encoder's training, kept with the weights.
    ``motion`` adds what moves against the scene to the encoder's maps (`MotionStream`). It alone
    looks at the ``context`` frames that a clip may have before and after those that are asked for:
    then the clip is ``(B, 3, T + 2 context, H, W)``, and frames that are not there are black.
    ``name`` and ``options`` are what `create_model` made it from, kept with its weights;
    ``recommended`` are the settings of inference that its file of weights recommends.
    """

    mean: Tensor
    std: Tensor
    name: str | None = None
    options: Mapping[str, Any] = {}
    recommended: Mapping[str, Any] = {}

    def __init__(self, encoder: Encoder, decoder: Decoder, motion: nn.Module | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.motion = motion
        self.decoder = decoder
        self.takes_context = motion is not None
        self.register_buffer("mean", torch.tensor(encoder.mean).reshape(1, 3, 1, 1, 1))
        self.register_buffer("std", torch.tensor(encoder.std).reshape(1, 3, 1, 1, 1))

    def forward(self, clip: Tensor, context: int = 0) -> Tensor:
        own = clip[:, :, context : clip.shape[2] - context]  # (B, 3, T, H, W)
        features = self.encoder((own - self.mean) / self.std)
        if self.motion is not None:
            features = self.motion(clip, features, context)
        logits = self.decoder(features)  # (B, K, t, H/4, W/4)
        return upsample(logits, like=own)
