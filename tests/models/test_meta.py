"""Networks without numbers."""

import subprocess
import sys


def test_loading_a_network_and_a_clip_import_no_compiler():
    """It takes seconds, before the first mask."""
    script = """
import sys, torch
from threedcseg import load_model
network = load_model("compact", device="cpu")
with torch.inference_mode():
    network(torch.rand(1, 3, 2, 32, 32))
assert "torch._dynamo" not in sys.modules and "sympy" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
