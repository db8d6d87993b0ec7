"""How the published 3DC-Seg checkpoints name the tensors of whole networks (its ablations too)."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from threedcseg.models.conversion.encoders import PORT_PRESERVED, PORT_REDUCED, R2PLUS1D, units

DECODER = "decoders.0."

ENCODERS = (
    replace(PORT_REDUCED, kind="3DC-Seg", prefix="encoder.", bn_eps=1e-5),
    replace(
        PORT_PRESERVED,
        kind="3DC-Seg with ip-CSN",
        encoders={50: "ip-csn-152-padded"},
        prefix="encoder.",
        bn_eps=1e-5,
    ),
    replace(
        R2PLUS1D,
        kind="3DC-Seg with R(2+1)D-34",
        encoders={16: "r2plus1d-34-pool"},
        stem=units("conv1.", **{"stem.spatial": "0 1", "stem.temporal": "3 4"}),
        prefix="encoder.",
    ),
)
"""The encoders inside."""

_ASPP = {
    "scales.0.0": "GC.pyramid_layers.0.0",
    "scales.0.2": "GC.pyramid_layers.0.2",
    **{
        f"scales.{scale}.{part}": f"GC.pyramid_layers.{scale}.{part}"
        for scale in (1, 2, 3)
        for part in (0, 2, 3, 5)
    },
    "scales.4.0": "GC.pyramid_layers.4.conv",
    "scales.4.2": "GC.pyramid_layers.4.gn",
    "merge.0": "GC.conv",
    "merge.2": "GC.gn",
}
_NON_LOCAL = {
    "attend.value": "1.g.0",
    "attend.key": "1.phi.0",
    "attend.query": "1.theta",
    "attend.out.0": "1.W.0",
    "attend.out.1": "1.W.1",
}
BRIDGES: tuple[tuple[str, Mapping[str, str]], ...] = (
    (
        "gc3d",
        {
            "left1": "GC.conv_l1",
            "left2": "GC.conv_l2",
            "right1": "GC.conv_r1",
            "right2": "GC.conv_r2",
        },
    ),
    ("c3d", {"context": "GC.c3d"}),
    ("c3d", {"context": "GC"}),  # an older class of theirs
    ("nl3d", {"reduce": "GC.nl.0"} | {k: f"GC.nl.{v}" for k, v in _NON_LOCAL.items()}),
    ("nl3d", {"reduce": "GC.0"} | {k: f"GC.{v}" for k, v in _NON_LOCAL.items()}),  # older
    ("aspp3d", _ASPP),
)
REFINEMENTS: Mapping[str, Mapping[str, str]] = {
    "rf3d": {
        "skip1": "convFS1",
        "skip2": "convFS2",
        "skip3": "convFS3",
        "merge1": "convMM1",
        "merge2": "convMM2",
    },
    "simple": {"merge1": "convMM1", "merge2": "convMM2"},
}
DROPPED = {
    r"encoder\.conv1_p\..*": "stem of a mask input that nothing feeds",
    r"decoders\.0\.pred[345]\..*": "prediction head that nothing reads",
    r"encoder(\.resnet)?\.fc\..*": "classifier",
}
COPY = "encoder.resnet."
"""Every tensor of the backbone is stored a second time under this prefix."""


def is_published(names: Collection[str]) -> bool:
    """Whether ``names`` are those of a published segmentation network."""
    return any(name.startswith(DECODER) for name in names)


def bridge_of(names: Collection[str]) -> tuple[str, Mapping[str, str]] | None:
    """The name of the bridge among ``names``, and the paths of its units; None if unknown."""
    for bridge, table in BRIDGES:
        if all(f"{DECODER}{path}.weight" in names for path in list(table.values())[:2]):
            return bridge, table
    return None


def refinement_of(names: Collection[str]) -> str:
    """The name of the refinement among ``names``."""
    return "rf3d" if f"{DECODER}RF4.convFS1.weight" in names else "simple"


def decoder_names(
    keys: Iterable[str], bridge: Mapping[str, str], refinement: str
) -> dict[str, str]:
    """Our keys of a decoder to the published ones."""
    paths = {f"bridge.{ours}": theirs for ours, theirs in bridge.items()}
    paths |= {"bridge.conv1": "convG1", "bridge.conv2": "convG2", "head.1": "pred2"}
    for stage, scale in enumerate((4, 3, 2)):
        for ours, theirs in REFINEMENTS[refinement].items():
            paths[f"refinements.{stage}.{ours}"] = f"RF{scale}.{theirs}"
    names = {}
    for key in keys:
        unit, leaf = key.rsplit(".", 1)
        names[key] = f"{DECODER}{paths[unit]}.{leaf}"
    return names
