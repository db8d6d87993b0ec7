"""Does a video file hang together? Its outermost structure tells.

A demuxer at the end of a file that was cut short (a broken download, a full disk) reports the plain
end of the file, and one that meets rubbish looks for what it knows: either video looks whole.
"""

import mmap
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

MAX_EDITS = 1000
Flaw = Literal["cut short", "damaged"]

# Boxes that stand at the top level of MP4 and MOV files; anything else is not structure but noise
# behind the end, which players ignore.
_TOP_BOXES = frozenset(
    b"ftyp styp moov moof mdat mfra free skip wide pdin sidx ssix prft emsg meta uuid".split()
)
_TS_SYNC = 0x47
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def flaw_of(path: Path) -> Flaw | None:
    """What is wrong with a file, by its structure; None where nothing is, or it cannot tell.

    MP4, MOV (top-level boxes, fragments), Matroska, WebM (segment size), AVI (RIFF sizes), WMV (its
    size), GIF (blocks), Ogg (pages) and MPEG transport streams (whole packets) tell.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(197).ljust(197, b"\0")
        if head[4:8] in _TOP_BOXES:
            return _flaw_of_boxes(file, size)
        if head[:4] == b"\x1a\x45\xdf\xa3":
            return "cut short" if _matroska_overruns(file, size) else None
        if head[:4] == b"RIFF":
            return "cut short" if _riff_overruns(file, size) else None
        if head[:6] in (b"GIF87a", b"GIF89a"):
            return _flaw_of_gif(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        if head[:16] == _ASF_HEADER:
            return "cut short" if size < _asf_size(file) else None
        if head[:4] == b"OggS":
            return _flaw_of_ogg(file, size)
        for packet, sync in ((188, 0), (192, 4)):
            if head[sync] == head[sync + packet] == _TS_SYNC:
                return "cut short" if size % packet else None
    return None


def num_edits(path: Path) -> int:
    """How many pieces of a track an MP4 or MOV shows one after the other; FFmpeg takes memory for
    the frames of each."""
    most = 0
    with path.open("rb") as file:
        for kind, position, length in _top_boxes(file, path.stat().st_size):
            if kind != b"moov":
                continue
            file.seek(position)
            moov = file.read(length)
            for place in (match.start() for match in re.finditer(b"elst", moov)):
                size = int.from_bytes(moov[place - 4 : place], "big")
                count = int.from_bytes(moov[place + 8 : place + 12], "big")
                if size in (16 + 12 * count, 16 + 20 * count):  # else it is within other data
                    most = max(most, count)
    return most


def num_samples(path: Path) -> int:
    """How many packets all tracks of a fragmented MP4 have; 0 for other files."""
    count, fragments = 0, 0
    with path.open("rb") as file:
        for kind, position, length in _top_boxes(file, path.stat().st_size):
            if kind not in (b"moov", b"moof"):
                continue
            file.seek(position)
            boxes = file.read(length)
            fragments += kind == b"moof"
            table, offset = (b"stsz", 12) if kind == b"moov" else (b"trun", 8)
            for place in (match.start() for match in re.finditer(table, boxes)):
                number = int.from_bytes(boxes[place + offset : place + offset + 4], "big")
                size = int.from_bytes(boxes[place - 4 : place], "big")
                count += number if 0 < number <= size else 0  # else it is within other data
    return count if fragments else 0


def _top_boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, position and length of the boxes of an MP4 or MOV, up to what is none."""
    position = 0
    while position + 8 <= size:
        file.seek(position)
        header = file.read(16)
        kind, length = header[4:8], int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:], "big")
        if kind not in _TOP_BOXES or length < 8:  # noise, or 0: "up to the end of the file"
            return
        yield kind, position, length
        position += length


def first_packet(path: Path) -> int:
    """Where the first packet of a WMV lies, behind the header and the beginning of the data."""
    with path.open("rb") as file:
        return int.from_bytes(file.read(24)[16:], "little") + 50


def is_chain_broken(path: Path) -> bool:
    """Whether Matroska, WebM or FLV has anything between its blocks; False for other files.

    Looks at each block: to be asked where there is reason to.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[:4] == b"\x1a\x45\xdf\xa3":
            return not _elements_follow(data)
        return data[:3] == b"FLV" and not _tags_follow(data)


# What holds others, and what lies in them; by their first bytes.
_SEGMENT, _CLUSTER = b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
_TRACKS, _BLOCK = b"\x16\x54\xae\x6b", b"\xa3"
# fmt: off
_ELEMENTS = frozenset(map(bytes.fromhex, [
    "1a45dfa3", "114d9b74", "1549a966", "1654ae6b", "1c53bb6b", "1941a469", "1043a770", "1254c367",
    "a3", "a0", "e7", "a7", "ab", "ec", "bf", "af", "5854",
]))
# fmt: on


def _element(header: bytes) -> tuple[bytes, int, int] | None:
    """Name, bytes of name and size, and the size, of the Matroska element that begins so."""
    id_bytes = 9 - header[0].bit_length()
    if len(header) <= id_bytes:
        return None
    size_bytes = 9 - header[id_bytes].bit_length()
    field = int.from_bytes(header[id_bytes : id_bytes + size_bytes], "big")
    # Without the bit that marks the field's own length.
    return header[:id_bytes], id_bytes + size_bytes, field & (1 << 7 * size_bytes) - 1


def _elements_follow(data: mmap.mmap) -> bool:
    position, end = 0, len(data)
    tracks: set[int] = set()
    while position < end:
        element = _element(data[position : position + 13])
        if element is None:
            return False
        name, head, length = element
        position += head
        if name in (_SEGMENT, _CLUSTER):
            if name == _SEGMENT and length < end - position:
                end = position + length  # what lies behind it is noise
            continue
        if name not in _ELEMENTS:
            return False
        if name == _TRACKS:  # their numbers, in the one byte that most have
            numbers = re.findall(rb"\xd7\x81(.)", data[position : position + length], re.DOTALL)
            tracks = {0x80 | number[0] for number in numbers}
        if name == _BLOCK and tracks and data[position] not in tracks:
            return False
        position += length
    return position <= end


def _tags_follow(data: mmap.mmap) -> bool:
    position = int.from_bytes(data[5:9], "big") + 4
    while position < len(data):
        length = 11 + int.from_bytes(data[position + 1 : position + 4], "big")
        behind = position + length
        if data[position] & 31 not in (8, 9, 18):  # sound, picture, script
            return False
        if int.from_bytes(data[behind : behind + 4], "big") != length:
            return False
        position = behind + 4
    return position <= len(data)


def _flaw_of_boxes(file: BinaryIO, size: int) -> Flaw | None:
    ends_with_index = False
    for kind, position, length in _top_boxes(file, size):
        if position + length > size and kind in (b"moov", b"moof", b"mdat"):
            return "cut short"
        if kind == b"moov" and length < 2**20:
            file.seek(position)
            moov = file.read(length)
            # FFmpeg ends such files with an index, unless they are segments of a stream.
            ends_with_index = b"mvex" in moov and b"Lavf" in moov
        if kind == b"styp":
            ends_with_index = False
        if kind == b"moof":
            file.seek(position + 8)
            if length < 2**24 and not _nests(file.read(length - 8)):
                return "damaged"
        if kind == b"mfra":
            return None
    return "cut short" if ends_with_index else None


def _nests(boxes: bytes) -> bool:
    position = 0
    while position + 8 <= len(boxes):
        length = int.from_bytes(boxes[position : position + 4], "big")
        kind = boxes[position + 4 : position + 8]
        if length < 8 or not kind.isalnum():
            return False
        if kind == b"traf" and not _nests(boxes[position + 8 : position + length]):
            return False
        position += length
    return position == len(boxes)


def _asf_size(file: BinaryIO) -> int:
    """What the header says; 0 where it does not."""
    file.seek(0)
    header = file.read(2**16)
    place = header.find(_ASF_FILE_PROPERTIES)
    properties = header[place : place + 92].ljust(92, b"\0")
    is_stream = properties[88] & 1  # whose size was not known when it was begun
    return 0 if place < 0 or is_stream else int.from_bytes(properties[40:48], "little")


def _flaw_of_gif(data: mmap.mmap) -> Flaw | None:
    def behind_colors(flags: int, position: int) -> int:
        return position + (3 << (flags & 7) + 1) * (flags >> 7)

    # Programs fill all blocks of an image but the last: others are where two images ran into one.
    filled, unfilled = 0, 0
    try:
        position = behind_colors(data[10], 13)
        while data[position] != 0x3B:  # the trailer
            introducer = data[position]
            if introducer == 0x2C:  # an image
                position = behind_colors(data[position + 9], position + 10) + 1
            elif introducer == 0x21:  # an extension
                position += 2
            elif introducer == 0 and data[position + 1]:  # which some programs leave between blocks
                position += 1
                continue
            else:
                return "damaged"
            last, is_filled = 255, True
            while length := data[position]:
                is_filled &= last == 255
                position, last = position + 1 + length, length
            if introducer == 0x2C:
                filled, unfilled = filled + is_filled, unfilled + (not is_filled)
            position += 1
    except IndexError:
        return "cut short"
    behind = data[position + 1 :].rstrip(b"\0")
    return "damaged" if behind or 0 < unfilled < filled else None


def _flaw_of_ogg(file: BinaryIO, size: int) -> Flaw | None:
    position, next_number, open_tracks = 0, dict[bytes, int](), set[bytes]()
    while position < size:
        file.seek(position)
        header = file.read(27)
        sizes = file.read(header[26]) if len(header) == 27 else b""
        page = header + sizes + file.read(sum(sizes))
        if header[:4] != b"OggS" or _ogg_checksum(page) != header[22:26]:
            return "cut short" if position + 65307 > size else "damaged"  # the longest page
        flags, track, number = header[5], header[14:18], int.from_bytes(header[18:22], "little")
        if next_number.get(track, number) != number:
            return "damaged"
        next_number[track] = number + 1
        (open_tracks.discard if flags & 4 else open_tracks.add)(track)
        position += len(page)
    return "cut short" if open_tracks else None


_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _ogg_checksum(page: bytes) -> bytes:
    """CRC-32 from the highest bit on: that of zlib with bytes and result mirrored."""
    data = (page[:22] + bytes(4) + page[26:]).translate(_MIRRORED)
    crc = zlib.crc32(data, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return crc.to_bytes(4, "little").translate(_MIRRORED)[::-1]


def _matroska_overruns(file: BinaryIO, size: int) -> bool:
    position = 0
    while position < size:
        file.seek(position)
        element = _element(file.read(13))
        if element is None:
            return False
        name, head, length = element
        size_bytes = head - len(name)
        if len(name) > 4 or size_bytes > 8 or length == (1 << 7 * size_bytes) - 1:  # unknown
            return False
        if name == _SEGMENT:  # everything but the header
            return position + head + length > size
        position += head + length
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
