"""Train the networks of the text estimators: batches of texts of like length, a fixed number of epochs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.text.vectors import WordVectors
from unrolled.models.fitting import identified, split_dataset
from unrolled.models.sequence.training import EncodedTargets
from unrolled.models.text.dataset import TextDataset, hash_bytes
from unrolled.models.text.fine_tuning import FineTuning, copy_language_weights, fine_tuning_groups
from unrolled.models.text.network import TextNetwork, TextNetworkConfig
from unrolled.models.text.regression import fit_tfidf
from unrolled.train.batching import batches_of_like_length
from unrolled.train.config import (
    EpochBounds,
    Monitor,
    TrainingConfig,
    TrainingHooks,
)
from unrolled.train.ensemble import Ensemble, fit_ensemble
from unrolled.train.optimizer import ParameterGroup
from unrolled.train.threads import shared_processors

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_WEIGHT_DECAY = 0.1
_MOST_EPOCHS, _MIN_STEPS = 50, 400  # where max_epochs is None


def text_training_config(
    n_texts: int,
    *,
    max_epochs: int | None,
    least_epochs: int,
    batch_size: int,
    patience: int | None,
    learning_rate: float,
    seed: int,
) -> TrainingConfig:
    """Count a training in epochs; by default the least, of few texts as many as make 400 steps, 50 at most.

    >>> settings = {"least_epochs": 4, "batch_size": 64, "patience": None, "learning_rate": 3e-3, "seed": 0}
    >>> text_training_config(6920, max_epochs=None, **settings).max_steps
    436
    >>> text_training_config(100, max_epochs=None, **settings).max_steps
    403
    """
    bounds = EpochBounds(least_epochs, _MOST_EPOCHS, _MIN_STEPS)
    return TrainingConfig.within_bounds(
        bounds,
        n_texts,
        max_epochs=max_epochs,
        batch_size=batch_size,
        patience=patience,
        learning_rate=learning_rate,
        weight_decay=_WEIGHT_DECAY,
        seed=seed,
    )


def fit_text_networks(
    dataset: TextDataset,
    targets: EncodedTargets,
    network_config: TextNetworkConfig,
    config: TrainingConfig,
    *,
    vectors: WordVectors | None,
    fine_tuning: FineTuning | None,
    validation_mask: NDArray[np.bool_],
    n_members: int,
    device: str,
    monitor: Monitor,
) -> Ensemble[TextNetwork]:
    """Train one network a seed; those weights are kept whose loss on the validation set was lowest.

    A regression on TF-IDF that adds to their outputs is fitted first, on the texts that are not held out: the
    validation loss is that of the sum.

    Args:
        dataset: all texts.
        targets: theirs.
        network_config: of each network.
        config: see `text_training_config`.
        vectors: of the user's, which every network reads; None for none.
        fine_tuning: of a language model, whose weights every network begins with; None for random ones.
        validation_mask: (N,) true for the texts that are held out.
        n_members: networks.
        device: where they are.
        monitor: checkpoint, progress line and callbacks.

    Raises:
        KeyboardInterrupt: Ctrl-C came before the first epoch of the first network ended.
        TrainingError: the loss is no longer finite.
        ModelLoadError: a checkpoint is damaged, or was made with other settings.
    """
    training, validation = split_dataset(dataset, validation_mask)
    if validation is not None:
        validation = validation.by_length()
    given = [] if vectors is None else [torch.from_numpy(vectors.vectors)]
    groups: Callable[[TextNetwork], list[ParameterGroup]] | None = None
    layer_decay: float | None = None
    if fine_tuning is not None:
        layer_decay = fine_tuning.layer_decay
        given += [weight.detach().cpu() for weight in fine_tuning.language_network.parameters()]
        groups = partial(fine_tuning_groups, layer_decay=layer_decay)
    beginnings = (layer_decay, [hash_bytes(tensor.numpy().tobytes()) for tensor in given])
    config = identified(
        config, monitor, training, validation, network_config, targets.loss_settings, beginnings
    )
    lengths = training.sequences.lengths.cpu()

    regression = None
    if network_config.has_regression:
        classes, weights = _classes(training, targets)
        regression = fit_tfidf(training, network_config, classes, weights).state_dict()

    def make_network() -> TextNetwork:
        network = TextNetwork(network_config)
        if vectors is not None:
            network.embedding.vectors[1:] = torch.from_numpy(vectors.vectors)
        if fine_tuning is not None:
            copy_language_weights(network, fine_tuning.language_network)
        if network.tfidf is not None and regression is not None:
            network.tfidf.load_state_dict(regression)
        return network.to(device)

    return fit_ensemble(
        make_network,
        lambda network, batch: network.loss(batch, targets.criterion),
        training,
        validation,
        config,
        n_members=n_members,
        hooks=TrainingHooks(
            parameter_groups=groups,
            arrange_rows=lambda rows, batch_size: batches_of_like_length(lengths, rows, batch_size),
        ),
        monitor=monitor,
    )


def _classes(dataset: TextDataset, targets: EncodedTargets) -> tuple[Ints, Floats]:
    """Return the class (N,) and the weight (N,) of each text."""
    classes, weights = dataset.sequences.targets.cpu(), torch.ones(len(dataset), dtype=torch.float64)
    if targets.class_weights is not None:
        weights = targets.class_weights[classes]
    if dataset.sequences.weights is not None:
        weights = weights * dataset.sequences.weights.cpu()
    return classes.numpy(), weights.numpy()


@shared_processors()
@torch.inference_mode()
def text_outputs(networks: tuple[TextNetwork, ...], dataset: TextDataset, rows: Tensor) -> Tensor:
    """Compute outputs (M, B, K), or (M, B, T, K), of M networks for some texts, on the CPU.

    A text has the same outputs alone and among others, up to the rounding of a mean over padded states; see
    `unrolled.models.sequence.training`.
    """
    n = len(rows)
    batch = dataset.batch(rows.expand(2) if n == 1 else rows)
    lengths = batch.sequences.lengths
    return torch.stack([network.precise_outputs(batch.tokens, lengths)[:n] for network in networks])
