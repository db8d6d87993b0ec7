"""Damage to files, by seed: what disks, cables and broken programs do to them."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

Rng = np.random.Generator
Damager = Callable[[bytearray, Rng, list[tuple[int, int]]], None]
"""Damages bytes in place; is given where the packets lie, as (start, end)."""


def flip_bits(data: bytearray, rng: Rng, _: object) -> None:
    for place in rng.integers(0, len(data), rng.integers(1, 50)):
        data[place] ^= 1 << int(rng.integers(8))


def zero(data: bytearray, rng: Rng, _: object) -> None:
    start, end = _range(data, rng)
    data[start:end] = bytes(end - start)


def scramble(data: bytearray, rng: Rng, _: object) -> None:
    start, end = _range(data, rng)
    data[start:end] = rng.bytes(end - start)


def cut(data: bytearray, rng: Rng, _: object) -> None:
    del data[int(rng.integers(1, len(data))) :]


def take_out(data: bytearray, rng: Rng, _: object) -> None:
    start, end = _range(data, rng)
    del data[start:end]


def swap(data: bytearray, rng: Rng, _: object) -> None:
    size = int(rng.integers(1, len(data) // 4))
    first = int(rng.integers(0, len(data) - 2 * size))
    second = int(rng.integers(first + size, len(data) - size + 1))
    one, two = data[first : first + size], data[second : second + size]
    data[first : first + size], data[second : second + size] = two, one


def edit_header(data: bytearray, rng: Rng, _: object) -> None:
    """Fields of 1 to 8 bytes at the beginning or the end become nothing, the most, or anything."""
    for _ in range(rng.integers(1, 4)):
        size = int(rng.choice([1, 2, 4, 8]))
        start = int(rng.integers(0, min(2000, len(data) - size)))
        if rng.random() < 0.3:
            start = len(data) - size - start
        data[start : start + size] = (bytes(size), b"\xff" * size, rng.bytes(size))[rng.integers(3)]


def drop_packet(data: bytearray, rng: Rng, packets: list[tuple[int, int]]) -> None:
    start, end = _packet(data, rng, packets)
    del data[start:end]


def empty_packet(data: bytearray, rng: Rng, packets: list[tuple[int, int]]) -> None:
    start, end = _packet(data, rng, packets)
    data[start:end] = bytes(end - start)


def swap_packets(data: bytearray, rng: Rng, packets: list[tuple[int, int]]) -> None:
    (a, b), (c, d) = sorted([_packet(data, rng, packets), _packet(data, rng, packets)])
    if b <= c:
        data[a:d] = data[c:d] + data[b:c] + data[a:b]


DAMAGERS: tuple[Damager, ...] = (
    flip_bits,
    zero,
    scramble,
    cut,
    take_out,
    swap,
    edit_header,
    drop_packet,
    empty_packet,
    swap_packets,
)


def packets_of(path: Path) -> list[tuple[int, int]]:
    """Where the packets of the picture lie, as (start, end), those that say it."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.pos and packet.size]
        return [(packet.pos, packet.pos + packet.size) for packet in packets]


def _range(data: bytearray, rng: Rng) -> tuple[int, int]:
    """Up to a fifth of the file."""
    start = int(rng.integers(0, len(data) - 1))
    return start, min(len(data), start + int(rng.integers(1, max(2, len(data) // 5))))


def _packet(data: bytearray, rng: Rng, packets: list[tuple[int, int]]) -> tuple[int, int]:
    return packets[rng.integers(len(packets))] if packets else _range(data, rng)
