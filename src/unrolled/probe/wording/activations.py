"""Sentence of the activations probe: the best activation beside the worst, and what seeds alone explain."""

from __future__ import annotations

import math

import numpy as np

from unrolled.formatting import capitalized, join_words
from unrolled.probe.activations_result import ActivationRuns
from unrolled.probe.wording.scores import Task, compared_numbers, compared_shares, score_clause


def rank(row: ActivationRuns, task: Task) -> tuple[float, float]:
    """Rank a row, lower is better: by the trainings that diverged, then by the score."""
    score = -row.score if task == "class" else row.score
    return row.diverged_share, math.inf if math.isnan(score) else score


def activations_sentence(
    rows: tuple[ActivationRuns, ...], best: ActivationRuns, task: Task, held_out: int
) -> str:
    """State the best activation beside the worst, on which sequences, and which trainings diverged."""
    diverged = [
        f"{row.name} ({int(row.diverged.sum())} of {len(row.diverged)})" for row in rows if row.diverged.any()
    ]
    end = f"; trainings diverged with {join_words(diverged)}" if diverged else "; no training diverged"
    if not math.isfinite(best.score):
        return "Every training broke down with every activation."
    place = "on held-out sequences" if held_out else "on the sequences that it was trained on"
    finding = _finding(rows, best, task)
    return f"{capitalized(place)} {finding}{end}."


def _finding(rows: tuple[ActivationRuns, ...], best: ActivationRuns, task: Task) -> str:
    """State the best score beside the worst, and whether seeds alone lie as far apart."""
    if len(rows) == 1:
        return f"the network with {best.name} {score_clause(best.score, task)}"
    finite = [row for row in rows if math.isfinite(row.score)]
    worst = max((row for row in finite if row is not best), key=lambda row: rank(row, task), default=None)
    if worst is None:
        return f"the network with {best.name} {score_clause(best.score, task)}"
    if all(row.score == best.score for row in finite):
        names = join_words([row.name for row in finite])
        return f"{names} are alike: the network {score_clause(best.score, task)}"
    first, second = (compared_shares if task == "class" else compared_numbers)(best.score, worst.score)
    clause = (
        f"it {'is right in' if task == 'class' else 'has an error of'} {first}, with {worst.name} {second}"
    )
    sign = 1 if task == "class" else -1
    better = [row.name for row in finite if sign * row.score > sign * best.score]
    if better:  # they diverged more often
        return f"the network trains most reliably with {best.name}: {clause}"
    spread = _seed_spread(rows)
    if not math.isfinite(spread):
        return f"the network does best with {best.name}, which a single seed does not prove: {clause}"
    if abs(best.score - worst.score) <= spread:
        return f"no difference beyond that of seeds is shown: with {best.name} {clause}"
    similar = [row.name for row in finite if row is not best and abs(best.score - row.score) <= spread]
    similar_clause = f" (no farther apart than seeds: {', '.join(similar)})" if similar else ""
    return f"the network does best with {best.name}{similar_clause}: {clause}"


def _seed_spread(rows: tuple[ActivationRuns, ...]) -> float:
    """Compute twice the standard error of a difference between two mean scores, from the seeds."""
    counts = [int(np.isfinite(row.scores).sum()) for row in rows]
    variances = [float(np.nanvar(row.scores, ddof=1)) for row, n in zip(rows, counts, strict=True) if n > 1]
    n = min([count for count in counts if count > 1], default=1)
    return 2 * math.sqrt(2 * float(np.mean(variances)) / n) if variances else math.inf
