"""A process that is forked after the network was used can use it, too."""

import os
import subprocess
import sys

import pytest
from patience import PATIENCE

PROGRAM = """
import os
import cv2, numpy as np, torch
from threedcseg.inference.predictor import segment

torch.set_num_threads(2), cv2.setNumThreads(2)
network = torch.nn.Conv3d(3, 1, 1)
frames = [np.full((96, 160, 3), 9 * i, np.uint8) for i in range(9)]
before = [probabilities for _, probabilities in segment(frames, network)]
threads = cv2.getNumThreads()
for _ in range(8):
    if os.fork() == 0:
        after = [probabilities for _, probabilities in segment(frames, network)]
        same = all(np.allclose(a, b, atol=1e-5) for a, b in zip(before, after, strict=True))
        os._exit(0 if same else 1)
    assert os.wait()[1] == 0
    assert cv2.getNumThreads() == threads
    list(segment(frames, network))  # with all threads
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_can_use_the_network() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], timeout=PATIENCE, check=False)
    assert done.returncode == 0
