"""Scores on the way, shared among the processes of a training job."""

from collections.abc import Sequence as Items

from threedcseg.datasets.sequence import Sequence
from threedcseg.evaluation.predict import score_sequences
from threedcseg.evaluation.protocols import PROTOCOLS
from threedcseg.evaluation.results import Result
from threedcseg.inference.predictor import Network
from threedcseg.inference.settings import Settings
from threedcseg.training.distributed import World


def score_shared(
    sequences: Items[Sequence], network: Network, settings: Settings, world: World
) -> Result:
    """The same with each sequence scored by one process of ``world``; all get the whole result.

    The sequences are dealt out in turn, and the result has them in their order.
    """
    own = sequences[world.rank :: world.size]
    scored = score_sequences(own, network, settings).sequences if own else ()
    dealt = world.gather(scored)
    whole = tuple(dealt[i % world.size][i // world.size] for i in range(len(sequences)))
    return Result("davis16", PROTOCOLS["davis16"].overall(whole), whole)
