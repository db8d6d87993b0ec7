"""Writes `networks.npz`: foreground maps of small networks, for parity without `../shared`.

The numbers are this project's own. They were made after the full-size networks had been shown to
agree with the authors' published code (`tests/models/test_golden.py`), and hold every later
version to it: same modules, fewer channels and blocks, weights drawn by the same recipe from our
key names. Run it again only together with `../shared`, when those tests pass:

    python tests/golden/make_networks.py
"""

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "made"))
from drawn_weights import draw_into
from small_networks import NETWORKS, clip, small_network

if __name__ == "__main__":
    probabilities = {}
    for name, parts in NETWORKS.items():
        with torch.inference_mode():
            logits = draw_into(small_network(*parts))(clip())
        probabilities[name] = logits.softmax(dim=1)[0, 1].numpy()  # (T, H, W)
    np.savez_compressed(Path(__file__).with_name("networks.npz"), **probabilities)
