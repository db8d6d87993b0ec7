import json
import sys

import numpy as np
import pytest
from made_trees import write_frame

from threedcseg.datasets.check import check_dataset
from threedcseg.datasets.coco import PUBLISHED_CATEGORIES, coco_instances
from threedcseg.datasets.masks import read_mask
from threedcseg.errors import InputError

pytest.importorskip("pycocotools", reason="needs the extra [coco]")
H, W = 60, 80


def polygon(left, top, width, height):
    right, bottom = left + width, top + height
    return [left, top, right, top, right, bottom, left, bottom]


def annotation(image_id, box, category=1, **changes):
    values = {
        "id": 1,
        "image_id": image_id,
        "category_id": category,
        "bbox": list(box),
        "segmentation": [polygon(*box)],
        "iscrowd": 0,
    }
    return values | changes


@pytest.fixture
def write(tmp_path):
    """Writes images and the listing that has some annotations."""

    def write(*annotations, images=(1, 2, 3)):
        content = {
            "images": [
                {"id": i, "file_name": f"{i:012d}.jpg", "height": H, "width": W} for i in images
            ],
            "categories": [{"id": 1, "name": "dog"}, {"id": 7, "name": "pizza"}],
            "annotations": list(annotations),
        }
        (tmp_path / "annotations").mkdir(exist_ok=True)
        listing = tmp_path / "annotations" / "instances_train2017.json"
        listing.write_text(json.dumps(content))
        for i in images:
            write_frame(tmp_path / "train2017" / f"{i:012d}.jpg", (H, W))
        return tmp_path

    return write


def test_instances_are_merged(write):
    root = write(annotation(2, (0, 0, 30, 30)), annotation(2, (40, 20, 35, 31)))
    (sequence,) = coco_instances(root)
    assert sequence.name == "000000000002"
    expected = np.zeros((H, W), np.uint8)
    expected[:30, :30] = 255
    expected[20:51, 40:75] = 255
    np.testing.assert_array_equal(read_mask(sequence.masks[0]), expected)


def test_masks_are_those_of_pycocotools(write):
    rng = np.random.default_rng(0)
    ragged = [(rng.random(2 * n) * 60).tolist() for n in (3, 5, 8)]
    root = write(annotation(1, (0, 0, 60, 60), segmentation=ragged))
    from pycocotools.coco import COCO

    coco = COCO(root / "annotations" / "instances_train2017.json")
    expected = coco.annToMask(coco.loadAnns([1])[0]) * 255
    np.testing.assert_array_equal(read_mask(coco_instances(root)[0].masks[0]), expected)


def test_run_lengths_written_out_and_compressed(write):
    mask = np.zeros((H, W), np.uint8)
    mask[10:50, 20:60] = 1
    from pycocotools import mask as masks

    packed = masks.encode(np.asfortranarray(mask))
    columns = mask.T.reshape(-1)
    changes = np.flatnonzero(np.diff(columns, prepend=0))
    counts = np.diff([0, *changes, columns.size]).tolist()
    forms = [
        {"size": [H, W], "counts": counts},
        {"size": [H, W], "counts": packed["counts"].decode()},
    ]
    for form in forms:
        root = write(annotation(1, (20, 10, 40, 40), segmentation=form))
        np.testing.assert_array_equal(read_mask(coco_instances(root)[0].masks[0]), mask * 255)


def test_crowds_and_tiny_boxes_are_left_out(write):
    root = write(
        annotation(1, (0, 0, 40, 40)),
        annotation(1, (0, 0, 40, 40), iscrowd=1, segmentation={"size": [H, W], "counts": [9]}),
        annotation(2, (0, 0, 40, 29)),  # the only instance, and tiny
        annotation(3, (0, 0, 30, 30)),
        annotation(3, (50, 50, 9, 9)),
    )
    (sequence,) = coco_instances(root)
    assert sequence.name == "000000000003"
    assert read_mask(sequence.masks[0])[55, 55] == 0
    assert [s.name[-1] for s in coco_instances(root, min_box=5)] == ["2", "3"]


def test_polygons_of_two_points_are_no_boxes(write):
    segmentation = [[50, 50, 70, 55], polygon(0, 0, 30, 30)]
    root = write(
        annotation(1, (0, 0, 70, 55), segmentation=segmentation),
        annotation(2, (0, 0, 70, 55), segmentation=[[50, 50, 70, 55]]),
    )
    (sequence,) = coco_instances(root)
    assert read_mask(sequence.masks[0])[52, 60] == 0


def test_categories(write):
    root = write(annotation(1, (0, 0, 40, 40)), annotation(2, (0, 0, 40, 40), category=7))
    assert [s.name[-1] for s in coco_instances(root, categories=["pizza"])] == ["2"]
    with pytest.raises(InputError, match="no category 'cat': it has dog, pizza"):
        coco_instances(root, categories=["cat"])
    assert len(set(PUBLISHED_CATEGORIES)) == 34


def test_images_may_lie_in_a_folder_of_their_own(write):
    root = write(annotation(1, (0, 0, 40, 40)))
    (root / "images").mkdir()
    (root / "train2017").rename(root / "images" / "train2017")
    assert coco_instances(root)[0].frames[0].is_file()


def test_holes_are_named(write):
    root = write(annotation(1, (0, 0, 40, 40)), annotation(2, (0, 0, 40, 40)))
    (root / "train2017" / "000000000002.jpg").unlink()
    with pytest.raises(InputError, match=r"000000000002\.jpg: missing, with 0 more of 2 images"):
        coco_instances(root)
    with pytest.raises(InputError, match=r"instances_val2017\.json: no such file: is .* the root"):
        coco_instances(root, "val2017")
    with pytest.raises(InputError, match="no image has an instance of at least 50 pixels"):
        coco_instances(root, min_box=50)
    listing = root / "annotations" / "instances_train2017.json"
    for content in ("[]", "{", '{"images": []}'):
        listing.write_text(content)
        with pytest.raises(InputError, match="not COCO instances"):
            coco_instances(root)
    listing.write_text('{"images": [], "categories": [], "annotations": [{"id": 1}]}')
    with pytest.raises(InputError, match=r"an entry is not as .*image_id"):
        coco_instances(root)


def test_without_pycocotools_the_extra_is_named(write, monkeypatch):
    root = write(annotation(1, (0, 0, 40, 40)))
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    monkeypatch.setitem(sys.modules, "pycocotools.mask", None)
    with pytest.raises(InputError, match=r"pip install 'threedcseg\[coco\]'"):
        coco_instances(root)


def test_the_check_decodes_polygons_too(write):
    root = write(annotation(1, (0, 0, 40, 40)), annotation(2, (0, 0, 40, 40)))
    assert check_dataset(root).all_findings() == []
    write_frame(root / "train2017" / "000000000002.jpg", (H // 2, W // 2))
    (finding,) = check_dataset(root).all_findings()
    assert finding.severity == "error"
    assert finding.what == "1 mask of another size than the frame (80x60, not 40x30): 000000000002"


@pytest.mark.parametrize(
    "segmentation",
    [
        {"size": [10**9, 10**9], "counts": "zzzz\u00ff"},
        {"size": [H, W], "counts": [10**9]},
        {"size": [H, W], "counts": [H * W + 5, -5]},
        {"size": [H, W], "counts": []},
        {"size": [H, W], "counts": "o" * 1000},
        {"size": [H, W], "counts": 5},
        {"size": [H, W]},
        [[1e9, 1e9, -1e9, 1e9, 5, 5]],
        [[float("nan")] * 6],
        [[0, 0, 70, 0, 70]],
        [[0, 0, 1000, 1000] * 1000],
    ],
    ids=str,
)
def test_outlines_that_mean_ill(write, segmentation):
    """They crash the process where pycocotools gets them."""
    root = write(annotation(1, (0, 0, 60, 60), segmentation=segmentation))
    with pytest.raises(InputError, match="cannot be drawn"):
        for sequence in coco_instances(root):
            read_mask(sequence.masks[0])


@pytest.mark.parametrize("size", [(10**9, 10**9), (-1, -1), (0, 5), ("a", 5), (None, 5), (1.5, 5)])
def test_images_of_impossible_size(write, size):
    root = write(annotation(1, (0, 0, 60, 60)))
    listing = root / "annotations" / "instances_train2017.json"
    content = json.loads(listing.read_text())
    content["images"][0] |= {"height": size[0], "width": size[1]}
    listing.write_text(json.dumps(content))
    (sequence,) = coco_instances(root)
    with pytest.raises(InputError, match="cannot be drawn"):
        read_mask(sequence.masks[0])
    assert check_dataset(root, split="train2017").num_errors
