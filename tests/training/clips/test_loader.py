import dataclasses

from tiny_recipes import recipe

from threedcseg.training.clips.dataset import ClipDataset
from threedcseg.training.clips.loader import ClipLoader
from threedcseg.training.distributed import World


def test_processes_draw_each_clip_of_a_batch_once(tiny_data, monkeypatch):
    """What ranks 0 and 1 of a job would draw is, together, what one process draws."""
    drawn: list[int] = []
    draw = ClipDataset.__getitem__
    monkeypatch.setattr(
        ClipDataset, "__getitem__", lambda self, n: drawn.append(n) or draw(self, n)
    )
    given = recipe(tiny_data)
    stage = dataclasses.replace(given.stages[1], batch_size=4)
    given = dataclasses.replace(given, stages=(given.stages[0], stage))
    batches = []
    for rank in range(2):
        drawn.clear()
        made = list(ClipLoader(given, World(rank, 2))(1, done=1))
        assert len(drawn) == 10  # five steps are left
        assert [len(batch.sources) for batch in made] == [2] * 5
        batches.append([drawn[i : i + 2] for i in range(0, 10, 2)])
    assert [sorted(a + b) for a, b in zip(*batches, strict=True)] == [
        list(range(n, n + 4)) for n in range(4, 24, 4)
    ]
