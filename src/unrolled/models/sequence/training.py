"""How the estimators of whole sequences are trained: what is held out, the batches, how many epochs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unrolled.data.splits import MIN_VALIDATION_SAMPLES, holdout_fraction, holdout_mask
from unrolled.models.sequence.dataset import SequenceBatch, SequenceDataset
from unrolled.models.sequence.network import SequenceNetwork, SequenceNetworkConfig
from unrolled.models.sequence.reservoir import initialize_from_data, solve_readout
from unrolled.train.config import Monitor, TrainingConfig, TrainingHooks
from unrolled.train.history import History
from unrolled.train.loop import member_seed, seeded
from unrolled.train.trainer import fit_ensemble, report_interruption

Ints = NDArray[np.int64]
Loss = Callable[[nn.Module, SequenceBatch], Tensor]

_BATCH = 64
_WEIGHT_DECAY = 0.01
_PASSES = 50  # by default, but at least 400 steps in all and at most 8,000
_LEAST_STEPS, _MOST_STEPS = 400, 8000
_PATIENCE = 0.3  # of all epochs: the rate has to fall before the loss tells


@dataclass(frozen=True)
class SequenceSettings:
    """What a training needs to know beside its data; the arguments of the estimators say what each is."""

    solver: str
    max_epochs: int | None
    batch_size: int | None
    learning_rate: float
    validation_fraction: float | None
    n_members: int
    seed: int
    device: str
    checkpoint: Path | None
    verbose: bool


@dataclass(frozen=True)
class SequencesTrained:
    """What a training leaves: the networks, the history of the last, how its epochs were chosen."""

    networks: tuple[SequenceNetwork, ...]
    history: History
    stopping: str


def fit_networks(
    examples: SequenceDataset,
    loss: Loss,
    *,
    sizes: SequenceNetworkConfig,
    settings: SequenceSettings,
    held: NDArray[np.bool_],
    groups: Ints | None,
    class_weights: Tensor | None,
) -> SequencesTrained:
    """Train one network a seed, each for as long as it gets better on the sequences that are held out.

    Where none are, all train for a fixed number of epochs. Ctrl-C leaves the members before the one that it
    cut short; in the first, the best weights so far.

    Args:
        examples: all sequences.
        loss: a mean over a batch.
        sizes: of the networks.
        settings: of the training.
        held: (N,) the sequences that judge, as `judges` draws them.
        groups: (N,) sequences of one group are left out together by a reservoir.
        class_weights: (K,) of the classes; None where the targets are numbers.
    """
    if settings.solver == "reservoir":
        return _solved(examples, sizes, settings, class_weights, groups)
    training = examples.subset(torch.from_numpy(np.flatnonzero(~held)))
    validation = examples.subset(torch.from_numpy(np.flatnonzero(held))) if held.any() else None
    config = _training_config(len(training), settings)
    if settings.checkpoint is not None:
        weights = None if class_weights is None else class_weights.tolist()
        config = replace(config, identity=training.fingerprint(repr((sizes, weights))))
    ensemble = fit_ensemble(
        lambda: SequenceNetwork(sizes).to(settings.device),
        loss,
        training,
        validation,
        config,
        n_members=settings.n_members,
        hooks=TrainingHooks(initialize=lambda network: initialize_from_data(network, training)),
        monitor=Monitor(settings.checkpoint, settings.verbose),
    )
    report_interruption(ensemble)
    stopping = _stopping(ensemble.history, len(examples), int(held.sum()), settings)
    return SequencesTrained(ensemble.networks, ensemble.history, stopping)


def _solved(
    examples: SequenceDataset,
    sizes: SequenceNetworkConfig,
    settings: SequenceSettings,
    class_weights: Tensor | None,
    groups: Ints | None,
) -> SequencesTrained:
    """One reservoir a seed."""
    units = None if groups is None else torch.from_numpy(groups)
    networks = []
    for member in range(settings.n_members):
        with seeded(member_seed(settings.seed, member)):
            network = SequenceNetwork(sizes).to(settings.device)
            initialize_from_data(network, examples)
            history = solve_readout(network, examples, class_weights, units)
        networks.append(network)
    stopping = "No epochs: the readout was solved in closed form, its penalty chosen by leave-one-out errors."
    return SequencesTrained(tuple(networks), history, stopping)


def judges(
    settings: SequenceSettings, count: int, *, strata: Ints | None, groups: Ints | None
) -> NDArray[np.bool_]:
    """(N,) true for the sequences that a training does not see; no scale of X may come from them.

    Args:
        settings: of the training; a reservoir has no use for judges.
        count: N.
        strata: (N,) the class of each sequence, whose shares the held-out part keeps.
        groups: (N,) sequences of one group are held out together.
    """
    if settings.solver == "reservoir":
        return np.zeros(count, dtype=bool)
    fraction = holdout_fraction(settings.validation_fraction, count)
    return holdout_mask(count, fraction, settings.seed, strata=strata, groups=groups)


@torch.inference_mode()
def ensemble_outputs(
    networks: tuple[SequenceNetwork, ...], examples: SequenceDataset, chosen: Tensor
) -> Tensor:
    """(M, B, K) or (M, B, T, K): what each of the M networks answers to these sequences, on the CPU."""
    values, lengths, _ = examples.batch(chosen)
    return torch.stack([network(values, lengths).cpu() for network in networks])


def _training_config(count: int, settings: SequenceSettings) -> TrainingConfig:
    """An epoch is one pass over `count` sequences; where nobody says how many, as many as learn enough."""
    by_rule = min(_BATCH, max(8, count // 4))
    batch = min(by_rule if settings.batch_size is None else settings.batch_size, count)
    steps = math.ceil(count / batch)
    by_budget = math.ceil(float(np.clip(_PASSES * steps, _LEAST_STEPS, _MOST_STEPS)) / steps)
    epochs = by_budget if settings.max_epochs is None else settings.max_epochs
    return TrainingConfig.of_epochs(
        epochs,
        count,
        batch,
        learning_rate=settings.learning_rate,
        weight_decay=_WEIGHT_DECAY,
        patience=max(3, round(_PATIENCE * epochs)),
        seed=settings.seed,
    )


def _stopping(history: History, count: int, judged_on: int, settings: SequenceSettings) -> str:
    """How the number of epochs came about, in a sentence."""
    ran = history.count
    if history.stopped == "interrupted":
        return f"Interrupted by Ctrl-C after {ran} epochs."
    if judged_on:
        way = "none of the next was better" if history.stopped == "early" else "all of them ran"
        return f"Epoch {history.best_count} of {ran} was the best on {judged_on} held-out sequences; {way}."
    why = f"{count:,} sequences are too few to hold some out"
    if settings.validation_fraction == 0:
        why = "Nothing was to be held out"
    elif round(holdout_fraction(settings.validation_fraction, count) * count) >= MIN_VALIDATION_SAMPLES:
        why = "Too few could be held out without the last of a class, or a part of a group"
    return f"{why}: all of them trained for a fixed number of {ran} epochs."
