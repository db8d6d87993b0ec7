from pathlib import Path

import pytest

from threedcseg.errors import InputError
from threedcseg.training.recipe import Recipe, read_recipe

MINIMAL = """
model: {name: compact}
stages:
  - name: one
    sources: [{kind: video, root: davis, spans: [8, 32]}]
    steps: 3
    batch_size: 2
    size: [32, 64]
    learning_rate: 1.0e-3
"""


def read(tmp_path: Path, text: str) -> Recipe:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return read_recipe(path)


def test_values_are_typed_and_defaults_filled_in(tmp_path):
    recipe = read(tmp_path, MINIMAL)
    stage = recipe.stages[0]
    assert stage.size == (32, 64)
    assert stage.sources[0].spans == (8, 32)
    assert stage.clip_length == 8
    assert recipe.validation is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps: 3", "stpes: 3", "unknown key 'stpes'; did you mean 'steps'"),
        ("steps: 3", "steps: many", "'many' should be of type int"),
        ("steps: 3", "steps: true", "should be of type int"),
        ("size: [32, 64]", "size: [32]", "should have 2 entries"),
        ("kind: video", "kind: vdeo", "choose one of video, stills"),
        ("    steps: 3\n", "", "missing steps"),
        ("model: {name: compact}", "model: compact", "should be a mapping"),
        ("stages:", "stages: [", "not valid YAML"),
    ],
)
def test_mistakes_are_named(tmp_path, old, new, message):
    assert old in MINIMAL
    with pytest.raises(InputError, match=r"recipe\.yaml") as error:
        read(tmp_path, MINIMAL.replace(old, new))
    assert message in str(error.value)


def test_a_missing_recipe_is_named(tmp_path):
    with pytest.raises(InputError, match="no such recipe"):
        read_recipe(tmp_path / "none.yaml")


@pytest.mark.parametrize("path", sorted(Path("recipes").rglob("*.yaml")), ids=str)
def test_every_recipe_that_comes_along_is_read(path):
    assert read_recipe(path).stages
