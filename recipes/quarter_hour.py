"""Train where a GPU is lent for a quarter of an hour, on a machine that gets its files in parts.

    python recipes/quarter_hour.py prepare recipes/compact.yaml --data data -o runs/lent
    python recipes/quarter_hour.py join PARTS -o lent        # there, once all parts have arrived
    python recipes/quarter_hour.py train lent -o RESULTS --seconds 560

`prepare` gathers all that a recipe reads, what it trains on as packs, and cuts it into parts
(docs/training.md). `join` needs Python alone. `train` installs the wheels that came along,
measures the kernels, trains by the clock and copies weights, log and pictures into RESULTS; each
line that it prints begins with the seconds since its start.
"""

import argparse
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import threading
import time
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import numpy as np

    from threedcseg.datasets.packs import Footage
    from threedcseg.training.recipe import Recipe

SOURCE = Path(__file__).resolve().parents[1] / "src"
STILL = 352  # pixels of a still's longer side, at most
QUALITY = 75  # of WebP
CRF = "18"  # of H.264
KERNELS = 40  # seconds that measuring them may take
PICTURES = 3  # newest samples among the results

CHECK = """
import platform, sys, av, cv2, torch
from threedcseg.models.device import pick_device
device = pick_device(sys.argv[1])
print(torch.cuda.get_device_name(device) if device.type == "cuda" else device.type, end="; ")
print(f"Python {platform.python_version()}, torch {torch.__version__}", end=", ")
print(f"OpenCV {cv2.__version__}, PyAV {av.__version__}")
"""
MEASURE = """
import sys, torch
from threedcseg.models.device import pick_device
from threedcseg.training.convolutions import fastest_convolution
device = pick_device(sys.argv[1])
line = fastest_convolution(device, torch.bfloat16 if device.type == "cuda" else torch.float32)[1]
print(line)
sys.exit("failed" in line)
"""
TRAIN = """
import sys
from threedcseg.cli.main import main
from threedcseg.training import depthwise
depthwise.AVAILABLE &= sys.argv.pop(1) == "kernels"
sys.exit(main(sys.argv[1:]))
"""


# Prepare, where the data are


def prepare(recipe: "Recipe", folder: Path, mib: float, also: Sequence[Path]) -> None:
    """Write what ``recipe`` reads, and the folders ``also``, below ``folder`` as ``parts/``."""
    from threedcseg.training.recipe import write_recipe

    files = folder / "files"
    files.mkdir(parents=True)
    (files / "recipe.yaml").write_text(write_recipe(gathered(recipe, files)))
    for other in also:
        shutil.copytree(other, files / other.name)
    for path in sorted(files.iterdir()):
        print(f"{path.name}: {_size(path) / 2**20:.1f} MiB")
    parts = cut(files, folder / "parts", int(mib * 2**20))
    print(f"{len(parts)} parts of at most {mib:g} MiB in {folder / 'parts'}")


def gathered(recipe: "Recipe", files: Path) -> "Recipe":
    """Put what ``recipe`` reads into ``files``; returns the recipe that reads it there."""
    from dataclasses import replace

    from threedcseg.datasets.packs import ENDINGS
    from threedcseg.training.clips.on_device import decoded, key_of
    from threedcseg.training.clips.sources import open_source
    from threedcseg.training.recipe import PACK, InitialWeights, Source
    from threedcseg.training.train import build_network

    roots: dict[str, str] = {}

    def as_pack(source: Source) -> Source:
        root = roots.get(key_of(source))
        if root is None:
            root = f"{len(roots)}-{Path(source.root).name}"
            roots[key_of(source)] = root
            pack = Path(recipe.data, source.root)
            endings = [f".{v}{end}" for v in ("", "v") for end in ENDINGS]
            if source.kind == PACK:
                for ending in endings:
                    if (there := pack.with_suffix(ending)).is_file():
                        shutil.copyfile(there, files / f"{root}{ending}")
            else:
                write_pack(files / root, decoded(recipe.data, source))
        if source.kind == PACK:
            return replace(source, root=root)
        nothing: dict[str, Any] = {"split": None, "resolution": None, "options": {}}
        return replace(source, kind=PACK, root=root, only=(), without=(), **nothing)

    stages = tuple(
        replace(stage, sources=tuple(as_pack(source) for source in stage.sources))
        for stage in recipe.stages
    )
    start = recipe.initial_weights
    if recipe.imagenet:
        encoder = build_network(recipe).encoder
        encoder.load_imagenet()
        _write_encoder(files / "imagenet.safetensors", encoder)
        start = InitialWeights(encoder="imagenet.safetensors")
    if recipe.validation is not None:
        root = Path(recipe.data, recipe.validation.root)
        own = files / recipe.validation.root
        if (root / "ImageSets").is_dir():
            shutil.copytree(root / "ImageSets", own / "ImageSets")
        for sequence in open_source(recipe.data, recipe.validation).sequences:
            masks = (getattr(mask, "path", mask) for mask in sequence.masks if mask is not None)
            for path in (*sequence.frames, *masks):
                place = own / path.relative_to(root)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)
    return replace(recipe, data=".", stages=stages, imagenet=False, initial_weights=start)


def _write_encoder(path: Path, encoder: Any) -> None:
    from threedcseg.models.weights import bn_eps, write_weights

    about = {"encoder": encoder.imagenet_package, "bn_eps": bn_eps(encoder)}
    write_weights(path, encoder.state_dict(), about, half=True)


def write_pack(path: Path, footage: Sequence["Footage"]) -> None:
    """The opposite of `threedcseg.datasets.packs.read_pack`, with loss in the pictures only."""
    from threedcseg.errors import InputError

    stills = all(len(item.numbers) == 1 for item in footage)
    entries: list[Any] = []
    with path.with_suffix(".bin" if stills else ".vbin").open("wb") as blob:
        for item in footage:
            if stills:
                entries.append(_still(item, blob))
            elif list(item.numbers) == list(range(len(item.numbers))):
                entries.append(_sequence(item, blob))
            else:
                raise InputError(f"{item.name}: not every frame has a mask", "leave it out")
    path.with_suffix(".json" if stills else ".vjson").write_text(json.dumps(entries))


def _still(item: "Footage", blob: BinaryIO) -> list[Any]:
    import cv2

    pixels = item.pixels[0]
    scale = min(1.0, STILL / max(pixels.shape[:2]))
    width, height = (max(1, round(side * scale)) for side in pixels.shape[1::-1])
    pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    quality = [cv2.IMWRITE_WEBP_QUALITY, QUALITY]
    image = cv2.imencode(".webp", pixels[..., 2::-1], quality)[1].tobytes()
    mask = _packed(pixels[..., 3])
    start = blob.tell()
    blob.write(image + mask)
    return [item.name, item.group, height, width, start, len(image), len(mask)]


def _sequence(item: "Footage", blob: BinaryIO) -> dict[str, Any]:
    import av

    pixels = item.pixels[:, : item.pixels.shape[1] // 2 * 2, : item.pixels.shape[2] // 2 * 2]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": CRF})
        stream.height, stream.width = pixels.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in pixels:
            image = frame[..., :3].copy()
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())
    start = blob.tell()
    video = [start, blob.write(buffer.getvalue())]
    masks = [[blob.tell(), blob.write(_packed(frame[..., 3]))] for frame in pixels]
    names = {"name": item.name, "group": item.group, "h": pixels.shape[1], "w": pixels.shape[2]}
    return {**names, "video": video, "masks": masks}


def _packed(mask: "np.ndarray") -> bytes:
    import numpy as np

    return zlib.compress(np.packbits(mask > 127).tobytes(), 9)


def cut(folder: Path, parts: Path, size: int) -> list[Path]:
    """All files below a folder as files of at most ``size`` bytes, ``parts/1-of-3`` and so on."""
    parts.mkdir(parents=True)
    whole = parts / "whole"
    with tarfile.open(whole, "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, path.name)
    count = -(-whole.stat().st_size // size)
    made = []
    with whole.open("rb") as file:
        for number in range(1, count + 1):
            made.append(parts / f"{number:02}-of-{count:02}")
            made[-1].write_bytes(file.read(size))
    whole.unlink()
    return made


def _size(path: Path) -> int:
    return sum(each.stat().st_size for each in (path, *path.rglob("*")) if each.is_file())


# Join and train, on the other machine


def join(parts: Path, folder: Path) -> None:
    """The opposite of `cut`; exits with a line where a part is not there."""
    found = sorted(parts.glob("*-of-*"))
    count = int(found[0].name.partition("-of-")[2]) if found else 1
    if [path.name for path in found] != [f"{n:02}-of-{count:02}" for n in range(1, count + 1)]:
        sys.exit(f"{parts} has {len(found)} of {count} parts: {[path.name for path in found]}")
    whole = parts / "whole"
    with whole.open("wb") as file:
        for path in found:
            file.write(path.read_bytes())
            path.unlink()
    with tarfile.open(whole) as archive:
        archive.extractall(folder, filter="data")
    whole.unlink()


class Console:
    """Runs commands; their lines, and its own, go to the terminal and a file with the time."""

    def __init__(self, file: Path) -> None:
        self.began = time.monotonic()
        self._file = file.open("a", encoding="utf-8")

    def seconds(self) -> float:
        return time.monotonic() - self.began

    def say(self, line: str) -> None:
        text = f"{self.seconds():6.1f}  {line}"
        print(text, flush=True)
        print(text, file=self._file, flush=True)

    def run(
        self, command: Sequence[object], folder: Path, env: dict[str, str], limit: float = 1e6
    ) -> int:
        """Its status; it is killed after ``limit`` seconds."""
        words = list(map(str, command))
        pipe = subprocess.PIPE
        with subprocess.Popen(
            words, cwd=folder, env=env, text=True, stdout=pipe, stderr=subprocess.STDOUT
        ) as process:
            timer = threading.Timer(limit, process.kill)
            timer.start()
            for line in process.stdout or ():
                self.say(line.rstrip())
            timer.cancel()
        return process.returncode


def train(
    folder: Path,
    results: Path,
    seconds: float,
    reserve: float,
    device: str,
    options: Sequence[str],
) -> int:
    """Train in ``folder``; returns the status of that.

    All within ``seconds``, of which ``reserve`` are for reading the data and the last validation.
    """
    results.mkdir(parents=True, exist_ok=True)
    console = Console(results / "console.log")
    python, run = sys.executable, folder / "run"
    places = [str(SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])]
    wheels = sorted(map(str, folder.glob("wheels/*.whl")))
    if wheels:
        site = folder / "site"
        pip = [python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--upgrade"]
        if status := console.run([*pip, "--target", site, *wheels], folder, dict(os.environ)):
            return status
        places.insert(1, str(site))
        console.say(f"{len(wheels)} wheels installed")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(places), "PYTHONUNBUFFERED": "1"}
    if status := console.run([python, "-c", CHECK, device], folder, env):
        return status
    # Tried elsewhere first: a kernel that fails may leave a process no GPU.
    failed = console.run([python, "-c", MEASURE, device], folder, env, KERNELS)
    ways = ["torch"] if failed else ["kernels", "torch"]
    for way in ways:
        minutes = max(0.02, (seconds - reserve - console.seconds()) / 60)
        console.say(f"{minutes:.2f} minutes of training" + ", without kernels" * (way == "torch"))
        words = ["train", "--config", "recipe.yaml", "--minutes", minutes, "--device", device]
        words += ["-o", run, *options]
        status = console.run([python, "-c", TRAIN, way, *words], folder, env)
        if not status or console.seconds() > seconds - 2 * reserve:
            break
    newest = sorted(run.glob("samples/*"))[-PICTURES:]
    for path in (run / "model.safetensors", run / "log.jsonl", *newest):
        if path.is_file():
            shutil.copy(path, results)
    if (run / "log.jsonl").is_file():
        for line in summary(map(json.loads, (run / "log.jsonl").open())):
            console.say(line)
    return status


def summary(records: Iterable[dict[str, Any]]) -> list[str]:
    """What each stage of a log took, and the figures of its validations."""
    stages: dict[str, list[dict[str, Any]]] = {}
    lines = []
    for record in records:
        if record["event"] == "step":
            stages.setdefault(record["stage"], []).append(record)
        elif record["event"] == "validation":
            figures = (f"{name} {record[name]:.3f}" for name in ("J&F", "J_mean", "F_mean"))
            lines.append(f"validation at step {record['step']}: {', '.join(figures)}")
    for name, steps in stages.items():
        taken = [step["seconds"] for step in steps]
        usual = statistics.median(taken)
        lines.append(
            f"stage {name}: {len(steps)} steps, the first {taken[0]:.1f} s, the longest after it "
            f"{max(taken[1:], default=0.0):.1f} s, half of them at most {usual:.3f} s, "
            f"{steps[0]['clips'] / usual:.1f} clips a second; loss {steps[-1]['loss']:.4f} at last"
        )
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("prepare", help="where the data are: all that is needed, in parts")
    one.add_argument("recipe", type=Path)
    one.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    one.add_argument("--data", help="folder that the recipe's data roots are relative to")
    one.add_argument("--part", type=float, default=40, metavar="MiB", help="size of a part (40)")
    one.add_argument("--also", type=Path, action="append", default=[], metavar="FOLDER")
    one.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    two = commands.add_parser("join", help="on the other machine: put parts together")
    two.add_argument("parts", type=Path)
    two.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    three = commands.add_parser("train", help="on the other machine: measure, train, results")
    three.add_argument("folder", type=Path)
    three.add_argument("-o", "--output", type=Path, required=True, metavar="RESULTS")
    three.add_argument("--seconds", type=float, default=560, help="all in all (560)")
    three.add_argument("--reserve", type=float, default=60, help="of them not for steps (60)")
    three.add_argument("--device", default="cuda")
    three.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    args = parser.parse_args()
    if args.command == "join":
        join(args.parts, args.output)
        return 0
    if args.command == "train":
        options = [word for each in args.overrides for word in ("--set", each)]
        folders = args.folder.resolve(), args.output.resolve()
        return train(*folders, args.seconds, args.reserve, args.device, options)
    sys.path.insert(0, str(SOURCE))
    from dataclasses import replace

    from threedcseg.training.recipe import read_recipe

    recipe = read_recipe(args.recipe, args.overrides)
    if args.data is not None:
        recipe = replace(recipe, data=args.data)
    prepare(recipe, args.output, args.part, args.also)
    return 0


if __name__ == "__main__":
    sys.exit(main())
