"""Is a video file shorter than its own headers say?

A demuxer at the end of a file that was cut short (a broken download, a full disk) reports the plain
end of the file, and the video looks whole. The outermost structure of the usual containers tells.
"""

from pathlib import Path
from typing import BinaryIO

# Boxes that stand at the top level of MP4 and MOV files; anything else is not structure but noise
# behind the end, which players ignore.
_TOP_BOXES = frozenset(
    b"ftyp styp moov moof mdat mfra free skip wide pdin sidx ssix prft emsg meta uuid".split()
)
_TS_SYNC = 0x47


def is_cut_short(path: Path) -> bool:
    """Whether bytes are missing at the end of a file; False where its format cannot tell.

    MP4, MOV (top-level boxes), Matroska, WebM (segment size), AVI (RIFF sizes), GIF (trailer) and
    MPEG transport streams (whole packets) tell.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(197).ljust(197, b"\0")
        if head[4:8] in _TOP_BOXES:
            return _boxes_overrun(file, size)
        if head[:4] == b"\x1a\x45\xdf\xa3":
            return _matroska_overruns(file, size)
        if head[:4] == b"RIFF":
            return _riff_overruns(file, size)
        if head[:6] in (b"GIF87a", b"GIF89a"):
            file.seek(max(0, size - 64))
            return not file.read().rstrip(b"\0").endswith(b";")
        for packet, sync in ((188, 0), (192, 4)):
            if head[sync] == head[sync + packet] == _TS_SYNC:
                return size % packet != 0
    return False


def _boxes_overrun(file: BinaryIO, size: int) -> bool:
    position = 0
    while position + 8 <= size:
        file.seek(position)
        header = file.read(16)
        kind, length = header[4:8], int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:], "big")
        if kind not in _TOP_BOXES or length < 8:  # noise, or 0: "up to the end of the file"
            return False
        position += length
        if position > size and kind in (b"moov", b"moof", b"mdat"):
            return True
    return False


def _matroska_overruns(file: BinaryIO, size: int) -> bool:
    position = 0
    while position < size:
        file.seek(position)
        header = file.read(12)
        id_bytes = 9 - header[0].bit_length()
        if id_bytes > 4 or len(header) <= id_bytes:
            return False
        size_bytes = 9 - header[id_bytes].bit_length()
        body = position + id_bytes + size_bytes
        field = int.from_bytes(header[id_bytes : id_bytes + size_bytes], "big")
        unknown = (1 << 7 * size_bytes) - 1
        length = field & unknown  # without the bit that marks the field's own length
        if size_bytes > 8 or length == unknown:
            return False
        if header[:id_bytes] == b"\x18\x53\x80\x67":  # the segment: everything but the header
            return body + length > size
        position = body + length
    return False


def _riff_overruns(file: BinaryIO, size: int) -> bool:
    position = 0
    while position + 8 <= size:
        file.seek(position)
        header = file.read(8)
        length = int.from_bytes(header[4:], "little")
        if header[:4] != b"RIFF" or length in (0, 0xFFFFFFFF):  # noise, or never finished
            return False
        if position + 8 + length > size:
            return True
        position += 8 + length + length % 2
    return False
