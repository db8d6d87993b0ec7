"""HEIC photos of one piece and of tiles, as phones write them: boxes around what x265 makes."""

import io
import struct
from collections.abc import Sequence

import av
import numpy as np


def heic(tiles: Sequence[np.ndarray]) -> bytes:
    """The file of a photo of ``tiles (H, W, 3)`` uint8, side by side; of one tile, in one piece."""
    coded = [_coded(tile) for tile in tiles]
    height, width = tiles[0].shape[:2]
    numbers = range(1, len(tiles) + 1)
    grid = len(tiles) + 1
    primary = grid if len(tiles) > 1 else 1
    # Items: the tiles are found in the file, the grid (its rows, columns and size) in `idat`
    shape = struct.pack(">BBBBHH", 0, 0, 0, len(tiles) - 1, width * len(tiles), height)
    infos = [_full(b"infe", 2, struct.pack(">HH4sx", number, 0, b"hvc1")) for number in numbers]
    properties = [coded[0][0], _full(b"ispe", 0, struct.pack(">II", width, height))]
    uses = [struct.pack(">HBBB", number, 2, 0x81, 2) for number in numbers]
    references = b""
    if len(tiles) > 1:
        infos.append(_full(b"infe", 2, struct.pack(">HH4sx", grid, 0, b"grid")))
        properties.append(_full(b"ispe", 0, struct.pack(">II", width * len(tiles), height)))
        uses.append(struct.pack(">HBB", grid, 1, 3))
        pieces = struct.pack(f">HH{len(tiles)}H", grid, len(tiles), *numbers)
        references = _full(b"iref", 0, _box(b"dimg", pieces))

    def meta(start: int) -> bytes:
        places = b""
        for number, (_, data) in zip(numbers, coded, strict=True):
            places += struct.pack(">HHHHII", number, 0, 0, 1, start, len(data))
            start += len(data)
        if len(tiles) > 1:
            places += struct.pack(">HHHHII", grid, 1, 0, 1, 0, len(shape))
        count = len(infos)
        return _full(
            b"meta",
            0,
            _full(b"hdlr", 0, struct.pack(">I4s12xx", 0, b"pict")),
            _full(b"pitm", 0, struct.pack(">H", primary)),
            _full(b"iloc", 1, struct.pack(">BBH", 0x44, 0, count) + places),
            _full(b"iinf", 0, struct.pack(">H", count), *infos),
            references,
            _box(
                b"iprp",
                _box(b"ipco", *properties),
                _full(b"ipma", 0, struct.pack(">I", count), *uses),
            ),
            _box(b"idat", shape),
        )

    kind = _box(b"ftyp", b"heic", struct.pack(">I", 0), b"mif1heic")
    start = len(kind) + len(meta(0)) + 8
    return kind + meta(start) + _box(b"mdat", *(data for _, data in coded))


def _coded(tile: np.ndarray) -> tuple[bytes, bytes]:
    """The box that configures the decoder, and the one picture."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        options = {"x265-params": "log-level=error:bframes=0", "crf": "5"}
        height, width = tile.shape[:2]
        stream = container.add_stream(
            "libx265", rate=1, width=width, height=height, options=options
        )
        stream.codec_context.pix_fmt = "yuv420p"
        stream.codec_context.codec_tag = "hvc1"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(tile, format="rgb24")))
        container.mux(stream.encode(None))
    data = file.getvalue()
    at = data.index(b"hvcC") - 4
    with av.open(io.BytesIO(data)) as container:
        (packet,) = (packet for packet in container.demux() if packet.size)
        return data[at : at + struct.unpack_from(">I", data, at)[0]], bytes(packet)


def _box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full(kind: bytes, version: int, *content: bytes) -> bytes:
    return _box(kind, struct.pack(">B3x", version), *content)
