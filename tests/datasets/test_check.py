import pytest
from made_trees import (
    box,
    davis16_tree,
    davis17_tree,
    write_frame,
    write_labels,
    write_list,
)

from threedcseg.datasets.check import Finding, check_dataset
from threedcseg.errors import InputError


def findings(root, **options) -> list[Finding]:
    return check_dataset(root, **options).all_findings()


def the_finding(root, **options) -> Finding:
    (finding,) = findings(root, **options)
    return finding


@pytest.fixture
def davis(tmp_path):
    return davis16_tree(tmp_path, {"bear": 4, "surf": 3})


def mask_of(davis, name: str):
    return davis / "Annotations" / "480p" / f"{name}.png"


def test_a_whole_data_set_is_counted(davis):
    progress = []
    report = check_dataset(davis, progress=lambda done, total: progress.append((done, total)))
    (split,) = report.splits
    assert (split.ground_truth, split.split, split.options) == (
        "DAVIS 2016",
        "train",
        {"resolution": "480p"},
    )
    assert (split.num_sequences, split.num_frames, split.num_masks) == (2, 7, 7)
    assert report.all_findings() == []
    assert progress == [(i, 7) for i in range(1, 8)]


def test_both_ground_truths_of_2017_are_checked(tmp_path):
    report = check_dataset(davis17_tree(tmp_path))
    assert [(s.ground_truth, s.split) for s in report.splits] == [
        ("DAVIS 2017 merged", "val"),
        ("DAVIS 2019 unsupervised", "val"),
    ]
    assert report.all_findings() == []


def test_frames_without_masks(davis):
    mask_of(davis, "surf/00001").unlink()
    finding = the_finding(davis)
    assert (finding.severity, finding.where) == ("warning", "surf")
    assert finding.what == "1 of 3 frames without a mask: 00001.jpg"


def test_empty_masks(davis):
    for i in (0, 2):
        write_labels(mask_of(davis, f"bear/{i:05d}"), box(0))
    finding = the_finding(davis)
    assert finding.severity == "warning"
    assert finding.what == "2 empty masks: 00000.jpg, 00002.jpg"


def test_unreadable_frames_and_masks(davis):
    frame = davis / "JPEGImages" / "480p" / "bear" / "00001.jpg"
    frame.write_bytes(frame.read_bytes()[:200])
    mask_of(davis, "surf/00000").write_bytes(b"")
    bear, surf = findings(davis)
    assert bear.severity == surf.severity == "error"
    assert "bear/00001.jpg" in bear.what and "replace" in bear.remedy
    assert "surf/00000.png" in surf.what and "replace" in surf.remedy
    assert findings(davis, decode=False) == []


def test_masks_of_another_size(davis):
    write_labels(mask_of(davis, "bear/00003"), box(size=(48, 80)))
    finding = the_finding(davis)
    assert finding.severity == "error"
    assert finding.what == "1 mask of another size than the frame (80x48, not 40x24): 00003.jpg"


def test_missing_and_empty_splits(davis):
    lists = davis / "ImageSets" / "480p"
    write_list(lists / "val.txt")
    write_list(lists / "test.txt", "bear", "bus")
    empty, hole = findings(davis)[::-1]
    assert empty.severity == hole.severity == "error"
    assert "val.txt: the split is empty" in empty.what
    assert "no frames of 1 of the 2 sequences that the split 'test' lists (bus)" in hole.what
    assert "nope.txt: no such list" in the_finding(davis, split="nope").what


def test_masks_without_frames_and_sequences_without_masks(davis):
    write_labels(mask_of(davis, "bear/00009"))
    for path in (davis / "Annotations" / "480p" / "surf").iterdir():
        path.unlink()
    split, bear = findings(davis)
    assert split.what == "1 of 2 sequences without masks: surf"
    assert split.severity == "warning"
    assert bear.what.startswith("1 mask without a frame: ")
    assert bear.what.endswith("bear/00009.png")
    for path in (davis / "Annotations" / "480p" / "bear").iterdir():
        path.unlink()
    assert the_finding(davis).severity == "error"


def test_frames_of_several_sizes(davis):
    write_frame(davis / "JPEGImages" / "480p" / "bear" / "00000.jpg", (30, 30))
    write_labels(mask_of(davis, "bear/00000"), box(size=(30, 30)))
    assert the_finding(davis).what == "frames of 2 sizes: 40x24, 30x30"


def test_resolutions_are_checked_each_with_what_it_holds(davis):
    write_frame(davis / "JPEGImages" / "1080p" / "bear" / "00000.jpg")
    write_labels(davis / "Annotations" / "1080p" / "bear" / "00000.png")
    write_list(davis / "ImageSets" / "1080p" / "train.txt", "bear", "surf")
    report = check_dataset(davis)
    assert [s.options for s in report.splits] == [{"resolution": "480p"}]
    assert "JPEGImages/1080p: no frames of 1 of the 2" in report.findings[0].what


def test_masks_of_2016_taken_for_those_of_2017(tmp_path):
    root = davis17_tree(tmp_path)
    for path in (root / "Annotations" / "480p" / "dogs").iterdir():
        write_labels(path)
    finding = the_finding(root, kind="davis17")
    assert finding.severity == "error"
    assert "3 masks of void pixels (255) without objects" in finding.what
    assert "--kind davis16" in finding.remedy


def test_sparse_ground_truth_is_no_hole_but_missing_sequences_are(tmp_path):
    for i in range(1, 5):
        write_frame(tmp_path / "Testset" / "tennis" / f"tennis{i:03d}.jpg")
    write_labels(tmp_path / "Testset" / "tennis" / "GroundTruth" / "tennis001.pgm")
    finding = the_finding(tmp_path)
    assert finding.severity == "warning"
    assert finding.what.startswith("29 of the 30 published sequences missing: camel01, cars1,")
    assert finding.what.endswith(", ...")


def test_stills_are_reported_together(tmp_path):
    for i in range(8):
        write_frame(tmp_path / "images" / f"{i}.jpg")
        write_labels(tmp_path / "masks" / f"{i}.png", box(0))
    finding = the_finding(tmp_path)
    assert finding.where == "all"
    assert finding.what.startswith("8 empty masks: ")


def test_folders_that_are_no_data_set(tmp_path):
    davis16_tree(tmp_path / "outer" / "DAVIS", {"bear": 1})
    with pytest.raises(InputError, match="no such folder: give the root of a data set"):
        check_dataset(tmp_path / "gone")
    with pytest.raises(InputError, match=r"not a data set itself: did you mean .*outer/DAVIS"):
        check_dataset(tmp_path / "outer")
    with pytest.raises(InputError, match=r"1 clip without masks \(such as bear\)"):
        check_dataset(tmp_path / "outer" / "DAVIS" / "JPEGImages" / "480p")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="not laid out as any known data set"):
        check_dataset(tmp_path / "empty")
    finding = the_finding(tmp_path / "outer", kind="coco")
    assert (finding.severity, finding.what) == ("error", "not laid out as coco")
    assert "annotations/instances_train2017.json" in finding.remedy
