import json
from pathlib import Path

import pytest
from made_records import LIVE, finish, record_of

from threedcseg.outputs.formats import FORMATS
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


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1, 2]", "\xff\xfe", "{}", "[" * 200_000, '{"a":' * 99 + "1" + "}" * 99, "9" * 5000],
)
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


TERMS = RunTerms(
    source="/in/a.mp4",
    source_digest="12",
    outputs={},
    settings={"overlap": 3},
    provenance=Provenance(weights_sha256="34"),
)


@pytest.mark.parametrize(
    "change",
    [
        {"source_digest": "13"},
        {"source_digest": None},
        {"settings": {"overlap": 4}},
        {"provenance": Provenance(weights_sha256="34", precision="bfloat16")},
        {"provenance": Provenance(weights_sha256="35")},
    ],
)
def test_what_changes_every_output(change) -> None:
    other = TERMS.model_copy(update=change)
    for name in (*FORMATS, "that of a module which is not here"):
        assert TERMS.makes(name, TERMS) and not other.makes(name, TERMS)
        assert not TERMS.makes(name, other)


def test_of_unknown_weights_nothing_is_known() -> None:
    unknown = TERMS.model_copy(update={"provenance": Provenance(model="mine")})
    assert not unknown.makes("masks", unknown)


def test_rendering_changes_what_it_draws() -> None:
    def changed_by(rendering: Rendering) -> set[str]:
        other = TERMS.model_copy(update={"rendering": rendering})
        return {name for name in (*FORMATS, "unknown") if not other.makes(name, TERMS)}

    assert changed_by(Rendering(background="red")) == {"cutout", "unknown"}
    assert changed_by(Rendering("soft")) == {
        "cutout", "matte", "alpha.mov", "alpha.webm", "rgba", "unknown"
    }  # fmt: skip


def test_a_source_is_known_by_its_place_or_by_what_it_holds() -> None:
    for change, same in (
        ({"source": "/moved/b.mp4"}, True),
        ({"source_digest": "13"}, True),
        ({"source": "/moved/b.mp4", "source_digest": "13"}, False),
        ({"source": "/moved/b.mp4", "source_digest": None}, False),
    ):
        assert TERMS.is_of_source(TERMS.model_copy(update=change)) is same
