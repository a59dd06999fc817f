"""Compare a classifier of recordings with baselines, which read the same frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.audio.log_mel import LogMel
from unrolled.data.io.targets import as_groups, as_labels
from unrolled.data.sequences import Sequences
from unrolled.errors import ArgumentError
from unrolled.evaluate.arguments import ComparisonArguments
from unrolled.evaluate.sequence.compare import compare_prepared
from unrolled.evaluate.sequence.copies import partition_data
from unrolled.evaluate.sequence.prepared import prepare_candidates
from unrolled.evaluate.sequence.result import Comparison
from unrolled.evaluate.sequence.split import (
    EvaluationData,
    Partition,
    TrainTestSplit,
)
from unrolled.models.audio.classifier import AudioClassifier
from unrolled.models.audio.inputs import raw_frames, read_audio_inputs, require_targets
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


class _FramedRecordings(NamedTuple):
    """Recordings with raw frames as their sequences; the names of their groups, and what reading changed."""

    features: LogMel
    data: EvaluationData
    group_names: NDArray[Any] | None
    notes: tuple[str, ...]


def compare_recordings(model: Any, X: Any, y: Any, arguments: ComparisonArguments) -> Comparison:
    """Score a classifier of recordings beside baselines, which read the frames that it reads; see `compare`.

    Raises:
        ArgumentError: an argument is out of range, or there are arrays and no rate.
        DataError: X or y cannot be used as they are, or a fold would have nothing to learn a class from.
        MissingDependencyError: a baseline that was named needs aeon, or a file soundfile, which is not
            installed.
    """
    if arguments.lengths is not None:
        raise ArgumentError("lengths: recordings have their own and are not padded. Leave it out.")
    names = arguments.baseline_names(AUDIO_BASELINES)
    estimator = model[-1] if hasattr(model, "named_steps") else model
    estimator.check_parameters()
    partition, remarks = _split(estimator, X, y, arguments)
    splits = [_normalized(split, estimator.normalization) for split in partition.splits]
    prepared = prepare_candidates(
        model, "labels", partition._replace(splits=splits), remarks=remarks, names=names,
        is_explicit=arguments.is_explicit, unit="recordings",
    )  # fmt: skip
    return compare_prepared(prepared, arguments.level)


def _split(
    model: AudioClassifier, X: Any, y: Any, arguments: ComparisonArguments
) -> tuple[Partition, list[str]]:
    """Read recordings, and split them or read the test set; and say what there is to know of them."""
    train = _read(model, X, y, arguments.groups)
    if arguments.test is None:
        partition, remarks = partition_data(
            train.data, None, arguments.folds, "labels", without_groups=NO_SPEAKERS
        )
        return partition, [*train.notes, *remarks]
    tested = _read(model, *recordings_of_test(arguments.test), None, train.features)
    partition, remarks = partition_data(train.data, tested.data, None, "labels")
    return partition, [*train.notes, *remarks, *speakers_across(train.group_names, tested.group_names)]


def _read(
    model: AudioClassifier, X: Any, y: Any, groups: Any, features: LogMel | None = None
) -> _FramedRecordings:
    """Read recordings of the model's rate, and their raw frames, of a test set with the settings of X."""
    who = "compare" if features is None else "compare test"
    rate = model.rate if features is None else features.rate
    if rate is None and model.__sklearn_is_fitted__():
        rate = model.rate_
    inputs = read_audio_inputs(X, y, groups, who=f"{who} X", rate=rate, resample=bool(model.resample))
    if features is None:
        features = LogMel(inputs.recordings.rate, int(model.n_bands))
    raw = raw_frames(inputs.recordings, features, f"{who} X")
    labels = as_labels(require_targets(inputs.y, f"{who} y"), len(raw), who=f"{who} y")
    group_ids = None if inputs.groups is None else as_groups(inputs.groups, len(raw))
    names = None if inputs.groups is None else np.asarray(inputs.groups)
    sequences = np.split(raw.values, raw.offsets[1:-1])
    data = EvaluationData(list(inputs.recordings), sequences, labels, group_ids)
    return _FramedRecordings(features, data, names, inputs.recordings.notes)


def recordings_of_test(test: Any) -> tuple[Any, Any]:
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


def speakers_across(train: NDArray[Any] | None, test: NDArray[Any] | None) -> list[str]:
    """Return a sentence where speakers of the test set are in X as well, or may be; else none."""
    if train is None or test is None:
        return [_UNKNOWN_TEST_SPEAKERS]
    both = sorted({str(name) for name in train} & {str(name) for name in test})
    if not both:
        return []
    count = len({str(name) for name in test})
    what = f"{len(both)} of {count} speakers of the test set are in X as well"
    return [f"{what}: the scores are partly those of voices that the model has heard."]
