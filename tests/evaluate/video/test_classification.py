"""Estimators of clips beside baselines that see no motion."""

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from unrolled import ArgumentError, DataError, SequenceClassifier, SequenceRegressor, compare
from unrolled.evaluate import VIDEO_BASELINES
from unrolled.evaluate.arguments import ComparisonArguments
from unrolled.evaluate.video.classification import compare_videos

TINY: dict[str, Any] = {"hidden_size": 4, "max_epochs": 1, "n_members": 1, "stem": False}


def drifting(n: int, seed: int = 0, side: int = 12, steps: int = 6) -> tuple[Any, Any]:
    """Clips of a bright square that drifts left or right, round the edge: no single frame tells."""
    rng = np.random.default_rng(seed)
    clips, right = np.zeros((n, steps, side, side), np.uint8), rng.integers(0, 2, n)
    for clip, is_right in zip(clips, right, strict=True):
        row, column = rng.integers(0, side, 2)
        for t, frame in enumerate(clip):
            rows = (row + np.arange(4)) % side
            columns = (column + (2 * t if is_right else -2 * t) + np.arange(4)) % side
            frame[np.ix_(rows, columns)] = 250
    return clips, np.where(right, "right", "left")


@pytest.mark.parametrize(
    ("kind", "first"), [(SequenceClassifier, "majority class"), (SequenceRegressor, "mean of y")]
)
def test_all_baselines_take_part_in_folds(kind: Any, first: str) -> None:
    """Ragged clips, groups, and floats; notes say what each baseline is."""
    X, labels = drifting(40)
    clips = [clip[: 4 + i % 3] / 255.0 for i, clip in enumerate(X)]
    y = labels if kind is SequenceClassifier else np.arange(40.0)
    result = compare(kind(**TINY), clips, y, folds=2, groups=np.arange(40) // 2)
    names = VIDEO_BASELINES["labels" if kind is SequenceClassifier else "numbers"]
    assert {row.name for row in result.rows[1:]} == set(names)
    assert first in names
    assert all(row.note for row in result.rows[1:])
    assert (result.folds, result.groups, result.n_sequences) == (2, 20, 40)


def test_copies_are_kept_together() -> None:
    """And said; clips that only look alike are none."""
    X, y = drifting(30)
    noisy = X + np.random.default_rng(0).integers(0, 5, X.shape).astype(np.uint8)
    model = SequenceClassifier(**TINY)
    once = compare(model, noisy, y, folds=2, baselines=["majority class"])
    assert not any("repeat" in remark for remark in once.remarks)
    twice = compare(model, np.concatenate([noisy, noisy]), [*y, *y], folds=2, baselines=["majority class"])
    assert any("30 of 60 sequences repeat another one exactly" in remark for remark in twice.remarks)
    assert twice.groups == 30


def test_padded_clips_are_cut() -> None:
    """With lengths of the test set as well."""
    X, y = drifting(24)
    lengths = np.full(24, 5)
    result = compare(
        SequenceClassifier(**TINY), X, y, test=(X[:12], y[:12], lengths[:12]), lengths=lengths,
        baselines=["middle frame"],
    )  # fmt: skip
    assert result.n_sequences == 12


def clips_and_labels(n: int = 12) -> tuple[Any, Any]:
    """A few clips."""
    return drifting(n)


BAD: dict[str, tuple[Any, dict[str, Any], type[Exception], str]] = {
    "another kind of model": (LogisticRegression(), {}, ArgumentError, "which read frames, got LogisticReg"),
    "no y": (SequenceClassifier(**TINY), {"y": None}, ArgumentError, "compare y: expected what the model"),
    "a table's baseline": (
        SequenceClassifier(**TINY),
        {"baselines": ["MiniRocket"]},
        ArgumentError,
        "baselines",
    ),
    "no pair": (SequenceClassifier(**TINY), {"test": 3}, ArgumentError, r"expected \(X_test, y_test\)"),
    "another size": (
        SequenceClassifier(**TINY),
        {"test": (np.zeros((2, 3, 8, 8), np.uint8), ["left", "right"])},
        DataError,
        "compare test X: expected frames of 12 x 12, as in X, got 8 x 8",
    ),
    "other labels": (
        SequenceClassifier(**TINY),
        {"test": (np.zeros((2, 3, 12, 12), np.uint8), [0, 1])},
        DataError,
        "compare test y: expected labels like '",
    ),
    "a layout": (SequenceClassifier(**TINY, layout="nct"), {}, DataError, "compare X: .* got frames"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_compared_is_refused_in_one_sentence(name: str) -> None:
    """Before anything is trained."""
    model, changes, error, sentence = BAD[name]
    X, y = clips_and_labels()
    y, options = changes.get("y", y), {key: value for key, value in changes.items() if key != "y"}
    with pytest.raises(error, match=sentence) as caught:
        compare_videos(model, X, y, ComparisonArguments(**options))
    assert "\n" not in str(caught.value)
