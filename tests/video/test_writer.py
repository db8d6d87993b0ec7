"""Masks and probability maps as files."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from threedcseg.errors import InputError
from threedcseg.video.writer import MaskWriter, ProbabilityWriter


def disk(height: int = 60, width: int = 80) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return (y - 30) ** 2 + (x - 40) ** 2 < 400


@pytest.mark.parametrize("kind", ["bool", "0 and 255", "0 and 1", "not contiguous"])
def test_mask_is_lossless_gray_png_of_0_and_255(tmp_path: Path, kind: str) -> None:
    mask = disk()
    given = {
        "bool": mask,
        "0 and 255": mask.astype(np.uint8) * 255,
        "0 and 1": mask.astype(np.uint8),
        "not contiguous": np.asfortranarray(mask),
    }[kind]
    with MaskWriter(tmp_path / "new" / "masks") as writer:
        writer.write("frame_7", given)
    assert [file.name for file in (tmp_path / "new" / "masks").iterdir()] == ["frame_7.png"]
    with Image.open(tmp_path / "new" / "masks" / "frame_7.png") as image:
        assert image.format == "PNG" and image.mode == "L"
        assert (np.asarray(image) == mask * 255).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (480, 854)])
def test_mask_sizes(tmp_path: Path, shape: tuple[int, int]) -> None:
    mask = np.zeros(shape, bool)
    mask[: shape[0] // 2] = True
    with MaskWriter(tmp_path) as writer:
        writer.write("0", mask)
    assert (np.asarray(Image.open(tmp_path / "0.png")) == mask * 255).all()
    assert (tmp_path / "0.png").stat().st_size < 3000


def test_wrong_arrays_are_refused(tmp_path: Path) -> None:
    with MaskWriter(tmp_path) as masks, ProbabilityWriter(tmp_path) as maps:
        with pytest.raises(ValueError, match="float32"):
            masks.write("0", np.zeros((4, 4), np.float32))
        with pytest.raises(ValueError, match=r"\(4, 4, 3\)"):
            masks.write("0", np.zeros((4, 4, 3), np.uint8))
        with pytest.raises(ValueError, match="uint8"):
            maps.write("0", np.zeros((4, 4), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_probabilities_are_rounded_to_8_bits(tmp_path: Path) -> None:
    values = np.linspace(-0.1, 1.1, 1000, dtype=np.float32).reshape(20, 50)
    with ProbabilityWriter(tmp_path) as writer:
        writer.write("00000", values)
    with Image.open(tmp_path / "00000.png") as image:
        assert image.mode == "L"
        got = np.asarray(image)
    assert np.abs(got / 255 - values.clip(0, 1)).max() <= 0.5 / 255 + 1e-6


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    for folder in (tmp_path / "taken", tmp_path / "taken" / "deeper"):
        with pytest.raises(InputError, match="expected a folder"), MaskWriter(folder):
            pass


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX limits")
def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    program = """if True:
        import resource, sys
        import numpy as np
        from threedcseg.video.writer import MaskWriter
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        mask = np.random.default_rng(0).integers(0, 2, (200, 200)) > 0
        try:
            with MaskWriter(sys.argv[1]) as writer:
                writer.write("00007", mask)
        except OSError as error:
            print(error.filename)
    """
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(tmp_path / "00007.png")
    assert not list(tmp_path.iterdir())
