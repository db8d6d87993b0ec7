"""The log of a training run: JSON lines, TensorBoard curves, a line a while on the terminal."""

import json
import time
from pathlib import Path
from typing import Any, Self

from threedcseg.atomic import no_link

EVERY = 20  # steps between two lines on the terminal


class TrainingLog:
    """Call it with the records of `fit`; ``total`` is the number of steps of the whole run, None
    where the clock ends it.

    Writes ``log.jsonl`` (appended to when a run resumes) and, where the tensorboard package is
    installed, ``tensorboard/``.
    """

    def __init__(self, folder: Path, total: int | None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.total = total
        self._file = open(  # noqa: SIM115
            folder / "log.jsonl", "a", encoding="utf-8", opener=no_link
        )
        self._board = _summary_writer(folder / "tensorboard")
        self._losses: list[float] = []
        self._first: tuple[int, float] | None = None  # step and time at the start of this process

    def __call__(self, record: dict[str, Any]) -> None:
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()
        step = record["step"]
        if self._board is not None:
            for name in sorted(record.keys() - {"event", "step", "stage"}):
                if record[name] is not None:
                    self._board.add_scalar(f"{record['event']}/{name}", record[name], step)
        if record["event"] != "step":
            rest = {k: v for k, v in record.items() if k not in {"event", "step"}}
            figures = "  ".join(f"{k} {v:.4g}" for k, v in rest.items())
            print(f"{record['event']} at step {step}  {figures}", flush=True)
            return
        self._first = self._first or (step - 1, time.monotonic() - record["seconds"])
        self._losses.append(record["loss"])
        if step % EVERY == 0 or step == self.total:
            mean = sum(self._losses) / len(self._losses)
            self._losses.clear()
            pace = (time.monotonic() - self._first[1]) / (step - self._first[0])
            left = f"{100 * record['progress']:.0f} % of the stage"
            if self.total is not None:
                left = f"{(self.total - step) * pace / 60:.0f} min left"
            print(
                f"step {step}{'' if self.total is None else f'/{self.total}'}  {record['stage']}  "
                f"loss {mean:.4f}  {record['clips'] / pace:.2f} clips/s  {left}",
                flush=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()


def _summary_writer(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))
