"""Verdict on corpora, whose score is made of sums of counts and no mean of rows: BLEU, word error rates.

Tests swap what two systems wrote row by row, and add the counts up again each time.

    better   must hold against every baseline: the largest p-value counts
    worse    is of the best baseline alone, whose p-value is multiplied by their number
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.evaluate.outcome import Outcome, outcome_of, outcome_sentence, too_few_sentence
from unrolled.stats.permutation import swap_p

Floats = NDArray[np.float64]

MIN_ROWS = 20  # tested: of fewer, a lucky one decides


class CorpusVerdict(NamedTuple):
    """Outcome of a network beside its baselines.

    Args:
        outcome: beside the best of them.
        p_value: of that; None where there are too few rows.
        is_ahead: whether the network's score is above that of the best.
        p_values: of the difference from each baseline, in its direction.
        order: positions of the baselines, from the best on.
    """

    outcome: Outcome
    p_value: float | None
    is_ahead: bool
    p_values: tuple[float, ...]
    order: tuple[int, ...]


def corpus_verdict(
    network: Floats, baselines: Sequence[Floats], score: Callable[[Floats], Floats]
) -> CorpusVerdict:
    """Test a network against its baselines on the same rows.

    Args:
        network: (N, J) counts of what it wrote, a row a text or a recording.
        baselines: those of each baseline.
        score: of sums (..., J), to (...,): more is better.

    >>> right, wrong = np.ones((20, 1)), np.zeros((20, 1))
    >>> verdict = corpus_verdict(right, [wrong, right], lambda sums: sums[..., 0])
    >>> verdict.outcome, verdict.order, verdict.p_values
    ('no difference', (1, 0), (0.0005, 1.0))
    """
    of_network, *scores = (float(score(counts.sum(0))) for counts in (network, *baselines))
    p_values = []
    for counts, of_baseline in zip(baselines, scores, strict=True):
        ahead, behind = (network, counts) if of_network >= of_baseline else (counts, network)
        p_values.append(swap_p(ahead, behind, score))
    order = sorted(range(len(scores)), key=lambda k: -scores[k])
    is_ahead = of_network > scores[order[0]]
    p_value: float | None = None
    if len(network) >= MIN_ROWS:
        p_value = max(p_values) if is_ahead else min(1.0, len(scores) * p_values[order[0]])
    outcome = outcome_of(p_value, is_ahead=is_ahead)
    return CorpusVerdict(outcome, p_value, is_ahead, tuple(p_values), tuple(order))


def corpus_sentence(verdict: CorpusVerdict, compared: str, best: str, *, n_rows: int, unit: str) -> str:
    """Say the verdict in a sentence.

    Args:
        verdict: of `corpus_verdict`.
        compared: both scores, as a clause.
        best: name of the best baseline.
        n_rows: tested.
        unit: one of them, such as "text".
    """
    if verdict.p_value is None:
        units = unit if n_rows == 1 else f"{unit}s"
        return too_few_sentence(n_rows, units, compared, f"test on at least {MIN_ROWS}")
    meaning = {
        "better": "it has skill here",
        "worse": f"use {best} instead",
        "no difference": "its lead may be luck" if verdict.is_ahead else f"{best} does as well",
    }[verdict.outcome]
    return outcome_sentence(compared, verdict.p_value, meaning)
