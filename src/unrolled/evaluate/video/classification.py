"""Compare a classifier or regressor of clips with baselines that see no motion."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.alignment import align_targets
from unrolled.data.clips import channels_of, frame_words
from unrolled.data.io.targets import as_groups, as_labels, as_numbers
from unrolled.data.sequences import Sequences
from unrolled.errors import ArgumentError, DataError
from unrolled.evaluate.arguments import ComparisonArguments, check_test_set
from unrolled.evaluate.sequence.compare import compare_prepared, task_of
from unrolled.evaluate.sequence.copies import partition_data
from unrolled.evaluate.sequence.prepared import prepare_candidates
from unrolled.evaluate.sequence.result import Comparison
from unrolled.evaluate.sequence.split import EvaluationData, Task, require_like_labels
from unrolled.models.sequence.base import SequenceEstimator
from unrolled.models.sequence.inputs import read_inputs

_STILL = ("middle frame", "mean frame", "shuffled frames", "reservoir")
VIDEO_BASELINES: dict[Task, tuple[str, ...]] = {
    "labels": ("majority class", *_STILL),
    "numbers": ("mean of y", *_STILL),
}
_CELLS = 8  # a side, of the coarse frames by which copies are found


def compare_videos(model: Any, X: Any, y: Any, arguments: ComparisonArguments) -> Comparison:
    """Score an estimator of clips beside baselines that see no motion; see `compare`.

    Raises:
        ArgumentError: an argument is out of range, or the model reads no frames.
        DataError: X or y cannot be used as they are, or a fold would have nothing to learn a class from.
    """
    if not isinstance(model, SequenceEstimator):
        got = type(model).__name__
        raise ArgumentError(
            f"model: expected a SequenceClassifier or SequenceRegressor, which read frames, got {got}."
        )
    if y is None:
        raise ArgumentError("compare y: expected what the model predicts of X, got None. Pass it.")
    task = task_of(model)
    names = arguments.baseline_names(VIDEO_BASELINES[task])
    data = _read(model, X, y, arguments.groups, arguments.lengths, task)
    tested = None if arguments.test is None else _read_test(model, data, arguments.test, task)
    partition, remarks = partition_data(data, tested, arguments.folds, task)
    prepared = prepare_candidates(
        model, task, partition, remarks=remarks, names=names, is_explicit=arguments.is_explicit, unit="clips"
    )
    return compare_prepared(prepared, arguments.level)


def _read(
    model: SequenceEstimator, X: Any, y: Any, groups: Any, lengths: Any, task: Task, who: str = "compare"
) -> EvaluationData:
    """Read clips and targets; the `sequences`, by which copies are found, are coarse frames."""
    clips = read_inputs(X, f"{who} X", layout=model.layout, lengths=lengths, missing=model.missing).data
    targets = align_targets(y, clips, f"{who} y")
    values = (as_labels if task == "labels" else as_numbers)(targets, len(clips), who=f"{who} y")
    group_ids = None if groups is None else as_groups(align_targets(groups, clips, "groups"), len(clips))
    return EvaluationData(np.split(clips.values, clips.offsets[1:-1]), _coarse(clips), values, group_ids)


def _read_test(model: SequenceEstimator, train: EvaluationData, test: Any, task: Task) -> EvaluationData:
    """Read the pair (X_test, y_test), or three with lengths; its frames must be like those of X."""
    X, y, lengths = check_test_set(test)
    tested = _read(model, X, y, None, lengths, task, who="compare test")
    got, expected = (frame_words(data.X[0].shape[1:]) for data in (tested, train))
    if got != expected:
        raise DataError(
            f"compare test X: expected frames of {expected}, as in X, got {got}. Bring them to it."
        )
    require_like_labels(tested.y, train.y)
    return tested


def _coarse(clips: Sequences) -> list[NDArray[np.float64]]:
    """Return each clip as (T, F) means over at most 8 × 8 cells of a frame: copies are equal in them too."""
    channels, height, width = channels_of(clips)
    cells = min(_CELLS, height), min(_CELLS, width)
    parts = []
    for start, end in zip(clips.offsets[:-1], clips.offsets[1:], strict=True):
        frames = clips.values[start:end].astype(np.float32).reshape(-1, channels, height, width)
        means = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(frames), cells)
        parts.append(means.flatten(1).double().numpy())
    return parts
