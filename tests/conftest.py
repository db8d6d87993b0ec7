"""Small real data that several tests share."""

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

WORKER = os.environ.get("PYTEST_XDIST_WORKER")  # the name of this process, where there are several
if WORKER:
    # Workers share the cores: one thread each, also in the processes that tests start. Read when
    # torch is imported, which is after this.
    os.environ["OMP_NUM_THREADS"] = "1"

SHARED = Path(__file__).parents[2] / "shared"

QUIET_CHROMIUM = [  # asks nothing of anybody
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Draws that no test gives a seed are the same each time, in whatever order tests run."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium; skips where it or Playwright is absent."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("needs Chromium (Debian: chromium)")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=QUIET_CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and golden values beside the repository; skips where absent."""
    if not SHARED.is_dir():
        pytest.skip("needs the folder shared/ beside the repository")
    return SHARED


@pytest.fixture(scope="session")
def one_trace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Exports of the same network share the trace that PyTorch takes of it, half a minute each."""
    pytest.importorskip("onnxscript", reason="pip install 'threedcseg[onnx]' to test exports")
    from threedcseg.runtimes import export

    kept = tmp_path_factory.getbasetemp().parent if WORKER else tmp_path_factory.getbasetemp()
    take = export._write_onnx

    def write(network: Any, path: Path, *shape: int) -> None:
        digest = hashlib.sha256(str(shape).encode())
        for name, tensor in network.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.numpy().tobytes())
        trace = kept / f"{digest.hexdigest()}.onnx"
        if not trace.exists():
            take(network, path, *shape)
            os.replace(shutil.copy(path, path.with_suffix(".kept")), trace)
        shutil.copy(trace, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "_write_onnx", write)
        yield


@pytest.fixture
def public_path() -> Iterator[Path]:
    """A folder that every user may enter; those of pytest's `tmp_path` are for its user alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of bright discs on dark noise: ``davis/`` (two sequences) and ``stills/``."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)

    def write(folder: Path, masks: Path, name: str, x: int, extension: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        masks.mkdir(parents=True, exist_ok=True)
        mask = cv2.circle(np.zeros((48, 80), np.uint8), (x, 24), 12, 255, -1)
        image = rng.integers(0, 60, (48, 80, 3), np.uint8)
        image[mask > 0] += 150
        cv2.imwrite(str(folder / f"{name}.{extension}"), image)
        cv2.imwrite(str(masks / f"{name}.png"), mask)

    davis = root / "davis"
    for sequence in ("left", "right"):
        for t in range(10):
            x = 20 + 4 * t if sequence == "right" else 60 - 4 * t
            folders = (davis / kind / "480p" / sequence for kind in ("JPEGImages", "Annotations"))
            write(*folders, f"{t:05d}", x, "jpg")
    (davis / "ImageSets").mkdir()
    (davis / "ImageSets" / "train.txt").write_text("left\nright\n")
    (davis / "ImageSets" / "dev.txt").write_text("right\n")
    for number in range(6):
        stills = root / "stills"
        write(stills / "images", stills / "masks", str(number), 15 + 10 * number, "jpg")
    return root
