"""What was given on the command line: which videos and folders of frames it means, and names."""

import glob
import logging
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from threedcseg.errors import InputError
from threedcseg.video.kinds import IMAGE_ENDINGS, Kind, is_picture, kind_of, named

MAX_NAME_BYTES = 200  # of 255, so that there is room for a number or an ending
_DEVICE = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9¹²³])(\.|$)", re.IGNORECASE)


_log = logging.getLogger(__name__)


def list_images(folder: Path) -> list[Path]:
    """The images directly in ``folder`` but hidden ones, in natural order (9 before 10)."""
    return list_files(folder)["image"]


def list_files(folder: Path) -> dict[Kind, list[Path]]:
    """The files directly in ``folder`` but hidden ones, by what they are, in natural order.

    "other" is also what is no file but in the place of one: pipes, links to nothing, and folders
    that are called as images are.
    """
    found: dict[Kind, list[Path]] = {"image": [], "video": [], "other": []}
    try:
        files = [file for file in folder.iterdir() if file.name[0] != "."]
    except PermissionError:
        raise InputError(f"{folder} may not be read", "change its permissions") from None
    for file in _naturally(files):
        if file.is_file():
            found[kind_of(file)].append(file)
        elif not file.is_dir() or file.suffix.lower() in IMAGE_ENDINGS:
            found["other"].append(file)
    return found


def expand_inputs(inputs: Sequence[str | Path], stills: bool = False) -> list[Path]:
    """The videos and frame folders that ``inputs`` mean, in order, each once.

    A video file and a folder of frames stand for themselves, and a pattern such as ``*.mp4``, which
    some shells leave as it is, for what it matches. A folder of videos, or of frame
    folders (DAVIS ``JPEGImages/480p``), stands for each of them, naturally sorted; deeper folders
    are not searched. A picture stands for itself. With ``stills``, a folder of images stands for
    each of them, and there may be several pictures.

    Raises:
        InputError: an input is missing, holds nothing usable, or holds videos and images side by
            side; or several are pictures, without ``stills``, or something else, with it.
    """
    if not inputs:
        raise InputError("no input given", "name a video, a folder of frames or a folder of videos")
    found: dict[Path, Path] = {}
    for given in inputs:
        if not str(given):
            raise InputError("an empty name was given", "name a video or a folder")
        for item in _stills(Path(given)) if stills else _expand(Path(given)):
            found.setdefault(item.resolve(), item)
    pictures = [] if stills else [item for item in found.values() if is_picture(item)]
    if len(pictures) > 1:
        raise InputError(
            f"several pictures were given: {named(pictures)}",
            "for frames of a video give their folder; --stills takes each by itself",
        )
    return list(found.values())


def output_names(paths: Sequence[Path]) -> list[str]:
    """One folder name for each input: unique (whatever the case), safe, not too long.

    The file's stem or the folder's name; where two are alike, with its ending behind it if they lie
    in one folder, else with the names of as many parents before it as tell them apart; and with a
    number where they are alike still.

    >>> output_names([Path("a/clip.mp4"), Path("b/clip.mp4"), Path("b/dog.mp4"), Path("b/dog.MOV")])
    ['a-clip', 'b-clip', 'dog-mp4', 'dog-MOV']
    """
    resolved = [path.resolve() for path in paths]
    names = [file_name(path.name if path.is_dir() else path.stem) for path in resolved]
    before = [list(path.parents)[:-1] for path in resolved]
    behind = ["" if path.is_dir() else path.suffix for path in resolved]
    changed = True
    while changed:
        changed = False
        times = Counter(name.casefold() for name in names)
        places = Counter(
            (name.casefold(), path.parent) for name, path in zip(names, resolved, strict=True)
        )
        for i, (name, path) in enumerate(zip(list(names), resolved, strict=True)):
            if times[name.casefold()] == 1:
                continue
            if places[name.casefold(), path.parent] > 1:
                if behind[i]:
                    names[i], behind[i] = shortened(f"{name}-{file_name(behind[i])}"), ""
                    changed = True
            elif before[i]:
                names[i] = shortened(f"{file_name(before[i].pop(0).name)}-{name}")
                changed = True
    taken: set[str] = set()
    for i, name in enumerate(names):
        number = 1
        while names[i].casefold() in taken:
            number += 1
            names[i] = f"{name}-{number}"
        taken.add(names[i].casefold())
    return names


def shortened(name: str) -> str:
    """The name, or as much of its beginning as file systems take."""
    return name.encode()[:MAX_NAME_BYTES].decode(errors="ignore")


def _expand(path: Path) -> list[Path]:
    if not path.exists():
        found = map(Path, glob.glob(str(path), recursive=True))
        matches = [match for match in found if match.exists()]  # no links that lead nowhere
        if not matches:
            pattern = glob.has_magic(str(path))
            what = "matches nothing" if pattern else "does not exist"
            raise InputError(f"{path} {what}", "check the name")
        return [item for match in _naturally(matches) for item in _expand(match)]
    if not path.is_dir():
        return [path]
    files = list_files(path)
    images, videos = files["image"], files["video"]
    if images and videos:
        raise InputError(
            f"{path} holds images ({images[0].name}) and videos ({videos[0].name})",
            "give the videos by name, or move them to a folder of their own",
        )
    if images:
        return [path]
    folders = [child for child in path.iterdir() if child.is_dir() and child.name[0] != "."]
    items = videos + [folder for folder in _naturally(folders) if list_images(folder)]
    if not items:
        raise InputError(
            f"{path} holds no video, no images and no folder of images",
            "give a video, a folder of frames or a folder of videos",
        )
    if others := [file for file in files["other"] if file not in items]:
        _log.warning("%s: left out, being no videos: %s", path, named(others))
    return items


def _stills(path: Path) -> list[Path]:
    found = _expand(path)
    found = [image for item in found for image in (list_images(item) if item.is_dir() else [item])]
    for item in found:
        if not is_picture(item):
            raise InputError(f"{item} is no picture", "leave --stills out for videos")
    return found


def _naturally(paths: Iterable[Path]) -> list[Path]:
    """Sorted with runs of digits compared as numbers."""

    def key(path: Path) -> tuple[list[str | int], str]:
        parts = re.split(r"([0-9]+)", path.name.casefold())
        return [int(part) if i % 2 else part for i, part in enumerate(parts)], path.name

    return sorted(paths, key=key)


def file_name(name: str) -> str:
    """Letters, digits, dot, dash and underscore only; never empty, hidden, ``..`` or too long.

    Nor is it one that Windows keeps for a device.

    >>> file_name("..")
    'video'
    """
    name = re.sub(r"[^\w.-]+", "_", name).strip(".")
    if _DEVICE.match(name):
        name = f"_{name}"
    return shortened(name) or "video"
