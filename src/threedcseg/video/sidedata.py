"""What a decoded frame carries beside its pixels."""

from typing import Any

from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame


def side_data_of(frame: VideoFrame, kind: Type) -> Any | None:
    """The bytes of a kind; None where there is none, or PyAV cannot say: it knows no frame that has
    something of a kind it does not know itself, such as stereo video of phones."""
    try:
        side_data: Any = frame.side_data  # for which PyAV declares the type of one entry
    except ValueError:
        return None
    return side_data.get(kind)
