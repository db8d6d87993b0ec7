"""Photos of phones: one piece is read, tiles are refused, for one tile is not the photo."""

from pathlib import Path

import av
import numpy as np
import pytest
from made_heic import heic

from threedcseg.cli.main import main
from threedcseg.errors import InputError
from threedcseg.video.images import read_image
from threedcseg.video.kinds import kind_of

pytestmark = pytest.mark.skipif("libx265" not in av.codecs_available, reason="needs libx265")

BRIGHT, DARK = np.full((64, 64, 3), 200, np.uint8), np.full((64, 64, 3), 40, np.uint8)


def test_one_piece_is_read(tmp_path: Path) -> None:
    photo = tmp_path / "a.heic"
    photo.write_bytes(heic([BRIGHT]))
    assert kind_of(photo) == "image"
    assert np.abs(read_image(photo).astype(int) - BRIGHT).max() <= 2


def test_tiles_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = tmp_path / "a.heic"
    photo.write_bytes(heic([BRIGHT, DARK]))
    assert kind_of(photo) == "image"
    with pytest.raises(InputError, match=r"a photo in tiles.*: save it as JPEG or PNG"):
        read_image(photo)
    assert main(["segment", str(photo), "-o", str(tmp_path / "out")]) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {photo} is a photo in tiles")
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
