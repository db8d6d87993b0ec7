"""The package with files added to it, as one who extends it adds them."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import threedcseg

SOURCE = Path(threedcseg.__file__).parent


def package_with(folder: Path, files: Mapping[str, str]) -> Path:
    """A folder for PYTHONPATH with the package and ``files``, texts by paths within the package.

    Only what is added to is copied; all else are links.
    """
    package = folder / "threedcseg"
    package.mkdir(parents=True)
    for path in SOURCE.iterdir():
        (package / path.name).symlink_to(path)
    for name, text in files.items():
        place = package / Path(name).parts[0]
        if place.is_symlink():
            place.unlink()
            shutil.copytree(SOURCE / place.name, place)
        (package / name).write_text(text)
    return folder
