"""The verdict: when it speaks, what it says, and how often it is wrong where there is nothing to find."""

import json

import numpy as np
import pytest
from scipy import stats

from unrolled.evaluate.forecasting.verdict import BaselineLosses, Verdict, backtest_verdict
from unrolled.stats.paired import sign_flip_p

RUNS = 200
MOST_FALSE = int(stats.binom.ppf(0.999, RUNS, 0.05))  # 5 %, and what chance adds once in a thousand times


def gaps(kind: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """Differences of losses with mean 0."""
    if kind == "normal":
        return rng.normal(size=count)
    if kind == "heavy tails":
        return rng.standard_t(3, size=count)
    if kind == "wins often, loses big":
        return 1 - rng.exponential(size=count)
    if kind == "loses often, wins big":
        return rng.exponential(size=count) - 1
    noise = rng.standard_t(5, size=count + 100)
    if kind == "persistent":
        for t in range(1, len(noise)):
            noise[t] += 0.3 * noise[t - 1]
        return noise[100:]
    variance, clustered = 1.0, np.empty(len(noise))
    for t, shock in enumerate(noise / np.sqrt(5 / 3)):
        clustered[t] = np.sqrt(variance) * shock
        variance = 0.02 + 0.1 * clustered[t] ** 2 + 0.88 * variance
    return clustered[100:]


def verdict_on(gap: np.ndarray, *, horizon: int = 1, step: int = 1) -> Verdict:
    """The network's loss is 10, its rival's is larger by `gap`."""
    losses = np.full(len(gap), 10.0)
    return backtest_verdict(
        losses, [BaselineLosses("Naive", losses + gap)], horizon=horizon, step=step, name="gru"
    )


@pytest.mark.parametrize("origins", [24, 60])
@pytest.mark.parametrize(
    "kind",
    [
        "normal",
        "heavy tails",
        "wins often, loses big",
        "loses often, wins big",
        "persistent",
        "volatile in turns",
    ],
)
def test_at_most_one_win_in_twenty_is_false(kind: str, origins: int) -> None:
    """Whatever the differences look like, where their mean is 0 at most 5 % are called a win."""
    rng = np.random.default_rng(1)
    wins = sum(verdict_on(gaps(kind, origins, rng)).outcome == "better" for _ in range(RUNS))
    assert wins <= MOST_FALSE


def test_overlapping_horizons_do_not_make_false_wins() -> None:
    """Forecasts of twelve steps from every step share most of their errors; wins stay at 5 %."""
    rng = np.random.default_rng(2)
    wins = 0
    for _ in range(RUNS):
        shared = np.convolve(rng.normal(size=145 + 11), np.ones(12) / 12, mode="valid")
        wins += verdict_on(shared, horizon=12).outcome == "better"
    assert wins <= MOST_FALSE


def test_one_test_alone_would_make_false_wins() -> None:
    """Planted: without the corrected t, a model that wins often and loses big wins falsely; it counts."""
    rng = np.random.default_rng(1)
    differences = [gaps("wins often, loses big", 24, rng)[:, None] for _ in range(2 * RUNS)]
    flips = sum(sign_flip_p(each) <= 0.05 for each in differences)
    assert flips > stats.binom.ppf(0.999, 2 * RUNS, 0.05)


def test_a_real_difference_is_seen() -> None:
    """A mean of 0.7 standard deviations over 24 origins is called a win in at least 4 of 5 runs."""
    rng = np.random.default_rng(3)
    wins = sum(verdict_on(0.7 + rng.normal(size=24)).outcome == "better" for _ in range(RUNS))
    assert wins >= 0.8 * RUNS


def test_the_best_of_many_equals_is_not_called_better_than_the_network() -> None:
    """Eight baselines as good as the network: the best of them is called better in 5 % at most."""
    rng = np.random.default_rng(4)
    worse = alone = 0
    for _ in range(RUNS):
        network = 10 + rng.normal(size=24)
        rivals = [BaselineLosses(str(k), 10 + rng.normal(size=24)) for k in range(8)]
        worse += backtest_verdict(network, rivals, horizon=1, step=1, name="gru").outcome == "worse"
        best = min(rivals, key=lambda rival: rival.losses.mean())
        alone += backtest_verdict(network, [best], horizon=1, step=1, name="gru").outcome == "worse"
    assert worse <= MOST_FALSE
    assert alone > MOST_FALSE  # planted: tested as if it had been the only one


def test_a_network_that_shadows_a_lucky_baseline_does_not_share_its_luck() -> None:
    """The network is a shade better than AR1, which is level with Naive: a win over AR1 alone is none."""
    rng = np.random.default_rng(5)
    wins = 0
    for _ in range(RUNS):
        naive, lucky = 10 + rng.normal(size=60), 10 + rng.normal(size=60)
        rivals = [BaselineLosses("Naive", naive), BaselineLosses("AR1", lucky)]
        wins += backtest_verdict(lucky - 0.01, rivals, horizon=1, step=1, name="gru").outcome == "better"
    assert wins <= MOST_FALSE


def test_a_baseline_that_once_explodes_does_not_hide_a_win() -> None:
    """One loss of a million makes a difference look like chance; a baseline so far off is passed over."""
    rng = np.random.default_rng(6)
    naive = 10 + rng.normal(size=40)
    theta = naive.copy()
    theta[7] = 1e6
    rivals = [BaselineLosses("Theta", theta), BaselineLosses("Naive", naive)]
    assert backtest_verdict(naive - 1, rivals, horizon=1, step=1, name="gru").outcome == "better"


def test_ten_equal_gains_appear_once_in_1024() -> None:
    """Of the 2^10 patterns of signs, one reaches ten equal gains: exact, to the fraction."""
    assert verdict_on(np.ones(10)).p_value == 1 / 1024
    assert sign_flip_p(np.array([3.0, 1.0, 1.0])[:, None]) == 1 / 8
    assert sign_flip_p(np.array([3.0, -1.0, 1.0])[:, None]) == 3 / 8


def test_fewer_than_ten_origins_without_overlap_are_too_few() -> None:
    """However large the difference: nine origins, or 108 of which nine do not overlap."""
    sentence = (
        "9 origins without overlap are too few to tell: the GRU is 50 % better than the best of its "
        "baselines (Naive) so far; take at least 10, from a longer series or with a shorter horizon."
    )
    for gap, horizon in ((np.full(9, 10.0), 1), (np.full(108, 10.0), 12)):
        verdict = verdict_on(gap, horizon=horizon)
        assert (verdict.outcome, verdict.p_value) == ("too few to tell", None)
        assert verdict.sentence == sentence
    assert verdict_on(np.full(109, 10.0), horizon=12).independent_origins == 10
    assert verdict_on(np.ones(1)).sentence.startswith("1 origin is too few to tell")


@pytest.mark.parametrize(
    ("gap", "outcome", "compared", "how_often", "meaning"),
    [
        (5.0, "better", "33 % better than", "fewer than 1 of 1,000", "it has skill here"),
        (-5.0, "worse", "2.0 times as far off as", "fewer than 1 of 1,000", "use Naive instead"),
        (0.1, "no difference", "1.0 % better than", "16 of 100", "no skill shown"),
        (-0.1, "no difference", "1.0 % worse than", "15 of 100", "no skill shown"),
    ],
)
def test_each_outcome_has_its_sentence(
    gap: float, outcome: str, compared: str, how_often: str, meaning: str
) -> None:
    """By how much, how often by chance, and what to do, in one sentence."""
    verdict = verdict_on(gap + np.tile([0.6, -0.6], 20))
    assert verdict.outcome == outcome
    assert str(verdict) == (
        f"The GRU is {compared} the best of its baselines (Naive) over 40 origins; a difference this large "
        f"would appear in {how_often} such series if there were none: {meaning}."
    )


def test_no_difference_at_all_is_no_difference() -> None:
    """A network that repeats its baseline: as good as, at p = 1."""
    verdict = verdict_on(np.zeros(20))
    assert (verdict.outcome, verdict.p_value, verdict.ratio) == ("no difference", 1.0, 1.0)
    assert "is as good as the best of its baselines (Naive)" in verdict.sentence


def test_an_exact_baseline_is_no_division_by_zero() -> None:
    """A straight line is forecast exactly by drift: the ratio is infinite, the sentence is not."""
    ones, zeros = np.ones(12), np.zeros(12)
    verdict = backtest_verdict(
        ones, [BaselineLosses("RWD", zeros, "on levels")], horizon=1, step=1, name="gru"
    )
    assert (verdict.outcome, verdict.ratio) == ("worse", np.inf)
    assert "further off than the best of its baselines (RWD on levels)" in verdict.sentence
    assert json.loads(json.dumps(verdict.to_dict(), allow_nan=False))["ratio"] is None
    level = backtest_verdict(zeros, [BaselineLosses("RWD", zeros)], horizon=1, step=1, name="gru")
    assert (level.outcome, level.ratio) == ("no difference", 1.0)


def test_blocks_are_as_many_as_origins_without_overlap() -> None:
    """Steps of five under a horizon of twelve: every third origin is free of the others' steps."""
    verdict = verdict_on(np.ones(31), horizon=12, step=5)
    assert verdict.independent_origins == 11
    assert "over 31 origins (11 without overlap)" in verdict.sentence


def test_the_same_losses_give_the_same_verdict() -> None:
    """Sampled signs come from a fixed seed."""
    gap = np.random.default_rng(7).normal(0.2, 1, size=60)
    assert verdict_on(gap) == verdict_on(gap)


def test_a_verdict_is_json() -> None:
    """Every field, by name."""
    record = json.loads(json.dumps(verdict_on(np.ones(10)).to_dict()))
    assert record["kind"] == "verdict"
    assert record["best_baseline"] == "Naive"
    assert record["p_value"] == 1 / 1024
