import pytest

from threedcseg.errors import InputError
from threedcseg.segmentation.manifest import read_manifest


def test_a_list_names_videos_and_folders_once(tmp_path):
    (tmp_path / "in" / "frames").mkdir(parents=True)
    (tmp_path / "in" / "frames" / "0.png").touch()
    (tmp_path / "in" / "b.mp4").touch()
    manifest = tmp_path / "list.txt"
    manifest.write_text("# what to do\n\nin/b.mp4\n  in/frames\nin/../in/b.mp4\n")
    assert read_manifest(manifest) == [tmp_path / "in" / "b.mp4", tmp_path / "in" / "frames"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("none.mp4\n", r"list\.txt, line 1: .*none\.mp4 does not exist"),
        ("\nlist.txt\nempty\n", r"list\.txt, line 3: .*empty holds no video"),
        (
            "http://me:secret@host/a.mp4\n",
            r"list\.txt, line 1: http://host/a\.mp4 is no file here: give addresses by themselves",
        ),
        ("camera:0\n", r"list\.txt, line 1: camera:0 is no file here"),
        ("# nothing\n", r"list\.txt: the list is empty"),
    ],
)
def test_lists_that_cannot_be_used(tmp_path, text, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_manifest(tmp_path / "list.txt")


def test_no_list_and_no_text(tmp_path):
    with pytest.raises(InputError, match="no such list"):
        read_manifest(tmp_path / "list.txt")
    with pytest.raises(InputError, match="is a folder"):
        read_manifest(tmp_path)
    (tmp_path / "clip.mp4").write_bytes(b"\xff\xfe\x80" * 10)
    with pytest.raises(InputError, match="not valid UTF-8 text"):
        read_manifest(tmp_path / "clip.mp4")
