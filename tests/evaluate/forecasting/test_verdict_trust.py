"""The verdict over whole backtests: 200 seeds where nothing is to be found, 200 where something is."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch
from scipy import stats

SEEDS = 200


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    """benchmarks/verdict_trust.py, which makes the series and counts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[3]))
        module = importlib.import_module("benchmarks.verdict_trust")
    torch.set_num_threads(1)
    return module


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_on_random_walks_with_drift_at_most_one_verdict_in_twenty_is_a_false_win(
    benchmark: ModuleType,
) -> None:
    """5 % of 200 seeds, and what chance adds once in twenty times."""
    row = benchmark.trust("random walk with drift", SEEDS)
    assert row["wins"] <= stats.binom.ppf(0.95, SEEDS, 0.05), row


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_on_a_planted_series_at_least_four_verdicts_in_five_are_wins(benchmark: ModuleType) -> None:
    """The toggle, whose next answer only a memory knows: 80 % of 200 seeds."""
    row = benchmark.trust("toggle", SEEDS)
    assert row["wins"] >= 0.8 * SEEDS, row


def test_the_planted_series_follows_its_formula(benchmark: ModuleType) -> None:
    """After each call an answer, in turn; everything else is small."""
    y = benchmark.toggle(3)
    called = abs(y - benchmark.CALL) < 0.8
    answers = y[1:][called[:-1]]
    assert (abs(abs(answers) - benchmark.ANSWER) < 0.8).all()
    assert (answers[1:] * answers[:-1] < 0).all()
    assert len(answers) > 100
