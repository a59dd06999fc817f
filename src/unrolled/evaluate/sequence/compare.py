"""Compare an estimator of whole sequences with baselines: fit all on the same splits, score, test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor

from unrolled.errors import ArgumentError, UnrolledError
from unrolled.evaluate.arguments import ComparisonArguments
from unrolled.evaluate.sequence.candidates import NOTES, CandidatePredictions, fit_and_predict
from unrolled.evaluate.sequence.prepared import PreparedComparison, excluded_remarks, prepare_sequences
from unrolled.evaluate.sequence.result import Comparison, ComparisonRow
from unrolled.evaluate.sequence.scores import (
    Scoring,
    format_metric,
    log_losses,
    prediction_losses,
    score_columns,
    score_interval,
    uneven_scores,
)
from unrolled.evaluate.sequence.split import EvaluationData, Task
from unrolled.evaluate.sequence.verdict import CandidateLosses, ComparisonVerdict, sequence_verdict
from unrolled.stats.dependence import fold_inflation


def compare_sequences(model: Any, X: Any, y: Any, arguments: ComparisonArguments) -> Comparison:
    """Score an estimator of whole sequences beside baselines; see `compare`.

    Raises:
        ArgumentError: an argument is out of range, or the model is no classifier or regressor.
        DataError: X or y cannot be used as they are, or a fold would have nothing to learn a class from.
        MissingDependencyError: a baseline that was named needs aeon, and it is not installed.
    """
    if y is None:
        raise ArgumentError("compare y: expected what the model predicts of X, got None. Pass it.")
    prepared = prepare_sequences(model, X, y, task_of(model), arguments)
    return compare_prepared(prepared, arguments.level)


def task_of(model: Any) -> Task:
    """Return what the model learns, by scikit-learn's tags."""
    try:
        if not isinstance(model, type):
            if is_regressor(model):
                return "numbers"
            if is_classifier(model):
                return "labels"
    except AttributeError:  # no tags at all
        pass
    raise ArgumentError(f"model: expected a classifier or a regressor, fitted or not, got {model!r}.")


def compare_prepared(prepared: PreparedComparison, level: float) -> Comparison:
    """Fit and score the candidates of a comparison, and test the first against the others.

    Raises:
        ArgumentError: no baseline can take part.
    """
    results, excluded = _predictions(prepared)
    tested = prepared.partition.tested
    if prepared.unit == "words":
        tested, results = tested.flat(), [result.flat() for result in results]
    folds, uneven = prepared.partition.folds, prepared.uneven
    scoring = Scoring(prepared.task, level, 1.0 if folds is None else fold_inflation(folds), uneven)
    rows, verdict = _score(results, tested, scoring, prepared.unit)
    remarks = prepared.remarks + (() if uneven is None else (uneven.remark,))
    return Comparison(
        rows=rows,
        sentence=verdict.sentence,
        outcome=verdict.outcome,
        p_value=verdict.p_value,
        best_baseline=verdict.best_baseline,
        task=prepared.task,
        n_sequences=len(tested),
        groups=None if tested.groups is None else int(tested.groups.max()) + 1,
        folds=folds,
        level=level,
        remarks=(*remarks, *excluded_remarks(excluded)),
        columns={"y": tested.y, **{result.name: result.predictions for result in results}},
        backend=prepared.backend,
        unit=prepared.unit,
    )


def _predictions(prepared: PreparedComparison) -> tuple[list[CandidatePredictions], dict[str, str]]:
    """Return predictions of the model and its baselines in the order of X, and the baselines left out."""
    classes = None if prepared.uneven is None else prepared.uneven.classes
    splits, excluded = prepared.partition.splits, dict(prepared.excluded)
    network, *baselines = prepared.candidates
    results = [fit_and_predict(network, splits, classes)]
    for baseline in baselines:
        try:
            results.append(fit_and_predict(baseline, splits, classes))
        except UnrolledError as error:  # a reservoir that overflows, say, leaves the others as they are
            excluded[baseline.name] = str(error).rstrip(".")
    if len(results) == 1:
        raise ArgumentError(
            f"baselines: expected one at least that can take part; {excluded_remarks(excluded)[0]}"
        )
    return [result.in_order(prepared.partition.order) for result in results], excluded


def _score(
    results: Sequence[CandidatePredictions], data: EvaluationData, scoring: Scoring, unit: str
) -> tuple[tuple[ComparisonRow, ...], ComparisonVerdict]:
    """Return the network's row, then those of its baselines from the best on; and the verdict."""
    is_labels = scoring.task == "labels"
    hits = [prediction_losses(result.predictions, data.y, is_labels=is_labels) for result in results]
    losses = hits
    scores = [
        score_columns(loss, result.predictions, data.y, is_labels=is_labels)
        for result, loss in zip(results, hits, strict=True)
    ]
    if scoring.uneven is not None:
        losses = [log_losses(result.probabilities, data.y, scoring.uneven) for result in results]
        scores = [
            score | uneven_scores(result.predictions, result.probabilities, data.y, scoring.uneven)
            for score, result in zip(scores, results, strict=True)
        ]
    metric = "log_loss" if scoring.uneven is not None else "accuracy" if is_labels else "rmse"
    candidates = [
        CandidateLosses(
            result.name,
            loss,
            format_metric(metric, score[metric]),
            result.fit_seconds + result.predict_seconds,
        )
        for result, loss, score in zip(results, losses, scores, strict=True)
    ]
    verdict = sequence_verdict(
        candidates[0], candidates[1:], is_labels=is_labels, groups=data.groups, inflation=scoring.inflation,
        is_log_loss=scoring.uneven is not None, unit=unit,
    )  # fmt: skip
    rows = [
        ComparisonRow(
            name=result.name,
            note=NOTES.get(result.name, "") if k else "",
            **score,
            interval=score_interval(hit, data.groups, scoring),
            p_value=verdict.p_values[k - 1] if k else None,
            fit_seconds=result.fit_seconds,
            predict_seconds=result.predict_seconds,
        )
        for k, (result, hit, score) in enumerate(zip(results, hits, scores, strict=True))
    ]
    order = np.argsort([loss.mean() for loss in losses[1:]], kind="stable")
    return (rows[0], *(rows[1 + k] for k in order)), verdict
