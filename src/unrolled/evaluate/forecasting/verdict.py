"""Verdict of a backtest: is the network better than the best of its baselines, and could that be luck?

The losses of network and baseline are paired by origin. Origins whose forecasts overlap share their errors,
so they are grouped into as many blocks as there are origins without overlap, and the block means d_1..d_n
are tested. The last forecasts of a block still reach into the next one, by up to a horizon less a step; the
t-test allows for that, the sign flips do not. Two one-sided tests must agree, the larger p counts:

    sign flips   the share of sign patterns s under which Σ s_i d_i reaches Σ d_i; exact up to 12 blocks.
                 Holds for any size and spread of the d_i, heavy tails and volatility clusters included.
    corrected t  t = d̄ / (s √(v / n)) with v = (1 + r) / (1 − r), r ≥ 0 the correlation of neighbouring
                 blocks; then t + γt²/3√n + γ²t³/27n + γ/6√n for skewness γ, against Student's t with n − 1.
                 Holds where blocks depend on each other and where a model wins often but loses big.

Choosing the best of many baselines after the fact makes it harder to look better and easier to look worse:

    better   must hold against every baseline whose mean loss is within a tenth of the best one's; a
             network that shadows a lucky baseline would otherwise share its luck.
    worse    the flips compare the largest of all baselines' statistics, the signs shared between them.

Source: Diebold and Mariano 1995 (paired losses, sign test); White 2000, "A Reality Check for Data Snooping"
(joint comparison with the best); Hall 1992, "On the Removal of Skewness by Transformation", eq. 2.2 (the
cubic). `benchmarks/verdict_trust.py` counts false and true wins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.evaluate.outcome import Outcome, outcome_of, outcome_sentence, too_few_sentence
from unrolled.record import Record
from unrolled.stats.paired import corrected_t_p, sign_flip_p

Floats = NDArray[np.float64]

MIN_ORIGINS = 10  # without overlap; with fewer, the rarest sign pattern says little and γ is noise
_CLOSE_RATIO = 1.10  # mean loss, as a multiple of the best baseline's


class BaselineLosses(NamedTuple):
    """Losses of one baseline.

    Args:
        name: of the baseline.
        losses: (K,) mean loss from each origin.
        note: its working scale.
    """

    name: str
    losses: Floats
    note: str = ""


@dataclass(frozen=True)
class Verdict(Record):
    """Verdict in one sentence, and the numbers in it.

    Args:
        sentence: for a person.
        outcome: "better" or "worse" where p_value is at most 0.05, else "no difference"; "too few to
            tell" below ten origins without overlap.
        p_value: probability of a difference this large, in this direction, if there were none; None where
            there are too few origins.
        best_baseline: the name of the one with the lowest mean loss.
        ratio: the network's mean loss over the best baseline's; below 1 is better.
        origins: how many there were.
        independent_origins: how many of them do not overlap.

    >>> rng = np.random.default_rng(0)
    >>> noise = rng.normal(size=40)
    >>> naive = BaselineLosses("Naive", np.abs(noise + 1))
    >>> print(backtest_verdict(np.abs(noise), [naive], horizon=1, step=1, name="gru"))
    The GRU is 39 % better than the best of its baselines (Naive) over 40 origins; a difference this \
large would appear in 8 of 1,000 such series if there were none: it has skill here.
    """

    kind: ClassVar[str] = "verdict"

    sentence: str
    outcome: Outcome
    p_value: float | None
    best_baseline: str
    ratio: float
    origins: int
    independent_origins: int

    def __str__(self) -> str:
        return self.sentence


def backtest_verdict(
    losses: Floats, baselines: Sequence[BaselineLosses], *, horizon: int, step: int, name: str
) -> Verdict:
    """Test a network against its baselines, on one loss an origin.

    Args:
        losses: (K,) the network's mean loss from each origin, in order of time.
        baselines: at least one; each scale that one was tried on counts as a baseline of its own.
        horizon: steps each forecast reaches.
        step: steps from one origin to the next.
        name: of the network, for the sentence.

    One origin is "too few to tell"; ten whose losses are all the same are "no difference".
    """
    means = [float(baseline.losses.mean()) for baseline in baselines]
    best = int(np.argmin(means))
    ratio = _ratio(float(losses.mean()), means[best])
    independent = 1 + (len(losses) - 1) // math.ceil(horizon / step)
    p_value: float | None = None
    if independent >= MIN_ORIGINS:
        gains = [_block_means(baseline.losses - losses, independent) for baseline in baselines]
        if ratio < 1:
            close = [
                gain for gain, mean in zip(gains, means, strict=True) if mean <= _CLOSE_RATIO * means[best]
            ]
            p_value = max(max(sign_flip_p(gain[:, None]), _block_t_p(gain)) for gain in close)
        else:
            p_value = max(sign_flip_p(-np.stack(gains, axis=1)), _block_t_p(-gains[best]))
    outcome = outcome_of(p_value, is_ahead=ratio < 1)
    verdict = Verdict("", outcome, p_value, baselines[best].name, ratio, len(losses), independent)
    return replace(
        verdict, sentence=_sentence(name, f"{baselines[best].name} {baselines[best].note}".strip(), verdict)
    )


def _ratio(loss: float, best: float) -> float:
    if best == 0:
        return 1.0 if loss == 0 else math.inf
    return loss / best


def _block_means(differences: Floats, blocks: int) -> Floats:
    """Return the means (n,) of neighbouring origins, in blocks as equal as they can be."""
    return np.array([block.mean() for block in np.array_split(differences, blocks)])


def _block_t_p(d: Floats) -> float:
    """Return the p-value of Student's t, corrected for skewness and for correlated neighbours."""
    n = len(d)
    centred = d - d.mean()
    squares = float((centred**2).sum())
    correlation = float((centred[1:] * centred[:-1]).sum()) / squares if squares else 0.0
    correlation = min(max(correlation + 1 / n, 0.0), 0.8)  # + 1/n: its bias under independence
    return corrected_t_p(d, inflation=(1 + correlation) / (1 - correlation))


def _sentence(name: str, best: str, verdict: Verdict) -> str:
    ratio, independent = verdict.ratio, verdict.independent_origins
    network = name.upper() if len(name) <= 4 else name  # GRU, LSTM
    compared = f"the {network} is {_ratio_in_words(ratio)} the best of its baselines ({best})"
    if verdict.p_value is None:
        units = "origin" if independent == 1 else "origins without overlap"
        way_out = f"take at least {MIN_ORIGINS}, from a longer series or with a shorter horizon"
        return too_few_sentence(independent, units, compared, way_out)
    meaning = {
        "better": "it has skill here",
        "worse": f"use {best} instead",
        "no difference": "no skill shown",
    }[verdict.outcome]
    overlap = f" ({independent} without overlap)" if independent < verdict.origins else ""
    compared += f" over {verdict.origins} origins{overlap}"
    return outcome_sentence(compared, verdict.p_value, meaning, cases="series")


def _ratio_in_words(ratio: float) -> str:
    change = 100 * abs(ratio - 1)
    if change < 0.05:
        return "as good as"
    if math.isinf(ratio):  # the baseline is exact
        return "further off than"
    if ratio >= 2:
        return f"{ratio:.1f} times as far off as"
    return f"{change:.{1 if change < 10 else 0}f} % {'better' if ratio < 1 else 'worse'} than"
