"""SequenceTagger: a class for every step of a sequence."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unrolled.data.alignment import align_steps
from unrolled.data.io.targets import as_objects, as_step_labels
from unrolled.data.sequences import Sequences
from unrolled.errors import DataError
from unrolled.formatting import quantity
from unrolled.models.parameters import NotUsed
from unrolled.models.persistence import PLAIN
from unrolled.models.sequence.base import Floats, Ints
from unrolled.models.sequence.dataset import NO_LABEL
from unrolled.models.sequence.inputs import SequenceInputs
from unrolled.models.sequence.labels import (
    Labels,
    SequenceLabelEstimator,
    encode_step_classes,
    require_like_classes,
)
from unrolled.models.sequence.samples import TrainingSamples, check_weights
from unrolled.models.sequence.training import EncodedTargets
from unrolled.models.summary import Fact
from unrolled.nn.modules.inference import mean_answers

_WHO = "SequenceTagger y"


class SequenceTagger(SequenceLabelEstimator):
    """Predict the class of each step of each sequence from the steps up to it.

    With `bidirectional=True` from those after it too, and then not for a live stream. Arguments and fitted
    attributes are those of SequenceClassifier, without `pooling`: every step has a prediction of its own.
    Whole sequences are held out. Steps of y that hold None, NaN or -100 have no label: they are read, and
    left out of the loss and of the score.

    >>> X = [[1, -2, 3, -1], [-1, 2], [2, 1, -3]]
    >>> y = [["up", "down", "up", "down"], ["down", "up"], ["up", "up", "down"]]
    >>> model = SequenceTagger(hidden_size=8).fit(X, y)
    >>> [tags.tolist() for tags in model.predict([[5, -5], [3]])]
    [['up', 'down'], ['up']]
    """

    _per_step = True
    _learned: ClassVar = {"n_unlabelled_": PLAIN._replace(is_optional=True)}
    n_unlabelled_: int

    pooling: Annotated[str | None, NotUsed("every step has a prediction of its own, nothing is pooled")]

    def __sklearn_tags__(self) -> Any:
        """Describe an estimator of neither kind: folds by class need one label a sequence."""
        tags = super().__sklearn_tags__()
        tags.estimator_type, tags.classifier_tags = None, None
        return tags

    def predict(self, X: Any, *, lengths: Any = None) -> NDArray[Any]:
        """Predict the likeliest class of each step: N arrays (T_i,), in an array of objects.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X cannot be used as it is, or has another number of features.
        """
        return as_objects(self._tags(self._like_fitted(X, lengths).data))

    def predict_proba(self, X: Any, *, lengths: Any = None) -> list[Floats]:
        """Predict the probability of each class at each step: N arrays (T_i, K), in the order of `classes_`.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X cannot be used as it is, or has another number of features.
        """
        return self._probabilities(self._like_fitted(X, lengths).data)

    def _tags(self, data: Sequences) -> list[Labels]:
        return [self.classes_[probabilities.argmax(1)] for probabilities in self._probabilities(data)]

    def _probabilities(self, data: Sequences) -> list[Floats]:
        probabilities = [np.empty(0)] * len(data)
        for rows, outputs, lengths in self._outputs(data):
            means = mean_answers(outputs, is_class=True)  # (B, T, K)
            for row, mean, steps in zip(rows, means, lengths, strict=True):
                probabilities[row] = mean[:steps].copy()  # a view would keep the padding alive
        return probabilities

    def score(self, X: Any, y: Any, *, sample_weight: Any = None, lengths: Any = None) -> float:
        """Compute the accuracy: the share of labelled steps whose class is predicted.

        A class that was not seen in training is never predicted, and counts as wrong.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X or y cannot be used as it is, or its labels are of another type than in training.
        """
        inputs = self._like_fitted(X, lengths)
        labels, is_labelled = as_step_labels(self._check_targets(y, inputs), who=_WHO)
        require_like_classes(labels, self.classes_, _WHO)
        weights = check_weights(sample_weight, inputs.data)
        weights = None if weights is None else np.repeat(weights, inputs.data.lengths)[is_labelled]
        tags = np.concatenate(self._tags(inputs.data))[is_labelled]
        return float(np.average(tags == labels, weights=weights))

    def _check_targets(self, y: Any, inputs: SequenceInputs) -> Labels:
        return _flat_labels(align_steps(y, inputs.data, inputs.X, _WHO), inputs)

    def _encode_targets(self, samples: TrainingSamples) -> EncodedTargets:
        targets = encode_step_classes(samples, self.class_weight, _WHO, self.device)
        n_unlabelled = int((targets.values == NO_LABEL).sum())
        return replace(targets, learned=targets.learned | {"n_unlabelled_": n_unlabelled})

    def _facts(self) -> tuple[Fact, ...]:
        count = getattr(self, "n_unlabelled_", 0)  # folders of earlier versions have none
        unlabelled = Fact("Unlabelled", f"{quantity(count, 'step')}, left out of the loss")
        return (*super()._facts(), unlabelled) if count else super()._facts()


def _flat_labels(y: Any, inputs: SequenceInputs) -> Labels:
    """Return the labels (ΣT,) of all steps, if each sequence has one a step; those of padding are cut.

    Where some steps have no label, they are objects, and None there.
    """
    lengths = inputs.data.lengths
    try:
        parts = [np.asarray(tags) for tags in y]
    except (TypeError, ValueError):
        parts = []
    if any(part.ndim == 2 and part.shape[1] > 1 for part in parts):
        raise DataError(
            f"{_WHO}: expected one label a step, got {parts[0].shape[-1]} columns a step. With a column a "
            "class, give y.argmax(axis=2)."
        )
    parts = [part[:, 0] if part.ndim == 2 and part.shape[1] == 1 else part for part in parts]
    if len(parts) != len(lengths) or any(part.ndim != 1 for part in parts):
        raise DataError(
            f"{_WHO}: expected {len(lengths)} lists of labels, one a sequence, with one label a step. "
            f"{_way_to_lists(parts, lengths)}"
        )
    for i, (part, steps, given) in enumerate(zip(parts, lengths, inputs.given_lengths, strict=True)):
        if len(part) == given:
            parts[i] = part[:steps]
        elif len(part) != steps:
            raise DataError(
                f"{_WHO}, sequence {i}: expected {steps} labels, one a step of X, got {len(part)}."
            )
    if len({part.dtype.kind for part in parts}) > 1:  # joined as they are, numbers would become texts
        parts = [part.astype(object) for part in parts]
    labels = np.concatenate(parts)
    given, is_labelled = as_step_labels(labels, who=_WHO)
    if is_labelled.all():
        return given
    labels = np.full(len(labels), None, dtype=object)
    labels[is_labelled] = given.tolist()
    return labels


def _way_to_lists(labels: list[Labels], lengths: Ints) -> str:
    """Say how labels that are no list a sequence become one."""
    if len(labels) != lengths.sum() or (lengths == 1).all() or any(label.ndim for label in labels):
        return "A class for the whole sequence is for SequenceClassifier."
    if len(np.unique(lengths)) == 1:
        return f"Give np.reshape(y, ({len(lengths)}, {lengths[0]}))."
    return "Give np.split(y, np.cumsum(lengths)[:-1]), the lengths those of the sequences."
