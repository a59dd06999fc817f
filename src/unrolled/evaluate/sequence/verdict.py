"""Verdict of a comparison: is the network better than its baselines on the same sequences?

Losses are compared pair by pair: a sequence is right (0) or wrong (1), or its error is squared; where classes
are uneven, its log loss. Right and wrong are tested by McNemar's exact test; other losses, and those of whole
groups, by sign flips and the corrected t, of which the larger p counts. Choosing the best of many baselines
after the fact makes it harder to look better and easier to look worse:

    better   of classes, every baseline must be beaten; of numbers, every baseline within a tenth of the best
             mean loss, as a baseline that once explodes can be beaten by no test.
    worse    the flips compare the largest of all baselines' statistics, the signs shared between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.evaluate.outcome import Outcome, outcome_of, outcome_sentence, too_few_sentence
from unrolled.formatting import quantity
from unrolled.stats.dependence import group_contributions
from unrolled.stats.paired import corrected_t_p, mcnemar_p, sign_flip_p

Floats = NDArray[np.float64]

MIN_SEQUENCES = 10  # sequences, or groups of them
_CLOSE_RATIO = 1.10  # mean loss, as a multiple of the best baseline's
_MAX_FLIPPED = 1000  # pairs; more are flipped in as many blocks
_MIN_SPEEDUP = 2.0  # times as quick as the network: less is not worth a word
_DISPLAY_NAMES = {
    "majority class": "the majority class",
    "mean of y": "the mean of y",
    "last step": "the last step alone",
    "reservoir": "the reservoir",
    "bag of steps": "the bag of steps",
    "feedforward": "the feed-forward net",
    "middle frame": "the middle frame alone",
    "mean frame": "the mean frame",
    "TF-IDF words": "a logistic regression on TF-IDF of words",
    "TF-IDF words and characters": "a logistic regression on TF-IDF of words and characters",
    "most frequent tag": "the most frequent tag of each word",
    "logistic regression": "a logistic regression on each word and its neighbours",
    "character n-gram": "a character n-gram model",
}


Measure = Literal["accuracy", "rmse", "log loss", "bits"]
_MEASURE_WORDS: dict[Measure, tuple[str, str, str]] = {
    "accuracy": ("is right on", " of", "on"),
    "rmse": ("is off by", " (RMSE) over", "by"),
    "log loss": ("has a log loss of", " over", "of"),
    "bits": ("spends", " bits a character on", "spends"),
}


class CandidateLosses(NamedTuple):
    """Losses, score and time of one candidate."""

    name: str
    losses: Floats  # (N,) of each sequence: 0 or 1, squared errors or log losses
    score: str  # such as "97.3 %", for the sentence
    seconds: float  # to fit and to predict


class ComparisonVerdict(NamedTuple):
    """Verdict in one sentence, and the numbers in it.

    Args:
        sentence: for a person.
        outcome: as of the `Verdict` of a backtest.
        p_value: probability of a difference this large, in this direction, if there were none; None where
            there are too few.
        best_baseline: name of the one with the lowest mean loss; of several, the quickest.
        p_values: of each baseline alone, in the direction of its difference.
    """

    sentence: str
    outcome: Outcome
    p_value: float | None
    best_baseline: str
    p_values: tuple[float, ...]


def sequence_verdict(
    network: CandidateLosses, baselines: Sequence[CandidateLosses], *, is_labels: bool,
    groups: NDArray[np.int64] | None = None, inflation: float = 1.0, is_log_loss: bool = False,
    unit: str = "sequences", measure: Measure | None = None,
) -> ComparisonVerdict:  # fmt: skip
    """Test a network against its baselines.

    Args:
        network: its losses and time.
        baselines: at least one, tested on the same sequences in the same order.
        is_labels: losses are right (0) and wrong (1).
        groups: (N,) group of each sequence, from 0 on; groups are the units of the test.
        inflation: factor on the variance of the mean, from `fold_inflation`.
        is_log_loss: losses are log losses of classes, not right and wrong.
        unit: what is counted.
        measure: what the losses are, for the sentence; None for what the arguments before say.

    >>> wrong = np.zeros(40)
    >>> gru = CandidateLosses("gru", wrong, "100.0 %", 4.0)
    >>> rocket = CandidateLosses("MiniRocket", wrong, "100.0 %", 0.1)
    >>> print(sequence_verdict(gru, [rocket], is_labels=True).sentence)
    The GRU is right on 100.0 % of 40 sequences, the best of the simple ones (MiniRocket) on 100.0 %; a \
difference this large would appear in 100 of 100 such comparisons if there were none: MiniRocket does as \
well in 1/40 of the time.
    """
    order = sorted(range(len(baselines)), key=lambda k: (baselines[k].losses.mean(), baselines[k].seconds))
    best = baselines[order[0]]
    gains = np.stack([baseline.losses - network.losses for baseline in baselines], axis=1)  # (N, J)
    if groups is not None:
        gains = group_contributions(gains, groups)
    exact = is_labels and groups is None and not is_log_loss

    def p_of(gain: Floats) -> float:
        if exact:
            return mcnemar_p(int((gain > 0).sum()), int((gain < 0).sum()), inflation)
        return max(sign_flip_p(_in_blocks(gain[:, None])), corrected_t_p(gain, inflation))

    p_values = tuple(p_of(gain if gain.mean() > 0 else -gain) for gain in gains.T)
    p_value: float | None = None
    is_ahead = bool(network.losses.mean() < best.losses.mean())
    if len(gains) >= MIN_SEQUENCES:
        if is_ahead:
            most = np.inf if is_labels else _CLOSE_RATIO * best.losses.mean()
            p_value = max(
                p for p, baseline in zip(p_values, baselines, strict=True) if baseline.losses.mean() <= most
            )
        else:
            p_value = max(p_values[order[0]], sign_flip_p(_in_blocks(-gains)))
    verdict = ComparisonVerdict("", outcome_of(p_value, is_ahead=is_ahead), p_value, best.name, p_values)
    units = unit if groups is None else "sentences" if unit == "words" else "groups"
    by_losses: Measure = "log loss" if is_log_loss else "accuracy" if is_labels else "rmse"
    sentence = _sentence(
        network, baselines, verdict, measure or by_losses, unit=unit, units=units, n_units=len(gains)
    )
    return verdict._replace(sentence=sentence)


def _in_blocks(gains: Floats) -> Floats:
    """Return (n, J) with n at most 1,000: means of neighbours, whose signs may be flipped as well as theirs.

    Rows in which no baseline differs from the network are left out: flipping them changes no sum.
    """
    gains = gains[(gains != 0).any(axis=1)]
    if len(gains) <= _MAX_FLIPPED:
        return gains
    return np.stack([block.mean(axis=0) for block in np.array_split(gains, _MAX_FLIPPED)])


def _sentence(
    network: CandidateLosses,
    baselines: Sequence[CandidateLosses],
    verdict: ComparisonVerdict,
    measure: Measure,
    *,
    unit: str,
    units: str,
    n_units: int,
) -> str:
    best = next(baseline for baseline in baselines if baseline.name == verdict.best_baseline)
    name, other = display_name(network.name), display_name(best.name)
    count = quantity(len(network.losses), unit.removesuffix("s"))
    verb, of, by = _MEASURE_WORDS[measure]
    compared = (
        f"{name} {verb} {network.score}{of} {count}, the best of the simple ones ({other}) {by} {best.score}"
    )
    if verdict.p_value is None:
        units = units.removesuffix("s") if n_units == 1 else units
        return too_few_sentence(n_units, units, compared, f"test on at least {MIN_SEQUENCES}")
    meaning = {
        "better": "it has skill here",
        "worse": f"use {other} instead{_time_share(', which takes', best, network)}",
        "no difference": _equals_in_words(network, best, baselines),
    }[verdict.outcome]
    return outcome_sentence(compared, verdict.p_value, meaning)


def _equals_in_words(
    network: CandidateLosses, best: CandidateLosses, baselines: Sequence[CandidateLosses]
) -> str:
    """Name the quickest baseline that does as well; without one, say that the lead may be luck."""
    equals = [baseline for baseline in baselines if baseline.losses.mean() <= network.losses.mean()]
    if not equals:
        return f"its lead may be luck{_time_share(f', and {display_name(best.name)} takes', best, network)}"
    quickest = min(equals, key=lambda baseline: baseline.seconds)
    return f"{display_name(quickest.name)} does as well{_time_share(' in', quickest, network)}"


def _time_share(words: str, baseline: CandidateLosses, network: CandidateLosses) -> str:
    """Return the words and ` 1/40 of the time`, or nothing where the baseline is not much quicker."""
    times = network.seconds / max(baseline.seconds, 1e-6)
    return f"{words} 1/{float(f'{times:.2g}'):,.0f} of the time" if times >= _MIN_SPEEDUP else ""


def display_name(name: str) -> str:
    """Return the name in a sentence: `the GRU`, `the reservoir`, `MiniRocket`."""
    if name in {"rnn", "gru", "lstm"}:
        return f"the {name.upper()}"
    return _DISPLAY_NAMES.get(name, name)
