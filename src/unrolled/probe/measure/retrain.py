"""Retrain copies of a model on versions of its data, and compare two versions by cross-validation.

In each fold both versions train on the rest and are scored on the fold. The folds' differences depend on each
other, because every sequence helps to train all models but one: a plain t-test rejects far too often. So the
variance of their mean is taken as

    (1 / K + m / n) s²    K folds of m sequences, n trained on, s² the variance of the folds' differences

and compared with Student's t, K - 1. For labels the log loss of 0.9 p + 0.1 / C is compared, C classes: a
model trained on little data is sure of some mistakes, and a single one must not outweigh the rest.

Source: Nadeau and Bengio 2003, "Inference for the Generalization Error", section 3.

Shapes: N sequences, n of them held out, K folds.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unrolled.data.splits import seeded_folds
from unrolled.errors import ArgumentError
from unrolled.models.protocols import SupportsForecastWindows, SupportsFrameTimes, SupportsTokenTargets
from unrolled.probe.model.adapter import as_probed_model
from unrolled.probe.model.probed_model import ProbedModel, SequenceScores
from unrolled.probe.model.texts import TextCall
from unrolled.stats.dependence import fold_inflation
from unrolled.stats.paired import corrected_t_p
from unrolled.train.config import TrainingConfig, steps_per_epoch
from unrolled.train.ensemble import fit_ensemble
from unrolled.train.loop import seeded
from unrolled.train.progress import ProgressLine

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FitAndScore = Callable[[Ints, Ints, int], tuple[SequenceScores, float]]

MIN_FOLD_SIZE = 4  # sequences; the mean loss of fewer says nothing
_STEPS = 400  # of a module's training, at least
_BATCH = 32
_MOST_FOR_TEN_FOLDS = 500  # sequences; with more, trainings are slow and five folds are large enough


@dataclass(frozen=True, eq=False)
class PairedScores:
    """Scores of two versions on the same held-out sequences.

    Args:
        losses: (2, n) loss of each held-out sequence.
        accuracies: (2, n) share of right labels; NaN for numbers.
        seconds: mean time of one training of each.
        p_value: probability that the first looks at least this much better if the two are as good; 0.5 where
            they are equal in every fold.
        tested: mean loss of each version as the test compares it: bounded for labels, a mean over the folds.
    """

    losses: Floats
    accuracies: Floats
    seconds: tuple[float, float]
    p_value: float
    tested: tuple[float, float]


class RowIndices:
    """Dataset of row positions, for losses that look the rows up themselves."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def batch(self, rows: Tensor) -> Tensor:
        """Return the rows."""
        return rows


def default_folds(count: int) -> int:
    """Choose ten folds, on whose number the p-value depends, or five where ten are too small or too slow.

    >>> default_folds(39), default_folds(40), default_folds(501)
    (5, 10, 5)
    """
    return 10 if 10 * MIN_FOLD_SIZE <= count <= _MOST_FOR_TEN_FOLDS else 5


def retrain(model: Any, arrays: list[Floats], y: Any, *, seed: int) -> Any:
    """Train a copy of a model from new weights on these sequences.

    An estimator is trained with its parameters, as a single network. A module gets new weights from the
    `reset_parameters` of its parts, and 400 steps or more of AdamW.

    Raises:
        ArgumentError: a module has weights that nothing resets, or the model is a Forecaster.
    """
    require_trainable(model)
    if not isinstance(model, nn.Module):
        settings = model.get_params() | {"n_members": 1, "random_state": seed, "verbose": False}
        if "missing" in settings:  # the arrays are inputs of its networks, without gaps
            settings["missing"] = None
        return type(model)(**settings).fit(arrays, y)
    with seeded(seed):
        module = reset_weights(copy.deepcopy(model))
    train_module(module, as_probed_model(module, arrays, y), seed=seed)
    return module


def require_trainable(model: Any) -> None:
    """Pass if a model is trained on whole sequences, so that it can be retrained on some of them.

    Raises:
        ArgumentError: the model is a Forecaster, a LanguageModel or an estimator of recordings.
    """
    if isinstance(model, SupportsFrameTimes):
        raise ArgumentError(
            f"model: expected one that is trained on the steps themselves, got {type(model).__name__}, "
            "which is trained on recordings. Run ur.probe.order(..., retrain=False)."
        )
    if isinstance(model, SupportsTokenTargets):
        raise ArgumentError(
            "model: expected one that is trained on sequences with labels, got a LanguageModel, which is "
            "trained on text alone. Run ur.probe.order(..., retrain=False), or ur.compare beside n-grams."
        )
    if isinstance(model, SupportsForecastWindows):
        raise ArgumentError(
            "model: expected one that is trained on whole sequences, got a Forecaster, which is trained on "
            "series. Run ur.probe.order(..., retrain=False), or ur.backtest beside a feed-forward network."
        )


def reset_weights(module: nn.Module) -> nn.Module:
    """Reset the weights of a module in place, and return it.

    Raises:
        ArgumentError: it has weights that no `reset_parameters` sets, which would keep what they learned.
    """
    for part in module.modules():
        resets = getattr(part, "reset_parameters", None)
        if callable(resets):
            resets()
        elif names := [name for name, _ in part.named_parameters(recurse=False)]:
            raise ArgumentError(
                f"model: expected every part with weights to have reset_parameters(), "
                f"{type(part).__name__} with {names[0]!r} has none. Pass retrain=False."
            )
    return module


def train_module(module: nn.Module, probed: ProbedModel, *, seed: int) -> None:
    """Train a module in place on the sequences that it is paired with."""
    batch = min(_BATCH, len(probed))
    epochs = max(math.ceil(_STEPS / steps_per_epoch(len(probed), batch)), 3)
    config = TrainingConfig.of_epochs(epochs, len(probed), batch, learning_rate=5e-3, seed=seed)

    ensemble = fit_ensemble(lambda: module, probed.training_loss, RowIndices(len(probed)), None, config)
    if ensemble.is_interrupted:
        raise KeyboardInterrupt  # half a training would be scored as a whole one


def cross_validate_pair(
    probed: ProbedModel, folds: int, seed: int, trainers: tuple[FitAndScore, FitAndScore]
) -> PairedScores:
    """Cross-validate two versions of a training on the same folds.

    Args:
        probed: model whose sequences are split.
        folds: K.
        seed: seed of the folds and the trainings.
        trainers: two functions `(train, test, seed)` that train on some positions, and return the
            `ProbedModel.score` of the others and the seconds of the training.
    """
    fold_of_row = seeded_folds(fold_strata(probed), folds, seed)
    scores: list[list[SequenceScores]] = [[], []]
    seconds = np.zeros(2)
    with ProgressLine("retraining", 2 * folds, shown=None, unit="trainings") as line:
        for fold in range(folds):
            test, train = np.flatnonzero(fold_of_row == fold), np.flatnonzero(fold_of_row != fold)
            for k, trainer in enumerate(trainers):
                fold_scores, fit_seconds = trainer(train, test, seed + fold)
                scores[k].append(fold_scores)
                seconds[k] += fit_seconds / folds
                line.advance(2 * fold + k + 1)
    classes = None if probed.classes is None else len(probed.classes)
    means = np.array([[_bounded(part.losses, classes).mean() for part in version] for version in scores])
    sizes = np.array([len(part.losses) for part in scores[0]], dtype=np.float64)
    return PairedScores(
        losses=np.array([np.concatenate([part.losses for part in version]) for version in scores]),
        tested=(float(means[0].mean()), float(means[1].mean())),
        accuracies=np.array([np.concatenate([part.accuracies for part in version]) for version in scores]),
        seconds=(float(seconds[0]), float(seconds[1])),
        p_value=_fold_p(
            means[1] - means[0], fold_inflation(folds, sizes.mean(), (len(fold_of_row) - sizes).mean())
        ),
    )


def _fold_p(differences: Floats, inflation: float) -> float:
    """Return the p-value of the folds' mean difference; 0.5 where they are equal in every fold."""
    if not differences.any():
        return 0.5
    return corrected_t_p(differences, inflation, correct_skewness=False)


def _bounded(losses: Floats, classes: int | None) -> Floats:
    """Bound log losses by mixing a tenth of chance into the probabilities; keep squared errors."""
    return losses if classes is None else -np.log(0.9 * np.exp(-losses) + 0.1 / classes)


def make_fit_and_score(model: Any, version: Callable[[int], tuple[list[Floats], Any]]) -> FitAndScore:
    """Make a trainer for `cross_validate_pair` that retrains a model on a version of its data.

    Args:
        model: estimator or module.
        version: `version(seed)` returns sequences and y.
    """

    def fit_and_score(train: Ints, test: Ints, seed: int) -> tuple[SequenceScores, float]:
        arrays, y = version(seed)
        start_s = time.perf_counter()
        fitted = retrain(model, [arrays[row] for row in train], select_rows(y, train), seed=seed)
        seconds = time.perf_counter() - start_s
        return as_probed_model(fitted, [arrays[row] for row in test], select_rows(y, test)).score(), seconds

    return fit_and_score


def fold_strata(probed: ProbedModel) -> Ints:
    """Class (N,) of each sequence; a single stratum for numbers and for targets of steps."""
    if probed.task == "number" or probed.per_step or probed.targets is None:
        return np.zeros(len(probed), dtype=np.int64)
    return np.asarray(probed.targets.cpu().numpy(), dtype=np.int64)


def training_sequences(probed: ProbedModel) -> list[NDArray[Any]]:
    """Return the sequences that a copy of a probed model is trained on: of numbers, frames, or words."""
    if isinstance(probed.call, TextCall):
        return list(probed.call.words)
    arrays = unpadded(probed.model_values, probed.lengths)
    return [each.reshape(-1, *probed.frame_shape) for each in arrays] if probed.frame_shape else list(arrays)


def unpadded(values: Tensor, lengths: Tensor) -> list[Floats]:
    """Take sequences (T_i, F) out of a padded batch (N, T, F)."""
    rows = values.double().cpu().numpy()
    return [row[:length] for row, length in zip(rows, lengths.tolist(), strict=True)]


def select_rows(y: Any, rows: Ints) -> Any:
    """Select rows of y, whether it is an array, a list or a tensor."""
    if isinstance(y, Tensor):
        return y[torch.from_numpy(rows)]
    if isinstance(y, list | tuple):
        return [y[row] for row in rows]
    return np.asarray(y)[rows]
