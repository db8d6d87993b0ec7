"""Corrected masks are read as they are drawn; bad files are one line."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from threedcseg.errors import InputError
from threedcseg.outputs.corrections import read_corrections

HEIGHT, WIDTH = 48, 64


@pytest.fixture
def mask() -> np.ndarray:
    drawn = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.ellipse(drawn, (30, 24), (18, 12), 20, 0, 360, 1, -1)
    return drawn > 0


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def outline(mask: np.ndarray) -> np.ndarray:
    """Points along the pixels' edges, at four times the size."""
    big = np.kron(mask, np.ones((4, 4), np.uint8))
    (contour,), _ = cv2.findContours(big, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return (contour[:, 0] + 0.5) / 4


def cvat(shapes: str, track: bool = True, head: str = "") -> str:
    body = f'<track id="0" label="object">{shapes}</track>' if track else shapes
    return f'<?xml version="1.0"?>{head}<annotations><version>1.1</version>{body}</annotations>'


def polygon(mask: np.ndarray, frame: int, **also: str) -> str:
    points = ";".join(f"{x},{y}" for x, y in outline(mask))
    extra = " ".join(f'{name}="{value}"' for name, value in also.items())
    return f'<polygon frame="{frame}" points="{points}" {extra}><attribute/></polygon>'


def test_a_folder_of_masks(tmp_path, mask):
    Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / "00003.png")
    palette = Image.fromarray(mask.astype(np.uint8) * 2, "P")
    palette.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    palette.save(tmp_path / "00007.png")
    Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / "00009.jpg", quality=95)
    found = read_corrections(tmp_path)
    assert set(found.masks) == {"00003", "00007", "00009"}
    assert np.array_equal(found.masks["00003"](HEIGHT, WIDTH), mask)
    assert np.array_equal(found.masks["00007"](HEIGHT, WIDTH), mask)
    assert iou(found.masks["00009"](HEIGHT, WIDTH), mask) > 0.97
    with pytest.raises(InputError, match="is 64x48, the frames are 65x48"):
        found.masks["00003"](HEIGHT, WIDTH + 1)


def test_cvat_tracks_count_in_their_key_frames(tmp_path, mask):
    file = tmp_path / "edited.xml"
    other = np.roll(mask, 9, axis=1)
    file.write_text(
        cvat(
            polygon(mask, 2, keyframe="1", outside="0")
            + polygon(mask, 3, keyframe="0", outside="0")
            + polygon(mask, 4, keyframe="1", outside="1")
        ).replace("</annotations>", f'<track id="1">{polygon(other, 2)}</track></annotations>')
    )
    found = read_corrections(file)
    assert set(found.masks) == {2, 4}
    assert iou(found.masks[2](HEIGHT, WIDTH), mask | other) > 0.97
    assert not found.masks[4](HEIGHT, WIDTH).any()


def test_cvat_images_with_masks(tmp_path, mask):
    rows, columns = (np.nonzero(mask.any(axis))[0] for axis in (1, 0))
    part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    flat = np.concatenate([[False], part.ravel(), [not part.ravel()[-1]]])
    edges = np.nonzero(flat[1:] != flat[:-1])[0]
    runs = np.diff(np.concatenate([[0], edges]))
    shape = (
        f'<mask rle="{", ".join(map(str, runs))}" left="{columns[0]}" top="{rows[0]}" '
        f'width="{part.shape[1]}" height="{part.shape[0]}"/>'
    )
    file = tmp_path / "edited.xml"
    image = f'<image id="5" name="00005.png" width="{WIDTH}" height="{HEIGHT}">{shape}</image>'
    file.write_text(cvat(image, track=False))
    assert np.array_equal(read_corrections(file).masks["00005"](HEIGHT, WIDTH), mask)


@pytest.mark.parametrize("kind", ["polygon", "compressed", "counts"])
def test_coco(tmp_path, mask, kind):
    if kind == "polygon":
        segmentation = [outline(mask).ravel().tolist()]
    elif kind == "counts":
        flat = mask.T.ravel()
        edges = np.nonzero(np.diff(flat, prepend=False))[0]
        counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
        segmentation = {"size": [HEIGHT, WIDTH], "counts": counts}
    else:
        coco = pytest.importorskip("pycocotools.mask")
        segmentation = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
        segmentation["counts"] = segmentation["counts"].decode()
    images = [
        {"id": i + 1, "file_name": f"0000{i}.png", "width": WIDTH, "height": HEIGHT}
        for i in range(2)
    ]
    annotations = [{"image_id": 1, "segmentation": segmentation}]
    file = tmp_path / "edited.json"
    file.write_text(json.dumps({"images": images, "annotations": annotations}))
    found = read_corrections(file).masks
    assert iou(found["00000"](HEIGHT, WIDTH), mask) > (0.97 if kind == "polygon" else 0.999)
    assert not found["00001"](HEIGHT, WIDTH).any()


ENTITIES = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;&b;">]>'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (cvat("", head=ENTITIES), "declares a document type"),
        ("<html></html>", "not of CVAT"),
        ("<annotations><track>", "not valid XML"),
        ("<annotations>" + "<a>" * 40 + "</a>" * 40 + "</annotations>", "nested more than 32"),
        (cvat('<box frame="3" xtl="1"/>'), "has a box in frame 3"),
        (cvat('<polygon points="1,2"/>'), "not valid XML of CVAT"),
        (cvat(""), "holds no corrected frame"),
        ("[]", "not valid COCO"),
        ("{}", "not valid COCO"),
        ('{"images": [], "annotations": []}', "holds no corrected frame"),
        ("junk", "not valid JSON"),
    ],
)
def test_bad_files_are_one_line(tmp_path, text, said):
    file = tmp_path / "bad"
    file.write_text(text)
    with pytest.raises(InputError) as error:
        read_corrections(file)
    assert said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "shape",
    [
        '<polygon frame="0" points="1,2;3"/>',
        '<polygon frame="0" points="1,2;3,4"/>',
        '<polygon frame="0" points="nan,2;3,4;5,6"/>',
        '<polygon frame="0" points="x"/>',
        '<mask frame="0" rle="5,5" left="60" top="0" width="10" height="1"/>',
        '<mask frame="0" rle="5,500" left="0" top="0" width="10" height="1"/>',
        '<mask frame="0" rle="-5" left="0" top="0" width="10" height="1"/>',
    ],
)
def test_bad_outlines_are_one_line(tmp_path, shape):
    file = tmp_path / "bad.xml"
    file.write_text(cvat(shape))
    with pytest.raises(InputError, match="frame 0"):
        read_corrections(file).masks[0](HEIGHT, WIDTH)


@pytest.mark.parametrize(
    "segmentation",
    [
        {"size": [HEIGHT, WIDTH], "counts": "o" * 1000},
        {"size": [HEIGHT, WIDTH], "counts": [0, 10**9]},
        {"size": [HEIGHT, WIDTH], "counts": [HEIGHT * WIDTH + 5, -5]},
        {"size": [HEIGHT, WIDTH], "counts": 5},
        {"size": [10**9, 10**9], "counts": "zzzz"},
        {"size": [HEIGHT, WIDTH]},
    ],
    ids=str,
)
def test_run_lengths_that_mean_ill_are_one_line(tmp_path, segmentation):
    image = {"id": 1, "file_name": "00000.png", "width": WIDTH, "height": HEIGHT}
    annotations = [{"image_id": 1, "segmentation": segmentation}]
    file = tmp_path / "bad.json"
    file.write_text(json.dumps({"images": [image], "annotations": annotations}))
    with pytest.raises(InputError, match="not valid outlines") as error:
        read_corrections(file).masks["00000"](HEIGHT, WIDTH)
    assert "\n" not in str(error.value)


def test_absent_and_empty(tmp_path: Path):
    for path, said in ((tmp_path / "none.xml", "does not exist"), (tmp_path, "holds no")):
        with pytest.raises(InputError, match=said):
            read_corrections(path)


def test_far_and_huge_polygons_take_no_more_than_the_frame(tmp_path):
    file = tmp_path / "far.xml"
    file.write_text(cvat('<polygon frame="0" points="-1e9,-1e9;1e9,-1e9;1e9,1e9;-1e9,1e9"/>'))
    assert read_corrections(file).masks[0](HEIGHT, WIDTH).all()
