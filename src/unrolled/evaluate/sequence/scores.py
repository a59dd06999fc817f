"""Scores of predictions: losses, intervals, and what accuracy hides where classes are uneven.

Where one class is common, always naming it is right often. There the verdict is of the log loss, which
rewards probabilities that are right. So that a candidate without probabilities, or one that was sure of a
mistake, has a finite loss, all candidates' are mixed alike:

    loss = -log(0.9 p + 0.1 f)    p the probability of the right class, f its frequency among all y

Shapes: N sequences, C classes.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from unrolled.evaluate.sequence.split import Task
from unrolled.formatting import number, percent
from unrolled.stats.dependence import group_contributions
from unrolled.stats.intervals import mean_interval, wilson_interval

Array = NDArray[Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_UNEVEN_RATIO = 3  # sequences of the commonest class, over those of the rarest
_MIXED = 0.1  # share of the classes' frequencies in a probability
_UNEVEN = {"auc", "log_loss"}
_SHARES = {"accuracy", "balanced_accuracy", "rare_recall"}


class UnevenClasses(NamedTuple):
    """Classes (C,) of very different size.

    Args:
        classes: in order.
        frequencies: share of each among all y.
    """

    classes: Array
    frequencies: Floats

    @property
    def rarest(self) -> Any:
        """The rarest class; of several the first."""
        return self.classes[self.frequencies.argmin()]

    @property
    def remark(self) -> str:
        """Say what the verdict is of."""
        share = percent(float(self.frequencies.min()))
        return (
            f"Classes are uneven ({str(self.rarest)!r} is {share} of y): verdict and p are of the log loss, "
            "and recall is that of this class."
        )


def uneven_classes(training: Array, tested: Array) -> UnevenClasses | None:
    """Return all classes where the commonest in training is at least three times the rarest, else None.

    >>> uneven_classes(np.array(["a"] * 9 + ["b"]), np.array(["b", "a"])).rarest.item()
    'b'
    >>> uneven_classes(np.array(["a", "a", "b"]), np.array(["c"])) is None
    True
    """
    counts = np.unique(training, return_counts=True)[1]
    if counts.max() < _UNEVEN_RATIO * counts.min():
        return None
    classes, counts = np.unique(np.concatenate([training, tested]), return_counts=True)
    return UnevenClasses(classes, counts / counts.sum())


def class_probabilities(model: Any, X: Any, predictions: Array, classes: Array) -> Floats:
    """Return (N, C) probabilities of a fitted model; of one without, 1 for what it predicts."""
    if not hasattr(model, "predict_proba"):
        return np.asarray(predictions[:, None] == classes, dtype=np.float64)
    given = np.asarray(model.predict_proba(X), dtype=np.float64)
    probabilities = np.zeros((len(given), len(classes)))
    probabilities[:, np.searchsorted(classes, model.classes_)] = given
    return probabilities


def log_losses(probabilities: Floats, y: Array, uneven: UnevenClasses) -> Floats:
    """Return (N,) log losses of mixed probabilities.

    >>> uneven = UnevenClasses(np.array([0, 1]), np.array([0.75, 0.25]))
    >>> log_losses(np.array([[0.75, 0.25], [0.0, 1.0]]), np.array([1, 0]), uneven).round(3).tolist()
    [1.386, 2.59]
    """
    right = np.searchsorted(uneven.classes, y)
    p = probabilities[np.arange(len(y)), right]
    return np.asarray(-np.log((1 - _MIXED) * p + _MIXED * uneven.frequencies[right]))


def uneven_scores(
    predictions: Array, probabilities: Floats, y: Array, uneven: UnevenClasses
) -> dict[str, float | None]:
    """Return balanced accuracy, recall of the rarest class, AUC and mean log loss."""
    tested = np.unique(y)
    recalls = {name: float((predictions[y == name] == name).mean()) for name in tested.tolist()}
    rarest = uneven.rarest.item()
    return {
        "balanced_accuracy": float(np.mean(list(recalls.values()))),
        "rare_recall": recalls.get(rarest),
        "auc": _auc(probabilities, y, uneven.classes) if len(tested) == len(uneven.classes) else None,
        "log_loss": float(log_losses(probabilities, y, uneven).mean()),
    }


def _auc(probabilities: Floats, y: Array, classes: Array) -> float:
    """Return the area under the ROC curve, of several classes the mean of each against the rest."""
    areas = [roc_auc_score(y == name, probabilities[:, k]) for k, name in enumerate(classes)]
    return float(np.mean(areas[1:] if len(classes) == 2 else areas))


class Scoring(NamedTuple):
    """Rules of scoring: task, level of the intervals, inflation of the variance, uneven classes or None."""

    task: Task
    level: float
    inflation: float
    uneven: UnevenClasses | None = None


def prediction_losses(predictions: Array, y: Array, *, is_labels: bool) -> Floats:
    """Return (N,) 0 where right and 1 where wrong; of numbers the squared error."""
    return (predictions != y).astype(np.float64) if is_labels else (predictions - y) ** 2


def score_columns(
    losses: Floats, predictions: Array, y: Array, *, is_labels: bool
) -> dict[str, float | None]:
    """Return accuracy, or RMSE, MAE and R²; None for those of the other task."""
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


def score_interval(losses: Floats, groups: Ints | None, scoring: Scoring) -> tuple[float, float]:
    """Return the confidence interval of the accuracy or of the RMSE."""
    N, wrong = len(losses), float(losses.mean())
    values = losses if groups is None else group_contributions(losses, groups)
    if scoring.task == "numbers":
        ends = mean_interval(values, scoring.level, scoring.inflation)
        low, high = np.sqrt(np.maximum(ends, 0.0)).tolist()
        return low, high
    n_effective = float(N)  # independent sequences; groups whose members are alike are worth fewer
    if groups is not None:
        binomial_variance = wrong * (1 - wrong) / N
        design_effect = (
            float(values.var(ddof=1)) / len(values) / binomial_variance if 0 < wrong < 1 else math.inf
        )
        n_effective = min(max(N / design_effect, len(values)), N) if design_effect else n_effective
    n_effective /= scoring.inflation
    return wilson_interval((1 - wrong) * n_effective, n_effective, scoring.level)


def format_metric(metric: str, value: float | None) -> str:
    """Format a score: shares as percentages."""
    return percent(value, 1) if metric in _SHARES else number(value, 3 if metric in _UNEVEN else 4)
