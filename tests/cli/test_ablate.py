"""Tables of the paper on tiny data, laid out as it is published."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from threedcseg.ablation.experiment import Ablation, shrunk
from threedcseg.ablation.tables import TABLES, find_table
from threedcseg.cli.main import main
from threedcseg.errors import InputError
from threedcseg.inference.settings import PUBLISHED
from threedcseg.training.recipe import Recipe, plain, read_recipe

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture(scope="module")
def data(tiny_data, tmp_path_factory) -> Path:
    """DAVIS, COCO, YouTube-VOS and ViSal of two short sequences each; no FBMS."""
    root = tmp_path_factory.mktemp("published")
    davis = tiny_data / "davis"
    shutil.copytree(davis, root / "DAVIS")
    (root / "DAVIS" / "ImageSets" / "val.txt").write_text("left\n")

    coco = root / "coco"
    shutil.copytree(tiny_data / "stills" / "images", coco / "train2017")
    images = sorted((coco / "train2017").iterdir())
    box = [20, 8, 32, 32]
    corners = [20, 8, 52, 8, 52, 40, 20, 40]
    listing = {
        "images": [
            {"id": i, "file_name": image.name, "height": 48, "width": 80}
            for i, image in enumerate(images)
        ],
        "categories": [{"id": 1, "name": "disc"}],
        "annotations": [
            {
                "id": i, "image_id": i, "category_id": 1, "bbox": box, "area": 1024,
                "segmentation": [corners], "iscrowd": 0,
            }
            for i in range(len(images))
        ],
    }  # fmt: skip
    (coco / "annotations").mkdir()
    (coco / "annotations" / "instances_train2017.json").write_text(json.dumps(listing))

    videos = root / "youtube-vos" / "train"
    for kind in ("JPEGImages", "Annotations"):
        for name in ("left", "right"):
            shutil.copytree(davis / kind / "480p" / name, videos / kind / name)
    for path in (videos / "Annotations").rglob("*.png"):
        cv2.imwrite(str(path), (cv2.imread(str(path), 0) > 0).astype(np.uint8))  # object 1

    for name in ("left", "right"):
        frames = root / "ViSal" / "ViSal" / name
        shutil.copytree(davis / "JPEGImages" / "480p" / name, frames)
        for path in frames.iterdir():
            path.rename(path.with_stem(f"{name}_{path.stem}"))
        truth = root / "ViSal" / "GroundTruth"
        truth.mkdir(exist_ok=True)
        for number in ("00000", "00005"):
            mask = davis / "Annotations" / "480p" / name / f"{number}.png"
            shutil.copy(mask, truth / f"{name}_{number}.png")
    return root


def ablate(table: str, data: Path, out: Path, *more: str) -> int:
    words = ["--data", str(data), "--out", str(out), "--recipes", str(RECIPES / "paper")]
    return main(["ablate", table, *words, "--scale", "tiny", "--device", "cpu", *more])


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_tables_of_the_paper_are_rehearsed(data, tmp_path, capsys):
    out = tmp_path / "out"
    assert ablate("table2b", data, out, "--workers", "0") == 0
    measured = rows(out / "table2b.csv")
    assert [row["J&F paper"] for row in measured] == ["80.3", "81.7", "81.0", "84.1"]
    assert all(0 <= float(row["J&F here"]) <= 100 for row in measured)
    assert (out / "table2b.png").read_bytes()[:4] == b"\x89PNG"
    assert "| GC3D | 4 |" in (out / "table2b.md").read_text()

    # Its last row is the final model, which table 5 scores on every set that is there.
    before = (out / "final" / "model.safetensors").stat().st_mtime_ns
    capsys.readouterr()
    assert ablate("5", data, out) == 0
    assert "training" not in capsys.readouterr().out
    assert (out / "final" / "model.safetensors").stat().st_mtime_ns == before
    davis, fbms, visal = rows(out / "table5.csv")
    assert (davis["F1_max paper"], davis["F1 paper"]) == ("91.8", "")
    assert (visal["F1_max paper"], visal["F1 paper"]) == ("", "92.2")
    assert float(davis["MAE here"]) > 0 and float(visal["MAE here"]) > 0
    assert fbms["MAE here"] == "" and "FBMS: no such folder" in fbms["left out"]

    # Once more: nothing is done again, and the table says the same.
    text = (out / "table5.md").read_text()
    assert ablate("5", data, out) == 0
    assert "scoring" not in capsys.readouterr().out
    assert (out / "table5.md").read_text() == text


@pytest.mark.slow
def test_dense_windows_are_scored_and_timed_by_themselves(data, tmp_path):
    assert ablate("4", data, tmp_path, "--workers", "0") == 0
    usual, dense = rows(tmp_path / "table4.csv")
    assert all(float(row["seconds a frame here"]) > 0 for row in (usual, dense))
    assert len(list((tmp_path / "final").glob("figures-*.json"))) == 2


def test_every_row_has_a_recipe_and_the_figures_of_its_table():
    for table in TABLES.values():
        for row in table.rows:
            assert set(row.published) <= {figure.name for figure in table.figures}
            assert (row.recipe is None) != (row.encoder is None)
            assert row.recipe is None or (RECIPES / "paper" / f"{row.recipe}.yaml").is_file()


def test_parameters_are_counted_as_the_paper_counted_them(tmp_path):
    assert main(["ablate", "table1", "--out", str(tmp_path), "--scale", "tiny"]) == 0
    measured = rows(tmp_path / "table1.csv")
    assert [row["M parameters here"] for row in measured] == ["42.5", "42.6", "63.5", "28.7"]
    assert all(row["M parameters here"] == row["M parameters paper"] for row in measured)
    assert "`3dcseg models`" in (tmp_path / "table1.md").read_text()


def test_rows_of_the_paper_are_predicted_as_it_did():
    for path in (RECIPES / "paper").glob("*.yaml"):
        settings = read_recipe(path).validation.settings
        assert settings == replace(PUBLISHED, clip_length=settings.clip_length), path.name


def shrunken(table: str, recipes: str = "paper") -> list[Recipe]:
    rows = TABLES[table].rows
    return [shrunk(read_recipe(RECIPES / recipes / f"{row.recipe}.yaml")) for row in rows]


@pytest.mark.parametrize(
    ("table", "recipes"),
    [("table2a", "paper"), ("table2b", "paper"), ("table2c", "paper"), ("table3", "paper")]
    + [(table, "ablations") for table in ("table2b", "table2c", "table3")],
)
def test_a_rehearsal_keeps_what_its_rows_are_about(table, recipes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").mkdir()
    for name in ("ir-csn-152-ig65m", "ir-csn-152-sports1m", "r2plus1d-34-ig65m"):
        (tmp_path / "weights" / f"{name}-kinetics.safetensors").touch()
    trained = [json.dumps(plain(recipe)) for recipe in shrunken(table, recipes)]
    assert len(set(trained)) == len(trained)


def test_a_rehearsal_keeps_encoders():
    encoders = [recipe.model["encoder"] for recipe in shrunken("table2a")]
    assert encoders == ["ir-csn-152"] * 8 + ["r2plus1d-34"]


def test_a_rehearsal_says_which_weights_it_does_without(data, tmp_path):
    ablation = Ablation(RECIPES / "paper", tmp_path, data, tiny=True, device="cpu", workers=0)
    told = []
    next(ablation.rows(find_table("3"), told.append))
    missing = "weights/ir-csn-152-ig65m-kinetics.safetensors"
    assert told[0] == f"Upsampling: no file {missing}; rehearsed from random weights"


def test_a_rehearsal_keeps_the_clip_lengths_that_its_rows_are_about():
    rehearsed = shrunken("table2c")
    assert [r.stages[-1].clip_length for r in rehearsed] == [4, 8, 16, 24]
    assert [r.validation.settings.clip_length for r in rehearsed] == [4, 8, 16, 24]


def test_what_would_be_done(data, tmp_path, capsys):
    out = tmp_path / "out"
    assert ablate("2c", data, out, "--dry-run") == 0
    printed = capsys.readouterr().out
    assert "16 frames: train table2c-16, 6 steps" in printed
    assert not out.exists()
    # At full scale the weights that the paper starts from are wanted.
    table = find_table("2b")
    plans = [what for _, what in Ablation(RECIPES / "paper", out, data).plan(table)]
    assert all("left out: initial_weights.encoder: no file" in what for what in plans)


def test_rows_without_data_are_left_out(tmp_path, capsys):
    (tmp_path / "data").mkdir()
    assert ablate("2b", tmp_path / "data", tmp_path / "out") == 2
    assert "no row could be measured" in capsys.readouterr().err
    assert (tmp_path / "out" / "table2b.md").read_text().count("no such folder") == 4


@pytest.mark.parametrize(
    ("words", "needle"),
    [
        (["6"], "choose one of table1"),
        (["2b", "--recipes", "nowhere"], "nowhere: no such folder of recipes"),
        (["2b", "--data", "nowhere"], "nowhere: no such folder"),
        (["2b", "--workers", "-1"], "give 0 or more"),
    ],
)
def test_mistakes_are_named(words, needle, capsys, monkeypatch):
    monkeypatch.chdir(RECIPES.parent)
    assert main(["ablate", *words, "--out", "unused"]) == 2
    error = capsys.readouterr().err
    assert needle in error and error.count("\n") == 1


def test_a_folder_that_is_a_file(data, tmp_path, capsys):
    (tmp_path / "out").write_text("")
    assert ablate("2b", data, tmp_path / "out") == 2
    assert "cannot be a folder of results" in capsys.readouterr().err


def test_names_of_tables():
    assert find_table("Table 2b") is find_table("2b") is TABLES["table2b"]
    with pytest.raises(InputError):
        find_table("2d")
