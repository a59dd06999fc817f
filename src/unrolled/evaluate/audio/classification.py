"""Training and test data of a comparison of recordings: read once, split once for all candidates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.audio.log_mel import LogMel
from unrolled.data.io.targets import as_groups, as_labels
from unrolled.data.sequences import Sequences
from unrolled.errors import ArgumentError
from unrolled.evaluate.sequence.candidates import (
    baseline_candidates,
    excluded_baselines,
    model_candidate,
    warm_up,
)
from unrolled.evaluate.sequence.copies import copies_across, group_copies
from unrolled.evaluate.sequence.prepared import ComparisonSettings, PreparedComparison
from unrolled.evaluate.sequence.scores import uneven_classes
from unrolled.evaluate.sequence.split import (
    EvaluationData,
    TrainTestSplit,
    fold_splits,
    unseen_class_remarks,
)
from unrolled.models.audio.classifier import AudioClassifier
from unrolled.models.audio.inputs import raw_frames, read_clips, require_labels
from unrolled.models.audio.levels import BandLevels

Floats = NDArray[np.float64]

AUDIO_BASELINES = ("majority class", "1-NN Euclidean", "1-NN DTW", "MiniRocket", "reservoir")
NO_SPEAKERS = (
    "No groups= were given: recordings of one speaker may be in both parts, and the scores are then those of "
    "voices that the model has heard. Pass groups=speakers, or a table with a column of speakers."
)
_UNKNOWN_TEST_SPEAKERS = (
    "Whether the speakers of the test set are in X as well is not known: if they are, the scores are those "
    "of voices that the model has heard."
)


class _Clips(NamedTuple):
    """Recordings with raw frames as their sequences; the names of their groups, and what reading changed."""

    data: EvaluationData
    group_names: NDArray[Any] | None
    notes: tuple[str, ...]


def reads_recordings(model: Any) -> bool:
    """Tell whether a model, or the last step of a pipeline, is an estimator of recordings."""
    return isinstance(model[-1] if hasattr(model, "named_steps") else model, AudioClassifier)


def prepare_recordings(model: Any, X: Any, y: Any, settings: ComparisonSettings) -> PreparedComparison:
    """Read and split recordings, and make the candidates; baselines read the frames that the model reads.

    Raises:
        ArgumentError: the test set is none, lengths are given, or there are arrays and no rate.
        DataError: X or y cannot be used as they are, or a fold would have nothing to learn a class from.
        MissingDependencyError: a baseline that was named needs aeon, or a file soundfile, which is not
            installed.
    """
    if settings.lengths is not None:
        raise ArgumentError("lengths: recordings have their own and are not padded. Leave it out.")
    estimator = model[-1] if hasattr(model, "named_steps") else model
    estimator.check_parameters()
    features: list[LogMel] = []
    clips = _read(estimator, X, y, settings.groups, features)
    data, remarks = clips.data, list(clips.notes)
    if settings.test is None:
        if data.groups is None:
            remarks.append(NO_SPEAKERS)
        data, copied = group_copies(data, min_groups=2 * settings.folds)
        splits, fold = fold_splits(data, settings.folds, "labels")
        order, tested = np.argsort(np.argsort(fold, kind="stable"), kind="stable"), data
        remarks += copied
    else:
        test_clips = _read(estimator, *_pair(settings.test), None, features)
        tested, copied = group_copies(test_clips.data, min_groups=2)
        splits = [TrainTestSplit(data, tested)]
        remarks += [*copied, *copies_across(data, tested), *unseen_class_remarks(splits[0], "labels")]
        remarks += _speakers_across(clips.group_names, test_clips.group_names)
        order = np.arange(len(tested))
    splits = [_normalized(split, estimator.normalization) for split in splits]
    excluded = excluded_baselines(splits, settings.names, is_explicit=settings.is_explicit)
    names = [name for name in settings.names if name not in excluded]
    candidates = [model_candidate(model), *baseline_candidates(model, "labels", names)]
    warm_up(candidates, splits[0])
    uneven = uneven_classes(data.y, tested.y)
    return PreparedComparison(
        candidates,
        splits,
        tested,
        order,
        tuple(remarks),
        excluded,
        "pandas",
        unit="recordings",
        uneven=uneven,
    )


def _read(model: AudioClassifier, X: Any, y: Any, groups: Any, features: list[LogMel]) -> _Clips:
    """Read recordings of the model's rate, and their raw frames; the first fill `features`."""
    who = "compare test" if features else "compare"
    rate = features[0].rate if features else model.rate
    if rate is None and model.__sklearn_is_fitted__():
        rate = model.rate_
    clips = read_clips(X, y, groups, who=f"{who} X", rate=rate, resample=bool(model.resample))
    features[:] = features or [LogMel(clips.recordings.rate, int(model.n_bands))]
    raw = raw_frames(clips.recordings, features[0], f"{who} X")
    labels = as_labels(require_labels(clips.y, f"{who} y"), len(raw), who=f"{who} y")
    group_ids = None if clips.groups is None else as_groups(clips.groups, len(raw))
    names = None if clips.groups is None else np.asarray(clips.groups)
    sequences = np.split(raw.values, raw.offsets[1:-1])
    data = EvaluationData(list(clips.recordings), sequences, labels, group_ids)
    return _Clips(data, names, clips.recordings.notes)


def _pair(test: Any) -> tuple[Any, Any]:
    """Return recordings and labels of the test set; a folder or table has its own labels."""
    if isinstance(test, tuple | list) and len(test) == 2 and not isinstance(test[0], float):
        return test[0], test[1]
    if hasattr(test, "labels") or isinstance(test, str) or hasattr(test, "__fspath__"):
        return test, None
    raise ArgumentError(f"test: expected a pair (X_test, y_test), or a folder, got {type(test).__name__}.")


def _normalized(split: TrainTestSplit, kind: str) -> TrainTestSplit:
    """Divide the levels out of the frames that baselines read, as measured on the training part."""
    raw = Sequences.from_arrays(list(split.train.sequences))
    levels = BandLevels.fit(raw.values, raw.offsets, kind=kind)

    def normalized(data: EvaluationData) -> EvaluationData:
        sequences: Sequence[Floats] = [levels.normalize(frames) for frames in data.sequences]
        return EvaluationData(data.X, sequences, data.y, data.groups, data.header)

    return TrainTestSplit(normalized(split.train), normalized(split.test))


def _speakers_across(train: NDArray[Any] | None, test: NDArray[Any] | None) -> list[str]:
    """Return a sentence where speakers of the test set are in X as well, or may be; else none."""
    if train is None or test is None:
        return [_UNKNOWN_TEST_SPEAKERS]
    both = sorted({str(name) for name in train} & {str(name) for name in test})
    if not both:
        return []
    count = len({str(name) for name in test})
    what = f"{len(both)} of {count} speakers of the test set are in X as well"
    return [f"{what}: the scores are partly those of voices that the model has heard."]
