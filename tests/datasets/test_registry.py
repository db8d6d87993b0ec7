import pytest
from made_trees import davis16_tree, davis17_tree, write_frame, write_labels

from threedcseg.datasets.registry import KINDS, detect, open_dataset
from threedcseg.errors import InputError


def test_opening_names_the_ground_truth(tmp_path):
    data = open_dataset("davis16", davis16_tree(tmp_path, {"bear": 2}))
    assert (data.kind, data.name, data.split) == ("davis16", "DAVIS 2016", "train")
    assert data.ground_truth == "DAVIS 2016"
    assert [s.name for s in data.sequences] == ["bear"]
    assert not data.stills


def test_a_folder_of_ones_own_is_its_own_ground_truth(tmp_path):
    write_frame(tmp_path / "mine" / "images" / "a.jpg")
    write_labels(tmp_path / "mine" / "masks" / "a.png")
    data = open_dataset("stills", tmp_path / "mine")
    assert data.ground_truth == "mine"
    assert data.stills


def test_options_reach_the_reader(tmp_path):
    root = davis16_tree(tmp_path, {"bear": 2})
    (root / "ImageSets" / "480p").rename(root / "ImageSets" / "1080p")
    with pytest.raises(InputError, match=r"JPEGImages/1080p: no frames of 1 of the 1"):
        open_dataset("davis16", root, "train", resolution="1080p")


def test_what_is_unknown_is_answered_with_what_is_known(tmp_path):
    with pytest.raises(InputError, match="'yotube-vos': did you mean 'youtube-vos'"):
        open_dataset("yotube-vos", tmp_path)
    with pytest.raises(InputError, match="visal has no option 'resolution': it has none"):
        open_dataset("visal", tmp_path, resolution="480p")
    with pytest.raises(InputError, match="davis16 has no option 'min_box': it has resolution"):
        open_dataset("davis16", tmp_path, min_box=3)
    with pytest.raises(InputError, match="gone: no such folder: give the root of FBMS-59"):
        open_dataset("fbms", tmp_path / "gone")


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_folder_is_refused_by_every_kind(tmp_path, kind):
    with pytest.raises(InputError) as caught:
        open_dataset(kind, tmp_path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert caught.value.remedy


def test_layouts_are_told_apart(tmp_path):
    assert detect(davis16_tree(tmp_path / "a", {"bear": 1})) == ["davis16"]
    assert detect(davis17_tree(tmp_path / "b")) == ["davis17", "davis17-unsupervised"]
    write_frame(tmp_path / "c" / "Testset" / "cars1" / "cars1_01.jpg")
    assert detect(tmp_path / "c") == ["fbms"]
    write_frame(tmp_path / "d" / "ViSal" / "boat" / "boat_1.jpg")
    write_labels(tmp_path / "d" / "GroundTruth" / "boat_1.png")
    assert detect(tmp_path / "d") == ["visal"]
    write_frame(tmp_path / "e" / "train" / "JPEGImages" / "0a" / "00000.jpg")
    assert detect(tmp_path / "e") == ["youtube-vos"]
    (tmp_path / "f" / "annotations").mkdir(parents=True)
    (tmp_path / "f" / "annotations" / "instances_val2017.json").write_text("{}")
    assert detect(tmp_path / "f") == ["coco"]
    write_frame(tmp_path / "g" / "dog" / "frames" / "1.jpg")
    assert detect(tmp_path / "g") == ["folder"]
    write_frame(tmp_path / "h" / "images" / "1.jpg")
    write_labels(tmp_path / "h" / "masks" / "1.png")
    assert detect(tmp_path / "h") == ["stills"]
    (tmp_path / "i").mkdir()
    assert detect(tmp_path / "i") == []
