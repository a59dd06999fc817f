"""Verdict on corpora, whose score is made of sums of counts and no mean of rows: BLEU, word error rates.

Tests swap what two systems wrote row by row, and add the counts up again each time.

    better   must hold against every baseline: the largest p-value counts
    worse    is of the best baseline alone, whose p-value is multiplied by their number
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.splits import holdout_mask
from unrolled.errors import DataError
from unrolled.evaluate.outcome import Outcome, outcome_of, outcome_sentence, too_few_sentence
from unrolled.models.protocols import end_if_interrupted
from unrolled.stats.permutation import swap_p

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_ROWS = 20  # tested: of fewer, a lucky one decides


class CorpusResult(NamedTuple):
    """Texts that one candidate wrote, and the counts that its score is made of.

    Args:
        name: of the candidate.
        texts: N, one a row tested.
        counts: (N, J).
        fit_seconds: of its fit.
        predict_seconds: of the rows tested.
    """

    name: str
    texts: list[str]
    counts: Floats
    fit_seconds: float
    predict_seconds: float


class CorpusJudgement(NamedTuple):
    """Fields that comparisons of corpora have in common, called as there.

    Args:
        rows: the network's first, then those of the baselines from the best on.
        sentence: for a person.
        outcome: the network beside the best of its baselines.
        p_value: of that; None where there are too few rows.
        best_baseline: its name.
        n_sequences: rows tested.
    """

    rows: tuple[Any, ...]
    sentence: str
    outcome: Outcome
    p_value: float | None
    best_baseline: str
    n_sequences: int


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


def held_out_rows(n: int, folds: int, groups: Ints | None, what: str) -> NDArray[np.bool_]:
    """Return the mask (n,) of one part in so many, drawn at random, or of whole groups.

    Args:
        n: rows.
        folds: parts.
        groups: (n,) of each row; None where there are none.
        what: the rows are, such as "texts".

    Raises:
        DataError: there are fewer than two a fold, or no whole group can be held out.

    >>> int(held_out_rows(10, 5, None, "texts").sum())
    2
    """
    if n < 2 * folds:
        raise DataError(f"compare X: expected at least {2 * folds} {what}, two a fold, got {n}.")
    if groups is None:
        return np.isin(np.arange(n), np.random.default_rng(0).permutation(n)[: n // folds])
    mask = holdout_mask(n, 1 / folds, 0, strata=None, groups=groups)
    if not mask.any():
        raise DataError(
            f"compare X: expected {what} of which one part in {folds} can be held out as whole groups, got "
            f"{n} in {len(np.unique(groups))} groups. Pass test=(X_test, y_test)."
        )
    return mask


def split_remarks(folds: int | None, learned: Sequence[str], tested: Sequence[str], what: str) -> list[str]:
    """Say how the rows were split, and how many of those tested are among those learned from.

    Args:
        folds: of which one was held out; None for a test set of the caller's.
        learned: texts of the training.
        tested: texts of the test.
        what: the tested are, such as "test sources".

    >>> split_remarks(None, ["a", "b"], ["b", "c"], "test sources")
    ['1 of 2 test sources are among those learned from: whoever remembers them is right on them.']
    """
    remarks = [] if folds is None else [f"One part in {folds} was held out, once, and tested."]
    known = set(learned)
    if n_known := sum(text in known for text in tested):
        share = f"{n_known:,} of {len(tested):,} {what} are among those learned from"
        remarks.append(f"{share}: whoever remembers them is right on them.")
    return remarks


def run_candidate(
    name: str,
    candidate: Any,
    train: tuple[Any, Any],
    tested: tuple[Any, list[str]],
    count: Callable[[list[str], list[str]], Floats],
    *,
    is_fitted: bool = False,
) -> CorpusResult:
    """Fit a candidate, unless it is fitted, and count what it writes of the test rows.

    Args:
        name: of the candidate.
        candidate: has `fit` and `predict`; one that is fitted has `seconds_`.
        train: X and y to fit on.
        tested: X to write from, and the texts to be written.
        count: from the texts written and those to be written to counts (N, J).
        is_fitted: whether it was fitted on `train` already.

    Raises:
        KeyboardInterrupt: Ctrl-C ended the training.
    """
    start_s = time.perf_counter()
    if not is_fitted:
        candidate.fit(*train)
        end_if_interrupted(candidate)
    fit_s = candidate.seconds_ if is_fitted else time.perf_counter() - start_s
    start_s = time.perf_counter()
    texts = candidate.predict(tested[0])
    predict_s = time.perf_counter() - start_s
    return CorpusResult(name, texts, count(texts, tested[1]), fit_s, predict_s)


def judge_corpus(
    results: Sequence[CorpusResult],
    score: Callable[[Floats], Floats],
    make_row: Callable[[CorpusResult, float | None], Any],
    compared: Callable[[Any, Any, int], str],
    *,
    unit: str,
) -> CorpusJudgement:
    """Test the network, the first of the results, against its baselines, and put their scores together.

    Args:
        results: of all candidates on the same rows.
        score: as of `corpus_verdict`.
        make_row: makes the row of scores of a result and its p-value.
        compared: says both scores as a clause, from the rows of the network and of the best baseline, and
            the number of rows tested.
        unit: one of the rows tested, such as "text".
    """
    network, *others = results
    verdict = corpus_verdict(network.counts, [other.counts for other in others], score)
    p_values = [None, *verdict.p_values]
    rows = [make_row(result, p) for result, p in zip(results, p_values, strict=True)]
    best, n = rows[1 + verdict.order[0]], len(network.counts)
    return CorpusJudgement(
        rows=(rows[0], *(rows[1 + k] for k in verdict.order)),
        sentence=corpus_sentence(verdict, compared(rows[0], best, n), best.name, n_rows=n, unit=unit),
        outcome=verdict.outcome,
        p_value=verdict.p_value,
        best_baseline=best.name,
        n_sequences=n,
    )
