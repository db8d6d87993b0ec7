"""The learning rate as a function of the step."""

import math

from threedcseg.training.recipe import Stage


def learning_rate(stage: Stage, step: int) -> float:
    """The learning rate at ``step`` (0-based) of a stage."""
    if step < stage.warmup:
        return stage.learning_rate * (step + 1) / stage.warmup
    if stage.schedule == "cosine":
        progress = (step - stage.warmup) / max(1, stage.steps - stage.warmup)
        return stage.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
    if stage.schedule == "exponential":
        return float(stage.learning_rate * stage.decay ** (step // stage.decay_steps))
    return stage.learning_rate
