import json

import numpy as np
import pytest
from made_videos import write_video

from threedcseg.cli.main import main
from threedcseg.models import create_model
from threedcseg.models.weights import save_weights


def rows(text):
    lines = [line[2:-2].split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_encoders_and_models_are_timed(tmp_path, capsys, precision):
    names = "compact,ir-csn-50,resnet-101"
    args = ["--names", names, "--size", "30x50", "--clip-length", "4", "--repeats", "2"]
    path = tmp_path / "times.json"
    assert main(["benchmark", *args, "--precision", precision, "--json", str(path)]) == 0
    printed = rows(capsys.readouterr().out)
    assert [row["network"] for row in printed] == names.split(",")
    assert {row["clip"] for row in printed} == {"4x32x64"}
    for row in printed:
        seconds = float(row["seconds a clip"])
        least, most = map(float, row["spread"].split(" to "))
        assert 0 < least * 0.99 <= seconds + 5e-4 and seconds <= most * 1.01 + 5e-4
        assert float(row["seconds a frame"]) == pytest.approx(seconds, abs=6e-4)  # 4 - 3 new
    written = json.loads(path.read_text())
    assert written["rows"] == printed and written["precision"] == precision


def test_a_video_is_timed_in_parts(tmp_path, capsys):
    video = write_video(
        tmp_path / "a.mp4", [np.full((36, 36, 3), i * 20, np.uint8) for i in range(4)]
    )
    weights = tmp_path / "tiny.safetensors"
    save_weights(weights, create_model("compact", width="lite0", channels=8))
    words = ["--names", str(weights), "--clip-length", "4", "--repeats", "1"]
    assert main(["benchmark", "--video", str(video), *words]) == 0
    times = {row["part"]: float(row["seconds a frame"]) for row in rows(capsys.readouterr().out)}
    assert list(times) == ["reading", "network", "resizing", "writing", "end to end"]
    assert times["network"] > 0 and times["end to end"] > 0


@pytest.mark.parametrize(
    ("args", "needle"),
    [
        (["--names", "compcat"], "unknown encoder 'compcat'"),
        (["--size", "480"], "give height x width"),
        (["--repeats", "0"], "give 1 or more"),
        (["--video", "none.mp4"], "none.mp4"),
        (["--device", "cuda:7"], "cuda:7"),
    ],
)
def test_bad_input_is_told_in_a_line(capsys, args, needle):
    assert main(["benchmark", *args]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and needle in error
