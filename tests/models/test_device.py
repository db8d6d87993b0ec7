import os
import subprocess
import sys


def test_bfloat16_is_not_chosen_where_onednn_does_not_compute_in_it():
    script = "from threedcseg.models.device import computes_bfloat16; print(computes_bfloat16())"
    held = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}  # what older processors have
    done = subprocess.run(
        [sys.executable, "-c", script], env=held, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
