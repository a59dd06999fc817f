"""Train the networks of AudioClassifier and Transcriber: batches of like length, changed at random."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.audio.log_mel import LogMel
from unrolled.data.preprocess.scaler import StandardScaler
from unrolled.data.sequences import Sequences
from unrolled.models.audio.augmentation import Augmentation
from unrolled.models.audio.context import WordContext
from unrolled.models.audio.dataset import AudioDataset
from unrolled.models.audio.levels import BandLevels
from unrolled.models.fitting import identified, split_dataset
from unrolled.models.sequence.dataset import SequenceDataset
from unrolled.models.sequence.network import SequenceNetwork, SequenceNetworkConfig
from unrolled.models.sequence.training import EncodedTargets, ensemble_outputs, initialize_from_data
from unrolled.nn.modules.inference import mean_answers
from unrolled.train.batching import batches_of_like_length
from unrolled.train.config import (
    EpochBounds,
    Monitor,
    TrainingConfig,
    TrainingHooks,
)
from unrolled.train.ensemble import Ensemble, fit_ensemble

Ints = NDArray[np.int64]

_POOLING = "last+mean+max"
_CHANNELS = 64  # of the stem
_WEIGHT_DECAY = 0.05
_EPOCHS = EpochBounds(least=16, most=60, min_steps=600)
_SPOTTER_EPOCHS = EpochBounds(least=24, most=90, min_steps=900)  # a third of its words become background


def audio_training_config(
    n_recordings: int,
    *,
    max_epochs: int | None,
    batch_size: int,
    patience: int | None,
    learning_rate: float,
    seed: int,
    is_spotter: bool = False,
) -> TrainingConfig:
    """Count a training in epochs; by default 16, of few recordings as many as make 600 steps, 60 at most.

    Of a spotter all three are half as many again.

    >>> settings = {"batch_size": 32, "patience": None, "learning_rate": 4e-3, "seed": 0}
    >>> audio_training_config(2700, max_epochs=None, **settings).max_steps
    1360
    >>> audio_training_config(120, max_epochs=None, **settings).batch_size
    8
    >>> audio_training_config(2700, max_epochs=None, is_spotter=True, **settings).max_steps
    2040
    """
    return TrainingConfig.within_bounds(
        _SPOTTER_EPOCHS if is_spotter else _EPOCHS,
        n_recordings,
        max_epochs=max_epochs,
        batch_size=batch_size,
        patience=patience,
        learning_rate=learning_rate,
        weight_decay=_WEIGHT_DECAY,
        seed=seed,
    )


def fit_audio_networks(
    training: AudioDataset,
    validation: AudioDataset | None,
    targets: EncodedTargets,
    network_config: SequenceNetworkConfig,
    config: TrainingConfig,
    *,
    n_members: int,
    device: str,
    monitor: Monitor,
) -> Ensemble[SequenceNetwork]:
    """Train one network a seed; those weights are kept whose loss on the validation set was lowest.

    Args:
        training: recordings to learn from, changed at random if they are augmented.
        validation: those that are held out, as they are; None for none.
        targets: of both.
        network_config: of each network.
        config: see `audio_training_config`.
        n_members: networks.
        device: where they are.
        monitor: checkpoint, progress line and callbacks.

    Raises:
        KeyboardInterrupt: Ctrl-C came before the first epoch of the first network ended.
        TrainingError: the loss is no longer finite.
        ModelLoadError: a checkpoint is damaged, or was made with other settings.
    """
    config = identified(config, monitor, training, validation, network_config, targets.loss_settings)
    lengths = training.lengths
    batches: Any = training  # all that the initialisation asks of a SequenceDataset
    return fit_ensemble(
        lambda: SequenceNetwork(network_config).to(device),
        lambda network, batch: network.loss(batch, targets.criterion),
        training,
        validation,
        config,
        n_members=n_members,
        hooks=TrainingHooks(
            initialize=lambda network: initialize_from_data(network, batches),
            arrange_rows=lambda rows, batch_size: batches_of_like_length(lengths, rows, batch_size),
        ),
        monitor=monitor,
    )


def audio_datasets(
    data: Sequences,
    targets: Tensor,
    features: LogMel,
    levels: BandLevels,
    augmentation: Augmentation | None,
    validation_mask: NDArray[np.bool_],
    *,
    context: WordContext | None = None,
    weights: Tensor | None = None,
    device: str = "cpu",
) -> tuple[AudioDataset, AudioDataset | None]:
    """Make the training and the validation set of raw frames; the latter is never changed at random.

    Args:
        data: N recordings of frames (T_i, F).
        targets: (N,).
        features: of the frames.
        levels: the normalisation.
        augmentation: of the training set; None for none.
        validation_mask: (N,) true for what is held out; nowhere true, there is no validation set.
        context: of the words in the training set of a spotter; None for recordings as they are.
        weights: (N,) of the recordings; None where all are equal.
        device: where batches are put.
    """
    sequences = SequenceDataset.from_sequences(data, unscaled(features.n_bands), targets, weights=weights)
    mels = torch.from_numpy(features.mels).float()
    dataset = AudioDataset(sequences, levels, mels, augmentation, context, device)
    training, validation = split_dataset(dataset, validation_mask)
    return training, None if validation is None else replace(validation, augmentation=None, context=None)


def audio_network_config(model: Any, lengths: Ints, output_size: int) -> SequenceNetworkConfig:
    """Make the settings of a network for words of these lengths (N,) from an AudioClassifier's parameters."""
    config = SequenceNetworkConfig(
        input_size=int(model.n_bands),
        output_size=output_size,
        cell=model.cell,
        hidden_size=int(model.hidden_size),
        num_layers=int(model.num_layers),
        dropout=float(model.dropout),
        bidirectional=bool(model.bidirectional),
        pooling=model.pooling or _POOLING,
    )
    return config.fitted_to(lengths, stem_channels=_CHANNELS)


def frame_probabilities(
    networks: tuple[SequenceNetwork, ...], data: Sequences, device: str
) -> NDArray[np.float64]:
    """Compute the mean probabilities (N, K) of some networks for normalised frames of N recordings."""
    scaler = unscaled(data.values.shape[1])
    dataset = SequenceDataset.from_sequences(data, scaler, device=device)
    probabilities = np.empty((len(data), networks[0].config.output_size))
    for rows in dataset.length_batches():
        outputs = ensemble_outputs(networks, dataset, rows)
        probabilities[rows.cpu().numpy()] = mean_answers(outputs, is_class=True)
    return probabilities


def unscaled(n_features: int) -> StandardScaler:
    """Return the scaler that leaves frames as they are: their levels are divided out already."""
    return StandardScaler(np.zeros(n_features), np.ones(n_features))
