"""A folder in which the commands of the docs can be run: what their pages presuppose, but small."""

import shutil
from pathlib import Path

import cv2
import made_packs

from threedcseg.cli.main import main
from threedcseg.video.reader import open_video
from threedcseg.video.writer import VideoWriter

ROOT = Path(__file__).parents[2]
LENGTH, WIDTH, HEIGHT = 8, 160, 160  # of every video: one clip, and few pixels once it is scaled
SEQUENCES = ("dog", "libby")


def make_workshop(folder: Path, shared: Path) -> Path:
    """A copy in miniature of the repository, and of the data that its ``data`` links to.

    DAVIS and FBMS hold eight small frames of two sequences each, `dog.mp4` is made of one;
    `masks`, the results and the runs are those of the network that ships.
    """
    small = folder / "shared" / "data" / "davis16"
    for name in SEQUENCES:
        _shrink(shared / "data" / "davis16", small, name)
    for place in (small / "ImageSets", small / "ImageSets" / "480p"):
        place.mkdir(parents=True, exist_ok=True)
        for split in ("train", "val", "dev"):
            (place / f"{split}.txt").write_text("".join(f"{name}\n" for name in SEQUENCES))
    _stills(small, folder / "shared" / "data" / "saliency-images" / "few")
    packs = folder / "shared" / "data" / "packs"
    packs.mkdir()
    for name in ("stills-extra", "stills-more", "photos"):
        made_packs.stills(packs, name)
    for name in ("videos", "clips"):
        made_packs.sequences(packs, name)

    here = folder / "repository"
    (here / "examples").mkdir(parents=True)
    clip = here / "examples" / "dog.mp4"
    _film(small / "JPEGImages" / "480p" / "dog", clip)
    for name in ("dog.mp4", "film.mp4", "VIDEO"):
        shutil.copy(clip, here / name)
    shutil.copytree(small / "JPEGImages" / "480p" / "dog", here / "FOLDER")
    shutil.copy(here / "FOLDER" / "00000.jpg", here / "beach.jpg")
    (here / "list.txt").write_text("dog.mp4\nFOLDER\n")
    (here / "data").symlink_to("../shared/data")
    (here / "DAVIS").symlink_to("data/davis16")
    (here / "recipes").symlink_to(ROOT / "recipes")
    _fbms(small, here / "FBMS")
    for kind, source in (("frames", "JPEGImages"), ("masks", "Annotations")):
        shutil.copytree(small / source / "480p" / "dog", here / "ROOT" / "dog" / kind)
    weights = ROOT / "src" / "threedcseg" / "models" / "cards" / "compact.safetensors"
    for run in ("compact", "second"):
        (here / "runs" / run).mkdir(parents=True)
        (here / "runs" / run / "model.safetensors").symlink_to(weights)
    return here


def fill_workshop() -> None:
    """Masks and scores of the DAVIS in the working folder, which some pages begin with."""
    frames = [f"DAVIS/JPEGImages/480p/{name}" for name in SEQUENCES]
    for words in (
        ["segment", *frames, "-o", "masks", "--probabilities"],
        ["evaluate", "masks", "DAVIS", "--split", "val", "--json", "masks.json"],
    ):
        if main(words):
            raise RuntimeError(f"3dcseg {' '.join(words)} failed")
    for copy in ("ours.json", "theirs.json"):
        shutil.copy("masks.json", copy)


def _shrink(source: Path, target: Path, sequence: str) -> None:
    for kind, interpolation in (("JPEGImages", cv2.INTER_AREA), ("Annotations", cv2.INTER_NEAREST)):
        folder = target / kind / "480p" / sequence
        folder.mkdir(parents=True)
        for path in sorted((source / kind / "480p" / sequence).iterdir())[:LENGTH]:
            image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            small = cv2.resize(image, (WIDTH, HEIGHT), interpolation=interpolation)
            cv2.imwrite(str(folder / path.name), small)


def _stills(davis: Path, target: Path) -> None:
    for kind, source in (("images", "JPEGImages"), ("masks", "Annotations")):
        shutil.copytree(davis / source / "480p" / "dog", target / kind)


def _fbms(davis: Path, target: Path) -> None:
    for name in SEQUENCES:
        folder = target / "Testset" / name
        shutil.copytree(davis / "JPEGImages" / "480p" / name, folder)
        shutil.copytree(davis / "Annotations" / "480p" / name, folder / "GroundTruth")


def _film(frames: Path, target: Path) -> None:
    with open_video(frames) as source, VideoWriter(target, source) as writer:
        for frame in source:
            writer.write(frame.image, frame.time)
