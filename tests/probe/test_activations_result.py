"""Tests of the activations probe's records."""

import numpy as np

from unrolled.probe.activations_result import ActivationRuns, ActivationsResult

NAN = float("nan")


def _runs(name: str, scores: list[float], losses: list[float]) -> ActivationRuns:
    seeds = len(scores)
    diverged = np.isnan(scores)
    last = np.stack([np.ones(seeds), losses], axis=1)
    return ActivationRuns(
        name, last, diverged, np.array(scores), np.full(seeds, 0.5), np.full(seeds, 0.75), 1.5
    )


def test_means_leave_out_seeds_that_broke_down() -> None:
    """A share says how many did; where all did, there is no score."""
    runs = _runs("relu", [0.8, NAN, 0.6], [0.2, NAN, 0.4])
    assert np.isclose(runs.score, 0.7)
    assert np.isclose(runs.diverged_share, 1 / 3)
    assert np.isnan(_runs("relu", [NAN, NAN], [NAN, NAN]).score)


def test_the_record_is_a_frame_and_a_text() -> None:
    """A row an activation, in the given order, in the units of the task."""
    rows = (_runs("tanh", [0.9, 0.7], [0.25, 0.15]), _runs("relu", [0.8, NAN], [0.5, NAN]))
    record = ActivationsResult("tanh is best.", rows, "class", "tanh", 10, 40, 2)
    frame = record.to_frame()
    assert frame["activation"].tolist() == ["tanh", "relu"]
    assert np.allclose(frame[["accuracy", "diverged", "loss"]], [[0.8, 0, 0.2], [0.8, 0.5, 0.5]])
    text = str(record).splitlines()
    assert text[1].split()[:4] == ["tanh", "0.8", "0.2", "0"]
    assert text[-1] == "tanh is best."
