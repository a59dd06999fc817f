"""Bag of steps: an estimator on sequences without their order; what it reaches needs no memory."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.metaestimators import available_if

from unrolled.data.preprocess.scaler import StandardScaler

Floats = NDArray[np.float64]


class BagOfSteps:
    """Estimator on sequences whose steps are sorted, so that their order is lost.

    All permutations of a sequence sort to the same one, so that whatever is learned here can be known
    without order. Nothing else is lost: the estimator, its settings and every value stay, and sorting adds
    no noise, as shuffling would. Steps are sorted along the first principal component of the scaled
    training steps, ties by the features.

    Args:
        model: an estimator, not fitted; it is fitted here.

    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> X = np.array([[1.0, 2.0, 3.0], [5.0, 4.0, 3.0]])
    >>> bag = BagOfSteps(KNeighborsClassifier(1)).fit(X, np.array([0, 1]))
    >>> bag.predict(np.array([[3.0, 1.0, 2.0]]))
    array([0])
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    def fit(self, X: Any, y: NDArray[Any], **fit_arguments: Any) -> Self:
        """Fit the model on the sorted steps of an array (N, T), (N, T, F) or a list of (T_i, F), (T_i,)."""
        steps = [_two_axes(x) for x in X]
        self.scaler_ = StandardScaler.fit(np.concatenate(steps))
        scaled = self.scaler_.transform(np.concatenate(steps))
        self.direction_ = np.linalg.eigh(scaled.T @ scaled)[1][:, -1]
        self.model.fit(self._sorted(X), y, **fit_arguments)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the model's predictions (N,) for the sorted steps."""
        return np.asarray(self.model.predict(self._sorted(X)))

    @property
    def classes_(self) -> NDArray[Any]:
        """Classes of the model."""
        return np.asarray(self.model.classes_)

    @available_if(lambda bag: hasattr(bag.model, "predict_proba"))  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Floats:
        """Return the model's probabilities (N, C) for the sorted steps."""
        return np.asarray(self.model.predict_proba(self._sorted(X)))

    def _sorted(self, X: Any) -> Any:
        """Sort the steps of each sequence; X keeps its form, array or list."""
        parts = []
        for x in X:
            steps = self.scaler_.transform(_two_axes(x))
            # not a matrix product, whose rounding may depend on where a row stands
            along = (steps * self.direction_).sum(axis=1)
            parts.append(np.asarray(x)[np.lexsort((*steps.T, along))])
        return np.stack(parts) if isinstance(X, np.ndarray) and X.dtype.kind != "O" else parts


def _two_axes(x: Any) -> Floats:
    """Return (T, F) of (T, F) or (T,)."""
    steps = np.asarray(x, dtype=np.float64)
    return steps[:, None] if steps.ndim == 1 else steps
