import json
import os
from pathlib import Path

import pytest
from made_records import LIVE, finish, record_of

from threedcseg.outputs.record import RECORD_NAME, LiveRecord, Provenance, RunRecord, RunTerms
from threedcseg.outputs.rendering import Rendering
from threedcseg.outputs.result_folder import begin_run, finish_run


@pytest.mark.parametrize("live", [None, LIVE])
def test_written_last_and_read_back(tmp_path: Path, live: LiveRecord | None) -> None:
    folder = tmp_path / "out" / "dog"
    record = record_of(
        source="d\udcf6g.mp4",  # a name that is not UTF-8
        shots=[{"first_frame": 0, "stride": 6}, {"first_frame": 40, "stride": 2}],
        frame_names=["a", "b"],
        rendering=Rendering("soft", "beach.jpg"),
        settings={"overlap": 3, "tail": "shift", "keep_largest": None, "threshold": 0.5},
        provenance=Provenance(model="compact", weights_sha256="ab" * 32),
        live=live,
    )
    begin_run(folder, record)
    assert RunRecord.read(folder) is None
    finish_run(folder, record)
    assert RunRecord.read(folder) == record and record.cuts == (40,)
    assert [file.name for file in folder.iterdir()] == [RECORD_NAME]
    assert json.loads((folder / RECORD_NAME).read_text())["format"] == "3dcseg run 1"


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "\xff\xfe", "{}"])
def test_anything_else_is_no_record(tmp_path: Path, text: str) -> None:
    (tmp_path / RECORD_NAME).write_text(text, "latin-1")
    assert RunRecord.read(tmp_path) is None


@pytest.mark.parametrize(
    "change",
    [
        {"format": "3dcseg run 2"},
        {"new": 1},
        {"source": None},
        {"outputs": {"masks": ["/etc/*.conf"]}},
        {"outputs": {"masks": ["../*.png"]}},
        {"outputs": {"masks": ["a/../../*.png"]}},
        {"outputs": {"masks": ["*/*.png"]}},
        {"outputs": {"masks": [""]}},
    ],
)
def test_other_versions_and_files_elsewhere_are_not_believed(tmp_path: Path, change) -> None:
    finish(tmp_path)
    path = tmp_path / RECORD_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert RunRecord.read(tmp_path) is None


def test_no_folder_no_record(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert RunRecord.read(tmp_path / "none") is None
    assert RunRecord.read(tmp_path / "file") is None


def test_the_same_terms() -> None:
    record = record_of(settings={"overlap": 3})
    terms = RunTerms(outputs=record.outputs, settings={"overlap": 3})
    assert record.fulfils("a.mp4", terms)
    assert not record.fulfils("b.mp4", terms)
    for change in (
        {"outputs": {}},
        {"rendering": Rendering("soft")},
        {"settings": {"overlap": 4}},
        {"provenance": Provenance(precision="bfloat16")},
    ):
        assert not record.fulfils("a.mp4", terms.model_copy(update=change))


def test_memory_does_not_grow_with_the_masks(tmp_path: Path) -> None:
    """The record of a long video names none of its masks."""
    finish(
        tmp_path, num_frames=350_000, outputs={"masks": ("*.png",), "palette": ("palette/*.png",)}
    )
    assert os.path.getsize(tmp_path / RECORD_NAME) < 2000
