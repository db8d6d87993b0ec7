"""Videos of every kind, made on the spot."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from threedcseg.video.frame import Frame
from threedcseg.video.reader import open_video

SAMPLE_RATE = 48000


def level(index: int) -> int:
    """The gray value of frame ``index``, by which it is known again after compression."""
    return 24 + 3 * (index % 60)


def gray_frames(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Frames of one gray each, a little brighter from one to the next, with some texture."""
    noise = np.random.default_rng(0).integers(-8, 9, (height, width, 1))
    return [np.repeat(noise + level(i), 3, axis=2).astype(np.uint8) for i in range(count)]


def noisy_frames(count: int) -> list[np.ndarray]:
    """The same with fresh noise in every frame: files of which most is picture data."""
    rng = np.random.default_rng(0)
    return [
        np.repeat(rng.integers(-20, 21, (48, 64, 1)) + level(i), 3, axis=2).astype(np.uint8)
        for i in range(count)
    ]


def quadrants(height: int, width: int) -> np.ndarray:
    """Red, green / blue, white."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = 230, 30, 30
    image[: height // 2, width // 2 :] = 30, 200, 30
    image[height // 2 :, : width // 2] = 30, 30, 220
    image[height // 2 :, width // 2 :] = 240, 240, 240
    return image


def write_video(
    path: Path,
    images: Sequence[np.ndarray],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rate: Fraction = Fraction(24),
    times: Sequence[Fraction] | None = None,
    time_base: Fraction | None = None,
    format: str | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    rotation: int = 0,
    mirrored: bool = False,
    pixel_aspect: Fraction | None = None,
    color: tuple[int, int, int, int] | None = None,
    audio: str | None = None,
    sample_rate: int = SAMPLE_RATE,
    tone_from: float = 0.0,
) -> Path:
    """Encode RGB frames; ``color`` is matrix, range, primaries, transfer as FFmpeg numbers them.

    ``audio`` adds a 440 Hz tone from ``tone_from`` seconds (silence before) to the video's end.
    """
    if times is None:
        times = [i / rate for i in range(len(images))]
    time_base = time_base or 1 / rate
    height, width = images[0].shape[:2]
    with av.open(str(path), "w", format=format, container_options=container_options or {}) as file:
        video = file.add_stream(
            codec, rate=rate, width=width, height=height, time_base=time_base, options=options or {}
        )
        video.pix_fmt = pix_fmt
        video.codec_context.gop_size = 12
        if codec in ("mpeg4", "mpeg2video", "mjpeg"):
            video.bit_rate = 4_000_000
        if pixel_aspect:
            video.codec_context.sample_aspect_ratio = pixel_aspect
        if rotation or mirrored:
            video.set_display_rotation(rotation, hflip=mirrored)
        matrix, scale = None, None
        if color:
            context = video.codec_context
            matrix, scale, context.color_primaries, context.color_trc = color
            context.colorspace, context.color_range = matrix, scale
        sound = file.add_stream(audio, rate=sample_rate, layout="mono") if audio else None
        for image, time in zip(images, times, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
                format=pix_fmt, dst_colorspace=matrix, dst_color_range=scale
            )
            frame.pts, frame.time_base = round(time / time_base), time_base
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
        if sound is not None:
            seconds = np.arange(int((times[-1] + 1 / rate) * sample_rate)) / sample_rate
            samples = 0.4 * np.sin(2 * np.pi * 440 * seconds) * (seconds >= tone_from)
            for start in range(0, len(samples), 1000):
                part = av.AudioFrame.from_ndarray(
                    samples[None, start : start + 1000].astype(np.float32), "fltp", "mono"
                )
                part.sample_rate, part.pts = sample_rate, start
                part.time_base = Fraction(1, sample_rate)
                file.mux(sound.encode(part))
            file.mux(sound.encode(None))
    return path


def read_all(path: Path) -> list[Frame]:
    with open_video(path) as video:
        return list(video)


def read_alpha(path: Path) -> list[np.ndarray]:
    """The alpha plane of every frame as ``(H, W)`` uint8, as the format's own decoder gives it."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        context = stream.codec_context
        if context.name == "vp9":  # FFmpeg's own decoder leaves the alpha out
            context = av.CodecContext.create("libvpx-vp9", "r")
        frames = [f for packet in file.demux(stream) for f in context.decode(packet)]
    planes = []
    for frame in frames:
        plane, deep = frame.planes[3], frame.format.name == "yuva444p12le"
        values = np.frombuffer(plane, np.uint16 if deep else np.uint8).reshape(plane.height, -1)
        planes.append(np.round(values[:, : plane.width] / (4095 if deep else 255) * 255))
    return [plane.astype(np.uint8) for plane in planes]
