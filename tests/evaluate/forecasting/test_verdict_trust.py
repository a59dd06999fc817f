"""The verdict of whole backtests, where nothing is to be found and where something is."""

import importlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from scipy import stats

SEEDS = 30
NOTHING = [
    "random walk with drift", "Poisson counts", "rain", "lumpy demand", "claims", "heavy tails",
    "week and noise", "level shifts", "ARCH", "many short series", "many short walks",
]  # fmt: skip
PLANTED = ["toggle", "interrupted cycle", "bulk orders"]


@pytest.fixture(scope="module")
def benchmarks() -> Iterator[tuple[ModuleType, ModuleType]]:
    """benchmarks/verdict_trust.py, which counts, and benchmarks/worlds.py, which makes the series."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[3]))
        yield (
            importlib.import_module("benchmarks.verdict_trust"),
            importlib.import_module("benchmarks.worlds"),
        )


@pytest.fixture(scope="module")
def pool(benchmarks: tuple[ModuleType, ModuleType]) -> Iterator[ProcessPoolExecutor]:
    """As many processes as the benchmark has."""
    del benchmarks
    with ProcessPoolExecutor(
        2, mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        yield pool


def test_every_world_is_tried(benchmarks: tuple[ModuleType, ModuleType]) -> None:
    """None is left out of the slow tests."""
    worlds = benchmarks[1]
    assert (list(worlds.NOTHING), list(worlds.PLANTED)) == (NOTHING, PLANTED)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("world", NOTHING)
def test_where_there_is_nothing_one_verdict_in_twenty_at_most_is_a_win(
    world: str, benchmarks: tuple[ModuleType, ModuleType], pool: ProcessPoolExecutor
) -> None:
    """5 % of the seeds, and what chance adds once in a hundred times."""
    row = benchmarks[0].trust(world, SEEDS, pool)
    assert row["wins"] <= stats.binom.ppf(0.99, SEEDS, 0.05), row


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("world", PLANTED)
def test_where_a_structure_is_planted_four_verdicts_in_five_are_wins(
    world: str, benchmarks: tuple[ModuleType, ModuleType], pool: ProcessPoolExecutor
) -> None:
    """80 % of the seeds, less what chance takes once in a hundred times."""
    row = benchmarks[0].trust(world, SEEDS, pool)
    assert row["wins"] >= stats.binom.ppf(0.01, SEEDS, 0.8), row


def test_the_toggle_follows_its_formula(benchmarks: tuple[ModuleType, ModuleType]) -> None:
    """After each call an answer, in turn; everything else is small."""
    worlds = benchmarks[1]
    y = worlds.toggle(3)["y"].to_numpy()[:200]
    called = np.abs(y - worlds.CALL) < 0.8
    answers = y[1:][called[:-1]]
    assert (np.abs(np.abs(answers) - worlds.ANSWER) < 0.8).all()
    assert (answers[1:] * answers[:-1] < 0).all()
    assert len(answers) > 30
