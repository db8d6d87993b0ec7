import numpy as np
from PIL import Image

from threedcseg.outputs.palette import PaletteWriter, davis_palette, label_map
from threedcseg.outputs.regions import TrackedObject


def test_the_first_colours_are_those_of_davis(shared):
    with Image.open(shared / "data/davis16/Annotations/480p/dog/00000.png") as image:
        palette = image.getpalette() if image.mode == "P" else None
    assert davis_palette()[:4].tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    assert davis_palette()[[22, 255]].tolist() == [[0, 192, 128], [224, 224, 192]]
    if palette:
        assert davis_palette()[: len(palette) // 3].reshape(-1).tolist() == palette


def test_numbers_begin_again_after_255():
    objects = [
        TrackedObject(track, 2 * i, 1, 2, 1, 1, np.array([[True, False]]))
        for i, track in enumerate((1, 255, 256))
    ]
    assert label_map(objects, 3, 6).tolist() == [[0] * 6, [1, 0, 255, 0, 1, 0], [0] * 6]


def test_files_hold_the_numbers(tmp_path):
    labels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    with PaletteWriter(tmp_path) as writer:
        writer.write("a", labels)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "P" and np.array_equal(np.asarray(image), labels)
        assert np.array_equal(np.asarray(image.convert("RGB"))[15, 15], davis_palette()[255])
