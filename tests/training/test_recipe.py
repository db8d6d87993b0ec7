from pathlib import Path

import pytest

from threedcseg.errors import InputError
from threedcseg.training.recipe import Recipe, read_recipe, write_recipe

MINIMAL = """
model: {name: compact}
stages:
  - name: one
    sources: [{kind: davis16, root: davis, spans: [8, 32]}]
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
        ("steps: 3", "stpes: 3", "unknown key 'stpes': did you mean 'steps'"),
        ("steps: 3", "steps: many", "stages[0].steps: 'many' given: expected a whole number"),
        ("steps: 3", "steps: true", "True given: expected a whole number"),
        ("size: [32, 64]", "size: [32]", "stages[0].size: [32] given: expected more entries"),
        (
            "kind: davis16",
            "kind: davsi16",
            "unknown kind of data set 'davsi16': did you mean 'davis16'",
        ),
        ("    steps: 3\n", "", "stage 'one': give either steps or minutes"),
        ("steps: 3", "steps: 0", "stage 'one': give either steps or minutes"),
        ("batch_size: 2", "batch_size: 0", "stage 'one' has no batch_size: add it"),
        ("root: davis,", "root: davis, weight: 0,", "stage 'one' has no source with a weight"),
        (
            "root: davis,",
            "root: davis, weight: -1,",
            "sources[0].weight: -1 given: expected 0 or more",
        ),
        ("{name: compact}", "{width: lite0}", "model: missing name"),
        ("model: {name: compact}", "model: compact", "model: 'compact' given: expected a mapping"),
        ("stages:", "stages: [", "not valid YAML"),
        ("spans: [8, 32]", "spans: 8", "stages[0].sources[0].spans: 8 given: expected a list"),
        ("spans: [8, 32]", "scene: {twin: 1}", "scene: unknown key 'twin': did you mean 'twins'"),
        ("spans: [8, 32]", "copy_paste: 1", "copy_paste needs surroundings: name a data set"),
    ],
)
def test_mistakes_are_named(tmp_path, old, new, message):
    assert old in MINIMAL
    with pytest.raises(InputError, match=r"recipe\.yaml") as error:
        read(tmp_path, MINIMAL.replace(old, new))
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_missing_recipe_is_named(tmp_path):
    with pytest.raises(InputError, match="no such recipe"):
        read_recipe(tmp_path / "none.yaml")


def test_numbers_may_be_written_without_a_point(tmp_path):
    assert read(tmp_path, MINIMAL.replace("1.0e-3", "1e-3")).stages[0].learning_rate == 1e-3


def test_what_is_written_reads_as_the_same(tmp_path):
    recipe = read(tmp_path, MINIMAL + "validation: {root: davis, settings: {short_edge: 64}}\n")
    assert read(tmp_path, write_recipe(recipe)) == recipe


def test_overrides_are_typed(tmp_path):
    (tmp_path / "recipe.yaml").write_text(MINIMAL)
    overrides = [
        "stages.0.steps=100",
        "stages.one.sources.0.spans=[4]",
        "optimizer=adam",
        "validation={root: davis}",
        "validation.every=7",
        "stages.0.augmentation.flip=0",
        "model.width=lite2",
    ]
    recipe = read_recipe(tmp_path / "recipe.yaml", overrides)
    assert recipe.stages[0].steps == 100
    assert recipe.stages[0].sources[0].spans == (4,)
    assert recipe.stages[0].augmentation.flip == 0.0
    assert (recipe.optimizer, recipe.validation.every) == ("adam", 7)
    assert recipe.model == {"name": "compact", "width": "lite2"}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimiser=adam", "unknown key 'optimiser': did you mean 'optimizer'"),
        ("stages.0.stpes=3", "stages[0]: unknown key 'stpes': did you mean 'steps'"),
        ("stages.0.steps=few", "'few' given: expected a whole number"),
        ("stages.2.steps=3", "stages has no entry '2': give 0 to 0 or one"),
        ("stages.two.steps=3", "stages has no entry 'two'"),
        ("stages.0.name.x=1", "stages.0.name is 'one', which has no 'x'"),
        ("seed", "expected KEY=VALUE"),
        ("=3", "expected KEY=VALUE"),
        ("loss={", "not valid YAML"),
        ("optimizer=sgd", "'sgd' given: expected 'adam' or 'adamw'"),
    ],
)
def test_mistakes_in_overrides_are_named(tmp_path, override, message):
    (tmp_path / "recipe.yaml").write_text(MINIMAL)
    with pytest.raises(InputError) as error:
        read_recipe(tmp_path / "recipe.yaml", ["stages.0.steps=4", override])
    assert f"--set {override}" in str(error.value)
    assert message in str(error.value)


def write(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


def test_a_recipe_says_only_what_differs(tmp_path):
    write(
        tmp_path,
        base=MINIMAL,
        rows__middle="extends: ../base.yaml\nmodel: {width: lite0}\nvalidation: {root: davis}\n",
        rows__last="""
extends: middle.yaml
validation: null
stages:
  - name: two
    sources: [{kind: stills, root: stills}]
    steps: 1
    batch_size: 1
    size: [32, 32]
    learning_rate: 1
  - {name: one, steps: 7}
""",
        rows__other="extends: last.yaml\nstages: [{name: one}]\n",
    )
    recipe = read_recipe(tmp_path / "rows" / "last.yaml", ["stages.two.steps=9"])
    assert recipe.model == {"name": "compact", "width": "lite0"}
    assert [(s.name, s.steps, s.batch_size) for s in recipe.stages] == [
        ("two", 9, 1),
        ("one", 7, 2),
    ]
    other = read_recipe(tmp_path / "rows" / "other.yaml")
    assert [(s.name, s.steps) for s in other.stages] == [("one", 7)]
    assert recipe.validation is None
    assert read_recipe(tmp_path / "rows" / "middle.yaml").validation.root == "davis"


def test_recipes_in_a_circle(tmp_path):
    write(tmp_path, a="extends: b.yaml", b="extends: ./a.yaml")
    with pytest.raises(InputError, match=r"circle .*a\.yaml -> .*b\.yaml -> .*a\.yaml"):
        read_recipe(tmp_path / "a.yaml")


def test_a_missing_base_is_named_with_who_asks_for_it(tmp_path):
    write(tmp_path, a="extends: none.yaml")
    with pytest.raises(InputError, match=r"none\.yaml: no such recipe: .*a\.yaml extends it"):
        read_recipe(tmp_path / "a.yaml")


def test_extends_is_a_path(tmp_path):
    write(tmp_path, a="extends: [b]")
    with pytest.raises(InputError, match="expected the path of another recipe"):
        read_recipe(tmp_path / "a.yaml")
