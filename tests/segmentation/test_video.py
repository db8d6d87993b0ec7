"""All that can be written of a video, in one pass, read back with the formats' own decoders."""

import csv
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import av
import cv2
import numpy as np
import pytest
from made_videos import read_all, read_alpha, write_video
from PIL import Image

from threedcseg.errors import InputError
from threedcseg.inference import on_device, predictor
from threedcseg.inference.settings import Settings
from threedcseg.outputs.formats import FORMATS, parse_outputs
from threedcseg.outputs.rendering import Rendering
from threedcseg.segmentation import video
from threedcseg.segmentation.video import segment_video

HEIGHT, WIDTH, COUNT = 96, 128, 24
SETTINGS = Settings(short_edge=96)
TIMES = [Fraction(t, 1000) for t in (0, 40, 80, 200, 240, 500, 540, 580)]
TIMES += [Fraction(600 + 40 * i, 1000) for i in range(COUNT - len(TIMES))]


def redness(clip):
    """A network whose foreground is what is red, softly."""
    return (clip[:, :1] - clip[:, 1:2]) * 12 - 4


def red_discs(count=COUNT, height=HEIGHT, width=WIDTH):
    """Two red discs on gray texture, moving apart from frame to frame."""
    rng = np.random.default_rng(0)
    texture = np.repeat(rng.integers(90, 130, (height, width, 1), np.uint8), 3, axis=2)
    frames = []
    for i in range(count):
        image = cv2.circle(texture.copy(), (30 + i, 40), 16, (230, 30, 30), -1)
        cv2.circle(image, (100 - i // 2, 70), 11, (230, 30, 30), -1)
        frames.append(cv2.GaussianBlur(image, (5, 5), 0))
    return frames


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """At a variable frame rate, with sound from its beginning to its end."""
    return write_video(
        tmp_path_factory.mktemp("in") / "discs.mp4",
        red_discs(),
        times=TIMES,
        time_base=Fraction(1, 90000),
        audio="aac",
        options={"crf": "4"},
    )


@pytest.fixture(scope="module", params=["hard", "soft"])
def written(request, source, tmp_path_factory) -> tuple[Path, str]:
    """A folder with everything, and what the edges are made from."""
    folder = tmp_path_factory.mktemp(request.param) / "out"
    beach = folder.parent / "beach.png"
    Image.new("RGB", (40, 90), (10, 20, 200)).save(beach)
    rendering = Rendering(request.param, str(beach))
    segment_video(source, folder, redness, SETTINGS, write=tuple(FORMATS), rendering=rendering)
    return folder, request.param


def read_masks(folder: Path) -> list[np.ndarray]:
    return [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in sorted(folder.glob("*.png"))]


def test_the_path_of_a_gpu_writes_the_same_masks(source, tmp_path, monkeypatch):
    """As the CPU computes it where it is told to resize as a GPU does."""
    segment_video(source, tmp_path / "cpu", redness, SETTINGS)
    for module in (on_device, predictor, video):
        monkeypatch.setattr(module, "resizes", lambda device: True)
    segment_video(source, tmp_path / "gpu", redness, SETTINGS)
    ours, theirs = (np.stack(read_masks(tmp_path / name)) for name in ("gpu", "cpu"))
    assert len(ours) == COUNT and 0.02 < np.mean(ours > 0) < 0.5
    assert np.mean(ours != theirs) < 1e-3


def expected_alpha(folder: Path, edges: str) -> list[np.ndarray]:
    maps = read_masks(folder)
    if edges == "soft":
        levels = [level / 255 for level in read_masks(folder / "probabilities")]
        ramps = [np.clip((level - 0.05) / 0.9, 0, 1) for level in levels]
        maps = [(ramp * 255 + 0.5).astype(np.uint8) for ramp in ramps]
        assert any(20 < value < 235 for value in np.unique(maps[0]))
    assert len(maps) == COUNT and 0 < np.mean(maps[0] > 127) < 0.3
    return maps


def test_everything_is_there_and_nothing_else(written):
    folder, _ = written
    names = {path.name for path in folder.iterdir() if path.suffix != ".png"}
    videos = {"overlay.mp4", "matte.mp4", "cutout.mp4", "alpha.mov", "alpha.webm"}
    others = {
        "probabilities",
        "palette",
        "objects",
        "coco.json",
        "cvat.xml",
        "boxes.csv",
        "3dcseg.json",
        "rgba",
    }
    assert names == videos | others
    record = json.loads((folder / "3dcseg.json").read_text())
    assert list(record["outputs"]) == list(FORMATS) and record["num_frames"] == COUNT


def test_prores_alpha_is_the_mask_without_loss(written):
    folder, edges = written
    with av.open(str(folder / "alpha.mov")) as file:
        context = file.streams.video[0].codec_context
        assert context.name == "prores" and context.profile == "4444"
    got = read_alpha(folder / "alpha.mov")
    wanted = expected_alpha(folder, edges)
    assert len(got) == COUNT
    assert all(np.array_equal(a, b) for a, b in zip(got, wanted, strict=True))


def test_webm_alpha_is_the_mask(written):
    folder, edges = written
    got = read_alpha(folder / "alpha.webm")
    wanted = expected_alpha(folder, edges)
    assert len(got) == COUNT
    for a, b in zip(got, wanted, strict=True):
        assert np.mean((a > 127) != (b > 127)) < 0.002
        assert np.abs(a.astype(int) - b).mean() < 1.5


def test_matte_is_the_mask_in_gray(written):
    folder, edges = written
    frames = read_all(folder / "matte.mp4")
    for frame, wanted in zip(frames, expected_alpha(folder, edges), strict=True):
        assert np.abs(frame.image.astype(int) - wanted[..., None]).mean() < 2
        assert np.mean((frame.image[..., 0] > 127) != (wanted > 127)) < 0.005


def test_cutout_shows_the_object_on_the_background(written, source):
    folder, edges = written
    pairs = zip(read_all(folder / "cutout.mp4"), read_all(source), strict=True)
    for (got, before), alpha in zip(pairs, expected_alpha(folder, edges), strict=True):
        inside = cv2.erode(alpha, np.ones((5, 5))) >= 250
        outside = cv2.dilate(alpha, np.ones((5, 5))) == 0
        assert inside.sum() > 100 and outside.sum() > 100
        assert np.abs(got.image[inside].astype(int) - before.image[inside]).mean() < 8
        assert np.abs(got.image[outside].astype(int) - (10, 20, 200)).mean() < 8


def test_colour_under_the_alpha_is_the_source(written, source):
    folder, edges = written
    for name in ("alpha.mov", "alpha.webm"):
        frames = zip(read_all(folder / name), read_all(source), strict=True)
        for (got, before), alpha in zip(frames, expected_alpha(folder, edges), strict=True):
            inside = alpha >= 250
            assert np.abs(got.image[inside].astype(int) - before.image[inside]).mean() < 6
        assert got.image[:8, -8:].max() < 24, "nothing is kept of what is far from the object"


@pytest.mark.parametrize(
    "name", ["overlay.mp4", "matte.mp4", "cutout.mp4", "alpha.mov", "alpha.webm"]
)
def test_videos_keep_size_times_and_sound(written, source, name):
    folder, _ = written
    tolerance = 0.0006 if name.endswith("webm") else 0  # WebM counts milliseconds
    frames = read_all(folder / name)
    assert frames[0].image.shape == (HEIGHT, WIDTH, 3)
    times = [float(frame.time) for frame in frames]
    assert times == pytest.approx([float(t) for t in TIMES], abs=tolerance)
    ends = []
    for path in (source, folder / name):
        with av.open(str(path)) as file:
            sound = list(file.decode(audio=0))
        ends.append([sound[0].time, sound[-1].time + sound[-1].samples / sound[-1].sample_rate])
    assert ends[1] == pytest.approx(ends[0], abs=1 / 24)


def test_palette_numbers_the_objects(written):
    folder, _ = written
    for path in sorted((folder / "palette").glob("*.png")):
        with Image.open(path) as image:
            assert image.mode == "P"
            assert image.getpalette()[:9] == [0, 0, 0, 128, 0, 0, 0, 128, 0]
            labels = np.asarray(image)
        assert set(np.unique(labels)) == {0, 1, 2}
        assert np.array_equal(labels > 0, read_masks(folder)[int(path.stem)] > 0)
        assert labels[40, 30 + int(path.stem)] == 1, "the larger one, from the first frame on"


def test_coco_run_lengths_decode_to_the_masks(written):
    coco = pytest.importorskip("pycocotools.coco")
    folder, _ = written
    data = coco.COCO(str(folder / "coco.json"))
    masks = read_masks(folder)
    assert len(data.getImgIds()) == COUNT
    for image in data.loadImgs(data.getImgIds()):
        annotations = data.loadAnns(data.getAnnIds(image["id"]))
        assert {a["track_id"] for a in annotations} == {1, 2}
        parts = [data.annToMask(a) for a in annotations]
        index = int(image["file_name"].removesuffix(".png"))
        assert np.array_equal(np.bitwise_or.reduce(parts) > 0, masks[index] > 0)
        for annotation, part in zip(annotations, parts, strict=True):
            assert annotation["bbox"] == list(cv2.boundingRect(part))
            assert annotation["area"] == np.count_nonzero(part)
        assert image["seconds"] == pytest.approx(float(TIMES[index]), abs=1e-4)


def test_cvat_polygons_are_one_track_an_object(written):
    folder, _ = written
    tracks = ElementTree.parse(folder / "cvat.xml").getroot().findall("track")
    assert [track.get("label") for track in tracks] == ["object", "object"]
    masks = read_masks(folder)
    drawn = np.zeros((COUNT, HEIGHT * 8, WIDTH * 8), np.uint8)
    for track in tracks:
        shapes = track.findall("polygon")
        assert [int(shape.get("frame")) for shape in shapes] == list(range(COUNT))
        for shape in shapes:
            pairs = [pair.split(",") for pair in shape.get("points").split(";")]
            points = np.array(pairs, float) * 8 - 0.5
            cv2.fillPoly(drawn[int(shape.get("frame"))], [points.round().astype(np.int32)], 255)
    for mask, polygon in zip(masks, drawn, strict=True):
        big = cv2.resize(mask, (WIDTH * 8, HEIGHT * 8), interpolation=cv2.INTER_NEAREST)
        assert np.sum(big & polygon > 0) / np.sum(big | polygon > 0) > 0.93


def test_boxes_are_those_of_the_objects(written):
    folder, _ = written
    with (folder / "boxes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * COUNT
    masks = read_masks(folder)
    for row in rows:
        x, y, width, height = (int(row[key]) for key in ("x", "y", "width", "height"))
        part = masks[int(row["frame"])][y : y + height, x : x + width]
        assert part[0].any() and part[-1].any() and part[:, 0].any() and part[:, -1].any()
        assert int(row["area"]) <= np.count_nonzero(part)
        assert float(row["seconds"]) == pytest.approx(float(TIMES[int(row["frame"])]), abs=1e-4)


def test_what_an_earlier_run_wrote_does_not_stay(source, tmp_path):
    segment_video(source, tmp_path, redness, SETTINGS, write=("matte", "boxes", "palette"))
    segment_video(source, tmp_path, redness, SETTINGS, write=("masks",))
    assert not [p.name for p in tmp_path.rglob("*") if p.suffix in (".mp4", ".csv")]
    assert not list((tmp_path / "palette").glob("*"))


@pytest.mark.parametrize(("height", "width"), [(40, 1), (1, 40), (33, 47)])
def test_odd_sizes_and_lines_of_one_pixel(tmp_path, height, width):
    frame = np.full((height, width, 3), 90, np.uint8)
    frame[: (height + 1) // 2, : (width + 1) // 2] = (230, 30, 30)
    (tmp_path / "in").mkdir()
    for i in range(3):
        Image.fromarray(frame).save(tmp_path / "in" / f"{i}.png")
    settings = replace(SETTINGS, short_edge=16)
    segment_video(tmp_path / "in", tmp_path / "out", redness, settings, write=tuple(FORMATS))
    masks = read_masks(tmp_path / "out")
    assert masks[0].shape == (height, width) and masks[0].any()
    for name in ("alpha.mov", "alpha.webm"):
        got = read_alpha(tmp_path / "out" / name)
        assert len(got) == 3 and got[0].shape == (height, width)
        assert np.array_equal(got[0] > 127, masks[0] > 127)


def test_a_frame_without_objects(tmp_path):
    frames = [np.full((32, 48, 3), 90, np.uint8)] * 2
    source = write_video(tmp_path / "in.mp4", frames)
    settings = replace(SETTINGS, short_edge=32)
    segment_video(source, tmp_path / "out", redness, settings, write=tuple(FORMATS))
    assert json.loads((tmp_path / "out" / "coco.json").read_text())["annotations"] == []
    assert ElementTree.parse(tmp_path / "out" / "cvat.xml").getroot().findall("track") == []
    assert len((tmp_path / "out" / "boxes.csv").read_text().splitlines()) == 1


def test_alpha_in_mp4_is_refused_with_what_to_write_instead(source, tmp_path):
    with pytest.raises(InputError, match=r"cannot write 'alpha\.mp4': .*alpha\.mov.*alpha\.webm"):
        segment_video(source, tmp_path / "out", redness, SETTINGS, write=("masks", "alpha.mp4"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "needle"),
    [
        ("alpha", "alpha.mov"),
        ("alpha.mp4", "alpha.webm"),
        ("mask", "choose from masks"),
        ("video", "masks, probabilities"),
        (" , ", "nothing to write"),
    ],
)
def test_outputs_that_there_are_not(text, needle):
    with pytest.raises(InputError, match=needle):
        parse_outputs(text)


def test_outputs_are_named_once():
    assert parse_outputs("masks, overlay,masks") == ("masks", "overlay")


@pytest.mark.parametrize("background", ["grene", "#12", "none.jpg", ""])
def test_a_background_that_there_is_not(source, tmp_path, background):
    rendering = Rendering(background=background)
    with pytest.raises(InputError, match="neither a colour nor a file"):
        segment_video(
            source, tmp_path / "out", redness, SETTINGS, write=("cutout",), rendering=rendering
        )
    assert not (tmp_path / "out").exists()


def test_what_is_read_is_never_replaced(source, tmp_path):
    """Neither frames nor videos nor backgrounds inside the output folder."""
    out = tmp_path / "out"
    segment_video(source, out, redness, SETTINGS, write=("masks", "probabilities", "overlay"))
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    for path in (out / "overlay.mp4", out / "probabilities", out):
        with pytest.raises(InputError, match="lies in the output folder"):
            segment_video(path, out, redness, SETTINGS)
    rendering = Rendering(background=str(out / "overlay.mp4"))
    with pytest.raises(InputError, match="lies in the output folder"):
        segment_video(source, out, redness, SETTINGS, write=("cutout",), rendering=rendering)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
