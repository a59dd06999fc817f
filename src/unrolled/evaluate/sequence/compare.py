"""Compare an estimator of whole sequences with baselines, on the same splits, with a verdict."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier, is_regressor

from unrolled.data.io.frames import to_frame
from unrolled.errors import ArgumentError, UnrolledError
from unrolled.evaluate.forecasting.verdict import Outcome
from unrolled.evaluate.sequence.candidates import (
    NOTES,
    CandidatePredictions,
    baseline_candidates,
    check_sequence_baselines,
    excluded_baselines,
    fit_and_predict,
    model_candidate,
    warm_up,
)
from unrolled.evaluate.sequence.copies import copies_across, group_copies
from unrolled.evaluate.sequence.split import (
    EvaluationData,
    Task,
    evaluation_data,
    fold_splits,
    holdout_split,
    unseen_class_remarks,
    warn_of_inputs,
)
from unrolled.evaluate.sequence.verdict import CandidateLosses, ComparisonVerdict, sequence_verdict
from unrolled.formatting import aligned_table, join_words, number, p_value_text, percent
from unrolled.jsonable import to_jsonable
from unrolled.models.sequence.tagger import SequenceTagger
from unrolled.record import Record
from unrolled.stats.dependence import fold_inflation, group_contributions
from unrolled.stats.intervals import mean_interval, wilson_interval
from unrolled.validation import ErrorCollector, check_float, check_int

Array = NDArray[Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class ComparisonRow:
    """Scores of one candidate.

    Args:
        name: "gru", "MiniRocket", ...
        note: description of a baseline; empty for the network.
        accuracy: share of the tested sequences that it is right on; None where numbers are learned.
        rmse: root of its mean squared error; None where classes are learned. So are mae and r2.
        mae: its mean absolute error.
        r2: 1 less its squared error over that of the mean; None as well where y never changes.
        interval: confidence interval of the accuracy, or of the RMSE, at the comparison's level.
        p_value: probability of a difference from the network this large, in this direction, if there were
            none; None for the network.
        fit_seconds: of one fit; the mean of the folds.
        predict_seconds: of the test data; the mean of the folds.
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
class Comparison(Record):
    """Scores of all candidates on the same sequences, and the verdict.

    Args:
        rows: the network first, then its baselines from the best on.
        sentence: for a person.
        outcome: "better", "worse", "no difference" or "too few to tell": the network beside the best of
            its baselines.
        p_value: of that; None where there are too few.
        best_baseline: name of the one with the highest accuracy, or the lowest RMSE.
        task: "labels" or "numbers".
        n_sequences: tested.
        groups: how many groups they are in; None without groups.
        folds: of the cross-validation; None where a test set was given.
        level: of the confidence intervals, in per cent.
        remarks: what to know when reading the table, a sentence each.
        columns: a row a tested sequence: y, and each candidate's prediction.
        backend: library of the frame that X was.
    """

    kind: ClassVar[str] = "comparison"

    rows: tuple[ComparisonRow, ...]
    sentence: str
    outcome: Outcome
    p_value: float | None
    best_baseline: str
    task: Task
    n_sequences: int
    groups: int | None
    folds: int | None
    level: float
    remarks: tuple[str, ...]
    columns: dict[str, Array]
    backend: str = "pandas"

    @property
    def predictions(self) -> Any:
        """Frame of y and each candidate's prediction, a row a tested sequence in the order of X."""
        return to_frame(self.columns, self.backend)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the scores; the first is the one with an interval."""
        return ("accuracy",) if self.task == "labels" else ("rmse", "mae", "r2")

    def to_frame(self) -> Any:
        """Return the rows as a frame; the interval's ends are called as in `accuracy-lo-95`."""
        main = self.metrics[0]
        texts = {name: [getattr(row, name) for row in self.rows] for name in ("name", "note")}
        numbers = {name: [getattr(row, name) for row in self.rows] for name in self.metrics}
        for k, side in enumerate(("lo", "hi")):
            numbers[f"{main}-{side}-{self.level:g}"] = [row.interval[k] for row in self.rows]
        for name in ("p_value", "fit_seconds", "predict_seconds"):
            numbers[name] = [getattr(row, name) for row in self.rows]
        arrays = {name: np.array(values, dtype=object) for name, values in texts.items()}
        arrays |= {name: np.array(values, dtype=np.float64) for name, values in numbers.items()}
        return to_frame(arrays, self.backend)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the single predictions, ready for JSON."""
        facts = super().to_dict() | {"rows": [to_jsonable(asdict(row)) for row in self.rows]}
        return {name: fact for name, fact in facts.items() if name not in {"columns", "backend"}}

    def __str__(self) -> str:
        main, *others = self.metrics
        lines = [["model", main, f"{self.level:g} % interval", *others, "p", "fit s", "predict s"]]
        for row in self.rows:
            score, *other_scores = (_number(name, getattr(row, name)) for name in self.metrics)
            interval = " to ".join(_number(main, end) for end in row.interval)
            seconds = (number(value, 3) for value in (row.fit_seconds, row.predict_seconds))
            lines.append([row.name, score, interval, *other_scores, p_value_text(row.p_value), *seconds])
        return "\n".join([aligned_table(lines), "", textwrap.fill(self.sentence, 100), *self.remarks])


def compare(
    model: Any, X: Any, y: Any, *, test: tuple[Any, Any] | None = None, folds: int = 5, groups: Any = None,
    baselines: Sequence[str] | None = None, level: float = 95,
) -> Comparison:  # fmt: skip
    """Score an estimator of whole sequences beside baselines, and test whether it is better.

    All candidates are fitted on the same sequences and predict the same others, which none was fitted on.
    Folds share most of their training data, which makes their mean less sure than as many separate sequences
    would: confidence intervals and p-values allow for it (Nadeau and Bengio 2003).

    The baselines: the majority class (of numbers the mean of y, and a straight line from the last step); the
    nearest training sequence (features scaled, ragged sequences resampled to the longest), also after
    dynamic time warping; MiniRocket (ragged sequences resampled); the same estimator as a reservoir of the
    usual size; on sequences whose steps are sorted, so that their order is lost; and as a feed-forward net,
    where all sequences have one length. Time warping and MiniRocket take part where aeon is installed.

    Args:
        model: a SequenceClassifier, SequenceRegressor, or an estimator of scikit-learn's kind that takes
            X; fitted or not: copies of it are fitted here and it stays as it is.
        X: N sequences, as for SequenceClassifier.
        y: N labels, or numbers if the model is a regressor.
        test: (X_test, y_test), never fitted on; None for cross-validation.
        folds: of the cross-validation, stratified by class.
        groups: N names; sequences of one group (a speaker, a patient) are tested in the same fold, and
            groups are the units of intervals and tests. With a test set they only keep groups together
            where an estimator holds out validation data. None: sequences that repeat another exactly are
            grouped with it, and a remark says so.
        baselines: some of those above by name (`unrolled.evaluate.SEQUENCE_BASELINES`); None for all.
        level: of the confidence intervals, in per cent.

    Raises:
        ArgumentError: an argument is out of range.
        DataError: X or y cannot be used as they are, or a fold would have nothing to learn a class from.
        MissingDependencyError: a baseline that was named needs aeon, and it is not installed.

    >>> import unrolled as ur
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(60, 8)), np.repeat([0, 1], 30)
    >>> X[y == 1] += np.linspace(-2, 2, 8)
    >>> result = compare(ur.SequenceClassifier(hidden_size=4, max_epochs=2), X, y, folds=2,
    ...                  baselines=["majority class", "1-NN Euclidean"])
    >>> result.rows[0].name, result.n_sequences, result.best_baseline
    ('gru', 60, '1-NN Euclidean')
    """
    task = _task_of(model)
    names = _check_arguments(task, folds, level, baselines)
    layout = getattr(model, "layout", None)
    data, backend = evaluation_data(X, y, task, groups, layout=layout)
    warn_of_inputs(X, data, layout)
    if layout is not None:  # what is fitted below has the steps first
        model = clone(model).set_params(layout="ntc")
    if test is None:
        data, remarks = group_copies(data, min_groups=2 * folds)
        splits, fold = fold_splits(data, folds, task)
        order = np.argsort(np.argsort(fold, kind="stable"), kind="stable")  # from fold after fold to X
        test_data = data
    else:
        splits = [holdout_split(data, test, task, layout=layout)]
        test_data, remarks = group_copies(splits[0].test, min_groups=2)
        remarks += copies_across(data, test_data) + unseen_class_remarks(splits[0], task)
        order = np.arange(len(test_data))
    excluded = excluded_baselines(splits, names, is_explicit=baselines is not None)
    candidates = baseline_candidates(model, task, [name for name in names if name not in excluded])
    warm_up([model_candidate(model), *candidates], splits[0])
    results = [fit_and_predict(model_candidate(model), splits)]
    for candidate in candidates:
        try:
            results.append(fit_and_predict(candidate, splits))
        except UnrolledError as error:  # a reservoir that overflows, say, leaves the others as they are
            excluded[candidate.name] = str(error).rstrip(".")
    if len(results) == 1:
        raise ArgumentError(
            f"baselines: expected one at least that can take part; {_remarks_on(excluded)[0]}"
        )
    results = [result._replace(predictions=result.predictions[order]) for result in results]
    scoring = _Scoring(task, level, 1.0 if test is not None else fold_inflation(folds))
    rows, verdict = _score(results, test_data, scoring)
    return Comparison(
        rows=rows,
        sentence=verdict.sentence,
        outcome=verdict.outcome,
        p_value=verdict.p_value,
        best_baseline=verdict.best_baseline,
        task=task,
        n_sequences=len(test_data),
        groups=None if test_data.groups is None else int(test_data.groups.max()) + 1,
        folds=folds if test is None else None,
        level=level,
        remarks=(*remarks, *_remarks_on(excluded)),
        columns={"y": test_data.y, **{result.name: result.predictions for result in results}},
        backend=backend,
    )


class _Scoring(NamedTuple):
    """Rules of scoring: task, level of the intervals, inflation of the variance."""

    task: Task
    level: float
    inflation: float


def _score(
    results: Sequence[CandidatePredictions], data: EvaluationData, scoring: _Scoring
) -> tuple[tuple[ComparisonRow, ...], ComparisonVerdict]:
    """Return the network's row, then those of its baselines from the best on; and the verdict."""
    is_labels = scoring.task == "labels"
    losses = [_losses(result.predictions, data.y, is_labels=is_labels) for result in results]
    scores = [
        _score_columns(loss, result.predictions, data.y, is_labels=is_labels)
        for result, loss in zip(results, losses, strict=True)
    ]
    metric = "accuracy" if is_labels else "rmse"
    candidates = [
        CandidateLosses(
            result.name, loss, _number(metric, score[metric]), result.fit_seconds + result.predict_seconds
        )
        for result, loss, score in zip(results, losses, scores, strict=True)
    ]
    verdict = sequence_verdict(
        candidates[0], candidates[1:], is_labels=is_labels, groups=data.groups, inflation=scoring.inflation
    )
    rows = [
        ComparisonRow(
            name=result.name,
            note=NOTES.get(result.name, "") if k else "",
            **score,
            interval=_interval(loss, data.groups, scoring),
            p_value=verdict.p_values[k - 1] if k else None,
            fit_seconds=result.fit_seconds,
            predict_seconds=result.predict_seconds,
        )
        for k, (result, loss, score) in enumerate(zip(results, losses, scores, strict=True))
    ]
    order = np.argsort([loss.mean() for loss in losses[1:]], kind="stable")
    return (rows[0], *(rows[1 + k] for k in order)), verdict


def _losses(predictions: Array, y: Array, *, is_labels: bool) -> Floats:
    """Return (N,) 0 where right and 1 where wrong; of numbers the squared error."""
    return (predictions != y).astype(np.float64) if is_labels else (predictions - y) ** 2


def _score_columns(
    losses: Floats, predictions: Array, y: Array, *, is_labels: bool
) -> dict[str, float | None]:
    mean = float(losses.mean())
    if is_labels:
        return {"accuracy": 1 - mean, "rmse": None, "mae": None, "r2": None}
    variance = float(y.var())
    return {
        "accuracy": None,
        "rmse": math.sqrt(mean),
        "mae": float(np.abs(predictions - y).mean()),
        "r2": 1 - mean / variance if variance else None,
    }


def _interval(losses: Floats, groups: Ints | None, scoring: _Scoring) -> tuple[float, float]:
    """Return the confidence interval of the accuracy or of the RMSE."""
    N, wrong = len(losses), float(losses.mean())
    values = losses if groups is None else group_contributions(losses, groups)
    if scoring.task == "numbers":
        low, high = mean_interval(values, scoring.level, scoring.inflation)
        return math.sqrt(max(0.0, low)), math.sqrt(max(0.0, high))
    n_effective = float(N)  # independent sequences; groups whose members are alike are worth fewer
    if groups is not None:
        binomial_variance = wrong * (1 - wrong) / N
        design_effect = (
            float(values.var(ddof=1)) / len(values) / binomial_variance if 0 < wrong < 1 else math.inf
        )
        n_effective = min(max(N / design_effect, len(values)), N) if design_effect else n_effective
    n_effective /= scoring.inflation
    return wilson_interval((1 - wrong) * n_effective, n_effective, scoring.level)


def _task_of(model: Any) -> Task:
    """Return what the model learns, by scikit-learn's tags."""
    if isinstance(model, SequenceTagger):
        raise ArgumentError(
            "model: expected an estimator with one prediction a sequence, got a SequenceTagger. "
            "Score it with its own score(X, y)."
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


def _check_arguments(task: Task, folds: int, level: float, baselines: Any) -> tuple[str, ...]:
    errors = ErrorCollector()
    errors.collect(check_int, "folds", folds, least=2)
    errors.collect(check_float, "level", level, above=0, below=100)
    names: tuple[str, ...] = errors.collect(check_sequence_baselines, baselines, task)
    errors.raise_if_any()
    return names


def _remarks_on(excluded: dict[str, str]) -> list[str]:
    """Return a sentence a reason."""
    names_by_reason: dict[str, list[str]] = {}
    for name, reason in excluded.items():
        names_by_reason.setdefault(reason, []).append(name)
    return [f"{join_words(names)} left out: {reason}." for reason, names in names_by_reason.items()]


def _number(metric: str, value: float | None) -> str:
    return percent(value, 1) if metric == "accuracy" else number(value)
