"""`3dcseg segment --write`: what is asked for is checked before anything is read or loaded."""

from pathlib import Path

import pytest

from threedcseg.cli.main import main


@pytest.mark.parametrize(
    ("options", "needle"),
    [
        (["--write", "alpha.mp4"], "alpha.mov (ProRes 4444, for editors)"),
        (["--write", "masks,alpha"], "alpha.webm (VP9, for browsers)"),
        (["--write", "video"], "choose from masks, probabilities"),
        (["--write", ""], "nothing to write"),
        (["--write", "cutout", "--background", "no-such.jpg"], "no-such.jpg"),
    ],
)
def test_what_cannot_be_written_is_told_at_once(tmp_path: Path, capsys, options, needle):
    status = main(["segment", "dog.mp4", "-o", str(tmp_path / "out"), *options])
    lines = capsys.readouterr().err.splitlines()
    assert status == 2 and len(lines) == 1
    assert lines[0].startswith("error: ") and needle in lines[0]
    assert not (tmp_path / "out").exists()
