"""A text file that names the videos of a batch."""

from pathlib import Path

from threedcseg.errors import InputError
from threedcseg.reading import read_text
from threedcseg.video.live import is_address, without_password
from threedcseg.video.paths import expand_inputs


def read_manifest(path: Path, stills: bool = False) -> list[Path]:
    """The videos and frame folders that a text file names, one a line, each once.

    Relative paths are looked for from the file's own folder; empty lines and those that begin with
    # are left out. Raises `InputError` naming the line that cannot be used.
    """
    try:
        lines = read_text(path).splitlines()
    except FileNotFoundError:
        raise InputError(f"{path}: no such list", "name one video or folder a line") from None
    except InputError as error:
        raise InputError(error.what, "name one video or folder a line") from None
    found: dict[Path, Path] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            if is_address(line.strip()):
                raise InputError(
                    f"{without_password(line.strip())} is no file here",
                    "give addresses by themselves, `3dcseg segment ADDRESS -o DIR`",
                )
            for item in expand_inputs([(path.parent / line.strip()).absolute()], stills):
                found.setdefault(item.resolve(), item)
        except InputError as error:
            where = f"{path}, line {number}"
            raise InputError(f"{where}: {error.what}", error.remedy) from None
    if not found:
        raise InputError(f"{path}: the list is empty", "name one video or folder of frames a line")
    return list(found.values())
