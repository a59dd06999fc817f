"""Clips without their motion: an estimator on the middle frame, on the mean frame, on shuffled frames."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.metaestimators import available_if

Array = NDArray[Any]


def middle_frame(clip: Array) -> Array:
    """Return the frame in the middle, as a clip of one (1, ...).

    >>> middle_frame(np.arange(5)[:, None, None]).ravel().tolist()
    [2]
    """
    middle = len(clip) // 2
    return clip[middle : middle + 1]


def mean_frame(clip: Array) -> Array:
    """Return the mean of all frames, as a clip of one (1, ...).

    >>> mean_frame(np.arange(4)[:, None, None]).ravel().tolist()
    [1.5]
    """
    return np.asarray(clip.mean(0, keepdims=True, dtype=np.float32))


def shuffled_frames(clip: Array) -> Array:
    """Return the frames in an order drawn by their content: the same clip is always shuffled alike.

    >>> sorted(shuffled_frames(np.arange(4)[:, None, None]).ravel().tolist())
    [0, 1, 2, 3]
    """
    # a seed for each clip: were all shuffled alike, their order could be learned
    digest = hashlib.blake2b(np.ascontiguousarray(clip).tobytes(), digest_size=16).digest()
    return clip[np.random.default_rng(int.from_bytes(digest, "little")).permutation(len(clip))]


CHANGES: dict[str, Callable[[Array], Array]] = {
    "middle frame": middle_frame,
    "mean frame": mean_frame,
    "shuffled frames": shuffled_frames,
}


class ChangedFrames:
    """Estimator on clips that are changed, each by itself: what it reaches needs no motion.

    Args:
        model: an estimator, not fitted; it is fitted here.
        change: from a clip (T, ...) to another, in training and in prediction.
    """

    def __init__(self, model: Any, change: Callable[[Array], Array]) -> None:
        self.model, self.change = model, change

    def fit(self, X: Sequence[Array], y: Array, **fit_arguments: Any) -> Self:
        """Fit the model on the changed clips."""
        self.model.fit(self._changed(X), y, **fit_arguments)
        return self

    def predict(self, X: Sequence[Array]) -> Array:
        """Return the model's predictions (N,) for the changed clips."""
        return np.asarray(self.model.predict(self._changed(X)))

    @property
    def classes_(self) -> Array:
        """Classes of the model."""
        return np.asarray(self.model.classes_)

    @available_if(lambda changed: hasattr(changed.model, "predict_proba"))  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Sequence[Array]) -> NDArray[np.float64]:
        """Return the model's probabilities (N, C) for the changed clips."""
        return np.asarray(self.model.predict_proba(self._changed(X)))

    def _changed(self, X: Sequence[Array]) -> list[Array]:
        return [self.change(np.asarray(clip)) for clip in X]
