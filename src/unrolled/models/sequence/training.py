"""Train the networks of the sequence estimators: by gradients, with early stopping, or in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.splits import MIN_VALIDATION_SAMPLES, holdout_fraction
from unrolled.models.fitting import identified, split_dataset
from unrolled.models.sequence.dataset import SequenceDataset
from unrolled.models.sequence.network import (
    Criterion,
    SequenceNetwork,
    SequenceNetworkConfig,
)
from unrolled.models.sequence.reservoir import solve_readout
from unrolled.nn.modules.pooling import sequence_mask
from unrolled.train.config import Monitor, TrainingConfig, TrainingHooks, steps_per_epoch
from unrolled.train.ensemble import Ensemble, fit_ensemble
from unrolled.train.history import History
from unrolled.train.loop import member_seed, seeded
from unrolled.train.threads import shared_processors

Ints = NDArray[np.int64]

_BATCH_SIZE = 64
_WEIGHT_DECAY = 0.01
_EPOCHS, _MAX_STEPS = 50, 8000  # by default, the steps in all
_SCALE_STEPS = 1 << 16  # that scales are set by
_MIN_SCALE_SEQUENCES = 32  # however long: one feature of one sequence has no spread
_DIRECT_SHARE = 0.02  # variance of direct inputs over that of the states, for classes of whole sequences
_SCALE_FRAMES = 1 << 11  # that scales are set by
_PATIENCE = 0.3  # of all epochs: the learning rate has to fall before the loss tells


@dataclass(frozen=True, eq=False)
class EncodedTargets:
    """Targets as the networks learn them, from y.

    Args:
        values: (N,), or (ΣT,) with one a step.
        output_size: K, numbers that the network puts out.
        criterion: the loss of the outputs of a batch, and its gradient.
        learned: attributes of the fitted estimator that come from y.
        loss_settings: what the criterion depends on beside the targets.
        strata: (N,) classes whose shares the validation set keeps.
        class_weights: (K,) of the classes; None where y holds numbers.
    """

    values: Tensor
    output_size: int
    criterion: Criterion
    learned: dict[str, Any]
    loss_settings: Any = None
    strata: Ints | None = None
    class_weights: Tensor | None = None


def training_config(
    n_sequences: int,
    *,
    n_copies: int | None = None,
    min_steps: int,
    max_epochs: int | None,
    batch_size: int | None,
    patience: int | None,
    learning_rate: float,
    seed: int,
) -> TrainingConfig:
    """Count a training in epochs, each a pass over so many sequences, from which defaults follow.

    By default a training takes 50 epochs, but at least `min_steps` steps and at most 8,000: as many as with
    `n_copies` sequences, some of which were merged.

    >>> settings = {"batch_size": None, "patience": None, "learning_rate": 5e-3, "seed": 0, "min_steps": 400}
    >>> config = training_config(1000, max_epochs=None, **settings)
    >>> config.max_steps, config.val_check_steps, config.patience
    (800, 16, 15)
    """
    batch_size = min(batch_size or min(_BATCH_SIZE, max(8, n_sequences // 4)), n_sequences)
    steps = steps_per_epoch(n_sequences, batch_size)
    usual = _EPOCHS * steps_per_epoch(n_copies or n_sequences, batch_size)
    budget = float(np.clip(usual, min_steps, _MAX_STEPS))
    max_epochs = max_epochs or math.ceil(budget / steps)
    return TrainingConfig.of_epochs(
        max_epochs,
        n_sequences,
        batch_size,
        learning_rate=learning_rate,
        weight_decay=_WEIGHT_DECAY,
        patience=patience or max(3, round(_PATIENCE * max_epochs)),
        seed=seed,
    )


def fit_networks(
    dataset: SequenceDataset,
    targets: EncodedTargets,
    network_config: SequenceNetworkConfig,
    config: TrainingConfig,
    *,
    validation_mask: NDArray[np.bool_],
    n_members: int,
    device: str,
    monitor: Monitor,
) -> Ensemble[SequenceNetwork]:
    """Train one network a seed, for as long as the loss on the validation set falls.

    Without a validation set all train for a fixed number of epochs.

    Args:
        dataset: all sequences.
        targets: theirs.
        network_config: of each network.
        config: of the training on the sequences that are not held out; see `training_config`.
        validation_mask: (N,) true for the sequences that are held out.
        n_members: networks.
        device: where they are.
        monitor: checkpoint, progress line and callbacks.

    Raises:
        KeyboardInterrupt: Ctrl-C came before the first epoch of the first network ended.
        TrainingError: the loss is no longer finite.
        ModelLoadError: a checkpoint is damaged, or was made with other settings.
    """
    training, validation = split_dataset(dataset, validation_mask)
    config = identified(config, monitor, training, validation, network_config, targets.loss_settings)
    return fit_ensemble(
        lambda: SequenceNetwork(network_config).to(device),
        lambda network, batch: network.loss(batch, targets.criterion),
        training,
        validation,
        config,
        n_members=n_members,
        hooks=TrainingHooks(initialize=lambda network: initialize_from_data(network, training)),
        monitor=monitor,
    )


@torch.no_grad()
def initialize_from_data(network: SequenceNetwork, dataset: SequenceDataset) -> None:
    """Set the scales of the stem and of the features by some sequences, drawn by torch's random state."""
    network.eval()
    rows = torch.randperm(len(dataset))
    steps = dataset.lengths[rows].cpu()
    most_steps = _SCALE_FRAMES if network.config.frame_shape else _SCALE_STEPS
    if network.stem is not None or network.frame_stem is not None:
        padded_steps = steps.cummax(0).values * torch.arange(1, len(rows) + 1)
        values, lengths = dataset.batch(rows[: max(1, int((padded_steps <= most_steps).sum()))])[:2]
        if network.frame_stem is not None:
            network.frame_stem.initialize(values)
        if network.stem is not None:
            network.stem.initialize(network.embedded(values), lengths)
    count = max(_MIN_SCALE_SEQUENCES, int((steps.cumsum(0) <= most_steps).sum()))
    sample, parts = dataset.subset(rows[:count]), []
    for chunk in sample.length_batches():
        values, lengths = sample.batch(chunk)[:2]
        features = network.features(values, lengths)
        if network.config.per_step:
            features = features[sequence_mask(network.output_steps(lengths), features)]
        parts.append(features)
    features = torch.cat(parts)
    scale = features.std(0, correction=0)
    if network.config.direct_inputs:
        # one penalty shrinks all weights: few inputs among many states need more variance each than those
        n_direct = network.config.step_size * (1 if network.config.per_step else 2)
        is_class = network.config.output_size > 1 and not network.config.per_step
        share = _DIRECT_SHARE if is_class else 1.0
        scale[-n_direct:] *= math.sqrt(n_direct / (len(scale) - n_direct) / share)
    network.standardize.set_statistics(features.mean(0), scale)


def solve_networks(
    dataset: SequenceDataset,
    targets: EncodedTargets,
    network_config: SequenceNetworkConfig,
    *,
    groups: Ints | None,
    n_members: int,
    seed: int,
    device: str,
) -> Ensemble[SequenceNetwork]:
    """Draw one reservoir a seed and solve its readout in closed form.

    Args:
        dataset: all sequences.
        targets: theirs, of which the weights of the classes are read.
        network_config: of each network.
        groups: (N,) sequences of one group are left out together.
        n_members: networks.
        seed: of the first.
        device: where they are.
    """
    units = None if groups is None else torch.from_numpy(groups)
    networks = []
    for member in range(n_members):
        with seeded(member_seed(seed, member)):
            network = SequenceNetwork(network_config).to(device)
            initialize_from_data(network, dataset)
            history = solve_readout(network, dataset, targets.class_weights, units)
        networks.append(network)
    return Ensemble(tuple(networks), history, n_members, n_members)


@shared_processors()
@torch.inference_mode()
def ensemble_outputs(networks: tuple[SequenceNetwork, ...], dataset: SequenceDataset, rows: Tensor) -> Tensor:
    """Compute outputs (M, B, K), or (M, B, T, K), of M networks for some sequences, on the CPU.

    A sequence has the same outputs alone and among others. Where torch computes, it multiplies one row in
    another order than several, so that a single sequence is computed twice.
    """
    n = len(rows)
    is_fixed = networks[0].has_fixed_order(dataset.values)
    values, lengths = dataset.batch(rows.expand(2) if n == 1 and not is_fixed else rows)[:2]
    return torch.stack([network.precise_outputs(values, lengths)[:n] for network in networks])


def stopping_reason(
    history: History, *, n_sequences: int, n_validation: int, validation_fraction: float | None
) -> str:
    """Explain in a sentence how many epochs were trained.

    Args:
        history: of the last network.
        n_sequences: of the whole data.
        n_validation: how many of them were held out.
        validation_fraction: as the user gave it.
    """
    n_epochs = history.count
    if history.stopped == "interrupted":
        return f"Interrupted by Ctrl-C after {n_epochs} epochs."
    if n_validation:
        way = "none of the next was better" if history.stopped == "early" else "all of them ran"
        best = history.best_count
        return f"Epoch {best} of {n_epochs} was the best on {n_validation} held-out sequences; {way}."
    why = f"{n_sequences:,} sequences are too few to hold some out"
    if validation_fraction == 0:
        why = "Nothing was to be held out"
    elif round(holdout_fraction(validation_fraction, n_sequences) * n_sequences) >= MIN_VALIDATION_SAMPLES:
        why = "Too few could be held out without the last of a class, or a part of a group"
    return f"{why}: all of them trained for a fixed number of {n_epochs} epochs."


def stopping_facts(
    solver: str, history: History, validation_mask: NDArray[np.bool_], validation_fraction: float | None
) -> dict[str, Any]:
    """Return the number of epochs and the reason for it, as a fitted estimator keeps them."""
    if solver == "reservoir":
        reason = "the readout was solved in closed form, its penalty chosen by leave-one-out errors."
        return {"n_epochs_": 0, "stopping_reason_": f"No epochs: {reason}"}
    reason = stopping_reason(
        history,
        n_sequences=len(validation_mask),
        n_validation=int(validation_mask.sum()),
        validation_fraction=validation_fraction,
    )
    return {"n_epochs_": history.count, "stopping_reason_": reason}
