import pytest

from threedcseg.evaluation.protocols import PROTOCOLS
from threedcseg.metrics.figure import Figure


@pytest.mark.parametrize(
    ("figure", "value", "texts"),
    [
        (Figure("J_mean"), 0.8754, ("87.5", "87.54")),
        (Figure("MAE", "fraction", lower_is_better=True, digits=3), 0.0154, ("0.015", "0.0154")),
        (Figure("seconds a clip", "seconds", digits=3), 0.173, ("0.173", "0.1730")),
        (Figure("J_mean"), None, ("\N{EN DASH}",) * 2),
    ],
)
def test_figures_are_written_by_unit_and_digits(figure, value, texts):
    assert (figure.text(value), figure.text(value, more=1)) == texts


def test_lower_is_better_for_errors_alone():
    lower = {f.name for p in PROTOCOLS.values() for f in p.figures if f.lower_is_better}
    assert lower == {"J_decay", "F_decay", "flicker", "MAE", "MAE_hard"}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_names_figures_and_measures_that_it_has(name):
    protocol = PROTOCOLS[name]
    assert protocol.chief in {figure.name for figure in protocol.figures}
    assert protocol.ranked_by in {measure.name for measure in protocol.measures}
    names = [figure.name for figure in protocol.figures]
    assert len(set(names)) == len(names)
