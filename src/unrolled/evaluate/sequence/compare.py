"""A network of whole sequences beside simpler rivals, on the same splits, and one honest sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier, is_regressor

from unrolled.data.io.frames import to_frame
from unrolled.errors import ArgumentError, UnrolledError
from unrolled.evaluate.forecasting.verdict import Outcome
from unrolled.evaluate.sequence.candidates import (
    NOTES,
    CandidatePredictions,
    check_rivals,
    excluded_rivals,
    fit_and_predict,
    model_candidate,
    rival_candidates,
    warm_up,
)
from unrolled.evaluate.sequence.split import (
    EvaluationData,
    Task,
    evaluation_data,
    fold_splits,
    holdout_split,
    unseen_class_remarks,
)
from unrolled.evaluate.sequence.verdict import CandidateLosses, ComparisonVerdict, comparison_verdict
from unrolled.models.sequence.tagger import SequenceTagger
from unrolled.stats.dependence import fold_inflation, group_contributions
from unrolled.stats.intervals import mean_interval, wilson_interval
from unrolled.validation import ErrorCollector, check_float, check_int

Array = NDArray[Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class ComparisonRow:
    """One of those compared.

    Args:
        name: "gru", "MiniRocket", ...
        note: what it is; empty for the network.
        accuracy: share of the judged sequences that it is right on; None where numbers are learned.
        rmse: root of its mean squared error; None where classes are learned. So are mae and r2.
        mae: its mean absolute error.
        r2: 1 less its squared error over that of the mean; None as well where y never changes.
        interval: where the accuracy, or the RMSE, lies at the comparison's level.
        p_value: how often a difference from the network this large, in this direction, would appear if
            there were none; None for the network.
        fit_seconds: one fit; the mean of the folds.
        predict_seconds: to answer what was judged after it.
    """

    name: str
    note: str
    accuracy: float | None
    rmse: float | None
    mae: float | None
    r2: float | None
    interval: tuple[float, float]
    p_value: float | None
    fit_seconds: float
    predict_seconds: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Everyone's score on the same sequences, and the verdict.

    Args:
        rows: the network first, then its rivals from the best on.
        sentence: what to tell a person.
        outcome: "better", "worse", "no difference" or "too few to tell": the network beside the best of
            its rivals.
        p_value: of that; None where there are too few.
        best_rival: the name of the one with the highest accuracy, or the lowest RMSE.
        task: "labels" or "numbers".
        judged: how many sequences were.
        groups: how many groups they are in; None where nobody named any.
        folds: of the cross-validation; None where a test set was given.
        level: of the intervals, in per cent.
        remarks: what to know when reading the table, a sentence each.
        columns: a row a judged sequence: y, and what each answered.
        backend: the kind of frame that X was.
    """

    kind: ClassVar[str] = "comparison"

    rows: tuple[ComparisonRow, ...]
    sentence: str
    outcome: Outcome
    p_value: float | None
    best_rival: str
    task: Task
    judged: int
    groups: int | None
    folds: int | None
    level: float
    remarks: tuple[str, ...]
    columns: dict[str, Array]
    backend: str = "pandas"

    @property
    def answers(self) -> Any:
        """A frame: y, and what each answered, a row a judged sequence in the order of X (or of X_test)."""
        return to_frame(self.columns, self.backend)

    def to_frame(self) -> Any:
        """The rows as a frame; the interval's ends are called as in `accuracy-lo-95`."""
        measures = ("accuracy",) if self.task == "labels" else ("rmse", "mae", "r2")
        columns: dict[str, list[Any]] = {
            name: [getattr(row, name) for row in self.rows] for name in ("name", "note", *measures)
        }
        for k, side in enumerate(("lo", "hi")):
            columns[f"{measures[0]}-{side}-{self.level:g}"] = [row.interval[k] for row in self.rows]
        for name in ("p_value", "fit_seconds", "predict_seconds"):
            columns[name] = [getattr(row, name) for row in self.rows]
        arrays = {
            name: np.array(values, dtype=object if name in {"name", "note"} else np.float64)
            for name, values in columns.items()
        }
        return to_frame(arrays, self.backend)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the single answers, ready for JSON."""
        kept = {name: value for name, value in vars(self).items() if name not in {"columns", "backend"}}
        rows = [asdict(row) | {"interval": list(row.interval)} for row in self.rows]
        return {"kind": self.kind, **kept, "rows": rows, "remarks": list(self.remarks)}

    def plot(self) -> Any:
        """Each one's score with its interval, and the time it took."""
        from unrolled.report.figures.dispatch import figure  # noqa: PLC0415 (the one arrow between neighbours)

        return figure(self)

    def __str__(self) -> str:
        measures = ["accuracy"] if self.task == "labels" else ["rmse", "mae", "r2"]
        head = ["model", measures[0], f"{self.level:g} % interval", *measures[1:], "p", "fit s", "predict s"]
        lines = [head]
        for row in self.rows:
            first, *others = (_number(name, getattr(row, name)) for name in measures)
            interval = " to ".join(_number(measures[0], end) for end in row.interval)
            seconds = (f"{value:.3g}" for value in (row.fit_seconds, row.predict_seconds))
            lines.append([row.name, first, interval, *others, _number("p", row.p_value), *seconds])
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = [
            "  ".join(
                [line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]
            )
            for line in lines
        ]
        return "\n".join([*table, "", self.sentence, *self.remarks])


def compare(
    model: Any, X: Any, y: Any, *, test: tuple[Any, Any] | None = None, folds: int = 5, groups: Any = None,
    rivals: Sequence[str] | None = None, level: float = 95,
) -> Comparison:  # fmt: skip
    """Score a network of whole sequences beside simpler rivals, and say what it is worth.

    Everyone is fitted on exactly the same sequences and answers exactly the same others, which nobody was
    fitted on. Folds share most of what they are fitted on, which makes their mean less sure than as many
    separate sequences would: intervals and p-values allow for it (Nadeau and Bengio 2003).

    The rivals: the majority class (of numbers the mean of y, and a straight line from the last step); the
    nearest training sequence (features scaled, ragged sequences stretched to the longest), also after
    dynamic time warping; MiniRocket (ragged sequences stretched); the same estimator as a reservoir of the
    usual size; on sequences whose steps are sorted, so that their order is lost; and as a feed-forward net,
    where all sequences have one length. Time warping and MiniRocket take part where aeon is installed.

    Args:
        model: a SequenceClassifier, SequenceRegressor, or an estimator of scikit-learn's kind that takes
            X; fitted or not: copies of it are fitted here and it stays as it is.
        X: N sequences, as for SequenceClassifier.
        y: N labels, or numbers if the model is a regressor.
        test: (X_test, y_test) to judge on, never fitted on; None for cross-validation.
        folds: of the cross-validation; each class is in all alike.
        groups: N names; sequences of one group (a speaker, a patient) are judged in the same fold, and
            their luck counts once. With a test set they say what is held out of the training only.
        rivals: some of those above by name (`unrolled.evaluate.sequence.candidates.RIVALS`); None for all.
        level: of the intervals, in per cent.

    Raises:
        ArgumentError: an argument is out of range.
        DataError: X or y cannot be used as they are, or a fold would have nothing to learn a class from.
        MissingDependencyError: a rival that was named needs aeon, and it is not installed.

    >>> import unrolled as ur
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(60, 8)), np.repeat([0, 1], 30)
    >>> X[y == 1] += np.linspace(-2, 2, 8)
    >>> result = compare(ur.SequenceClassifier(hidden_size=4, max_epochs=2), X, y, folds=2,
    ...                  rivals=["majority class", "1-NN Euclidean"])
    >>> result.rows[0].name, result.judged, result.best_rival
    ('gru', 60, '1-NN Euclidean')
    """
    task = _task_of(model)
    names = _check_arguments(task, folds, level, rivals)
    everything, backend = evaluation_data(X, y, task, groups)
    remarks: list[str] = []
    if test is None:
        parts, fold = fold_splits(everything, folds, task)
        order = np.argsort(np.argsort(fold, kind="stable"), kind="stable")  # from fold after fold to X
        known = everything
    else:
        parts = [holdout_split(everything, test, task)]
        known, remarks = parts[0].test, unseen_class_remarks(parts[0], task)
        order = np.arange(len(known))
    out = excluded_rivals(parts, names, asked_for=rivals is not None)
    entrants = rival_candidates(model, task, [name for name in names if name not in out])
    warm_up([model_candidate(model), *entrants], parts[0])
    told = [fit_and_predict(model_candidate(model), parts)]
    for entrant in entrants:
        try:
            told.append(fit_and_predict(entrant, parts))
        except UnrolledError as fault:  # a reservoir that overflows, say, leaves the others as they are
            out[entrant.name] = str(fault).rstrip(".")
    if len(told) == 1:
        raise ArgumentError(f"rivals: expected one at least that can take part; {_exclusion_remarks(out)[0]}")
    told = [one._replace(answers=one.answers[order]) for one in told]
    scale = _Scoring(task, level, 1.0 if test is not None else fold_inflation(folds))
    rows, stands = _compare_losses(told, known, scale)
    return Comparison(
        rows=rows,
        sentence=stands.sentence,
        outcome=stands.outcome,
        p_value=stands.p_value,
        best_rival=stands.best_rival,
        task=task,
        judged=len(known),
        groups=None if known.groups is None else int(known.groups.max()) + 1,
        folds=folds if test is None else None,
        level=level,
        remarks=(*remarks, *_exclusion_remarks(out)),
        columns={"y": known.y, **{one.name: one.answers for one in told}},
        backend=backend,
    )


class _Scoring(NamedTuple):
    """How answers are measured."""

    task: Task
    level: float
    inflation: float


def _compare_losses(
    told: Sequence[CandidatePredictions], known: EvaluationData, scale: _Scoring
) -> tuple[tuple[ComparisonRow, ...], ComparisonVerdict]:
    """The network's row, then those of its rivals from the best on; and how it stands among them."""
    is_labels = scale.task == "labels"
    losses = [_losses(one.answers, known.y, is_labels=is_labels) for one in told]
    scores = [
        _score_columns(loss, one.answers, known.y, is_labels=is_labels)
        for one, loss in zip(told, losses, strict=True)
    ]
    measure = "accuracy" if is_labels else "rmse"
    entries = [
        CandidateLosses(
            one.name, loss, _number(measure, score[measure]), one.fit_seconds + one.predict_seconds
        )
        for one, loss, score in zip(told, losses, scores, strict=True)
    ]
    stands = comparison_verdict(
        entries[0], entries[1:], is_labels=is_labels, groups=known.groups, inflation=scale.inflation
    )
    rows = [
        ComparisonRow(
            name=one.name,
            note=NOTES.get(one.name, "") if k else "",
            **score,
            interval=_interval(loss, known.groups, scale),
            p_value=stands.p_values[k - 1] if k else None,
            fit_seconds=one.fit_seconds,
            predict_seconds=one.predict_seconds,
        )
        for k, (one, loss, score) in enumerate(zip(told, losses, scores, strict=True))
    ]
    order = np.argsort([loss.mean() for loss in losses[1:]], kind="stable")
    return (rows[0], *(rows[1 + k] for k in order)), stands


def _losses(answers: Array, y: Array, *, is_labels: bool) -> Floats:
    """(N,) 0 where right and 1 where wrong; of numbers the squared error."""
    return (answers != y).astype(np.float64) if is_labels else (answers - y) ** 2


def _score_columns(losses: Floats, answers: Array, y: Array, *, is_labels: bool) -> dict[str, float | None]:
    mean = float(losses.mean())
    if is_labels:
        return {"accuracy": 1 - mean, "rmse": None, "mae": None, "r2": None}
    spread = float(y.var())
    return {
        "accuracy": None,
        "rmse": math.sqrt(mean),
        "mae": float(np.abs(answers - y).mean()),
        "r2": 1 - mean / spread if spread else None,
    }


def _interval(losses: Floats, groups: Ints | None, scale: _Scoring) -> tuple[float, float]:
    """Where the accuracy or the RMSE lies."""
    N, wrong = len(losses), float(losses.mean())
    values = losses if groups is None else group_contributions(losses, groups)
    if scale.task == "numbers":
        low, high = mean_interval(values, scale.level, scale.inflation)
        return math.sqrt(max(0.0, low)), math.sqrt(max(0.0, high))
    worth = float(N)  # independent sequences; groups whose members are alike are worth fewer
    if groups is not None:
        alike = (
            float(values.var(ddof=1)) / len(values) / (wrong * (1 - wrong) / N) if 0 < wrong < 1 else math.inf
        )
        worth = min(max(N / alike, len(values)), N) if alike else worth
    worth /= scale.inflation
    return wilson_interval((1 - wrong) * worth, worth, scale.level)


def _task_of(model: Any) -> Task:
    """What the model learns, by scikit-learn's tags."""
    if isinstance(model, SequenceTagger):
        raise ArgumentError(
            "model: expected one answer a sequence, got a SequenceTagger. Score it with its own score(X, y)."
        )
    try:
        if not isinstance(model, type):
            if is_regressor(model):
                return "numbers"
            if is_classifier(model):
                return "labels"
    except AttributeError:  # no tags at all
        pass
    raise ArgumentError(f"model: expected a classifier or a regressor, fitted or not, got {model!r}.")


def _check_arguments(task: Task, folds: int, level: float, rivals: Any) -> tuple[str, ...]:
    faults = ErrorCollector()
    faults.collect(check_int, "folds", folds, least=2)
    faults.collect(check_float, "level", level, above=0, below=100)
    names: tuple[str, ...] = faults.collect(check_rivals, rivals, task)
    faults.raise_if_any()
    return names


def _exclusion_remarks(out: dict[str, str]) -> list[str]:
    """A sentence a reason."""
    reasons: dict[str, list[str]] = {}
    for name, why in out.items():
        reasons.setdefault(why, []).append(name)
    return [f"{' and '.join(names)} left out: {why}." for why, names in reasons.items()]


def _number(measure: str, value: float | None) -> str:
    if value is None:
        return "-"
    if measure == "accuracy":
        return f"{100 * value:.1f} %"
    if measure == "p":
        return "<0.001" if value < 0.001 else f"{value:.3f}"
    return f"{value:.4g}"
