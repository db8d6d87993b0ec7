"""How published checkpoints name the tensors of an encoder: one table for each make.

A table maps a unit of ours, a convolution (`.0`) or its norm (`.1`), to its path there. `{stage}`
counts stages from 1, `{block}` the blocks of a stage from 0, `{count}` all blocks from 0. The
leaf (`weight`, `running_mean`, ...) follows the path. These are the named rules of
`3dcseg convert`.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

Table = Mapping[str, str]

CAFFE2_LEAVES = {
    "0.weight": "_w",
    "1.weight": "_s",
    "1.bias": "_b",
    "1.running_mean": "_rm",
    "1.running_var": "_riv",  # the variance itself, whatever the name says
}
KINETICS = ((0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989))
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_BLOCK = re.compile(r"stages\.(\d+)\.(\d+)\.(?:branch\.)?(\w+\.\d)\.(\w+)")


def units(prefix: str = "", **paths: str) -> dict[str, str]:
    """``units("p.", a="x y")`` is ``{"a.0": "p.x", "a.1": "p.y"}``."""
    return {
        f"{unit}.{index}": prefix + path
        for unit, pair in paths.items()
        for index, path in enumerate(pair.split())
    }


@dataclass(frozen=True)
class EncoderLayout:
    """A make of encoder checkpoints.

    ``stem`` and ``blocks`` map units to paths (a stem of two units: `stem.spatial`, ...), and
    ``leaves`` what follows, where it differs from ours. ``encoders``: our names of the encoders
    stored so, by their number of blocks. ``dropped``: patterns of what is left out, with reasons.
    """

    kind: str
    encoders: Mapping[int, str]
    stem: Table
    blocks: Table
    leaves: Table = field(default_factory=dict)
    prefix: str = ""
    dropped: Table = field(default_factory=lambda: {r"fc\..*": "classifier"})
    caffe2: bool = False
    kernel_dims: int = 3
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] = KINETICS
    bn_eps: float = 1e-3
    clip_length: int | None = 32
    licence: str = "Apache-2.0"

    def names(self, keys: Iterable[str]) -> dict[str, str]:
        """Our keys to the names that they have in a checkpoint of this make."""
        counts: dict[tuple[str, str], int] = {}  # of the block with a given stage and number
        names = {}
        for key in keys:
            if match := _BLOCK.fullmatch(key):
                stage, block, unit, leaf = match.groups()
                count = counts.setdefault((stage, block), len(counts))
                path = self.blocks[unit].format(stage=int(stage) + 1, block=block, count=count)
            else:
                unit, leaf = key.rsplit(".", 1)
                path = self.stem[unit]
            index = unit[-1]
            names[key] = self.prefix + path + self.leaves.get(f"{index}.{leaf}", f".{leaf}")
        return names

    def similarity(self, names: Collection[str]) -> float:
        """The share of this make's stem and first block that ``names`` has, from 0 to 1."""
        inner = [unit for unit in self.blocks if not unit.startswith("shortcut")]
        keys = [f"{unit}.weight" for unit in self.stem]
        wanted = self.names(keys + [f"stages.0.0.branch.{unit}.weight" for unit in inner])
        return sum(name in names for name in wanted.values()) / len(wanted)

    def number_of_blocks(self, names: Collection[str]) -> int:
        """How many residual blocks ``names`` has."""
        path = next(iter(self.blocks.values()))
        pattern = re.escape(self.prefix + path + self.leaves.get("0.weight", ".weight"))
        counted = re.compile(re.sub(r"\\{\w+\\}", r"\\d+", pattern))
        return sum(counted.fullmatch(name) is not None for name in names)


def _csn(prefix: str, *pairs: str) -> dict[str, str]:
    """The `units` of a channel-separated block in order: three where interactions are reduced, four
    where they are preserved."""
    middle = ("depthwise",) if len(pairs) == 3 else ("interact", "depthwise")
    return units(prefix, **dict(zip(("reduce", *middle, "expand"), pairs, strict=True)))


_REDUCED, _PRESERVED = {50: "ir-csn-152", 16: "ir-csn-50"}, {50: "ip-csn-152"}
_LAYER = "layer{stage}.{block}."
_DOWNSAMPLE = units(_LAYER, shortcut="downsample.0 downsample.1")

PORT_REDUCED = EncoderLayout(
    kind="ir-CSN, PyTorch port of 3DC-Seg",
    encoders=_REDUCED,
    stem=units(stem="conv1 bn1"),
    blocks=_csn(_LAYER, "conv1 bn1", "conv2 bn2", "conv3 bn3") | _DOWNSAMPLE,
)
PORT_PRESERVED = replace(
    PORT_REDUCED,
    kind="ip-CSN, PyTorch port of 3DC-Seg",
    encoders=_PRESERVED,
    blocks=_csn(_LAYER, "conv1 bn1", "conv2 bn2", "conv3 bn3", "conv4 bn4") | _DOWNSAMPLE,
)
VMZ_REDUCED = EncoderLayout(
    kind="ir-CSN, PyTorch port of VMZ",
    encoders=_REDUCED,
    stem=units(stem="stem.0 stem.1"),
    blocks=_csn(_LAYER, "conv1.0 conv1.1", "conv2.0 conv2.1", "conv3.0 conv3.1") | _DOWNSAMPLE,
)
VMZ_PRESERVED = replace(
    VMZ_REDUCED,
    kind="ip-CSN, PyTorch port of VMZ",
    encoders=_PRESERVED,
    blocks=_csn(
        _LAYER, "conv1.0 conv1.1", "conv2.0.0 conv2.0.1", "conv2.0.2 conv2.1", "conv3.0 conv3.1"
    )
    | _DOWNSAMPLE,
)
_CONV = ("conv1.conv conv1.bn", "conv2.0.conv conv2.0.bn", "conv3.conv conv3.bn")
_MMACTION_DOWNSAMPLE = units(_LAYER, shortcut="downsample.conv downsample.bn")
MMACTION_REDUCED = EncoderLayout(
    kind="ir-CSN, MMAction2",
    encoders=_REDUCED,
    stem=units(stem=_CONV[0]),
    blocks=_csn(_LAYER, *_CONV) | _MMACTION_DOWNSAMPLE,
    prefix="backbone.",
    dropped={r"cls_head\..*": "classifier"},
    normalisation=IMAGENET,
)
MMACTION_PRESERVED = replace(
    MMACTION_REDUCED,
    kind="ip-CSN, MMAction2",
    encoders=_PRESERVED,
    blocks=_csn(_LAYER, *_CONV[:2], "conv2.1.conv conv2.1.bn", _CONV[2]) | _MMACTION_DOWNSAMPLE,
)
R2PLUS1D = EncoderLayout(
    kind="R(2+1)D-34, PyTorch port of IG-65M",
    encoders={16: "r2plus1d-34"},
    stem=units("stem.", **{"stem.spatial": "0 1", "stem.temporal": "3 4"}),
    blocks=units(
        _LAYER,
        spatial1="conv1.0.0 conv1.0.1",
        temporal1="conv1.0.3 conv1.1",
        spatial2="conv2.0.0 conv2.0.1",
        temporal2="conv2.0.3 conv2.1",
    )
    | _DOWNSAMPLE,
    clip_length=None,  # 8 or 32: the file does not say
)

_COMP = "comp_{count}_"
_SHORTCUT = units(shortcut="shortcut_projection_{count} shortcut_projection_{count}_spatbn")
CAFFE2_REDUCED = EncoderLayout(
    kind="ir-CSN, Caffe2 pickle of VMZ",
    encoders=_REDUCED,
    stem=units(stem="conv1 conv1_spatbn_relu"),
    # Its counter moves twice at the depthwise one.
    blocks=_csn(_COMP, "conv_1 spatbn_1", "conv_3 spatbn_3", "conv_4 spatbn_4") | _SHORTCUT,
    leaves=CAFFE2_LEAVES,
    caffe2=True,
    dropped={r"last_out_L\d+_[wb]": "classifier"},
)
CAFFE2_PRESERVED = replace(
    CAFFE2_REDUCED,
    kind="ip-CSN, Caffe2 pickle of VMZ",
    encoders=_PRESERVED,
    blocks=_csn(
        _COMP,
        "conv_1 spatbn_1",
        "conv_2_middle spatbn_2_middle",
        "conv_2 spatbn_2",
        "conv_3 spatbn_3",
    )
    | _SHORTCUT,
)
CAFFE2_R2PLUS1D = replace(
    CAFFE2_REDUCED,
    kind="R(2+1)D-34, Caffe2 pickle of VMZ",
    encoders={16: "r2plus1d-34"},
    stem=units(
        **{
            "stem.spatial": "conv1_middle conv1_middle_spatbn_relu",
            "stem.temporal": "conv1 conv1_spatbn_relu",
        }
    ),
    blocks=units(
        _COMP,
        spatial1="conv_1_middle spatbn_1_middle",
        temporal1="conv_1 spatbn_1",
        spatial2="conv_2_middle spatbn_2_middle",
        temporal2="conv_2 spatbn_2",
    )
    | _SHORTCUT,
    clip_length=None,
)

RESNET_2D = EncoderLayout(
    kind="2D ResNet, torchvision",
    encoders={33: "resnet-101"},
    stem=units(stem="conv1 bn1"),
    blocks=units(_LAYER, reduce="conv1 bn1", spatial="conv2 bn2", expand="conv3 bn3") | _DOWNSAMPLE,
    kernel_dims=2,
    normalisation=IMAGENET,
    bn_eps=1e-5,
    clip_length=1,
    licence="BSD-3-Clause",
)
DEEPLAB = replace(
    RESNET_2D,
    kind="2D ResNet of DeepLabV3, torchvision",
    encoders={33: "resnet-101-dilated"},
    prefix="backbone.",
    dropped={r"(aux_)?classifier\..*": "segmentation head"},
)

ENCODER_LAYOUTS = (
    PORT_REDUCED,
    PORT_PRESERVED,
    VMZ_REDUCED,
    VMZ_PRESERVED,
    MMACTION_REDUCED,
    MMACTION_PRESERVED,
    replace(MMACTION_REDUCED, prefix=""),  # a backbone by itself
    replace(MMACTION_PRESERVED, prefix=""),
    R2PLUS1D,
    CAFFE2_REDUCED,
    CAFFE2_PRESERVED,
    CAFFE2_R2PLUS1D,
    RESNET_2D,
    DEEPLAB,
)
