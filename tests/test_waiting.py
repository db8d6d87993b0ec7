import os
import subprocess
import sys

import pytest

SHOW = """
import os, sys
from threedcseg.cli.main import main
assert "torch" not in sys.modules
main(["models"])
assert "torch" in sys.modules
print("spins", os.environ.get("GOMP_SPINCOUNT"))
"""


@pytest.mark.parametrize(
    ("given", "spins"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, "None")],
)
def test_a_command_lets_threads_sleep_unless_told_otherwise(given, spins):
    ours = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}
    environment = {k: v for k, v in os.environ.items() if k not in ours} | given
    done = subprocess.run(
        [sys.executable, "-c", SHOW], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == f"spins {spins}"
