"""Very large and very thin frames, odd names: masks of the right size in the right place."""

import cv2
import numpy as np
import pytest
from made_videos import gray_frames, write_video

from threedcseg.errors import InputError
from threedcseg.inference.files import segment_video
from threedcseg.inference.settings import Settings
from threedcseg.video.inputs import output_names

SETTINGS = Settings(short_edge=32)


def network(clip):
    return clip[:, :1] * 20 - 10


def test_8k_frames(tmp_path):
    folder = tmp_path / "8k"
    folder.mkdir()
    image = np.zeros((4320, 7680, 3), np.uint8)
    image[:, 3840:] = 255
    for name in "ab":
        cv2.imwrite(str(folder / f"{name}.jpg"), image)
    assert segment_video(folder, tmp_path / "out", network, SETTINGS).num_frames == 2
    mask = cv2.imread(str(tmp_path / "out" / "b.png"), cv2.IMREAD_UNCHANGED)
    assert mask.shape == (4320, 7680)
    assert not mask[:, :3700].any() and mask[:, 4000:].all()


@pytest.mark.parametrize("name", ["a b.mp4", "Ünï-犬.mp4", "-dash.mp4", "--x.mp4", "..mp4"])
def test_odd_names_stay_in_the_output_folder(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    source = write_video(tmp_path / name, gray_frames(3, 16, 32))
    before = source.read_bytes()
    (out_name,) = output_names([source])
    out = tmp_path / "out" / out_name
    assert out.resolve().parent == (tmp_path / "out").resolve()
    assert segment_video(source, out, network, SETTINGS, write=["overlay"]).num_frames == 3
    assert (out / "overlay.mp4").exists() and source.read_bytes() == before


def test_output_equal_to_input_is_refused(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    cv2.imwrite(str(folder / "0.png"), np.zeros((8, 8, 3), np.uint8))
    before = (folder / "0.png").read_bytes()
    for out in (folder, tmp_path, folder / ".." / "frames"):
        with pytest.raises(InputError, match="output folder"):
            segment_video(folder, out, network, SETTINGS)
    assert [p.name for p in folder.iterdir()] == ["0.png"]
    assert (folder / "0.png").read_bytes() == before
