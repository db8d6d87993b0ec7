"""The straightforward implementations of `benchmarks/metrics.py`, to hold the fast ones against."""

import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location(
    "metrics_benchmark", Path(__file__).parents[2] / "benchmarks" / "metrics.py"
)
assert _spec is not None and _spec.loader is not None
benchmark = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(benchmark)
