"""Simple rules for whole sequences, with little training or none, that a network is compared with.

Each has `fit(sequences, y)` and `predict(sequences)` on lists of (T_i, F) arrays. `y` is labels or numbers:
a nearest neighbour or a ridge predicts either.

MiniRocket and dynamic time warping are aeon's, imported here alone and only when asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.data.preprocess.scaler import StandardScaler

Array = NDArray[Any]
Floats = NDArray[np.float64]

_MAX_DISTANCES = 1 << 23  # distances in memory: 64 MB
_MIN_STEPS = 9  # of MiniRocket, whose kernels are that long


class MajorityClass:
    """The most frequent class, whatever the sequence; of several, the first in order.

    >>> MajorityClass().fit([np.zeros((2, 1))] * 3, np.array(["a", "b", "b"])).predict([np.ones((1, 1))])
    array(['b'], dtype='<U1')
    """

    def fit(self, sequences: Sequence[Floats], y: Array) -> Self:
        """Count the classes."""
        del sequences
        classes, counts = np.unique(y, return_counts=True)
        self.constant_ = classes[counts.argmax()]
        self.classes_, self.frequencies_ = classes, counts / counts.sum()
        return self

    def predict(self, sequences: Sequence[Floats]) -> Array:
        """Return the constant (N,)."""
        return np.full(len(sequences), self.constant_)

    def predict_proba(self, sequences: Sequence[Floats]) -> Floats:
        """Return the frequencies of the classes (N, C)."""
        return np.tile(self.frequencies_, (len(sequences), 1))


class MeanTarget(MajorityClass):
    """The mean of y, whatever the sequence.

    >>> MeanTarget().fit([np.zeros((2, 1))] * 2, np.array([1.0, 4.0])).predict([np.ones((1, 1))])
    array([2.5])
    """

    def fit(self, sequences: Sequence[Floats], y: Array) -> Self:
        """Take the mean."""
        del sequences
        self.constant_ = y.mean()
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
        """Return c + w · x_T (N,)."""
        return np.asarray(self._inputs(sequences) @ self.weights_)

    @staticmethod
    def _inputs(sequences: Sequence[Floats]) -> Floats:
        return np.stack([np.append(sequence[-1], 1.0) for sequence in sequences])


class NearestEuclidean:
    """Label or number of the training sequence at the smallest Euclidean distance; of several, the first.

    Features are scaled by their mean and standard deviation over all training steps; all sequences are
    resampled to the steps of the longest in training.

    >>> X = [np.array([[0.0], [1.0]]), np.array([[1.0], [0.5], [0.0]])]
    >>> NearestEuclidean().fit(X, np.array(["up", "down"])).predict([np.array([[0.1], [0.2], [0.8]])])
    array(['up'], dtype='<U4')
    """

    def fit(self, sequences: Sequence[Floats], y: Array) -> Self:
        """Keep all sequences."""
        self.scaler_ = StandardScaler.fit(np.concatenate(list(sequences)))
        self.steps_ = max(map(len, sequences))
        self.train_, self.y_ = self._flat(sequences), y
        return self

    def predict(self, sequences: Sequence[Floats]) -> Array:
        """Return y of the nearest training sequence (N,)."""
        queries, squares = self._flat(sequences), (self.train_**2).sum(axis=1)
        size = max(1, _MAX_DISTANCES // len(self.train_))
        nearest = [
            (squares - 2 * queries[k : k + size] @ self.train_.T).argmin(axis=1)
            for k in range(0, len(queries), size)
        ]
        return np.asarray(self.y_[np.concatenate(nearest)])

    def _flat(self, sequences: Sequence[Floats]) -> Floats:
        scaled = [self.scaler_.transform(sequence) for sequence in sequences]
        return resampled(scaled, self.steps_).reshape(len(sequences), -1)


class NearestDTW:
    """Label or number of the training sequence at the smallest distance by dynamic time warping (aeon).

    No window; squared differences; features scaled as in `NearestEuclidean`; lengths as they are.
    """

    def fit(self, sequences: Sequence[Floats], y: Array) -> Self:
        """Keep all sequences."""
        self.scaler_ = StandardScaler.fit(np.concatenate(list(sequences)))
        self.train_, self.y_ = self._channels(sequences), y
        return self

    def predict(self, sequences: Sequence[Floats]) -> Array:
        """Return y of the nearest training sequence (N,)."""
        from aeon.distances import dtw_pairwise_distance  # noqa: PLC0415 (some seconds)

        queries, size = self._channels(sequences), max(1, _MAX_DISTANCES // len(self.train_))
        nearest = [
            dtw_pairwise_distance(queries[k : k + size], self.train_).argmin(axis=1)
            for k in range(0, len(queries), size)
        ]
        return np.asarray(self.y_[np.concatenate(nearest)])

    def _channels(self, sequences: Sequence[Floats]) -> list[Floats]:
        """Return scaled arrays (F, T_i), the layout of aeon."""
        return [np.ascontiguousarray(self.scaler_.transform(x).T) for x in sequences]


class MiniRocket:
    """MiniRocket (aeon): 10,000 features of fixed convolutions, and a ridge on them as aeon's own has it.

    It reads one length only: ragged sequences are resampled to the longest in training.

    Source: Dempster, Schmidt and Webb 2021, "MiniRocket".

    Args:
        labels: y is classes; else numbers.
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
        """Return the ridge's predictions (N,)."""
        return np.asarray(self.pipeline_.predict(self._channels(sequences)))

    def _channels(self, sequences: Sequence[Floats]) -> NDArray[np.float32]:
        """Return float32 (N, F, T), the layout of aeon."""
        block = resampled(sequences, self.steps_).swapaxes(1, 2)
        return np.ascontiguousarray(block, dtype=np.float32)


def has_aeon() -> bool:
    """Check whether aeon can be imported (its modules take seconds, this does not)."""
    try:
        import aeon  # noqa: F401, PLC0415
    except ImportError:
        return False
    return True


def resampled(sequences: Sequence[Floats], steps: int) -> Floats:
    """Resample each sequence (T_i, F) to (steps, F) by linear interpolation; ends stay ends.

    >>> resampled([np.array([[0.0], [4.0]]), np.array([[7.0]])], 3)[..., 0].tolist()
    [[0.0, 2.0, 4.0], [7.0, 7.0, 7.0]]
    """
    block = np.empty((len(sequences), steps, sequences[0].shape[1]))
    for row, sequence in zip(block, sequences, strict=True):
        T = len(sequence)
        position = np.linspace(0, T - 1, steps)
        below = np.minimum(position.astype(np.int64), max(T - 2, 0))
        share = (position - below)[:, None]
        row[:] = sequence[below] * (1 - share) + sequence[np.minimum(below + 1, T - 1)] * share
    return block
