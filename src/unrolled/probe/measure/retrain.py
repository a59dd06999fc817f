"""Fresh copies of a model, trained on other versions of its data and held against each other.

Two ways of training are compared by cross-validation: fold for fold, each trains on the rest and is judged
on the fold. The folds' differences depend on each other, since every sequence helps to train all models but
one; a plain t-test would call twice too many of them real. So the variance of their mean is taken as

    (1 / K + m / n) s²    K folds of m sequences, n trained on, s² the variance of the folds' differences

and compared with Student's t, K - 1. Of labels, what is compared is the log loss of 0.9 p + 0.1 / C, C
classes: a model trained on little is sure of some mistakes, and one of them must not drown the rest.

Source: Nadeau and Bengio 2003, "Inference for the Generalization Error", section 3.

Shapes: N sequences, K folds, K classes where answers are meant.
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
from unrolled.models.protocols import SupportsForecastWindows
from unrolled.probe.model.adapter import ProbedModel, SequenceScores, as_probed_model
from unrolled.stats.dependence import fold_inflation
from unrolled.stats.paired import corrected_t_p
from unrolled.train.config import TrainingConfig
from unrolled.train.loop import seeded
from unrolled.train.trainer import fit_ensemble

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FitAndScore = Callable[[Ints, Ints, int], tuple[SequenceScores, float]]

MIN_FOLD_SIZE = 4  # sequences; a fold of fewer says nothing
_STEPS = 400  # of a module's training, at least
_BATCH = 32
_QUICK = 500  # sequences; of more, each training takes a while, and a fold of a fifth tells enough


@dataclass(frozen=True, eq=False)
class PairedScores:
    """Two ways of training, judged on the same held-out sequences.

    Args:
        losses: (2, n) of each held-out sequence.
        accuracies: (2, n) share of right labels; NaN for numbers.
        seconds: mean time of one training of each.
        p_value: how often the first would look this much better if the two were as good; 0.5 where they are
            equal in every fold.
    """

    losses: Floats
    accuracies: Floats
    seconds: tuple[float, float]
    p_value: float


class RowIndices:
    """Positions as examples: the batch of rows is the rows."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def batch(self, rows: Tensor) -> Tensor:
        """The rows."""
        return rows


def default_folds(count: int) -> int:
    """Ten, since their number is what the p-value goes by; five where ten would be too small or too slow.

    >>> default_folds(39), default_folds(40), default_folds(501)
    (5, 10, 5)
    """
    return 10 if 10 * MIN_FOLD_SIZE <= count <= _QUICK else 5


def retrain(model: Any, arrays: list[Floats], y: Any, *, seed: int) -> Any:
    """A model with the settings of this one, trained anew on these sequences.

    An estimator is trained as its settings say, once and not as an ensemble. A module gets new weights from
    the `reset_parameters` of its parts and 400 steps or more of AdamW.

    Raises:
        ArgumentError: a module has weights that nothing resets, or the model is a Forecaster.
    """
    require_trainable(model)
    if not isinstance(model, nn.Module):
        settings = model.get_params() | {"n_members": 1, "random_state": seed, "verbose": False}
        return type(model)(**settings).fit(arrays, y)
    with seeded(seed):
        module = reset_weights(copy.deepcopy(model))
    train_module(module, as_probed_model(module, arrays, y), seed=seed)
    return module


def require_trainable(model: Any) -> None:
    """Pass if a model is trained on whole sequences, and so can be trained anew on some of them.

    Raises:
        ArgumentError: it is a Forecaster.
    """
    if isinstance(model, SupportsForecastWindows):
        raise ArgumentError(
            "model: expected one that is trained on whole sequences, got a Forecaster, which is trained on "
            "series. Ask order with retrain=False; backtest holds it against a feed-forward network."
        )


def reset_weights(module: nn.Module) -> nn.Module:
    """The module with new weights.

    Raises:
        ArgumentError: it has weights that no `reset_parameters` sets: they would still know what they
            learned.
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
    """Train a module in place on the sequences of its subject."""
    batch = min(_BATCH, len(probed))
    epochs = max(math.ceil(_STEPS / math.ceil(len(probed) / batch)), 3)
    config = TrainingConfig.of_epochs(epochs, len(probed), batch, learning_rate=5e-3, seed=seed)

    def loss(network: nn.Module, rows: Tensor) -> Tensor:
        raw = probed.call(network, probed.values_at(rows), probed.lengths[rows], rows)
        return probed.losses(probed.log_probabilities(raw), rows).mean()

    ensemble = fit_ensemble(lambda: module, loss, RowIndices(len(probed)), None, config)
    if ensemble.is_interrupted:
        raise KeyboardInterrupt  # half a training would be scored as a whole one


def cross_validate_pair(
    probed: ProbedModel, folds: int, seed: int, trainers: tuple[FitAndScore, FitAndScore]
) -> PairedScores:
    """Two ways of training by cross-validation.

    Args:
        probed: whose sequences are dealt out.
        folds: K.
        seed: of the folds and the trainings.
        trainers: `trainer(trained, judged, seed)` trains on some positions and returns what `Subject.judge`
            says of the others, and the seconds that training took.
    """
    fold_of_row = seeded_folds(fold_strata(probed), folds, seed)
    scores: list[list[SequenceScores]] = [[], []]
    seconds = np.zeros(2)
    for fold in range(folds):
        test, train = np.flatnonzero(fold_of_row == fold), np.flatnonzero(fold_of_row != fold)
        for k, trainer in enumerate(trainers):
            fold_scores, fit_seconds = trainer(train, test, seed + fold)
            scores[k].append(fold_scores)
            seconds[k] += fit_seconds / folds
    classes = None if probed.classes is None else len(probed.classes)
    means = np.array([[_bounded(part.losses, classes).mean() for part in k] for k in scores])
    sizes = np.array([len(part.losses) for part in scores[0]], dtype=np.float64)
    return PairedScores(
        losses=np.array([np.concatenate([part.losses for part in k]) for k in scores]),
        accuracies=np.array([np.concatenate([part.accuracies for part in k]) for k in scores]),
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
    """Log losses with a tenth of chance mixed into the probabilities; squared errors as they are."""
    return losses if classes is None else -np.log(0.9 * np.exp(-losses) + 0.1 / classes)


def make_fit_and_score(model: Any, version: Callable[[int], tuple[list[Floats], Any]]) -> FitAndScore:
    """A trainer for `contest`: fresh copies of the model, on sequences and y as `version(seed)` has them."""

    def trainer(train: Ints, test: Ints, seed: int) -> tuple[SequenceScores, float]:
        arrays, y = version(seed)
        start_s = time.perf_counter()
        fitted = retrain(model, [arrays[row] for row in train], select_rows(y, train), seed=seed)
        seconds = time.perf_counter() - start_s
        return as_probed_model(fitted, [arrays[row] for row in test], select_rows(y, test)).score(), seconds

    return trainer


def fold_strata(probed: ProbedModel) -> Ints:
    """(N,) the class of each sequence; all the same for numbers and where each step has one."""
    if probed.task == "number" or probed.per_step or probed.targets is None:
        return np.zeros(len(probed), dtype=np.int64)
    return np.asarray(probed.targets.cpu().numpy(), dtype=np.int64)


def unpadded(values: Tensor, lengths: Tensor) -> list[Floats]:
    """Sequences (T_i, F) out of a padded batch (N, T, F)."""
    rows = values.double().cpu().numpy()
    return [row[:length] for row, length in zip(rows, lengths.tolist(), strict=True)]


def select_rows(y: Any, rows: Ints) -> Any:
    """Some of the labels, whether y is an array, a list or a tensor."""
    if isinstance(y, Tensor):
        return y[torch.from_numpy(rows)]
    if isinstance(y, list | tuple):
        return [y[row] for row in rows]
    return np.asarray(y)[rows]
