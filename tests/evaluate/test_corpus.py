"""Verdicts on scores that are made of sums of counts."""

import numpy as np
import pytest

from unrolled.evaluate.corpus import MIN_ROWS, Floats, corpus_sentence, corpus_verdict
from unrolled.stats.permutation import swap_p


def _share(sums: Floats) -> Floats:
    """Share of right words: counts are right ones, and all."""
    return np.asarray(sums[..., 0] / sums[..., 1])


def _counts(share: float, n: int, seed: int) -> Floats:
    n_words = np.random.default_rng(9).integers(4, 12, n)
    right = np.random.default_rng(seed).binomial(n_words, share)
    return np.stack([right, n_words], 1).astype(np.float64)


@pytest.mark.parametrize(
    ("share", "outcome", "meaning"),
    [(0.9, "better", "it has skill here."), (0.2, "worse", "use second instead.")],
)
def test_a_clear_difference_from_the_best_baseline_decides(share: float, outcome: str, meaning: str) -> None:
    """Which is the second; the p-value is corrected for both baselines where the network is behind."""
    network, first, second = _counts(share, 60, 1), _counts(0.4, 60, 2), _counts(0.6, 60, 3)
    verdict = corpus_verdict(network, [first, second], _share)
    assert (verdict.outcome, verdict.order, verdict.is_ahead) == (outcome, (1, 0), share > 0.6)
    behind = swap_p(second, network, _share)
    assert verdict.p_value == (max(verdict.p_values) if verdict.is_ahead else 2 * behind)
    assert corpus_sentence(verdict, "a, b", "second", n_rows=60, unit="text").endswith(meaning)


def test_a_lead_of_luck_is_said_to_be_one() -> None:
    """Whoever is ahead by little."""
    behind = _counts(0.5, 40, 4)
    ahead = behind.copy()
    ahead[:, 0] += np.where(np.arange(40) % 2, -1, 1)
    ahead[0, 0] += 1
    lead, lag = corpus_verdict(ahead, [behind], _share), corpus_verdict(behind, [ahead], _share)
    assert lead.outcome == lag.outcome == "no difference"
    assert corpus_sentence(lead, "a", "it", n_rows=40, unit="text").endswith("its lead may be luck.")
    assert corpus_sentence(lag, "a", "copy", n_rows=40, unit="text").endswith("copy does as well.")


def test_fewer_rows_than_the_least_are_too_few() -> None:
    """Whatever they are."""
    right, wrong = _counts(1.0, MIN_ROWS - 1, 6), _counts(0.0, MIN_ROWS - 1, 7)
    verdict = corpus_verdict(right, [wrong], _share)
    assert (verdict.outcome, verdict.p_value) == ("too few to tell", None)
    sentence = corpus_sentence(verdict, "a", "copy", n_rows=MIN_ROWS - 1, unit="recording")
    assert sentence == "19 recordings are too few to tell: a so far; test on at least 20."
