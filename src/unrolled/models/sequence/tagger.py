"""SequenceTagger: a class for every step of a sequence."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import torch

from unrolled.data.io.targets import as_labels
from unrolled.data.sequences import Sequences
from unrolled.errors import DataError
from unrolled.models.parameters import NotUsed
from unrolled.models.sequence.base import Floats
from unrolled.models.sequence.labels import (
    Labels,
    SequenceLabelEstimator,
    compute_class_weights,
    encode_labels,
    require_seen_classes,
    weighted_cross_entropy,
)
from unrolled.models.sequence.training import EncodedTargets

_WHO = "SequenceTagger y"


class SequenceTagger(SequenceLabelEstimator):
    """Predict the class of each step of each sequence from the steps up to it.

    With `bidirectional=True` from those after it too, and then not for a live stream. Arguments and fitted
    attributes are those of SequenceClassifier, without `pooling`: every step has a prediction of its own.
    Whole sequences are held out.

    >>> X = [[1, -2, 3, -1], [-1, 2], [2, 1, -3]]
    >>> y = [["up", "down", "up", "down"], ["down", "up"], ["up", "up", "down"]]
    >>> model = SequenceTagger(hidden_size=8).fit(X, y)
    >>> [tags.tolist() for tags in model.predict([[5, -5], [3]])]
    [['up', 'down'], ['up']]
    """

    _per_step = True

    pooling: Annotated[str | None, NotUsed("every step has a prediction of its own, nothing is pooled")]

    def predict(self, X: Any) -> list[Labels]:
        """Predict the likeliest class of each step: N arrays (T_i,).

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X cannot be used as it is, or has another number of features.
        """
        return [self.classes_[probabilities.argmax(1)] for probabilities in self.predict_proba(X)]

    def predict_proba(self, X: Any) -> list[Floats]:
        """Predict the probability of each class at each step: N arrays (T_i, K), in the order of `classes_`.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X cannot be used as it is, or has another number of features.
        """
        data = self._like_fitted(X)
        probabilities = [np.empty(0)] * len(data)
        for rows, outputs, lengths in self._outputs(data):
            means = outputs.double().softmax(-1).mean(0).numpy()  # (B, T, K)
            for row, mean, steps in zip(rows, means, lengths, strict=True):
                probabilities[row] = mean[:steps].copy()  # a view would keep the padding alive
        return probabilities

    def score(self, X: Any, y: Any) -> float:
        """Compute the accuracy: the share of steps whose class is predicted.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X or y cannot be used as it is, or a class was not seen in training.
        """
        predictions = self.predict(X)
        labels = _flat_labels(y, np.array([len(tags) for tags in predictions]))
        require_seen_classes(labels, self.classes_, _WHO)
        return float((np.concatenate(predictions) == labels).mean())

    def _encode_targets(self, y: Any, data: Sequences) -> EncodedTargets:
        classes, numbers = encode_labels(_flat_labels(y, data.lengths), _WHO)
        weights = compute_class_weights(self.class_weight, classes, numbers)
        return EncodedTargets(
            torch.from_numpy(numbers),
            output_size=len(classes),
            loss=weighted_cross_entropy(weights, len(numbers) / len(data), self.device),
            class_weights=torch.from_numpy(weights),
            learned={"classes_": classes},
        )


def _flat_labels(y: Any, lengths: Any) -> Labels:
    """Return the labels (ΣT,) of all steps, if each sequence has one a step."""
    try:
        parts = [np.asarray(tags) for tags in y]
    except (TypeError, ValueError):
        parts = []
    if len(parts) != len(lengths) or any(part.ndim != 1 for part in parts):
        raise DataError(
            f"{_WHO}: expected {len(lengths)} lists of labels, one a sequence, with one label a step. "
            "A class for the whole sequence is for SequenceClassifier."
        )
    for i, (part, steps) in enumerate(zip(parts, lengths, strict=True)):
        if len(part) != steps:
            raise DataError(
                f"{_WHO}, sequence {i}: expected {steps} labels, one a step of X, got {len(part)}."
            )
    if len({part.dtype.kind for part in parts}) > 1:  # joined as they are, numbers would become texts
        parts = [part.astype(object) for part in parts]
    return as_labels(np.concatenate(parts), int(lengths.sum()), who=_WHO)
