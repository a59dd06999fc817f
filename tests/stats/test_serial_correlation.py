"""The test of order: exact moments, the promised level, power, and its refusal to say too much."""

import itertools

import numpy as np
import pytest

from unrolled.stats.serial_correlation import (
    OrderEvidence,
    _centred_ranks,
    _moments,
    order_test,
    token_order_test,
)


def _one(values: object) -> tuple[np.ndarray, np.ndarray]:
    array = np.asarray(values, dtype=np.float64)
    return array, np.zeros(len(array), dtype=np.int64)


@pytest.mark.parametrize("values", [[1, 2, 2, 4, 7, 9], [1, 2, 3, 4, 5, 6, 7], [3, 3, 3, 1, 1, 2]])
@pytest.mark.parametrize("lag", [1, 2, 3, 4])
def test_moments_are_those_of_all_orders(values: list[int], lag: int) -> None:
    """Mean and variance equal those over every permutation, ties and overlapping pairs included."""
    ranks = _centred_ranks(*_one(values))
    orders = np.array(list(itertools.permutations(ranks)))
    sums = (orders[:, lag:] * orders[:, :-lag]).sum(axis=1)
    powers = [np.array([(ranks**k).sum()]) for k in (2, 4)]
    mean, variance = _moments(np.array([float(len(values))]), *powers, lag)
    np.testing.assert_allclose([mean[0], variance[0]], [sums.mean(), sums.var()], rtol=1e-10)


@pytest.mark.parametrize(("n", "series", "season"), [(8, 1, 1), (30, 1, 1), (200, 1, 12), (12, 50, 4)])
def test_shuffled_values_are_rarely_called_ordered(n: int, series: int, season: int) -> None:
    """Of 400 sets of independent values, about 5 in 100 have p below 0.05, never clearly more."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(series), n)
    p = [order_test(rng.normal(size=n * series), labels, season).p_value for _ in range(400)]
    assert sum(x <= 0.05 for x in p) <= 20 + 3 * np.sqrt(19)  # binomial error, three standard deviations
    assert sum(x <= 0.05 for x in p) >= 4


def test_order_is_found_where_it_counts() -> None:
    """A random walk, an alternation, and a season with no resemblance between neighbours."""
    rng = np.random.default_rng(0)
    walk = order_test(*_one(rng.normal(size=100).cumsum()))
    assert (walk.outcome, walk.lag) == ("carries information", 1)
    assert (
        order_test(*_one(np.tile([0.0, 1.0], 20) + 0.1 * rng.normal(size=40))).outcome
        == "carries information"
    )
    season = order_test(*_one(np.tile([0.0, 2.0, 1.0, 0.5, 1.5], 30) + 0.3 * rng.normal(size=150)), season=5)
    assert (season.outcome, season.lag) == ("carries information", 5)


def test_series_add_up() -> None:
    """Too weak to be seen in one short series, order is seen in a hundred."""
    rng = np.random.default_rng(0)
    walks = rng.normal(size=(100, 9)).cumsum(axis=1)
    assert order_test(walks.ravel(), np.repeat(np.arange(100), 9)).p_value < 1e-6


@pytest.mark.parametrize("values", [[], [1.0], [1, 2, 3, 4, 5, 6, 7], [5.0] * 50, [np.nan] * 20])
def test_too_few_to_tell(values: list[float]) -> None:
    """Seven values, or values that are all alike, say nothing about order."""
    evidence = order_test(*_one(values))
    assert (evidence.outcome, evidence.p_value) == ("too few to tell", None)
    assert str(evidence) == "too few to tell"


def test_series_of_three_values_tell_nothing() -> None:
    """However many they are: three values have no order that is rare."""
    assert order_test(np.arange(300.0), np.repeat(np.arange(100), 3)).outcome == "too few to tell"
    assert order_test(np.arange(400.0), np.repeat(np.arange(100), 4)).outcome == "carries information"


def test_missing_values_are_left_out() -> None:
    """They have no rank."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=90).cumsum()
    holed = np.insert(values, [5, 20, 60], np.nan)
    assert order_test(*_one(holed)) == order_test(*_one(values))


def test_tokens() -> None:
    """Letters of a word that all differ tell nothing; a sentence does; a shuffled sentence does not."""
    text = "the hidden state is carried from one step to the next, the same weights at each step, " * 3
    codes = np.unique(list(text), return_inverse=True)[1]
    assert token_order_test(codes, np.zeros(len(codes), int)).outcome == "carries information"
    shuffled = np.random.default_rng(1).permutation(codes)
    assert token_order_test(shuffled, np.zeros(len(codes), int)).outcome == "no sign"
    assert token_order_test(np.arange(30), np.zeros(30, int)).outcome == "too few to tell"
    assert token_order_test(np.array([0, 1, 0]), np.zeros(3, int)).outcome == "too few to tell"


def test_tokens_are_shuffled_within_their_text() -> None:
    """Texts of one letter each have no order, however different they are from one another."""
    texts = np.repeat(np.arange(10), 10)
    assert token_order_test(texts, texts).outcome == "too few to tell"


def test_the_result_in_words() -> None:
    """The result as it is read, also as the best of five tests."""
    assert str(OrderEvidence("no sign", 0.3, 50)) == "no sign of it (p = 0.3)"
    assert OrderEvidence("carries information", 0.004, 50).corrected_for(5) == OrderEvidence(
        "no sign", 0.02, 50
    )
