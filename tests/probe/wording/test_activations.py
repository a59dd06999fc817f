"""The sentence on activations: ties, single seeds, trainings that diverged."""

import numpy as np

from unrolled.probe.activations_result import ActivationRuns
from unrolled.probe.wording.activations import activations_sentence


def _row(name: str, scores: list[float], *, diverged: int = 0) -> ActivationRuns:
    none = np.zeros(len(scores))
    lost = np.arange(len(scores)) < diverged
    return ActivationRuns(name, np.ones((len(scores), 2)), lost, np.array(scores), none, none, 1.0)


def test_activations_as_good_as_the_best_are_named() -> None:
    """One of several that seeds do not tell apart is not said to be the best alone."""
    rows = (_row("tanh", [0.9, 1.0, 1.0]), _row("relu", [1.0, 0.9, 0.9]), _row("sigmoid", [0.2, 0.1, 0.2]))
    result = activations_sentence(rows, rows[0], "class", 10)
    assert "does best with tanh (no farther apart than seeds: relu): it is right in 96.7 %" in result
    assert "does best with tanh: it" in activations_sentence((rows[0], rows[2]), rows[0], "class", 10)


def test_activations_with_one_score_are_alike() -> None:
    """The best and the worst of a tie are not one activation named twice."""
    rows = (_row("sigmoid", [1.0, 1.0]), _row("tanh", [1.0, 1.0]))
    assert "sigmoid and tanh are alike: the network is right in 100 %;" in activations_sentence(
        rows, rows[0], "class", 10
    )


def test_a_single_seed_proves_no_difference() -> None:
    """There is no spread of seeds to compare with: neither "best" alone nor "no difference"."""
    rows = (_row("tanh", [1.0]), _row("relu", [0.5]))
    assert (
        "with tanh, which a single seed does not prove: it is right in 100 %, with relu 50 %"
        in activations_sentence(rows, rows[0], "class", 10)
    )


def test_a_better_score_that_diverges_more_often_is_not_called_worse() -> None:
    """The one that diverges least is the reliable one, not the best."""
    rows = (_row("tanh", [0.7, 0.7]), _row("relu", [np.nan, 0.9], diverged=1), _row("elu", [np.nan] * 2))
    result = activations_sentence(rows, rows[0], "class", 10)
    assert "trains most reliably with tanh: it is right in 70 %, with relu 90" in result
    assert "does best" not in result
    assert "diverged with relu (1 of 2)" in result
    assert (
        activations_sentence((rows[2],), rows[2], "class", 10)
        == "Every training broke down with every activation."
    )
