import json

import pytest

from threedcseg.cli.main import main
from threedcseg.models.registry import BRIDGES, ENCODERS, MODELS, REFINEMENTS


@pytest.fixture(scope="module")
def tables():
    from threedcseg.cli.models import survey

    return survey()


def test_everything_that_is_registered_is_listed(tables):
    assert {kind: list(rows) for kind, rows in tables.items()} == {
        "encoder": list(ENCODERS),
        "bridge": list(BRIDGES),
        "refinement": list(REFINEMENTS),
        "model": list(MODELS),
    }
    for kind, rows in tables.items():
        for row in rows.values():
            assert row["GMACs"] > 0
            assert row["what"]
            assert row["weights"] or kind in ("bridge", "refinement")


def test_text_and_json_say_the_same(tables, capsys, monkeypatch):
    monkeypatch.setattr("threedcseg.cli.models.survey", lambda: tables)
    assert main(["models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == tables
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    csn = next(line for line in lines if line.startswith("ir-csn-152 "))
    assert csn.split()[:5] == ["ir-csn-152", "28.73", "28.88", "29.04", "153.0"]
    assert "28.7 (conv)" in csn
    assert next(line for line in lines if line.startswith("3dc-seg ")).split()[2] == "2,316.3"
