"""Submissions as people have them: names, layouts, data sets, and what is wrong with them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from threedcseg.errors import InputError
from threedcseg.evaluation.pairing import find_ground_truth, find_predictions, pair_files
from threedcseg.evaluation.protocols import PROTOCOLS
from threedcseg.evaluation.results import Result
from threedcseg.evaluation.scoring import score

MASK = np.zeros((24, 40), np.uint8)
MASK[6:18, 10:26] = 255


def write(folder: Path, names: list[str], image: np.ndarray = MASK) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        assert cv2.imwrite(str(folder / name), image)
    return folder


def frames(count: int, pattern: str = "{:05d}.png") -> list[str]:
    return [pattern.format(number) for number in range(count)]


def evaluate(
    predictions: Path,
    ground_truth: Path,
    protocol: str = "davis16",
    *,
    split: str | None = None,
    sequences: list[str] | None = None,
    probabilities: bool = False,
    **options: object,
) -> Result:
    chosen = PROTOCOLS[protocol]
    truth = find_ground_truth(ground_truth, chosen.foreground, chosen.data, split)
    truth = truth.of(None if sequences is None else ",".join(sequences))
    found = find_predictions(predictions, truth.sequences, probabilities=probabilities)
    objects = chosen.foreground == "labels"
    return score(chosen, pair_files(truth, found, objects=objects, **options))


def test_folders_of_sequences_and_a_single_one(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / "truth" / name, frames(4))
        write(tmp_path / "masks" / name, frames(4))
    write(tmp_path / "masks" / "c", frames(4))  # of which there is no ground truth
    result = evaluate(tmp_path / "masks", tmp_path / "truth")
    assert [s.name for s in result.sequences] == ["a", "b"] and result.overall["J&F"] == 1
    for predictions in ("masks", "masks/a"):
        result = evaluate(tmp_path / predictions, tmp_path / "truth" / "a")
        assert [s.name for s in result.sequences] == ["a"] and result.num_frames == 2
    (only,) = evaluate(tmp_path / "masks", tmp_path / "truth", sequences=["b"]).sequences
    assert only.name == "b"


def test_a_data_set_with_its_splits(tiny_data, tmp_path):
    write(tmp_path / "right", frames(10), np.zeros((48, 80), np.uint8))
    truth = find_ground_truth(tiny_data / "davis", "zero", "davis16", "dev")
    assert truth.name == "DAVIS 2016, dev" and list(truth.sequences) == ["right"]
    result = evaluate(tmp_path, tiny_data / "davis", split="dev")
    assert result.overall["J_mean"] == 0 and result.num_frames == 8
    with pytest.raises(InputError, match="has the splits dev, train: choose one with --split"):
        evaluate(tmp_path, tiny_data / "davis")
    with pytest.raises(InputError, match="no data set with splits"):
        evaluate(tmp_path, tiny_data / "davis" / "Annotations" / "480p", split="dev")


def test_the_ground_truth_is_named_where_its_surroundings_tell(tiny_data, tmp_path):
    annotations = tiny_data / "davis" / "Annotations" / "480p"
    assert find_ground_truth(annotations, "zero").name == "DAVIS 2016"
    assert find_ground_truth(annotations / "left", "zero").name == "DAVIS 2016"
    folder = tmp_path / "Annotations_unsupervised" / "480p"
    write(folder / "a", frames(3))
    assert find_ground_truth(folder, "zero").name == "DAVIS 2019 unsupervised"
    write(tmp_path / "mine" / "a", frames(3))
    assert find_ground_truth(tmp_path / "mine", "zero").name == "mine"


def test_what_segment_writes(tmp_path):
    """Masks in the folder of the sequence, maps within, an overlay and a record beside them."""
    write(tmp_path / "truth" / "dog", frames(4))
    folder = write(tmp_path / "masks" / "dog", frames(4), MASK * 0)
    write(folder / "probabilities", frames(4))
    (folder / "overlay.mp4").write_bytes(b"")
    (folder / "3dcseg.json").write_text("{}")
    assert evaluate(tmp_path / "masks", tmp_path / "truth").overall["J_mean"] == 0
    result = evaluate(tmp_path / "masks", tmp_path / "truth", "saliency", probabilities=True)
    assert result.overall["MAE"] == 0


def test_arrays_and_mixed_extensions(tmp_path):
    truth = write(tmp_path / "truth" / "a", ["0.png", "1.bmp", "2.pgm", "3.tif"])
    masks = write(tmp_path / "masks" / "a", ["0.bmp"])
    np.save(masks / "1.npy", MASK > 0)
    np.save(masks / "2.npy", MASK / np.float32(255))
    cv2.imwrite(str(masks / "3.png"), MASK.astype(np.uint16) * 257)
    result = evaluate(masks.parent, truth.parent)
    assert result.sequences[0].per_frame["J"] == (1, 1, 1, 1)


@pytest.mark.parametrize("pattern", ["cars1_{:03d}_gt.png", "cars1_{:02d}.pgm", "{:d}.png"])
def test_other_names_are_matched_by_number(tmp_path, pattern):
    write(tmp_path / "truth" / "cars1", [pattern.format(n) for n in (1, 20, 40)])
    write(tmp_path / "masks" / "cars1", [f"{n:05d}.png" for n in range(60)])
    result = evaluate(tmp_path / "masks", tmp_path / "truth", "fbms")
    assert result.num_frames == 3 and result.overall["J_mean"] == 1


def test_fbms_by_its_root_or_its_test_set(tmp_path):
    """White is the background of a .ppm; gray values are objects, all of them foreground."""
    root = tmp_path / "FBMS"
    folder = write(root / "Testset" / "cats01", [f"cats01_{n:04d}.jpg" for n in range(1, 41)])
    objects = np.full((*MASK.shape, 3), 255, np.uint8)
    objects[6:18, 10:20], objects[6:18, 20:26] = (0, 0, 200), (10, 10, 10)
    write(folder / "GroundTruth", ["cats01_0001_gt.ppm", "cats01_0020_gt.ppm"], objects)
    write(tmp_path / "masks" / "cats01", [f"cats01_{n:04d}.png" for n in range(1, 41)])
    for truth, split in ((root, "test"), (root / "Testset", None)):
        result = evaluate(tmp_path / "masks", truth, "fbms", split=split)
        assert result.num_frames == 2
        assert (result.overall["J_mean"], result.overall["MAE"]) == (1, 0)


def test_visal_by_its_root(tmp_path):
    for name in ("boat", "boat2"):
        write(tmp_path / "ViSal" / "ViSal" / name, [f"{name}_{n:03d}.bmp" for n in range(4)])
        write(tmp_path / "masks" / name, [f"{name}_{n:03d}.png" for n in range(4)])
    flat = ["boat_000.png", "boat_003.bmp", "boat2_002.png"]
    write(tmp_path / "ViSal" / "GroundTruth", flat)
    result = evaluate(tmp_path / "masks", tmp_path / "ViSal", "visal")
    assert [s.num_frames for s in result.sequences] == [2, 1] and result.overall["MAE"] == 0


def test_ground_truth_of_davis_in_three_modes(tmp_path):
    folder = tmp_path / "truth" / "a"
    folder.mkdir(parents=True)
    gray = Image.fromarray(MASK)
    palette = Image.fromarray((MASK > 0).astype(np.uint8))
    palette.putpalette([0, 0, 0, 128, 0, 0] + 254 * [1, 2, 3])
    for name, image in (("0", gray), ("1", gray.convert("LA")), ("2", palette)):
        image.save(folder / f"{name}.png")
    write(tmp_path / "masks" / "a", ["0.png", "1.png", "2.png"])
    for protocol in ("davis16", "saliency", "3dc-seg-published"):
        result = evaluate(tmp_path / "masks", tmp_path / "truth", protocol)
        assert result.overall.get("MAE", 0) == 0 and result.overall.get("J_mean", 1) == 1


def test_objects_with_void(tmp_path):
    labels = np.zeros((24, 40), np.uint8)
    labels[2:10, 2:20], labels[12:20, 5:30] = 1, 2
    truth = labels.copy()
    truth[:, 30:] = 255
    write(tmp_path / "truth" / "a", frames(3), truth)
    other = np.array([0, 5, 3], np.uint8)[labels]
    other[:, 32:] = 3
    write(tmp_path / "masks" / "a", frames(3), other)
    result = evaluate(tmp_path / "masks", tmp_path / "truth", "davis2017-unsupervised")
    assert result.overall["J&F"] == 1


class TestMissing:
    def test_frames_are_named_and_refused_or_counted_as_empty(self, tmp_path):
        write(tmp_path / "truth" / "a", frames(5))
        write(tmp_path / "masks" / "a", ["00000.png", "00001.png", "00004.png"])
        with pytest.raises(
            InputError, match=r"2 frames have no prediction \(a/00002, a/00003\).*--allow-missing"
        ):
            evaluate(tmp_path / "masks", tmp_path / "truth")
        result = evaluate(tmp_path / "masks", tmp_path / "truth", allow_missing=True)
        (sequence,) = result.sequences
        assert sequence.missing == ("00002", "00003")
        assert sequence.per_frame["J"] == (1, 1, 0, 0, 1)

    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_whole_sequences(self, tmp_path, protocol):
        for name in ("a", "b"):
            write(tmp_path / "truth" / name, frames(3), MASK // 255 if "2017" in protocol else MASK)
        write(tmp_path / "masks" / "a", frames(3), MASK // 255 if "2017" in protocol else MASK)
        with pytest.raises(InputError, match=r"no predictions for 1 of 2 sequences \(b\)"):
            evaluate(tmp_path / "masks", tmp_path / "truth", protocol)
        result = evaluate(tmp_path / "masks", tmp_path / "truth", protocol, allow_missing=True)
        assert [len(s.missing) for s in result.sequences] == [0, 3]

    def test_many_are_named_in_part(self, tmp_path):
        write(tmp_path / "truth" / "a", frames(30))
        write(tmp_path / "masks" / "a", frames(2))
        with pytest.raises(InputError, match=r"28 frames .*a/00006, \.\.\.\)"):
            evaluate(tmp_path / "masks", tmp_path / "truth")


class TestBadFolders:
    def test_absent_and_empty(self, tmp_path):
        truth = write(tmp_path / "truth" / "a", frames(3)).parent
        empty = tmp_path / "empty"
        with pytest.raises(InputError, match="empty: no such folder of predictions"):
            evaluate(empty, truth)
        with pytest.raises(InputError, match="empty: no such folder of ground truth"):
            evaluate(truth, empty)
        (empty / "a").mkdir(parents=True)
        with pytest.raises(InputError, match=r"empty: no predictions .*expected in .*empty/a"):
            evaluate(empty, truth)
        with pytest.raises(InputError, match="empty: no masks and no folders of masks"):
            evaluate(truth, empty)
        with pytest.raises(InputError, match="no ground truth of z; there is a"):
            evaluate(truth, truth, sequences=["z"])

    def test_sizes_that_differ(self, tmp_path):
        write(tmp_path / "truth" / "a", frames(3))
        write(tmp_path / "masks" / "a", frames(2))
        write(tmp_path / "masks" / "a", ["00002.png"], MASK[::2, ::2])
        with pytest.raises(InputError, match=r"a/00002: the prediction is 20x12, .* 40x24"):
            evaluate(tmp_path / "masks", tmp_path / "truth")

    def test_a_ground_truth_of_one_frame(self, tmp_path):
        write(tmp_path / "truth" / "a", frames(1))
        write(tmp_path / "masks" / "a", frames(1))
        with pytest.raises(InputError, match=r"a: 1 frame.* at least 3"):
            evaluate(tmp_path / "masks", tmp_path / "truth")
        assert evaluate(tmp_path / "masks", tmp_path / "truth", "saliency").num_frames == 1

    @pytest.mark.parametrize("value", [1, 2, 20])
    def test_gray_masks_that_may_be_labels(self, tmp_path, value):
        write(tmp_path / "truth" / "a", frames(3))
        write(tmp_path / "masks" / "a", frames(3), MASK // 255 * value)
        with pytest.raises(InputError, match=f"no value above {value} of 255.*--read-as"):
            evaluate(tmp_path / "masks", tmp_path / "truth")
        for read_as, expected in (("labels", 1), ("probabilities", 0)):
            result = evaluate(tmp_path / "masks", tmp_path / "truth", read_as=read_as)
            assert result.overall["J_mean"] == expected

    def test_empty_masks_are_in_no_doubt(self, tmp_path):
        write(tmp_path / "truth" / "a", frames(3))
        write(tmp_path / "masks" / "a", frames(3), MASK * 0)
        assert evaluate(tmp_path / "masks", tmp_path / "truth").overall["J_mean"] == 0

    def test_a_broken_file_is_named(self, tmp_path):
        write(tmp_path / "truth" / "a", frames(3))
        write(tmp_path / "masks" / "a", frames(3))
        (tmp_path / "masks" / "a" / "00001.png").write_bytes(b"")
        with pytest.raises(InputError, match=r"00001\.png: not a readable image"):
            evaluate(tmp_path / "masks", tmp_path / "truth")

    def test_nan_in_an_array(self, tmp_path):
        write(tmp_path / "truth" / "a", frames(3))
        write(tmp_path / "masks" / "a", frames(2))
        np.save(tmp_path / "masks" / "a" / "00002.npy", np.full((24, 40), np.nan))
        with pytest.raises(InputError, match="a/00002: values NaN"):
            evaluate(tmp_path / "masks", tmp_path / "truth")

    def test_a_mask_is_no_submission_of_objects(self, tmp_path):
        write(tmp_path / "truth" / "a", frames(3), MASK // 255)
        write(tmp_path / "masks" / "a", frames(3))
        with pytest.raises(InputError, match="a/00000: object number 255 is above 20"):
            evaluate(tmp_path / "masks", tmp_path / "truth", "davis2017-unsupervised")
