"""How far a stage is, by steps or by the clock, and the learning rate that this means."""

import math
from dataclasses import dataclass

from threedcseg.training.recipe import Stage


@dataclass
class Progress:
    """What was done of a stage: ``steps``, and ``seconds`` that they took with all that goes with
    them."""

    steps: int = 0
    seconds: float = 0.0

    def share(self, stage: Stage) -> float:
        """Of the whole stage; 1 or more when it is over."""
        return self.seconds / (60 * stage.minutes) if stage.minutes else self.steps / stage.steps


def learning_rate(stage: Stage, progress: Progress) -> float:
    """The learning rate of a stage's next step."""
    if progress.steps < stage.warmup:
        return stage.learning_rate * (progress.steps + 1) / stage.warmup
    if stage.schedule == "cosine":
        share = min(1.0, progress.share(stage))
        if stage.steps:
            share = (progress.steps - stage.warmup) / max(1, stage.steps - stage.warmup)
        return stage.learning_rate * 0.5 * (1 + math.cos(math.pi * share))
    if stage.schedule == "exponential":
        return float(stage.learning_rate * stage.decay ** (progress.steps // stage.decay_steps))
    return stage.learning_rate
