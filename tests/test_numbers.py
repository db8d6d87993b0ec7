"""Numbers that pages repeat are those of the code: what changes one finds its pages here."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from threedcseg.cli.progress import LINE_EVERY
from threedcseg.datasets.davis import LISTS_2016
from threedcseg.demo import jobs, uploads
from threedcseg.inference import guided, shots
from threedcseg.inference.predictor import HELD_BYTES, WINDOWS
from threedcseg.inference.settings import LIVE, PUBLISHED, VIEWS, Settings
from threedcseg.metrics.boundary import TOLERANCE, boundary_tolerance
from threedcseg.models.complexity import of_encoder, of_model
from threedcseg.models.meta import on_meta
from threedcseg.models.shipped import shipped_options
from threedcseg.models.weights import load_weights
from threedcseg.outputs import regions
from threedcseg.training.recipe import read_recipe
from threedcseg.training.train import build_network
from threedcseg.video.folder import FOLDER_RATE

ROOT = Path(__file__).parents[1]
CARD = ROOT / "src" / "threedcseg" / "models" / "cards" / "compact.md"
DEFAULT = Settings()
AWAITED = (DEFAULT.clip_length + DEFAULT.context) * DEFAULT.stride
HELD = AWAITED + DEFAULT.context * DEFAULT.stride + shots.FLASH
MILLIONS = {name: of_model(name).parameters / 1e6 for name in ("compact", "3dc-seg")}
SHIPS = shipped_options("compact")
SEQUENCES = LISTS_2016["dev"]
EARLY = PUBLISHED.clip_length - PUBLISHED.overlap - 1


def rows(page: Path | str, first: str) -> list[list[str]]:
    """The cells of the rows of a page's tables that begin with ``first``, a pattern."""
    lines = re.findall(rf"^ *\| {first} \|.*\|$", (ROOT / page).read_text(), re.M)
    return [[cell.strip(" *") for cell in line.strip().strip("|").split("|")] for line in lines]


def card(sequence: str) -> float:
    return float(rows(CARD, re.escape(sequence))[0][1])


MEAN = card("**mean**")
KEPT = float(re.findall(r"all regions kept \(.*?\) ([\d.]+)", CARD.read_text())[0])
COMPACT, PAPER = f"{MILLIONS['compact']:.1f}", f"{MILLIONS['3dc-seg']:.1f}"

COUNTS = {2: "two", 3: "three", 5: "five", 7: "seven", 8: "eight"}

SAYINGS = {
    "README.md": [
        f"At most {HELD} frames are held",
        f"A mask is final at most {AWAITED - 1} frames after its frame came in",
        f"| this, `compact` | {MEAN} | | {COMPACT} M |",
        f"is not sure of (`--drop-unsure 0`) | {KEPT} | | {COMPACT} M |",
    ],
    "docs/index.md": [f"has {COMPACT} million parameters", f"it reaches {MEAN} J&F"],
    "docs/method.md": [
        f"clips of `clip_length` {DEFAULT.clip_length} that share `overlap` frames",
        f"(section 3.3: {PUBLISHED.overlap}; by default none here)",
        f"With an overlap of {PUBLISHED.overlap}",
        f"| parameters | {PAPER} million | {COMPACT} million |",
        f"| network's resolution | short edge {PUBLISHED.short_edge} | "
        f"short edge {DEFAULT.short_edge} |",
        f"has {COUNTS[DEFAULT.context]} frames before and after it as [context]",
        f"frames one and {COUNTS[DEFAULT.context]} steps before and after (three, of clips without",
        f"at most {AWAITED - 1} frames after its frame",
        f"At most {HELD} frames are held",
        f"EfficientNet-L{SHIPS['width'][1:]}",
    ],
    "docs/shots.md": [
        f"one clip, or block, with its context, and two frames, {HELD} by default",
        f"wait until a clip is full and its context is in ({AWAITED} frames by default",
        f"the product is above {shots.LEAST:g} and {COUNTS[shots.TIMES]} times as large as all of "
        f"the last {COUNTS[shots.RECENT]} steps",
        f"A picture that is back after one or {COUNTS[shots.FLASH]} frames was interrupted",
    ],
    "docs/live.md": [
        f"`clip length - overlap - 1` frames after it ({EARLY} by default; "
        f"{40 * EARLY} ms at 25 frames a second)",
        f"`--emit early --overlap {LIVE.overlap} --stride {LIVE.stride} --tta {LIVE.tta} "
        f"--short-edge {LIVE.short_edge}`",
    ],
    "docs/outputs.md": [
        f"The network works at a short edge of {DEFAULT.short_edge} pixels",
        f"between {guided.SURE} and {1 - guided.SURE}",
        f"A folder of frames becomes {FOLDER_RATE} frames a second",
        f"Regions below {100 * regions.SMALLEST:g} % of the frame are specks",
    ],
    "docs/performance.md": [f"first window has been computed ({AWAITED} frames by default,"],
    "docs/demo.md": [
        f"at most {jobs.MAX_WAITING} wait",
        f"nobody has looked at it for {jobs.ABANDONED_SECONDS:g} seconds",
    ],
    "docs/metrics.md": [
        f"within {100 * TOLERANCE:g} % of the diagonal ({boundary_tolerance((480, 854))} pixels",
        f'"clip_length": {DEFAULT.clip_length}, "overlap": {DEFAULT.overlap}, '
        f'"stride": {DEFAULT.stride}, "context": {DEFAULT.context}, "tta": {DEFAULT.tta}',
        f'"short_edge": {DEFAULT.short_edge}',
    ],
    "docs/scale.md": [f"in a log, a line every {LINE_EVERY:g} seconds"],
    "DEVIATIONS.md": [
        f"resized to a short edge of {PUBLISHED.short_edge} | switch | {DEFAULT.short_edge} for",
        f"sides rounded to multiples of {DEFAULT.multiple} without padding",
    ],
    "CHANGELOG.md": [f"dev {KEPT} with one view", f"dev {MEAN} instead of {KEPT}"],
    "src/threedcseg/models/cards/compact.md": [
        f"{COMPACT} M parameters",
        f"a short edge of {DEFAULT.short_edge}, one view",
    ],
}


@pytest.mark.parametrize(
    ("page", "saying"), [(page, saying) for page, each in SAYINGS.items() for saying in each]
)
def test_pages_say_what_the_code_says(page, saying):
    text = re.sub(r"\s+", " ", (ROOT / page).read_text().replace("**", ""))
    assert saying in text, f"{page} should say: {saying}"


def test_the_cards_means_are_those_of_its_rows():
    for column in (1, 2, 3):
        values = [float(rows(CARD, name)[0][column]) for name in SEQUENCES]
        mean = float(rows(CARD, r"\*\*mean\*\*")[0][column])
        assert mean == pytest.approx(sum(values) / 6, abs=0.1)  # of rounded figures, rounded


def test_quality_repeats_the_card():
    page = "docs/quality.md"
    assert float(rows(page, r"\*\*compact, as it ships\*\*.*?")[0][2]) == MEAN
    for name in SEQUENCES:
        assert rows(page, name)[0][1:3] == rows(CARD, name)[0][2:]


def test_the_defaults_suit_the_file_that_ships():
    header = load_weights(CARD.with_suffix(".safetensors"))[1]
    assert header["clip_length"] == DEFAULT.clip_length
    assert set(header.get("settings", {})) <= set(vars(DEFAULT))
    model = dict(read_recipe(ROOT / "recipes" / "compact.yaml").model)
    assert model == {"name": "compact", **SHIPS}
    assert read_recipe(ROOT / "recipes" / "fine-tune.yaml").model == model


def test_views_and_decoders_are_as_the_method_says():
    text = " ".join((ROOT / "docs" / "method.md").read_text().split())
    assert len(VIEWS) == 4 and {scale for scale, _ in VIEWS} == {1.0, 0.6}
    assert "`--tta 4`, the network sees each clip four times" in text and "0.6 of the size" in text
    assert f"{SHIPS['channels']} channels" in text and "256 channels" in text
    assert MILLIONS["3dc-seg"] / MILLIONS["compact"] == pytest.approx(15, abs=0.5)


def test_held_frames_are_fewer_where_they_are_large():
    def held(height: int, width: int) -> int:
        return DEFAULT.clip_length * max(1, min(WINDOWS, HELD_BYTES // (8 * height * width * 3)))

    text = (ROOT / "src" / "threedcseg" / "inference" / "predictor.py").read_text()
    assert f"(1080p: {HELD_BYTES // (1080 * 1920 * 3)} frames, 4K: {held(2160, 3840)})" in text


def test_the_table_of_encoders_is_what_is_counted():
    for label, name in {
        "ir-CSN-152": "ir-csn-152",
        r"R\(2\+1\)D-34": "r2plus1d-34",
        "ResNet-101": "resnet-101",
    }.items():
        counted = of_encoder(name)
        found = [float(cell) for cell in rows("docs/models.md", label)[0][1:4]]
        everything = counted.parameters + counted.statistics
        expected = [counted.convolutions, counted.parameters, everything]
        assert found == [round(number / 1e6, 2) for number in expected]


def test_the_decoders_of_the_ablations_have_the_parameters_of_their_table():
    recipe = read_recipe(ROOT / "recipes" / "ablations" / "final.yaml")
    for label, bridge in {"C3D": "c3d", "NL3D": "nl3d", "ASPP": "aspp3d", "GC3D": "gc3d"}.items():
        with on_meta():
            network = build_network(replace(recipe, model={**recipe.model, "bridge": bridge}))
        counted = sum(parameter.numel() for parameter in network.decoder.parameters())
        assert rows("docs/ablations.md", label)[0][1] == f"{counted / 1e6:.2f} M"


def test_uploads_may_have_what_the_demo_says():
    assert "frames may have up to 4096x2304 pixels" in (ROOT / "docs" / "demo.md").read_text()
    assert uploads.MAX_PIXELS == 4096 * 2304
