"""Clips without their motion: what is left of them, and the estimator that reads it."""

import numpy as np

from unrolled.evaluate.sequence.changed_frames import (
    ChangedFrames,
    mean_frame,
    middle_frame,
    shuffled_frames,
)

RNG = np.random.default_rng(0)


def test_one_frame_is_left() -> None:
    """The middle one as it is; the mean of bytes as floats, whatever their sum."""
    clip = RNG.integers(200, 256, (7, 4, 5)).astype(np.uint8)
    assert np.array_equal(middle_frame(clip), clip[3:4])
    assert np.allclose(mean_frame(clip), clip.astype(float).mean(0)[None])
    assert middle_frame(clip[:1]).shape == mean_frame(clip[:1]).shape == (1, 4, 5)


def test_frames_are_shuffled_each_clip_by_itself() -> None:
    """The same clip alike each time, alike clips otherwise: one order for all could be learned."""
    clips = np.zeros((40, 6, 4, 5), np.uint8)
    clips[:, np.arange(6), 0, 0] = np.arange(1, 7)
    clips[np.arange(40), 0, 1, 1] = np.arange(40)
    orders = [tuple(shuffled_frames(clip)[:, 0, 0].tolist()) for clip in clips]
    assert all(sorted(order) == [1, 2, 3, 4, 5, 6] for order in orders)
    assert len(set(orders)) > 30
    assert orders == [tuple(shuffled_frames(clip)[:, 0, 0].tolist()) for clip in clips]


class _Recorder:
    """Estimator that keeps what it is given."""

    classes_ = np.array(["a", "b"])

    def fit(self, X: list[np.ndarray], y: np.ndarray, **more: object) -> "_Recorder":
        """Keep all."""
        self.given = (X, y, more)
        return self

    def predict(self, X: list[np.ndarray]) -> np.ndarray:
        """Return the number of frames of each clip."""
        return np.array([len(clip) for clip in X])


def test_the_estimator_reads_changed_clips_in_training_and_in_prediction() -> None:
    """Arguments of a fit are passed on; probabilities are there where the model has them."""
    clips = list(RNG.normal(size=(3, 5, 4, 6)))
    changed = ChangedFrames(_Recorder(), middle_frame).fit(clips, np.arange(3), groups=[1, 2, 3])
    X, y, more = changed.model.given
    assert [clip.shape for clip in X] == [(1, 4, 6)] * 3
    assert (y.tolist(), more) == ([0, 1, 2], {"groups": [1, 2, 3]})
    assert changed.predict(clips).tolist() == [1, 1, 1]
    assert changed.classes_.tolist() == ["a", "b"]
    assert not hasattr(changed, "predict_proba")
