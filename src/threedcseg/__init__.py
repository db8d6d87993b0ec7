"""Segment the salient, moving objects of any video.

>>> model = threedcseg.load_model("compact")  # doctest: +SKIP
>>> threedcseg.segment_video("dog.mp4", "masks/dog", model)  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threedcseg.errors import InputError
    from threedcseg.inference.predictor import segment
    from threedcseg.inference.settings import PUBLISHED, Settings
    from threedcseg.models import create_model, load_model
    from threedcseg.outputs.choice import ObjectChoice
    from threedcseg.segmentation.choosing import choose_objects
    from threedcseg.segmentation.video import segment_video

_HOME = {
    "InputError": "threedcseg.errors",
    "ObjectChoice": "threedcseg.outputs.choice",
    "PUBLISHED": "threedcseg.inference.settings",
    "Settings": "threedcseg.inference.settings",
    "choose_objects": "threedcseg.segmentation.choosing",
    "create_model": "threedcseg.models",
    "load_model": "threedcseg.models",
    "segment": "threedcseg.inference.predictor",
    "segment_video": "threedcseg.segmentation.video",
}

__all__ = [
    "PUBLISHED",
    "InputError",
    "ObjectChoice",
    "Settings",
    "choose_objects",
    "create_model",
    "load_model",
    "segment",
    "segment_video",
]


def __getattr__(name: str) -> Any:
    # Imported on first use, so that the command line starts without torch.
    if name not in _HOME:
        raise AttributeError(f"module 'threedcseg' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
