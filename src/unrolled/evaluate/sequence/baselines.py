"""What every network of whole sequences is held against, from the same sequences: no training, or little.

Each has `fit(sequences, y)` and `predict(sequences)` on lists of (T_i, F) arrays. `y` is labels or numbers:
a nearest neighbour or a ridge answers either.

MiniRocket and dynamic time warping are aeon's, imported here alone and only when asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.data.preprocess.scaler import StandardScaler

Array = NDArray[Any]
Floats = NDArray[np.float64]

_MAX_DISTANCES = 1 << 23  # distances in memory: 64 MB
_MIN_STEPS = 9  # of MiniRocket, whose kernels are that long


class SequenceBaseline(Protocol):
    """A rule that is fitted and asked like an estimator."""

    def fit(self, sequences: Sequence[Floats], y: Array) -> Self:
        """Learn."""

    def predict(self, sequences: Sequence[Floats]) -> Array:
        """(N,) an answer a sequence."""


class MajorityClass:
    """The most frequent class, whatever the sequence; of several, the first in order.

    >>> MajorityClass().fit([np.zeros((2, 1))] * 3, np.array(["a", "b", "b"])).predict([np.ones((1, 1))])
    array(['b'], dtype='<U1')
    """

    def fit(self, sequences: Sequence[Floats], y: Array) -> Self:
        """Count."""
        del sequences
        classes, counts = np.unique(y, return_counts=True)
        self.answer_ = classes[counts.argmax()]
        return self

    def predict(self, sequences: Sequence[Floats]) -> Array:
        """(N,) always the same."""
        return np.full(len(sequences), self.answer_)


class MeanTarget(MajorityClass):
    """The mean of y, whatever the sequence.

    >>> MeanTarget().fit([np.zeros((2, 1))] * 2, np.array([1.0, 4.0])).predict([np.ones((1, 1))])
    array([2.5])
    """

    def fit(self, sequences: Sequence[Floats], y: Array) -> Self:
        """Take the mean."""
        del sequences
        self.answer_ = y.mean()
        return self


class LastStepRegression:
    """A straight line from the values of the last step to y, by least squares.

    >>> X = [np.array([[9.0], [t]]) for t in (1.0, 2.0, 4.0)]
    >>> LastStepRegression().fit(X, np.array([3.0, 5.0, 9.0])).predict([np.array([[3.0]])]).round(6)
    array([7.])
    """

    def fit(self, sequences: Sequence[Floats], y: Array) -> Self:
        """Least squares, of smallest norm where there are fewer sequences than features."""
        self.weights_ = np.linalg.lstsq(self._inputs(sequences), y, rcond=None)[0]
        return self

    def predict(self, sequences: Sequence[Floats]) -> Array:
        """(N,) c + w · x_T."""
        return np.asarray(self._inputs(sequences) @ self.weights_)

    @staticmethod
    def _inputs(sequences: Sequence[Floats]) -> Floats:
        return np.stack([np.append(sequence[-1], 1.0) for sequence in sequences])


class NearestEuclidean:
    """The answer of the training sequence with the smallest Euclidean distance; of several, the first.

    Features are scaled by their mean and standard deviation over all training steps; all sequences are
    stretched to the steps of the longest in training.

    >>> X = [np.array([[0.0], [1.0]]), np.array([[1.0], [0.5], [0.0]])]
    >>> NearestEuclidean().fit(X, np.array(["up", "down"])).predict([np.array([[0.1], [0.2], [0.8]])])
    array(['up'], dtype='<U4')
    """

    def fit(self, sequences: Sequence[Floats], y: Array) -> Self:
        """Keep all sequences."""
        self.scaler_ = StandardScaler.fit(np.concatenate(list(sequences)))
        self.steps_ = max(map(len, sequences))
        self.known_, self.y_ = self._flat(sequences), y
        return self

    def predict(self, sequences: Sequence[Floats]) -> Array:
        """(N,) the nearest one's answer."""
        asked, squares = self._flat(sequences), (self.known_**2).sum(axis=1)
        size = max(1, _MAX_DISTANCES // len(self.known_))
        nearest = [
            (squares - 2 * asked[k : k + size] @ self.known_.T).argmin(axis=1)
            for k in range(0, len(asked), size)
        ]
        return np.asarray(self.y_[np.concatenate(nearest)])

    def _flat(self, sequences: Sequence[Floats]) -> Floats:
        scaled = [self.scaler_.transform(sequence) for sequence in sequences]
        return resampled(scaled, self.steps_).reshape(len(sequences), -1)


class NearestDTW:
    """The answer of the training sequence with the smallest distance after dynamic time warping, by aeon.

    No window; squared differences; features scaled as in `NearestEuclidean`; lengths as they are.
    """

    def fit(self, sequences: Sequence[Floats], y: Array) -> Self:
        """Keep all sequences."""
        self.scaler_ = StandardScaler.fit(np.concatenate(list(sequences)))
        self.known_, self.y_ = self._channels(sequences), y
        return self

    def predict(self, sequences: Sequence[Floats]) -> Array:
        """(N,) the nearest one's answer."""
        from aeon.distances import dtw_pairwise_distance  # noqa: PLC0415 (some seconds)

        asked, size = self._channels(sequences), max(1, _MAX_DISTANCES // len(self.known_))
        nearest = [
            dtw_pairwise_distance(asked[k : k + size], self.known_).argmin(axis=1)
            for k in range(0, len(asked), size)
        ]
        return np.asarray(self.y_[np.concatenate(nearest)])

    def _channels(self, sequences: Sequence[Floats]) -> list[Floats]:
        """(F, T_i) each, as aeon wants them."""
        return [np.ascontiguousarray(self.scaler_.transform(x).T) for x in sequences]


class MiniRocket:
    """aeon's MiniRocket: 10,000 features of fixed convolutions, and a ridge on them as aeon's own has it.

    It reads one length only: ragged sequences are stretched to the longest in training.

    Source: Dempster, Schmidt and Webb 2021, "MiniRocket".

    Args:
        labels: whether y is classes; else numbers.
    """

    def __init__(self, *, labels: bool) -> None:
        self.labels = labels

    def fit(self, sequences: Sequence[Floats], y: Array) -> Self:
        """Choose the biases from the sequences, then the ridge by leave-one-out."""
        from aeon.transformations.collection.convolution_based import (  # noqa: PLC0415 (some seconds)
            MiniRocket as Features,
        )
        from sklearn.linear_model import RidgeClassifierCV, RidgeCV  # noqa: PLC0415 (with it alone)
        from sklearn.pipeline import make_pipeline  # noqa: PLC0415
        from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

        self.steps_ = max(_MIN_STEPS, *map(len, sequences))
        ridge = (RidgeClassifierCV if self.labels else RidgeCV)(alphas=np.logspace(-3, 3, 10))
        features = Features(random_state=0)
        self.pipeline_ = make_pipeline(features, StandardScaler(with_mean=False), ridge)
        self.pipeline_.fit(self._channels(sequences), y)
        return self

    def predict(self, sequences: Sequence[Floats]) -> Array:
        """(N,) what the ridge answers."""
        return np.asarray(self.pipeline_.predict(self._channels(sequences)))

    def _channels(self, sequences: Sequence[Floats]) -> NDArray[np.float32]:
        """(N, F, T), as aeon wants them."""
        block = resampled(sequences, self.steps_).swapaxes(1, 2)
        return np.ascontiguousarray(block, dtype=np.float32)


def has_aeon() -> bool:
    """Whether aeon can be imported (its parts take seconds, this does not)."""
    try:
        import aeon  # noqa: F401, PLC0415
    except ImportError:
        return False
    return True


def resampled(sequences: Sequence[Floats], steps: int) -> Floats:
    """(N, steps, F): each sequence stretched or shrunk along its straight lines; ends stay ends.

    >>> resampled([np.array([[0.0], [4.0]]), np.array([[7.0]])], 3)[..., 0].tolist()
    [[0.0, 2.0, 4.0], [7.0, 7.0, 7.0]]
    """
    block = np.empty((len(sequences), steps, sequences[0].shape[1]))
    for row, sequence in zip(block, sequences, strict=True):
        T = len(sequence)
        place = np.linspace(0, T - 1, steps)
        below = np.minimum(place.astype(np.int64), max(T - 2, 0))
        share = (place - below)[:, None]
        row[:] = sequence[below] * (1 - share) + sequence[np.minimum(below + 1, T - 1)] * share
    return block
