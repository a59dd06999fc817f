"""What is trained on lies before what judges it, always."""

import numpy as np
import pytest

from unrolled.data.splits import (
    evenly_spaced_rows,
    holdout_steps,
    rolling_origins,
    train_origins,
    validation_origins,
)
from unrolled.errors import ArgumentError

FIRST = 2
CASES = [(n, h, f) for n in (3, 4, 7, 16, 31, 100) for h in (1, 3, 12) for f in (0.1, 0.3, 0.5)]


def _trained(origins: np.ndarray, horizon: int, cut: int) -> set[int]:
    """Steps that are targets in training: those of each origin's horizon before the cut."""
    return {int(t) + k for t in origins for k in range(1, horizon + 1) if t + k < cut}


def _judged(origins: np.ndarray, horizon: int, length: int) -> set[int]:
    return {int(t) + k for t in origins for k in range(1, horizon + 1) if t + k < length}


def _overlaps(training: np.ndarray, judging: np.ndarray, horizon: int, *, cut: int, length: int) -> bool:
    """Whether a judged step was trained on, or lies before one that was."""
    seen, judged = _trained(training, horizon, cut), _judged(judging, horizon, length)
    return bool(seen and judged) and max(seen) >= min(judged)


@pytest.mark.parametrize(("length", "horizon", "fraction"), CASES)
def test_no_validation_step_was_trained_on(length: int, horizon: int, fraction: float) -> None:
    """Every target in training lies before every judged target."""
    cut = length - holdout_steps(length, horizon, fraction)
    training, judging = train_origins(FIRST, cut), validation_origins(length, FIRST, cut)
    assert not _overlaps(training, judging, horizon, cut=cut, length=length)
    assert all(t + 1 < cut for t in training)  # each has a target that it may use
    assert all(cut <= t + 1 < length for t in judging)


def test_a_shuffled_split_is_seen() -> None:
    """The usual mistake, origins dealt out at random, turns the test above red."""
    origins = np.random.default_rng(0).permutation(np.arange(FIRST, 99))
    assert _overlaps(origins[:80], origins[80:], 3, cut=100, length=100)


def test_a_fraction_of_zero_holds_nothing_out() -> None:
    """A fraction of 0 trains on everything; else at least the horizon, where that leaves three quarters."""
    assert holdout_steps(100, 12, 0.0) == 0
    assert holdout_steps(100, 12, 0.05) == 12
    assert holdout_steps(20, 12, 0.1) == 5
    assert holdout_steps(3, 12, 0.1) == 0
    assert train_origins(FIRST, 10).tolist() == list(range(2, 9))


def test_rolling_origins_end_where_the_horizon_still_fits() -> None:
    """The last origin has just the horizon after it; the rest lie `step` apart before it."""
    result = rolling_origins(np.array([30, 41]), horizon=4, origins=5, step=3)
    assert result[:, -1].tolist() == [25, 36]
    assert (np.diff(result, axis=1) == 3).all()


def test_too_many_origins_are_refused() -> None:
    """The sentence counts; how many a model can live on, `backtest` says."""
    with pytest.raises(ArgumentError) as fault:
        rolling_origins(np.array([50, 20]), horizon=3, origins=10, step=2)
    assert str(fault.value) == (
        "origins: 10 origins 2 apart with a horizon of 3 need 23 steps, the shortest series has 20."
    )
    assert rolling_origins(np.array([50, 20]), horizon=3, origins=8, step=2).min() >= 1
    with pytest.raises(ArgumentError):
        rolling_origins(np.array([50, 20]), horizon=3, origins=9, step=2)


def test_thinned_rows_are_evenly_spaced_and_keep_both_ends() -> None:
    """At most as many as asked, the first and the last among them."""
    rows = np.arange(100, 1100)
    kept = evenly_spaced_rows(rows, 11)
    assert (kept[0], kept[-1], len(kept)) == (100, 1099, 11)
    assert set(np.diff(kept)) <= {99, 100}
    assert evenly_spaced_rows(rows, 2000) is rows
