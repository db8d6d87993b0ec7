from pathlib import Path

from made_trees import write_frame

from threedcseg.datasets.sequence import list_frames, pair


def test_frames_are_listed_in_natural_order_without_hidden_files_and_twins(tmp_path):
    for name in ("10.jpg", "9.jpg", "9.ppm", "100.png", "._9.jpg", "notes.txt"):
        write_frame(tmp_path / name) if name[-3:] != "txt" else (tmp_path / name).write_text("")
    assert [path.name for path in list_frames(tmp_path)] == ["9.jpg", "10.jpg", "100.png"]
    assert list_frames(tmp_path / "absent") == []


def test_pairing_finds_each_mask_and_the_strays():
    frames = [Path("a.jpg"), Path("b.jpg")]
    masks = {"b": Path("b.png"), "c": Path("c.png")}
    sequence = pair("x", frames, masks, lambda path: path.stem)
    assert sequence.masks == (None, Path("b.png"))
    assert sequence.strays == (Path("c.png"),)
