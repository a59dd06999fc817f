"""SequenceRegressor: sequences of any length to a number each."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from unrolled.data.alignment import align_targets
from unrolled.data.io.targets import as_numbers
from unrolled.data.preprocess.scaler import StandardScaler
from unrolled.data.sequences import Sequences
from unrolled.models.persistence import ARRAY
from unrolled.models.sequence.base import Floats, SequenceEstimator
from unrolled.models.sequence.dataset import SequenceBatch
from unrolled.models.sequence.inputs import SequenceInputs
from unrolled.models.sequence.samples import TrainingSamples, check_weights
from unrolled.models.sequence.training import EncodedTargets
from unrolled.nn.modules.inference import mean_answers
from unrolled.nn.ops.sequence import runs_on_kernels, squared_error


class SequenceRegressor(SequenceEstimator):
    """Predict a number for each sequence, whatever its length and its number of features.

    Trained on the squared error of y, scaled to mean 0 and variance 1. The arguments are those of
    SequenceClassifier, without `class_weight`; so is what there is after `fit`, with `y_mean_` and
    `y_scale_` of y in the place of `classes_`.

    >>> X = [np.linspace(0, slope, steps) for slope, steps in [(1, 9), (2, 5), (3, 7), (4, 6)]]
    >>> model = SequenceRegressor(hidden_size=8).fit(X, [1, 2, 3, 4])
    >>> model.predict(X).round().tolist()
    [1.0, 2.0, 3.0, 4.0]
    """

    _learned: ClassVar = {"y_mean_": ARRAY, "y_scale_": ARRAY}
    y_mean_: np.float64
    y_scale_: np.float64

    def predict(self, X: Any, *, lengths: Any = None) -> Floats:
        """Predict the number (N,) of each sequence, the mean over the networks; see `fit` for `lengths`.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X cannot be used as it is, or has another number of features.
        """
        return self._predictions(self._like_fitted(X, lengths).data)

    def _predictions(self, data: Sequences) -> Floats:
        scaled = np.empty(len(data))
        for rows, outputs, _ in self._outputs(data):
            scaled[rows] = mean_answers(outputs, is_class=False)[:, 0]
        return scaled * self.y_scale_ + self.y_mean_

    def score(self, X: Any, y: Any, *, sample_weight: Any = None, lengths: Any = None) -> float:
        """Compute R², the share of y's variance that is explained; NaN where y does not vary.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X or y cannot be used as it is.
        """
        inputs = self._like_fitted(X, lengths)
        numbers = self._check_targets(y, inputs)
        weights = check_weights(sample_weight, inputs.data)
        weights = np.ones(len(numbers)) if weights is None else weights
        total = weights @ (numbers - np.average(numbers, weights=weights)) ** 2
        errors = weights @ (numbers - self._predictions(inputs.data)) ** 2
        return float(1 - errors / total) if total > 0 else float("nan")

    def output_scale(self) -> tuple[float, float]:
        """Return the mean and the scale of y, which the networks predict scaled."""
        self._require_fitted()
        return float(self.y_mean_), float(self.y_scale_)

    def __sklearn_tags__(self) -> Any:
        """Describe a regressor, whose y is required."""
        from sklearn.utils import RegressorTags  # noqa: PLC0415

        tags = super().__sklearn_tags__()
        tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags()
        return tags

    def _check_targets(self, y: Any, inputs: SequenceInputs) -> Floats:
        who = "SequenceRegressor y"
        return as_numbers(align_targets(y, inputs.data, who), len(inputs.data), who=who)

    def _encode_targets(self, samples: TrainingSamples) -> EncodedTargets:
        numbers = samples.targets
        scaler = StandardScaler.fit(numbers, samples.weights)
        is_constant = bool((numbers == numbers[0]).all())  # and so is every prediction, for any X
        return EncodedTargets(
            torch.from_numpy(scaler.transform(numbers)).float(),
            output_size=1,
            criterion=mean_squared_error,
            learned={"y_mean_": scaler.mean, "y_scale_": np.float64(0) if is_constant else scaler.scale},
        )


def mean_squared_error(outputs: Tensor, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
    """Compute the weighted mean of squared errors, and its gradient in the outputs (B, 1)."""
    if runs_on_kernels(outputs):
        return squared_error(outputs, batch.targets, batch.weights)
    errors = outputs[:, 0] - batch.targets
    shares = (errors if batch.weights is None else errors * batch.weights) / len(errors)
    return shares @ errors, (2 * shares)[:, None]
