"""Train the network of the Translator: pairs of like length together, averaged weights at the end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unrolled.models.fitting import identified, split_dataset
from unrolled.models.text.translation.dataset import PairDataset
from unrolled.models.text.translation.network import TranslationConfig, TranslationNetwork
from unrolled.train.batching import batches_of_like_length
from unrolled.train.config import (
    EpochBounds,
    Monitor,
    TrainingConfig,
    TrainingHooks,
)
from unrolled.train.ensemble import Ensemble, fit_ensemble

_WEIGHT_DECAY = 0.01
_EPOCHS = EpochBounds(least=8, most=60, min_steps=1200)
_AVERAGED = 0.05  # share of all steps that the averaged weights mostly come from


def translation_training_config(
    n_pairs: int,
    *,
    max_epochs: int | None,
    batch_size: int,
    patience: int | None,
    learning_rate: float,
    seed: int,
) -> TrainingConfig:
    """Count a training in epochs; by default 8, of few pairs as many as make 1,200 steps, 60 at most.

    In the second half of the training the weights are averaged, with a memory of a twentieth of all steps.

    >>> settings = {"max_epochs": None, "patience": None, "learning_rate": 2e-3, "seed": 0}
    >>> translation_training_config(29_000, batch_size=64, **settings).max_steps
    3632
    >>> translation_training_config(200, batch_size=64, **settings).batch_size
    12
    """
    return TrainingConfig.within_bounds(
        _EPOCHS,
        n_pairs,
        max_epochs=max_epochs,
        batch_size=batch_size,
        patience=patience,
        learning_rate=learning_rate,
        weight_decay=_WEIGHT_DECAY,
        seed=seed,
        averaged=_AVERAGED,
    )


def fit_translation_network(
    dataset: PairDataset,
    network_config: TranslationConfig,
    config: TrainingConfig,
    *,
    label_smoothing: float,
    validation_mask: NDArray[np.bool_],
    device: str,
    monitor: Monitor,
) -> Ensemble[TranslationNetwork]:
    """Train the network; with a validation set, the weights with the lowest loss on it are kept.

    Args:
        dataset: all pairs.
        network_config: of the network.
        config: see `translation_training_config`.
        label_smoothing: share of the target that is spread over all tokens.
        validation_mask: (N,) true for the pairs that are held out.
        device: where the network is.
        monitor: checkpoint, progress line and callbacks.

    Raises:
        KeyboardInterrupt: Ctrl-C came before the first epoch ended.
        TrainingError: the loss is no longer finite.
        ModelLoadError: the checkpoint is damaged, or was made with other settings.
    """
    training, validation = split_dataset(dataset, validation_mask)
    if validation is not None:
        validation = validation.by_length()
    config = identified(config, monitor, training, validation, network_config, label_smoothing)
    keys = training.sort_keys
    return fit_ensemble(
        lambda: TranslationNetwork(network_config).to(device),
        lambda network, batch: network.loss(batch, label_smoothing),
        training,
        validation,
        config,
        hooks=TrainingHooks(
            arrange_rows=lambda rows, batch_size: batches_of_like_length(keys, rows, batch_size)
        ),
        monitor=monitor,
    )
