"""Measure how a model scores as sequences grow past the length it was trained on.

A sequence is truncated to its first part: the output then is what the model says had it stopped there. It is
lengthened by resampling: the same course at a slower pace, values between two steps on the straight line from
one to the next. That keeps levels, shapes and order, and so most labels. Where the pace decides, as in
counting steps or in frequencies, generate sequences with `make`.

Shapes: N sequences, T steps, F inputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import stdtrit
from torch import Tensor

from unrolled.data.io.frames import to_frame
from unrolled.errors import ArgumentError
from unrolled.formatting import aligned_table, capitalized, number, quantity
from unrolled.models.protocols import SupportsTokenTargets
from unrolled.probe.model.adapter import as_probed_model
from unrolled.probe.model.bucketing import bucket_by_length
from unrolled.probe.model.probed_model import ProbedModel, SequenceScores
from unrolled.probe.model.targets import NO_TARGET
from unrolled.probe.model.texts import TextCall
from unrolled.probe.model.tokens import TokenCall
from unrolled.probe.model.unwrap import unwrap_model
from unrolled.probe.wording.claims import checked
from unrolled.probe.wording.scores import Task, score_clause, score_name
from unrolled.record import Record
from unrolled.stats.intervals import wilson_interval
from unrolled.train.progress import ProgressLine
from unrolled.train.threads import shared_processors
from unrolled.validation import check_int

MakeSequences = Callable[[int], tuple[Any, Any]]
Preparation = Literal["truncated", "as given", "resampled", "generated"]
Outcome = Literal["holds", "falls", "too few to tell", "no skill"]

_LEVEL = 95  # of the confidence intervals, in per cent
_LEAST_SEQUENCES = 8  # that a score which holds is a score of
_TOLERATED_LOSS = 0.1  # of the gain over the baseline
_SHARES = (0.25, 0.5, 1, 2, 4)  # of the trained length, where no lengths are given
_SAME_LENGTH = 0.1  # of the trained length: sequences that close to it are left as they are
_PACE = "Resampling slows the pace: where the pace decides the label, generate sequences with make= instead."


@dataclass(frozen=True)
class LengthScore:
    """Score of a model on sequences of one length.

    Args:
        length: steps of the longest sequence; shorter ones are in proportion.
        ratio: length over the trained length.
        preparation: how the sequences came to that length.
        loss: mean loss.
        score: accuracy, or root mean squared error of numbers.
        low: lower end of the score's 95 % confidence interval.
        high: upper end of it.
        sequences: number of sequences.
    """

    length: int
    ratio: float
    preparation: Preparation
    loss: float
    score: float
    low: float
    high: float
    sequences: int


@dataclass(frozen=True)
class LengthResult(Record):
    """Scores of a model by length of the sequences.

    Args:
        sentence: the result for a person.
        outcome: "no skill" where the score at the trained length is no better than the constant prediction's,
            so that there is nothing to lose; "falls" where the score at a longer length is clearly worse (the
            confidence intervals do not overlap); "holds" where none is, no longer length loses more than a
            tenth of the gain over the baseline, and the intervals of all exclude the loss of half of it; "too
            few to tell" otherwise.
        rows: a row for each length, from the shortest on.
        trained_length: the length that the others are compared with.
        falls_at: the first longer length at which the score falls; None where there is none.
        task: "class" or "number".
        baseline_score: accuracy of always predicting the commonest class, or error of always predicting the
            mean.
    """

    kind: ClassVar[str] = "length"

    sentence: str
    outcome: Outcome
    rows: tuple[LengthScore, ...]
    trained_length: int
    falls_at: int | None
    task: Task
    baseline_score: float

    def to_frame(self) -> Any:
        """Return a pandas frame, one row a length; the score is named "accuracy" or "error"."""
        names = {field.name: field.name for field in fields(LengthScore)} | {"score": score_name(self.task)}
        columns = {
            name: np.array([getattr(row, field) for row in self.rows]) for field, name in names.items()
        }
        return to_frame(columns, "pandas")

    def __str__(self) -> str:
        rows = [["steps", "of trained", "sequences", score_name(self.task), "95 % interval"]]
        for row in self.rows:
            interval = f"{number(row.low, 3)} to {number(row.high, 3)}"
            ratio, score = number(row.ratio, 3), number(row.score, 3)
            rows.append([str(row.length), ratio, row.preparation, score, interval])
        return f"{aligned_table(rows)}\n\n{self.sentence}"


@shared_processors()
def length(
    model: Any, X: Any = None, y: Any = None, *, lengths: Sequence[int] | None = None,
    make: MakeSequences | None = None, trained_length: int | None = None,
) -> LengthResult:  # fmt: skip
    """Score a model on shorter and longer sequences.

    Args:
        model: fitted estimator or torch module: see `unrolled.probe.as_probed_model`.
        X: sequences to truncate and resample; not needed with `make`.
        y: their labels or numbers. Those of single steps are truncated and resampled with their steps.
        lengths: steps of the longest sequence; shorter ones change in proportion. None for a quarter, half,
            once, twice and four times `trained_length`, and X as it is.
        make: `make(length)` returns X and y of that length, instead of truncating and resampling.
        trained_length: steps that the model was trained on; None for the longest sequence that a fitted
            estimator was trained on, or for the longest in X where that is unknown or within a tenth of it:
            then nothing is resampled to compare with.

    Returns:
        A record that prints as a table and one sentence.

    Raises:
        ArgumentError: the model cannot be probed or its outputs are not finite, a length is below 1, X and
            `make` are both missing, or `make` comes without a trained length.
        DataError: X or y cannot be used.

    >>> class Mean(torch.nn.Module):  # of all steps: no length is too long
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.rnn = torch.nn.RNN(1, 1)
    ...     def forward(self, x):
    ...         return torch.cat([-x.mean(1), x.mean(1)], 1)
    >>> X = torch.randn(50, 8, 1, generator=torch.Generator().manual_seed(0))
    >>> result = length(Mean(), X, (X.mean((1, 2)) > 0).long(), lengths=[8, 80])
    >>> [(row.preparation, row.score) for row in result.rows], result.falls_at
    ([('as given', 1.0), ('resampled', 0.98)], None)
    """
    _check_arguments(model, X, y, lengths, make, trained_length)
    original = None if make is not None else as_probed_model(model, X, y, caller="length")
    longest = 0 if original is None else int(original.lengths.max())
    trained = _reference_length(model, trained_length, longest)
    by_length: dict[int, ProbedModel] = {}
    for steps in _probed_lengths(lengths, trained, longest):
        if original is not None:
            by_length[steps] = resample_sequences(original, steps / longest)
        else:
            by_length[steps] = _generate(model, make, steps)
    reference = by_length[trained]
    reference.require_finite()
    scored, done = [], 0
    with ProgressLine("length", sum(by_length), shown=None, unit="steps") as line:
        for steps, probed in by_length.items():
            preparation = _preparation(steps, longest)
            scored.append(_score_at_length(probed.score(), steps, trained, preparation, reference.task))
            done += steps
            line.advance(done)
    rows = tuple(scored)
    baseline = _baseline_score(reference)
    outcome, decisive = _longer_outcome(rows, trained, baseline, reference.task)
    falls_at = decisive.length if outcome == "falls" else None
    result = LengthResult("", outcome, rows, trained, falls_at, reference.task, baseline)
    return checked(replace(result, sentence=_sentence(result, decisive, reference.name)))


def _check_arguments(
    model: Any, X: Any, y: Any, lengths: Any, make: MakeSequences | None, trained_length: int | None
) -> None:
    needs_y = not isinstance(unwrap_model(model, caller="length")[0], SupportsTokenTargets)
    if make is None and (X is None or (y is None and needs_y)):
        raise ArgumentError(
            "length: expected X and y, or make=, got neither. Give sequences to truncate and resample."
        )
    if make is not None and not callable(make):
        raise ArgumentError(f"make: expected a function of a length, got {make!r}.")
    if lengths is not None and (isinstance(lengths, str) or not isinstance(lengths, Iterable)):
        raise ArgumentError(f"lengths: expected a list of whole numbers, got {lengths!r}.")
    if make is not None and trained_length is None and _fitted_length(model) is None:
        raise ArgumentError(
            "length: expected trained_length beside make=, got None. Say how many steps the training had."
        )


def _fitted_length(model: Any) -> int | None:
    """Return the steps of the longest sequence that an estimator was fitted on; None for a module."""
    fitted: int | None = getattr(unwrap_model(model, caller="length")[0], "max_length_", None)
    return fitted


def _reference_length(model: Any, trained_length: int | None, longest: int) -> int:
    """Choose the length to compare with; `longest` is that of X, 0 for generated sequences."""
    if trained_length is not None:
        return check_int("trained_length", trained_length, least=1)
    fitted = _fitted_length(model)
    if fitted is None or (longest > 0 and abs(longest - fitted) <= _SAME_LENGTH * fitted):
        return longest
    return fitted


def _probed_lengths(lengths: Sequence[int] | None, trained: int, longest: int) -> list[int]:
    """List the lengths to score at, the trained one among them."""
    requested = [max(1, round(share * trained)) for share in _SHARES] if lengths is None else lengths
    unchanged = {longest} if lengths is None and longest > 0 else set()
    return sorted({check_int("lengths", each, least=1) for each in requested} | {trained} | unchanged)


def resample_sequences(probed: ProbedModel, ratio: float) -> ProbedModel:
    """Truncate sequences to this share of their steps, or resample them to this many times as many.

    The target of a step is that of the nearest original step.
    """
    (N, T, F), targets = probed.values.shape, probed.targets
    new_lengths = (probed.lengths.double() * ratio).round().long().clamp(min=1)
    longest = int(new_lengths.max())
    values = probed.values.new_zeros(N, longest, F)
    if probed.per_step and targets is not None:
        targets = targets.new_full((N, longest, *targets.shape[2:]), _no_target(probed))
    for rows in bucket_by_length(new_lengths, most_rows=N, most_steps=N * max(T, longest)):
        bucket = _resample_bucket(probed.select(rows), new_lengths[rows], is_longer=ratio > 1)
        values[rows, : bucket.values.shape[1]] = bucket.values
        if probed.per_step and targets is not None and bucket.targets is not None:
            targets[rows, : bucket.values.shape[1]] = bucket.targets
    return replace(probed, values=values, lengths=new_lengths, targets=targets)


def _resample_bucket(probed: ProbedModel, new_lengths: Tensor, *, is_longer: bool) -> ProbedModel:
    """Take the first steps of each sequence, or interpolate steps from its first to its last."""
    last = probed.lengths - 1
    steps = torch.arange(int(new_lengths.max()))
    pace = last / (new_lengths - 1).clamp(min=1) if is_longer else torch.ones(len(last))
    places = torch.minimum(steps * pace[:, None].double(), last[:, None].double())  # (N, T')
    left = places.floor().long()
    right = torch.minimum(left + 1, last[:, None])
    share = (places - left)[..., None].to(probed.values)
    share = share.round() if isinstance(probed.call, TokenCall | TextCall) else share  # no token between two
    within = steps < new_lengths[:, None]
    values = _gather_steps(probed.values, left) * (1 - share) + _gather_steps(probed.values, right) * share
    targets = probed.targets
    if probed.per_step and targets is not None:
        beyond = ~within if targets.ndim == 2 else ~within[..., None]
        targets = _gather_steps(targets, places.round().long()).masked_fill(beyond, _no_target(probed))
    return replace(probed, values=values * within[..., None].to(values), lengths=new_lengths, targets=targets)


def _no_target(probed: ProbedModel) -> float:
    return NO_TARGET if probed.task == "class" else float("nan")


def _gather_steps(steps: Tensor, places: Tensor) -> Tensor:
    """Gather the steps (N, T', ...) of (N, T, ...) at these places (N, T')."""
    if steps.ndim == 2:
        return steps.gather(1, places)
    return steps.gather(1, places[..., None].expand(-1, -1, steps.shape[2]))


def _generate(model: Any, make: MakeSequences | None, steps: int) -> ProbedModel:
    assert make is not None
    made = make(steps)
    if not isinstance(made, tuple | list) or len(made) != 2:
        raise ArgumentError(f"make: expected it to return X and y of a length, got {type(made).__name__}.")
    probed = as_probed_model(model, *made, caller="length")
    longest = int(probed.lengths.max())
    if abs(longest - steps) > _SAME_LENGTH * steps:
        raise ArgumentError(
            f"make: expected sequences of {steps} steps at the longest, got {longest}. Let make(length) "
            "return X of that length."
        )
    return probed


def _preparation(steps: int, longest: int) -> Preparation:
    """Name the preparation of sequences of so many steps; `longest` of X is 0 where `make` made them."""
    if longest == 0:
        return "generated"
    return "as given" if steps == longest else "truncated" if steps < longest else "resampled"


def _score_at_length(
    scores: SequenceScores, steps: int, trained: int, preparation: Preparation, task: Task
) -> LengthScore:
    losses = np.nan_to_num(scores.losses, nan=np.inf)  # states that overflow predict nothing
    n, loss = len(losses), float(losses.mean())
    if task == "class":
        score = float(scores.accuracies.mean())
        low, high = wilson_interval(n * score, n, _LEVEL)
    else:
        half = _half_interval(losses) if math.isfinite(loss) else 0.0
        score, low, high = (math.sqrt(max(mean, 0.0)) for mean in (loss, loss - half, loss + half))
    return LengthScore(steps, steps / trained, preparation, loss, score, low, high, n)


def _half_interval(losses: NDArray[np.float64]) -> float:
    """Compute half the confidence interval of a mean loss, by Student's t; infinite for a single loss."""
    n = len(losses)
    if n < 2:
        return math.inf
    return float(stdtrit(n - 1, 0.5 + _LEVEL / 200)) * float(losses.std(ddof=1)) / math.sqrt(n)


def _baseline_score(probed: ProbedModel) -> float:
    """Score the constant prediction: the commonest class, or the mean."""
    assert probed.targets is not None
    targets = probed.targets.flatten()
    if probed.task == "class":
        return float(targets[targets != NO_TARGET].bincount().max() / (targets != NO_TARGET).sum())
    return float(targets[~targets.isnan()].double().std(correction=0))


def _longer_outcome(
    rows: Sequence[LengthScore], trained: int, baseline: float, task: Task
) -> tuple[Outcome, LengthScore]:
    """Find the outcome for longer sequences and the row that decides it: the first to fall, or the worst."""
    sign = 1 if task == "class" else -1
    reference = next(row for row in rows if row.length == trained)
    longer = [row for row in rows if row.length > trained]
    gained = sign * (reference.score - baseline)
    if not gained > 0:
        return "no skill", reference
    if not longer:
        return "too few to tell", reference
    for row in longer:
        if row.high < reference.low if task == "class" else row.low > reference.high:
            return "falls", row
    worst = min(reversed(longer), key=lambda row: sign * row.score)
    middle = (reference.score + baseline) / 2
    keeps_half = all(row.low > middle if task == "class" else row.high < middle for row in longer)
    is_close = sign * (reference.score - worst.score) <= _TOLERATED_LOSS * gained
    enough = reference.sequences >= _LEAST_SEQUENCES
    return "holds" if enough and keeps_half and is_close else "too few to tell", worst


def _sentence(result: LengthResult, decisive: LengthScore, name: str) -> str:
    task, trained, baseline = result.task, result.trained_length, result.baseline_score
    reference = next(row for row in result.rows if row.length == trained)
    source = "given" if reference.preparation == "as given" else "of its training"
    source += " (resampled to them)" if reference.preparation == "resampled" else ""
    start = f"{score_clause(reference.score, task)} at the {trained} steps {source}"
    constant = "the commonest class" if task == "class" else "the mean"
    always = f"always predicting {constant} {score_clause(baseline, task)}"
    if result.outcome == "no skill":
        return (
            f"{capitalized(name)} is no better than always predicting {constant}, so that it has nothing to "
            f"lose on longer sequences: it {start}, and {always}."
        )
    if decisive is reference:
        return f"{capitalized(name)} {start}; there are no longer sequences."
    how = "resampled to " if decisive.preparation == "resampled" else ""
    end = (
        f"{score_clause(decisive.score, task)} at {decisive.length} "
        f"({how}{number(decisive.ratio, 3)} times as long)"
    )
    if result.outcome == "holds":
        return f"{capitalized(name)} holds on longer sequences: it {start}, and {end}."
    if result.outcome == "too few to tell":
        sequences = quantity(decisive.sequences, "sequence")
        too_few = f"{sequences} {'is' if decisive.sequences == 1 else 'are'} too few to tell whether {name}"
        return f"{capitalized(too_few)} holds on longer ones: it {start}, and {end}; {always}."
    lost, gained = abs(decisive.score - reference.score), abs(baseline - reference.score)
    conclusion = "does not hold" if lost > gained / 2 else "does worse"
    warning = f" {_PACE}" if decisive.preparation == "resampled" else ""
    return f"{capitalized(name)} {conclusion} on longer sequences: it {start}, but {end}; {always}.{warning}"
