"""Does a model hold as sequences grow past the length it was trained on?

A sequence is made shorter by keeping its first part: what the model would say had it stopped there. It is
made longer by stretching: the same course, run through more slowly, with values between the steps on the
straight line from one to the next. That keeps levels, shapes and order, and so the label of most things that
have one; where pace is what counts, as in counting steps or in frequencies, give `make`.

Shapes: N sequences, T steps, F inputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from unrolled.data.io.frames import to_frame
from unrolled.errors import ArgumentError
from unrolled.jsonable import to_jsonable
from unrolled.probe.model.adapter import ProbedModel, SequenceScores, as_probed_model
from unrolled.probe.model.bucketing import bucket_by_length
from unrolled.probe.model.targets import NO_TARGET
from unrolled.probe.wording import aligned, capital, percent, times
from unrolled.validation import check_int

MakeSequences = Callable[[int], tuple[Any, Any]]
Preparation = Literal["cut", "as given", "stretched", "made"]
Outcome = Literal["holds", "falls", "too few to tell"]

_Z = 1.96  # of a 95 % interval
_LITTLE = 0.1  # of what the model gains over always answering the same: so much less is still holding
_SHARES = (0.25, 0.5, 1, 2, 4)  # of the trained length, where no lengths are named
_NEARLY = 0.1  # of the trained length: sequences that are so much longer or shorter are left as they are
_PACE = "Stretching slows the pace: where the pace tells the label, ask with make= instead."


@dataclass(frozen=True)
class LengthScore:
    """How a model does at one length.

    Args:
        length: steps of the longest sequence; shorter ones are in proportion.
        ratio: of the trained length.
        preparation: whether sequences were cut, stretched, made, or taken as given.
        loss: mean.
        score: accuracy, or the error (root of the mean squared error) of numbers.
        low: of its 95 % interval.
        high: of its 95 % interval.
        sequences: how many were asked about.
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
class LengthResult:
    """How a model does as sequences grow.

    Args:
        sentence: what to tell a person.
        outcome: "falls" where a longer length does clearly worse (their intervals do not overlap); "holds"
            where none does, nor loses more than a tenth of what the model gains over always answering the
            same; "too few to tell" between the two.
        rows: from the shortest on.
        trained_length: the length that the others are compared with.
        falls_at: the first longer length at which it falls; None where there is none.
        task: "class" or "number": whether a score is an accuracy or an error.
        baseline_score: accuracy of always answering the commonest class, or error of always answering the
            mean.
    """

    kind: ClassVar[str] = "length"

    sentence: str
    outcome: Outcome
    rows: tuple[LengthScore, ...]
    trained_length: int
    falls_at: int | None
    task: Literal["class", "number"]
    baseline_score: float

    def to_frame(self) -> Any:
        """A row a length, as a pandas frame; `score` becomes `accuracy` or `error`."""
        columns = {name: np.array([getattr(row, name) for row in self.rows]) for name in asdict(self.rows[0])}
        score = "accuracy" if self.task == "class" else "error"
        return to_frame(
            {score if name == "score" else name: values for name, values in columns.items()}, "pandas"
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON; an error that is infinite is None."""
        return {"kind": self.kind, **to_jsonable(asdict(self))}

    def plot(self) -> Any:
        """The score against the length, with its interval."""
        from unrolled.report.figures.dispatch import figure  # noqa: PLC0415 (the one arrow between neighbours)

        return figure(self)

    def __str__(self) -> str:
        score = "accuracy" if self.task == "class" else "error"
        rows = [["steps", "of the trained", "sequences are", score, "95 % interval"]]
        for row in self.rows:
            interval = f"{row.low:.3g} to {row.high:.3g}"
            rows.append([str(row.length), f"{row.ratio:.3g}", row.preparation, f"{row.score:.3g}", interval])
        return f"{aligned(rows)}\n\n{self.sentence}"


def length(
    model: Any, X: Any = None, y: Any = None, *, lengths: Sequence[int] | None = None,
    make: MakeSequences | None = None, trained_length: int | None = None,
) -> LengthResult:  # fmt: skip
    """Ask a model about shorter and longer sequences.

    Args:
        model: what `unrolled.probe.as_probed_model` takes.
        X: sequences, which are cut and stretched; not needed with `make`.
        y: their labels or numbers. Where each step has one, it is cut and stretched with its step.
        lengths: steps of the longest sequence; shorter ones are cut and stretched in proportion. None for a
            quarter, half, once, twice and four times `trained_length`, and X as it is.
        make: `make(length)` gives X and y of that length, instead of cutting and stretching.
        trained_length: steps that the model was trained on; None for its `max_length_`, those of the longest
            sequence that a fitted estimator was trained on, or for the longest in X where a model has none
            or it is within a tenth of that: then nothing is stretched to compare with.

    Raises:
        ArgumentError: the model is none of those or has answers that are not finite, a length is below 1,
            neither X nor `make` was given, or no trained length is known beside `make`.
        DataError: X or y cannot be used.

    >>> class Mean(torch.nn.Module):  # of all steps: no length is too long
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.rnn = torch.nn.RNN(1, 1)
    ...     def forward(self, x):
    ...         return torch.cat([-x.mean(1), x.mean(1)], 1)
    >>> X = torch.randn(50, 8, 1, generator=torch.Generator().manual_seed(0))
    >>> told = length(Mean(), X, (X.mean((1, 2)) > 0).long(), lengths=[8, 80])
    >>> [(row.preparation, row.score) for row in told.rows], told.falls_at
    ([('as given', 1.0), ('stretched', 0.98)], None)
    """
    if make is None and (X is None or y is None):
        raise ArgumentError(
            "length: expected X and y, or make=, got neither. Give sequences to cut and stretch."
        )
    if make is not None and not callable(make):
        raise ArgumentError(f"make: expected a function of a length, got {make!r}.")
    if lengths is not None and (isinstance(lengths, str) or not isinstance(lengths, Iterable)):
        raise ArgumentError(f"lengths: expected a list of whole numbers, got {lengths!r}.")
    if make is not None and trained_length is None and getattr(model, "max_length_", None) is None:
        raise ArgumentError(
            "length: expected trained_length beside make=, got None. Say how many steps the training had."
        )
    original = None if make is not None else as_probed_model(model, X, y, caller="length")
    longest = 0 if original is None else int(original.lengths.max())
    trained = _reference_length(model, trained_length, longest)
    probed_lengths = _probed_lengths(lengths, trained, longest)
    by_length: dict[int, ProbedModel] = {}
    for steps in probed_lengths:
        by_length[steps] = (
            resample_sequences(original, steps / longest)
            if original is not None
            else _generate(model, make, steps)
        )
    baseline_score, task, name = (
        _baseline_score(by_length[trained]),
        by_length[trained].task,
        by_length[trained].name,
    )
    by_length[trained].require_finite()
    rows = [
        _score_at_length(sequences.score(), steps, trained, _preparation(steps, longest), task)
        for steps, sequences in by_length.items()
    ]
    outcome, decisive = _longer_outcome(rows, trained, baseline_score, task)
    sentence = _sentence(rows, trained, outcome, decisive, baseline_score, task=task, name=name)
    return LengthResult(
        sentence,
        outcome,
        tuple(rows),
        trained,
        decisive.length if outcome == "falls" else None,
        task,
        baseline_score,
    )


def _reference_length(model: Any, trained_length: int | None, longest: int) -> int:
    """The length to compare with; `longest` is that of X, 0 of sequences that are made."""
    if trained_length is not None:
        return check_int("trained_length", trained_length, least=1)
    fitted: int | None = getattr(model, "max_length_", None)
    if fitted is None or (longest > 0 and abs(longest - fitted) <= _NEARLY * fitted):
        return longest
    return fitted


def _probed_lengths(lengths: Sequence[int] | None, trained: int, longest: int) -> list[int]:
    """The lengths to ask about, the trained one among them."""
    requested = [max(1, round(share * trained)) for share in _SHARES] if lengths is None else lengths
    unchanged = {longest} if lengths is None and longest > 0 else set()
    return sorted({check_int("lengths", each, least=1) for each in requested} | {trained} | unchanged)


def resample_sequences(probed: ProbedModel, ratio: float) -> ProbedModel:
    """The same sequences cut to this share of their steps, or stretched to this many times as many.

    What is known of a step moves with the step nearest to it.
    """
    (N, T, F), targets = probed.values.shape, probed.targets
    after = (probed.lengths.double() * ratio).round().long().clamp(min=1)
    longest = int(after.max())
    values = probed.values.new_zeros(N, longest, F)
    if probed.per_step and targets is not None:
        unknown = NO_TARGET if probed.task == "class" else float("nan")
        targets = targets.new_full((N, longest, *targets.shape[2:]), unknown)
    for rows in bucket_by_length(after, most_rows=N, most_steps=N * max(T, longest)):
        bucket = _resample_bucket(probed.select(rows), after[rows], is_longer=ratio > 1)
        values[rows, : bucket.values.shape[1]] = bucket.values
        if probed.per_step and targets is not None and bucket.targets is not None:
            targets[rows, : bucket.values.shape[1]] = bucket.targets
    return replace(probed, values=values, lengths=after, targets=targets)


def _resample_bucket(probed: ProbedModel, new_lengths: Tensor, *, is_longer: bool) -> ProbedModel:
    """The first so many steps of each sequence, or so many steps from its first to its last."""
    old_lengths = probed.lengths
    steps = torch.arange(int(new_lengths.max()))
    pace = (old_lengths - 1) / (new_lengths - 1).clamp(min=1) if is_longer else torch.ones(len(old_lengths))
    places = torch.minimum(steps * pace[:, None].double(), (old_lengths - 1)[:, None].double())  # (N, T')
    first = places.floor().long()
    then = torch.minimum(first + 1, (old_lengths - 1)[:, None])
    share = (places - first)[..., None].to(probed.values)
    within = steps < new_lengths[:, None]
    values = _gather_steps(probed.values, first) * (1 - share) + _gather_steps(probed.values, then) * share
    targets = probed.targets
    if probed.per_step and targets is not None:
        unknown = NO_TARGET if probed.task == "class" else float("nan")
        is_valid = within if targets.ndim == 2 else within[..., None]
        targets = _gather_steps(targets, places.round().long()).masked_fill(~is_valid, unknown)
    return replace(probed, values=values * within[..., None].to(values), lengths=new_lengths, targets=targets)


def _gather_steps(steps: Tensor, places: Tensor) -> Tensor:
    """(N, T', ...) the steps (N, T, ...) at these places (N, T')."""
    if steps.ndim == 2:
        return steps.gather(1, places)
    return steps.gather(1, places[..., None].expand(-1, -1, steps.shape[2]))


def _generate(model: Any, make: MakeSequences | None, steps: int) -> ProbedModel:
    assert make is not None
    made = make(steps)
    if not isinstance(made, tuple | list) or len(made) != 2:
        raise ArgumentError(f"make: expected it to give X and y of a length, got {type(made).__name__}.")
    probed = as_probed_model(model, *made, caller="length")
    longest = int(probed.lengths.max())
    if abs(longest - steps) > _NEARLY * steps:
        raise ArgumentError(
            f"make: expected sequences of {steps} steps at the longest, as asked; got {longest}. Let "
            "make(length) give X of that length."
        )
    return probed


def _preparation(steps: int, longest: int) -> Preparation:
    """What was done to sequences of so many steps at the longest; 0 for those that `make` made."""
    if longest == 0:
        return "made"
    return "as given" if steps == longest else "cut" if steps < longest else "stretched"


def _score_at_length(
    scores: SequenceScores, steps: int, trained: int, how: Preparation, task: str
) -> LengthScore:
    losses = np.nan_to_num(scores.losses, nan=np.inf)  # states that overflow know nothing
    n, loss = len(losses), float(losses.mean())
    if task == "class":
        score = float(scores.accuracies.mean())
        low, high = _share_interval(score, n)
    else:
        spread = _Z * float(losses.std()) / math.sqrt(n) if math.isfinite(loss) else 0.0
        score, low, high = (math.sqrt(max(mean, 0.0)) for mean in (loss, loss - spread, loss + spread))
    return LengthScore(steps, steps / trained, how, loss, score, low, high, n)


def _share_interval(share: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share among n."""
    centre = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    reach = _Z / (1 + _Z**2 / n) * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return max(centre - reach, 0.0), min(centre + reach, 1.0)


def _baseline_score(probed: ProbedModel) -> float:
    """Accuracy of always answering the commonest class, or error of always answering the mean."""
    assert probed.targets is not None
    targets = probed.targets.flatten()
    if probed.task == "class":
        return float(targets[targets != NO_TARGET].bincount().max() / (targets != NO_TARGET).sum())
    return float(targets[~targets.isnan()].double().std(correction=0))


def _longer_outcome(
    rows: list[LengthScore], trained: int, baseline_score: float, task: str
) -> tuple[Outcome, LengthScore]:
    """What longer sequences do to the score, and the row that tells it: the first to fall, or the worst."""
    better = 1 if task == "class" else -1
    reference = next(row for row in rows if row.length == trained)
    longer = [row for row in rows if row.length > trained]
    for row in longer:
        if row.high < reference.low if task == "class" else row.low > reference.high:
            return "falls", row
    if not longer:
        return "too few to tell", reference
    worst = min(reversed(longer), key=lambda row: better * row.score)
    lost, gained = better * (reference.score - worst.score), better * (reference.score - baseline_score)
    return "holds" if lost <= max(_LITTLE * gained, 0.0) else "too few to tell", worst


def _sentence(
    rows: list[LengthScore],
    trained: int,
    outcome: Outcome,
    decisive: LengthScore,
    baseline_score: float,
    *,
    task: str,
    name: str,
) -> str:
    reference = next(row for row in rows if row.length == trained)
    format_score = percent if task == "class" else "{:.3g}".format
    verb = "is right in" if task == "class" else "has an error of"
    whose = "given" if reference.preparation == "as given" else "of its training"
    whose += " (to which they are stretched)" if reference.preparation == "stretched" else ""
    start = f"{verb} {format_score(reference.score)} at the {trained} steps {whose}"
    if decisive is reference:
        return f"{capital(name)} {start}; no longer sequences were asked about."
    longer = (
        f"{'stretched to ' if decisive.preparation == 'stretched' else ''}{times(decisive.ratio)} as long"
    )
    end = f"{format_score(decisive.score)} at {decisive.length} ({longer})"
    if outcome == "holds":
        return f"{capital(name)} holds on longer sequences: it {start}, and {verb} {end}."
    if outcome == "too few to tell":
        return (
            f"Whether {name} holds on longer sequences cannot be told from {decisive.sequences}: it {start}, "
            f"and {verb} {end}."
        )
    lost, gained = abs(decisive.score - reference.score), abs(baseline_score - reference.score)
    conclusion = "does not hold" if lost > gained / 2 else "does worse"
    naive = "the commonest class is right in" if task == "class" else "the mean has an error of"
    doubt = f" {_PACE}" if decisive.preparation == "stretched" else ""
    return (
        f"{capital(name)} {conclusion} on longer sequences: it {start}, but {verb} {end}; "
        f"always answering {naive} {format_score(baseline_score)}.{doubt}"
    )
