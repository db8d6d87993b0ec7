"""A quick look at a training on the way: J of a few clips, and a sheet of pictures."""

import time
from collections.abc import Sequence as Items
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from threedcseg.atomic import replacing
from threedcseg.datasets.masks import read_mask
from threedcseg.datasets.sequence import Sequence
from threedcseg.inference.settings import Settings
from threedcseg.metrics.region import region_similarity
from threedcseg.models.network import SegmentationNetwork
from threedcseg.training.batch import Batch
from threedcseg.training.losses import foreground_logits
from threedcseg.video.images import read_image

SHOWN = 4  # frames of a clip on the sheet
TRAINED_ON = 6  # clips of the last batch that are shown
TALL = 120  # pixels of a picture's height there
PREDICTED, TRUE = (255, 60, 60), (70, 230, 70)


class Preview:
    """One clip of each sequence, as at inference but at a fixed size and with one look.

    Called, it gives the mean J of their frames and writes ``folder/STEP.webp``: these clips with
    outlines of the prediction (red) and the truth (green), then clips of the last batch with their
    masks. It is due every so many ``minutes``.
    """

    def __init__(
        self, sequences: Items[Sequence], settings: Settings, folder: Path, minutes: float
    ) -> None:
        self.folder, self.seconds = folder, 60 * minutes
        self._clips = [_clip(sequence, settings) for sequence in sequences]
        self._last = time.monotonic()

    def is_due(self) -> bool:
        return time.monotonic() - self._last >= self.seconds

    @torch.inference_mode()
    def __call__(self, network: SegmentationNetwork, step: int, batch: Batch) -> dict[str, Any]:
        began = time.monotonic()
        device = next(network.parameters()).device
        network.eval()
        figures, rows = [], []
        for frames, truths in self._clips:
            clip = torch.from_numpy(frames).to(device).permute(3, 0, 1, 2)[None].float() / 255
            logits = network(clip)  # (1, K, T, H, W)
            masks = (foreground_logits(logits) > 0)[0, 0].cpu().numpy()
            pairs = zip(masks, truths, strict=True)
            figures.append(np.mean([region_similarity(*pair) for pair in pairs]))
            rows.append(_row(frames, {TRUE: truths, PREDICTED: masks}))
        # Clips of all parts of a batch, which has its videos first.
        spread = np.linspace(0, len(batch.frames) - 1, TRAINED_ON).round().astype(int)
        for index in np.unique(spread):
            own = batch.frames[index, :, batch.context : batch.frames.shape[2] - batch.context]
            frames = own.permute(1, 2, 3, 0).cpu().numpy()
            rows.append(_row(frames, {TRUE: batch.masks[index, 0].cpu().numpy() > 127}))
        self._write(step, rows)
        self._last = time.monotonic()
        return {"J": float(np.mean(figures)), "seconds": self._last - began}

    def _write(self, step: int, rows: list[np.ndarray]) -> None:
        width = max(row.shape[1] for row in rows)
        sheet = np.vstack([np.pad(r, ((0, 0), (0, width - r.shape[1]), (0, 0))) for r in rows])
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self.folder / f"{step:06}.webp") as temporary:
            data = cv2.imencode(".webp", sheet[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 80])[1]
            temporary.write_bytes(data.tobytes())


def _clip(sequence: Sequence, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Frames ``(T, h, w, 3)`` uint8 and masks ``(T, h, w)`` bool from a sequence's beginning."""
    annotated = [i for i, mask in enumerate(sequence.masks) if mask is not None]
    chosen = annotated[:: settings.stride][: settings.clip_length]
    frames, masks = [], []
    for index in chosen:
        annotation = sequence.masks[index]
        assert annotation is not None
        image, mask = read_image(sequence.frames[index]), read_mask(annotation)
        scale = settings.short_edge / min(mask.shape)
        size = tuple(32 * max(1, round(scale * side / 32)) for side in mask.shape[::-1])
        frames.append(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
        masks.append(cv2.resize(mask, size, interpolation=cv2.INTER_AREA) > 127)
    return np.stack(frames), np.stack(masks)


def _row(frames: np.ndarray, outlines: dict[tuple[int, int, int], np.ndarray]) -> np.ndarray:
    """Some frames of a clip side by side, masks outlined."""
    shown = np.linspace(0, len(frames) - 1, min(SHOWN, len(frames))).round().astype(int)
    pictures = []
    for t in shown:
        height, width = frames.shape[1:3]
        size = (round(width * TALL / height), TALL)
        picture = cv2.resize(frames[t], size, interpolation=cv2.INTER_AREA)
        for colour, masks in outlines.items():
            mask = cv2.resize(masks[t].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
            edges = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]
            cv2.drawContours(picture, edges, -1, colour, 1)
        pictures.append(picture)
    return np.hstack(pictures)
