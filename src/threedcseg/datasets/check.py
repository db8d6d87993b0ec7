"""Is a data set on a disk whole? Finds what it holds, what is missing or damaged, what to do."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from threedcseg.datasets.kinds import KINDS, Kind
from threedcseg.datasets.masks import VOID, Mask, read_mask
from threedcseg.datasets.registry import detect, find_kind, open_dataset
from threedcseg.datasets.sequence import Sequence, list_folders
from threedcseg.errors import InputError, some
from threedcseg.video.images import read_image
from threedcseg.video.paths import expand_inputs

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be: where, what and what to do.

    An error keeps the data from being trained on or scored; a warning should be known.
    """

    severity: Severity
    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.where}: {self.what}; {self.remedy}"

    @classmethod
    def of(cls, error: InputError, where: str) -> "Finding":
        return cls("error", where, error.what, error.remedy or "see docs/data.md")


@dataclass(frozen=True)
class Split:
    """A split that could be read, and what was found in it.

    ``options`` are those that `open_dataset` was given, such as the resolution.
    """

    kind: str
    ground_truth: str
    split: str
    options: dict[str, Any]
    num_sequences: int
    num_frames: int
    num_masks: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Report:
    """What `check_dataset` found; ``findings`` are those that belong to no split."""

    root: Path
    splits: tuple[Split, ...]
    findings: tuple[Finding, ...]

    def all_findings(self) -> list[Finding]:
        return [*(f for split in self.splits for f in split.findings), *self.findings]

    @property
    def num_errors(self) -> int:
        return sum(finding.severity == "error" for finding in self.all_findings())


Progress = Callable[[int, int], None]
"""Called with the number of frames that are done and the number in all."""


def check_dataset(
    root: str | Path,
    kind: str | None = None,
    split: str | None = None,
    *,
    decode: bool = True,
    progress: Progress = lambda done, total: None,
) -> Report:
    """Check every split of every kind of data set that ``root`` is laid out as, or those given.

    With ``decode``, every frame and mask is decoded; otherwise only names are looked at. Raises
    `InputError` if the folder is missing, the kind unknown or the layout not recognised.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder", "give the root of a data set")
    kinds = [kind] if kind is not None else detect(root)
    if not kinds:
        raise _unrecognised(root)
    opened: list[Opened] = []
    findings: list[Finding] = []
    for name in kinds:
        record = find_kind(name)
        splits = record.splits(root) if split is None else [split]
        if not splits:
            findings.append(_not_laid_out(name, record, root))
        for each in splits:
            found, problems = _open(name, record, root, each)
            opened += found
            findings += problems
    everything = [s for *_, sequences in opened for s in sequences]
    decoded = _decode_all(everything, progress) if decode else {}
    checked = [
        Split(
            name,
            truth,
            each,
            options,
            len(sequences),
            sum(len(s.frames) for s in sequences),
            sum(mask is not None for s in sequences for mask in s.masks),
            tuple(_findings(KINDS[name], each, sequences, decoded)),
        )
        for name, each, options, truth, sequences in opened
    ]
    return Report(root, tuple(checked), tuple(findings))


def _unrecognised(root: Path) -> InputError:
    inside = [child for child in list_folders(root) if detect(child)]
    if inside:
        return InputError(f"{root}: not a data set itself", f"did you mean {inside[0]}?")
    with suppress(InputError):
        clips = expand_inputs([root])
        return InputError(
            f"{root}: no data set, but {_count(len(clips), 'clip')} without masks (such as "
            f"{clips[0].name})",
            f"they can be segmented, by `3dcseg segment {root}`; to train on them or score them, "
            "give each NAME/frames and NAME/masks (docs/data.md)",
        )
    return InputError(
        f"{root}: not laid out as any known data set",
        "docs/data.md shows the layouts, and --kind "
        f"({', '.join(sorted(KINDS))}) says what is missing for one",
    )


def _not_laid_out(name: str, kind: Kind, root: Path) -> Finding:
    return Finding(
        "error", str(root), f"not laid out as {name}", f"expected below it: {kind.layout}"
    )


Opened = tuple[str, str, dict[str, Any], str, list[Sequence]]
"""A kind, a split, its options, its ground truth and its sequences."""


def _open(name: str, kind: Kind, root: Path, split: str) -> tuple[list[Opened], list[Finding]]:
    """The split with each set of options that finds something of it, and what failed."""
    opened: list[Opened] = []
    failed: list[Finding] = []
    for options in kind.variants(root, split) or [{}]:
        try:
            data = open_dataset(name, root, split, **options)
            opened.append((name, split, options, data.ground_truth, data.sequences))
        except InputError as error:
            failed.append(Finding.of(error, f"{name}, {split}"))
    return opened, failed


@dataclass(frozen=True)
class Decoded:
    """Sizes (H, W) and content of one frame and its mask; ``error``: why one could not be read."""

    frame: tuple[int, ...] | None = None
    mask: tuple[int, ...] | None = None
    has_foreground: bool = True
    has_void: bool = False
    error: InputError | None = None


DecodedPairs = dict[tuple[Path, str], Decoded]
"""By frame and, as text, mask: what two splits share is decoded once."""


def _decode_all(sequences: list[Sequence], progress: Progress) -> DecodedPairs:
    pairs = {
        (path, str(mask)): mask
        for sequence in sequences
        for path, mask in zip(sequence.frames, sequence.masks, strict=True)
    }
    decoded: DecodedPairs = {}
    with ThreadPoolExecutor() as pool:  # decoders release the interpreter's lock
        found = pool.map(lambda item: _decode(item[0][0], item[1]), pairs.items())
        for key, pair in zip(pairs, found, strict=True):
            decoded[key] = pair
            progress(len(decoded), len(pairs))
    return decoded


def _decode(path: Path, annotation: Mask | None) -> Decoded:
    frame = None
    try:
        frame = read_image(path).shape[:2]
        if annotation is None:
            return Decoded(frame)
        mask = read_mask(annotation)
    except InputError as error:
        return Decoded(frame, error=error)
    return Decoded(frame, mask.shape, bool((mask == 255).any()), bool(np.any(mask == VOID)))


def _findings(
    kind: Kind, split: str, sequences: list[Sequence], decoded: DecodedPairs
) -> Iterator[Finding]:
    published = kind.published.get(split, ())
    missing = sorted(set(published) - {sequence.name for sequence in sequences})
    if missing:
        yield Finding(
            "warning",
            split,
            f"{len(missing)} of the {len(published)} published sequences missing: {some(missing)}",
            "complete the download, or figures will not compare with others'",
        )
    bare = [s.name for s in sequences if not any(mask is not None for mask in s.masks)]
    if bare:
        yield Finding(
            "error" if len(bare) == len(sequences) else "warning",
            split,
            f"{len(bare)} of {len(sequences)} sequences without masks: {some(bare)}",
            "they can be segmented, but neither trained on nor scored; complete the annotations or "
            "take them out of the split",
        )
    if kind.stills:
        yield from _decoding(split, [(s.name, _decoded_of(s, decoded)[0]) for s in sequences])
        return
    for sequence in sequences:
        if sequence.name not in bare:
            yield from _pairing(kind, sequence)
        names = [path.name for path in sequence.frames]
        found = _decoded_of(sequence, decoded)
        yield from _decoding(sequence.name, list(zip(names, found, strict=True)))
        sizes = {pair.frame for pair in found if pair.frame is not None}
        if len(sizes) > 1:
            yield Finding(
                "warning",
                sequence.name,
                f"frames of {len(sizes)} sizes: {some(map(_size, sorted(sizes)))}",
                "a video has one size; make them alike",
            )


def _decoded_of(sequence: Sequence, decoded: DecodedPairs) -> list[Decoded]:
    pairs = zip(sequence.frames, sequence.masks, strict=True)
    return [decoded.get((path, str(mask)), Decoded()) for path, mask in pairs]


def _pairing(kind: Kind, sequence: Sequence) -> Iterator[Finding]:
    bare = [f.name for f, m in zip(sequence.frames, sequence.masks, strict=True) if m is None]
    if bare and not kind.sparse:
        yield Finding(
            "warning",
            sequence.name,
            f"{len(bare)} of {len(sequence.frames)} frames without a mask: {some(bare)}",
            "they are left out of training and scores; complete the annotations if there are more",
        )
    if sequence.strays:
        yield Finding(
            "warning",
            sequence.name,
            f"{_count(len(sequence.strays), 'mask')} without a frame: "
            f"{some(map(str, sequence.strays))}",
            "give each the name of its frame, or complete the frames",
        )


def _decoding(where: str, decoded: list[tuple[str, Decoded]]) -> Iterator[Finding]:
    """What decoding found, each pair with the name of its frame."""
    for _, pair in decoded:
        if pair.error is not None:
            yield Finding.of(pair.error, where)
    seen = [(name, pair) for name, pair in decoded if pair.mask is not None]
    unlike = [(name, pair) for name, pair in seen if pair.mask != pair.frame]
    alike = [(name, pair) for name, pair in seen if pair.mask == pair.frame]
    void = [name for name, pair in alike if pair.has_void and not pair.has_foreground]
    empty = [name for name, pair in alike if not pair.has_void and not pair.has_foreground]
    if unlike:
        mask, frame = unlike[0][1].mask, unlike[0][1].frame
        assert mask is not None and frame is not None
        yield Finding(
            "error",
            where,
            f"{_count(len(unlike), 'mask')} of another size than the frame ({_size(mask)}, not "
            f"{_size(frame)}): {some(name for name, _ in unlike)}",
            "take frames and masks of the same resolution",
        )
    if void:
        yield Finding(
            "error",
            where,
            f"{_count(len(void), 'mask')} of void pixels (255) without objects: {some(void)}",
            "masks of 0 and 255 are those of DAVIS 2016; use --kind davis16 and its lists",
        )
    if empty:
        yield Finding(
            "warning",
            where,
            f"{_count(len(empty), 'empty mask')}: {some(empty)}",
            "right if nothing stands out there, as in 15 frames of DAVIS 2016 train; otherwise "
            "replace them",
        )


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
