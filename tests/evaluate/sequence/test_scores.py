"""Scores where classes are uneven: against scikit-learn, and a verdict that accuracy would hide."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import balanced_accuracy_score, recall_score, roc_auc_score

from unrolled.evaluate import compare
from unrolled.evaluate.sequence.scores import (
    UnevenClasses,
    class_probabilities,
    log_losses,
    uneven_classes,
    uneven_scores,
)

RNG = np.random.default_rng(0)
Y = np.repeat(["common", "rare"], [190, 10])


class Mean(ClassifierMixin, BaseEstimator):
    """Logistic in the mean of a sequence, with a slope; always names the commoner class."""

    def __init__(self, slope: float = 4.0) -> None:
        self.slope = slope

    def fit(self, X: object, y: np.ndarray) -> "Mean":
        self.classes_ = np.unique(y)
        self.bias_ = np.log((y == self.classes_[-1]).mean())
        return self

    def predict_proba(self, X: list[np.ndarray]) -> np.ndarray:
        rare = 1 / (1 + np.exp(-self.slope * np.array([np.mean(x) for x in X]) - self.bias_))
        return np.stack([1 - rare, rare], 1)

    def predict(self, X: list[np.ndarray]) -> np.ndarray:
        return np.full(len(X), self.classes_[0])


def _data() -> np.ndarray:
    return RNG.normal(size=(200, 9)) + 0.7 * (Y == "rare")[:, None]


def test_the_verdict_is_of_the_log_loss_where_classes_are_uneven() -> None:
    """A model whose answers are the majority's, and whose probabilities are better, is better."""
    result = compare(Mean(2.0), _data(), Y, baselines=["majority class"])
    network, majority = result.rows
    assert network.accuracy == majority.accuracy == 0.95
    assert network.log_loss < majority.log_loss
    assert network.balanced_accuracy == 0.5
    assert (network.rare_recall, majority.auc) == (0.0, 0.5)
    assert network.auc > 0.9
    assert result.outcome == "better"
    assert result.sentence.startswith("Mean has a log loss of")
    assert "Classes are uneven ('rare' is 5 % of y)" in str(result)
    assert "balanced accuracy" in str(result)
    assert {"balanced_accuracy", "rare_recall", "auc", "log_loss"} <= set(result.to_frame().columns)


def test_even_classes_are_compared_by_accuracy() -> None:
    """As before: no columns, no remark."""
    result = compare(Mean(), _data(), np.repeat(["a", "b"], 100), baselines=["majority class"])
    assert result.metrics == ("accuracy",)
    assert result.rows[0].log_loss is None
    assert "uneven" not in str(result)


@pytest.mark.parametrize("C", [2, 4])
def test_scores_of_uneven_classes_are_scikit_learns(C: int) -> None:
    """Of probabilities at random."""
    y = np.concatenate([np.arange(C), np.zeros(60, dtype=int)])
    uneven = uneven_classes(y, y)
    assert uneven is not None
    probabilities = RNG.dirichlet(np.ones(C), size=len(y))
    predictions = probabilities.argmax(1)
    scores = uneven_scores(predictions, probabilities, y, uneven)
    assert scores["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(y, predictions))
    assert scores["rare_recall"] == recall_score(y, predictions, labels=[uneven.rarest], average="macro")
    areas = [roc_auc_score(y == k, probabilities[:, k]) for k in range(C)]
    assert scores["auc"] == pytest.approx(areas[1] if C == 2 else np.mean(areas))
    without = uneven_scores(predictions[C:], probabilities[C:], y[C:], uneven)
    assert without["auc"] is None
    assert without["rare_recall"] is None


def test_a_model_without_probabilities_is_sure_of_its_answers() -> None:
    """Its loss is finite all the same; a class that it was not fitted on has no probability."""
    classes = np.array(["a", "b", "c"])

    class Hard:
        pass

    hard = class_probabilities(Hard(), None, np.array(["b", "a"]), classes)
    assert hard.tolist() == [[0, 1, 0], [1, 0, 0]]
    uneven = UnevenClasses(classes, np.array([0.8, 0.1, 0.1]))
    losses = log_losses(hard, np.array(["b", "c"]), uneven)
    np.testing.assert_allclose(losses, [-np.log(0.91), -np.log(0.01)])
    soft = Mean().fit(None, np.array(["a", "c", "a"]))
    columns = class_probabilities(soft, [np.zeros(3)], np.array(["a"]), classes)
    assert columns[0, 1] == 0
    assert columns.sum() == pytest.approx(1)
