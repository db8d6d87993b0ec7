"""What ``-o`` means: a folder, the one file that is made, or, left out, a folder by the input."""

import mimetypes
from collections.abc import Sequence
from pathlib import Path

from threedcseg.errors import InputError
from threedcseg.outputs.formats import FORMATS
from threedcseg.video.kinds import is_picture


def default_folder(given: Sequence[str | Path]) -> Path:
    """``NAME-masks`` beside the one input or list; `InputError` where there are several."""
    path = Path(given[0]) if len(given) == 1 else None
    if path is None or not path.exists():
        raise InputError("no output folder given", "add one, such as -o masks")
    named = path if path.name not in ("", "..") else path.resolve()
    return named.with_name(f"{named.stem if named.is_file() else named.name}-masks")


def looks_like_a_file(output: Path) -> bool:
    """Whether ``-o`` is the name of a file: of one that is there, or by its ending."""
    endings = {Path(file).suffix for each in FORMATS.values() for file in each.files}
    kind = (mimetypes.guess_type(output.name)[0] or "").partition("/")[0]
    named = output.suffix.lower() in endings or kind in ("image", "video")
    return not output.is_dir() and (output.exists() or named)


def check_file(output: Path, videos: Sequence[Path], write: Sequence[str], redo: bool) -> None:
    """Raise `InputError` unless ``output`` can be the file of the one format of the one video."""
    if output.exists() and any(output.samefile(video) for video in videos):
        raise InputError(f"-o {output} is the input itself", "give a folder, or a new name")
    ending = output.suffix.lower()
    picture = len(videos) == 1 and is_picture(videos[0])
    one_file = [each for each in FORMATS.values() if picture or not each.is_images]
    fitting = [each.name for each in one_file if [Path(f).suffix for f in each.files] == [ending]]
    if not fitting:
        raise InputError(
            f"-o {output} is {'' if output.exists() else 'named as '}a file, expected a folder",
            "give the name of a folder",
        )
    if len(videos) != 1 or len(write) != 1 or write[0] not in fitting:
        raise InputError(
            f"-o {output} is one file, for one input and one of --write {', '.join(fitting)}; "
            f"given: {len(videos)} input{'s' * (len(videos) != 1)} and {', '.join(write)}",
            "give a folder, or such a format",
        )
    if output.exists() and not redo:
        raise InputError(f"{output} is there already", "give another name, or --redo to replace it")
