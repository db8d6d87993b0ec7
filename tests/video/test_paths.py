"""What a command line's inputs stand for, and what the outputs are called."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threedcseg.errors import InputError
from threedcseg.video.paths import expand_inputs, list_images, output_names


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_a_file_and_a_frame_folder_stand_for_themselves(tmp_path: Path) -> None:
    video, frames = tmp_path / "strange.name", tmp_path / "frames"
    touch(video, frames / "0.png", frames / "sub" / "1.png")
    assert expand_inputs([str(video), frames]) == [video, frames]


def test_folders_of_videos_and_of_frame_folders(tmp_path: Path) -> None:
    touch(tmp_path / "clip10.MP4", tmp_path / "clip9.mov", tmp_path / ".hidden.mp4")
    touch(tmp_path / "dog" / "0.jpg", tmp_path / "cat" / "0.jpg", tmp_path / "none" / "a.txt")
    touch(tmp_path / ".thumbnails" / "0.jpg", tmp_path / "readme.txt")
    names = ["clip9.mov", "clip10.MP4", "cat", "dog"]
    assert expand_inputs([tmp_path]) == [tmp_path / name for name in names]


def test_each_only_once(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp4", tmp_path / "b.mp4")
    twice = [tmp_path / "b.mp4", tmp_path, tmp_path / "." / "a.mp4"]
    assert expand_inputs(twice) == [tmp_path / "b.mp4", tmp_path / "a.mp4"]


def test_natural_order(tmp_path: Path) -> None:
    names = ["1.png", "01.png", "2.png", "10.png", "a2b3.png", "a2b20.png", "A10.png"]
    touch(*(tmp_path / name for name in reversed(names)))
    found = [path.name for path in list_images(tmp_path)]
    assert found == ["01.png", "1.png", "2.png", "10.png", "a2b3.png", "a2b20.png", "A10.png"]


@pytest.mark.parametrize(
    ("make", "given_name", "message"),
    [
        ([], "none.mp4", "does not exist"),
        (["readme.txt"], "", "holds no video, no images and no folder of images"),
        (["a.mp4", "0.png"], "", r"holds images \(0.png\) and videos \(a.mp4\)"),
    ],
)
def test_errors(tmp_path: Path, make: list[str], given_name: str, message: str) -> None:
    touch(*(tmp_path / name for name in make))
    with pytest.raises(InputError, match=message) as caught:
        expand_inputs([tmp_path / given_name])
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


def test_no_input_at_all() -> None:
    with pytest.raises(InputError, match="no input given"):
        expand_inputs([])


def test_output_names(tmp_path: Path) -> None:
    (tmp_path / "dog.v2").mkdir()
    paths = [
        tmp_path / "dog.v2",  # a folder keeps its whole name
        tmp_path / "clip.v2.mp4",
        tmp_path / "x" / "take.mp4",
        tmp_path / "y" / "Take.mov",
        tmp_path / "z" / "same.mp4",
        tmp_path / "z" / "same.mov",
        tmp_path / "a b:c?.mp4",
        tmp_path / "..mp4",
    ]
    assert output_names(paths) == [
        "dog.v2",
        "clip.v2",
        "x-take",
        "y-Take",
        "same-mp4",
        "same-mov",
        "a_b_c_",
        "video",
    ]


def test_output_name_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dog").mkdir()
    monkeypatch.chdir(tmp_path / "dog")
    assert output_names([Path(".")]) == ["dog"]


def test_output_names_say_which_is_which(tmp_path: Path) -> None:
    def names(*given: str) -> list[str]:
        return output_names([tmp_path / name for name in given])

    assert names("x/dog.mp4", "x/dog.MOV") == ["dog-mp4", "dog-MOV"]
    assert names("x/dog.mp4", "x/dog.MOV", "y/dog.mp4") == ["dog-mp4", "dog-MOV", "y-dog"]
    assert names("a/x/dog.mp4", "b/x/dog.mp4", "cat.mp4") == ["a-x-dog", "b-x-dog", "cat"]
    touch(tmp_path / "x" / "dog" / "0.png")
    assert names("x/dog", "x/dog.mp4") == ["dog", "dog-mp4"]
    assert names("x/cat.mp4", "x/CAT.mp4") == ["cat-mp4", "CAT-mp4-2"]
    assert names("x/cat", "x/Cat") == ["cat", "Cat-2"]


def test_patterns_are_expanded_where_the_shell_leaves_them(tmp_path: Path) -> None:
    touch(*(tmp_path / "in" / name for name in ("b10.mp4", "b9.mp4", "a.mov", "[1].mp4")))
    touch(tmp_path / "frames" / "0.png")
    found = expand_inputs([f"{tmp_path}/in/*.mp4", f"{tmp_path}/fr*s"])
    names = ["in/[1].mp4", "in/b9.mp4", "in/b10.mp4", "frames"]
    assert [str(path.relative_to(tmp_path)) for path in found] == names
    assert expand_inputs([tmp_path / "in" / "[1].mp4"]) == [tmp_path / "in" / "[1].mp4"]
    with pytest.raises(InputError, match=r"\*.mkv matches nothing"):
        expand_inputs([tmp_path / "*.mkv"])


@given(st.lists(st.lists(st.sampled_from(["a", "A", "a-2", "b", "..", "é"]), min_size=1)))
def test_output_names_are_unique_and_safe(parts: list[list[str]]) -> None:
    names = output_names([Path("/nowhere", *part) for part in parts])
    assert len(names) == len(parts)
    assert len({name.casefold() for name in names}) == len(names)
    assert all(name and name[0] != "." and "/" not in name for name in names)


def test_stills_stand_for_themselves(tmp_path: Path) -> None:
    touch(*(tmp_path / "a" / name for name in ("2.png", "10.jpg", "1.png")))
    expected = [tmp_path / "a" / name for name in ("1.png", "2.png", "10.jpg")]
    assert expand_inputs([tmp_path / "a"], stills=True) == expected
    assert expand_inputs(expected[:2], stills=True) == expected[:2]
    assert expand_inputs([expected[0]]) == expected[:1]
    assert expand_inputs([tmp_path / "a"]) == [tmp_path / "a"]
    with pytest.raises(
        InputError, match=r"several pictures .*2 files \(1.png, 2.png\): .*--stills"
    ):
        expand_inputs(expected[:2])
    touch(tmp_path / "v.mp4")
    with pytest.raises(InputError, match=r"v.mp4 is no picture"):
        expand_inputs([tmp_path / "v.mp4"], stills=True)
