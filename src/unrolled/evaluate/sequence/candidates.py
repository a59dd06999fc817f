"""Candidates of a comparison: the model and its baselines, each fitted and timed on the same splits."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from unrolled.data.axes import InputWarning
from unrolled.errors import MissingDependencyError
from unrolled.evaluate.sequence.bag_of_steps import BagOfSteps
from unrolled.evaluate.sequence.baselines import (
    LastStepRegression,
    MajorityClass,
    MeanTarget,
    MiniRocket,
    NearestDTW,
    NearestEuclidean,
    has_aeon,
)
from unrolled.evaluate.sequence.changed_frames import CHANGES, ChangedFrames
from unrolled.evaluate.sequence.scores import class_probabilities
from unrolled.evaluate.sequence.split import Task, TrainTestSplit
from unrolled.models.audio.classifier import AudioClassifier
from unrolled.models.protocols import end_if_interrupted
from unrolled.models.sequence.base import SequenceEstimator
from unrolled.models.sequence.classifier import SequenceClassifier
from unrolled.models.sequence.regressor import SequenceRegressor
from unrolled.models.text.base import TextEstimator

Array = NDArray[Any]

_SHARED_BASELINES = ("1-NN Euclidean", "1-NN DTW", "MiniRocket", "reservoir", "bag of steps", "feedforward")
SEQUENCE_BASELINES = {
    "labels": ("majority class", *_SHARED_BASELINES),
    "numbers": ("mean of y", "last step", *_SHARED_BASELINES),
}
NOTES = {
    "majority class": "always the most frequent class",
    "mean of y": "always the mean",
    "last step": "a straight line from the last step",
    "1-NN Euclidean": "y of the nearest training sequence",
    "1-NN DTW": "y of the nearest after dynamic time warping",
    "MiniRocket": "fixed convolutions and a ridge",
    "reservoir": "random recurrent weights and a ridge",
    "bag of steps": "the same estimator, the order of steps destroyed",
    "feedforward": "the same estimator, all steps as one flat vector",
    "middle frame": "the same estimator on the frame in the middle alone",
    "mean frame": "the same estimator on the mean of all frames",
    "shuffled frames": "the same estimator, the order of frames destroyed",
    "TF-IDF words": "logistic regression on words and pairs of words",
    "TF-IDF words and characters": "the same with n-grams of 2 to 5 characters",
    "most frequent tag": "the most frequent tag of each word",
    "logistic regression": "on the word, its affixes and two words to either side",
}
_AEON_BASELINES = ("1-NN DTW", "MiniRocket")
_MAX_DTW_PAIRS = 2e10  # pairs of steps: about two minutes
_MAX_MINIROCKET_SEQUENCES = 5000  # in training: beyond, its ridge takes minutes and gigabytes


class Candidate(NamedTuple):
    """Model or rule to compare.

    Args:
        name: its row in the table.
        make: returns it, not fitted.
        reads_x: it takes X as given; else plain arrays (T_i, F).
    """

    name: str
    make: Callable[[], Any]
    reads_x: bool = True


class CandidatePredictions(NamedTuple):
    """Predictions of one candidate, split after split, and its mean seconds over the splits.

    Its probabilities (N, C) have no columns where none were asked for.
    """

    name: str
    predictions: Array
    fit_seconds: float
    predict_seconds: float
    probabilities: Array

    def flat(self) -> CandidatePredictions:
        """Join predictions that are an array a sequence."""
        predictions = np.concatenate(list(self.predictions))
        return self._replace(predictions=predictions, probabilities=np.empty((len(predictions), 0)))

    def in_order(self, order: Array) -> CandidatePredictions:
        """Return the predictions in another order."""
        return self._replace(predictions=self.predictions[order], probabilities=self.probabilities[order])


def fit_and_predict(
    candidate: Candidate, splits: Sequence[TrainTestSplit], classes: Array | None = None
) -> CandidatePredictions:
    """Fit a candidate on each split anew, and predict its test data; probabilities where there are classes.

    Raises:
        KeyboardInterrupt: a training was interrupted: half of one must not be scored as a whole one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)  # `compare` has warned
        return _fit_and_predict(candidate, splits, classes)


def _fit_and_predict(
    candidate: Candidate, splits: Sequence[TrainTestSplit], classes: Array | None
) -> CandidatePredictions:
    predictions, probabilities, seconds = [], [], np.zeros(2)
    for train, test in splits:
        model = candidate.make()
        groups = {"groups": train.groups} if train.groups is not None and _takes_groups(model) else {}
        start_s = time.perf_counter()
        model.fit(train.X if candidate.reads_x else train.sequences, train.y, **groups)
        end_if_interrupted(model)
        fitted_s = time.perf_counter()
        X = test.X if candidate.reads_x else test.sequences
        predictions.append(np.asarray(model.predict(X)))
        seconds += fitted_s - start_s, time.perf_counter() - fitted_s
        probabilities.append(
            np.empty((len(test), 0))
            if classes is None
            else class_probabilities(model, X, predictions[-1], classes)
        )
    fit_seconds, predict_seconds = (seconds / len(splits)).tolist()
    return CandidatePredictions(
        candidate.name,
        np.concatenate(predictions),
        fit_seconds,
        predict_seconds,
        np.concatenate(probabilities),
    )


def _takes_groups(model: Any) -> bool:
    model = model.model if isinstance(model, BagOfSteps | ChangedFrames) else model
    return isinstance(model, SequenceEstimator | TextEstimator | AudioClassifier)


def model_candidate(model: Any) -> Candidate:
    """Make a candidate of the model, fitted or not: copies of it under the name of its cell or class."""
    return Candidate(_model_name(model), lambda: clone(model))


def _model_name(model: Any) -> str:
    if isinstance(model, SequenceEstimator):
        return "reservoir" if model.solver == "reservoir" else model.cell
    if isinstance(model, TextEstimator):
        return model.cell_name
    if isinstance(model, AudioClassifier):
        return str(model.cell)
    return type(model[-1] if hasattr(model, "named_steps") else model).__name__


def baseline_candidates(model: Any, task: Task, names: Sequence[str]) -> list[Candidate]:
    """Make the baselines of these names; the model is no baseline of itself."""
    is_ours = isinstance(model, SequenceEstimator)
    default = SequenceClassifier if task == "labels" else SequenceRegressor
    network = clone(model) if is_ours else default()
    flat = {"cell": "feedforward", "solver": "gradient"}
    flat |= SequenceEstimator.defaults_beside("cell", "feedforward")
    # many random units cost little: with the network's few, a reservoir would be an easy baseline
    reservoir = {"solver": "reservoir", "hidden_size": None, "pooling": None, "n_members": 1}
    reservoir |= SequenceEstimator.defaults_beside("solver", "reservoir")
    if network.cell == "feedforward":
        reservoir["cell"] = "gru"
    if network.missing == "decay":  # whose rates a reservoir does not learn
        reservoir["missing"] = "forward+mask"

    # steps with gaps cannot be sorted
    reads_x = getattr(model, "missing", None) is None

    def changed(**settings: Any) -> Callable[[], Any]:
        return lambda: clone(network).set_params(**settings)

    baselines = {
        "majority class": Candidate("majority class", MajorityClass, reads_x=False),
        "mean of y": Candidate("mean of y", MeanTarget, reads_x=False),
        "last step": Candidate("last step", LastStepRegression, reads_x=False),
        "1-NN Euclidean": Candidate("1-NN Euclidean", NearestEuclidean, reads_x=False),
        "1-NN DTW": Candidate("1-NN DTW", NearestDTW, reads_x=False),
        "MiniRocket": Candidate("MiniRocket", lambda: MiniRocket(labels=task == "labels"), reads_x=False),
        "bag of steps": Candidate("bag of steps", lambda: BagOfSteps(clone(model)), reads_x=reads_x),
        "reservoir": Candidate("reservoir", changed(**reservoir), reads_x=is_ours),
        "feedforward": Candidate("feedforward", changed(**flat), reads_x=is_ours),
        **{name: Candidate(name, partial(_changed_frames, model, name)) for name in CHANGES},
    }
    itself = _model_name(model) if is_ours else None
    return [baselines[name] for name in names if name != itself]


def _changed_frames(model: Any, name: str) -> ChangedFrames:
    return ChangedFrames(clone(model), CHANGES[name])


def excluded_baselines(
    splits: Sequence[TrainTestSplit], names: Sequence[str], *, is_explicit: bool
) -> dict[str, str]:
    """Return baselines that are left out, with a reason each.

    Args:
        splits: the data that all would be fitted on.
        names: of the baselines.
        is_explicit: the caller named them: then none is left out for taking long.

    Raises:
        MissingDependencyError: one that the caller named needs aeon, and it is not installed.
    """
    reasons: dict[str, str] = {}
    lengths = {len(x) for split in splits for data in split for x in data.sequences}
    if len(lengths) > 1:
        reasons["feedforward"] = "sequences differ in length"
    if not has_aeon():
        if is_explicit and (missing := [name for name in _AEON_BASELINES if name in names]):
            raise MissingDependencyError(
                f'baselines: {missing[0]} needs aeon, which is not installed: pip install "unrolled[aeon]"'
            )
        reasons |= dict.fromkeys(_AEON_BASELINES, 'aeon is not installed (pip install "unrolled[aeon]")')
    elif not is_explicit:
        pairs = sum(sum(map(len, train.sequences)) * sum(map(len, test.sequences)) for train, test in splits)
        if pairs > _MAX_DTW_PAIRS:
            reasons["1-NN DTW"] = (
                f"it would compare {pairs:.0e} pairs of steps; name it in baselines to have it"
            )
        if max(len(split.train) for split in splits) > _MAX_MINIROCKET_SEQUENCES:
            reasons["MiniRocket"] = (
                f"its ridge on more than {_MAX_MINIROCKET_SEQUENCES:,} sequences is slow; name it to have it"
            )
    return {name: reason for name, reason in reasons.items() if name in names}


def warm_up(candidates: Sequence[Candidate], split: TrainTestSplit) -> None:
    """Load and compile everything before the clock starts.

    Torch's optimizers take seconds, once a process; aeon half a minute, once after it was installed.
    """
    if any(isinstance(candidate.make(), SequenceEstimator) for candidate in candidates):
        _load_torch()
    few = split.train.subset(np.arange(min(4, len(split.train))))
    few = replace(few, y=np.arange(len(few)))  # not all of one class
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # compilers warn
        for candidate in candidates:
            if candidate.name in _AEON_BASELINES:
                fit_and_predict(candidate, [TrainTestSplit(few, few)])


@cache
def _load_torch() -> None:
    SequenceClassifier(hidden_size=1, max_epochs=1).fit([[0.0, 1.0], [1.0, 0.0]], [0, 1])
