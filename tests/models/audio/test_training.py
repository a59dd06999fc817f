"""The length of a training, its parts, and probabilities of frames."""

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.audio.log_mel import LogMel
from unrolled.data.sequences import Sequences
from unrolled.models.audio.augmentation import Augmentation
from unrolled.models.audio.classifier import AudioClassifier
from unrolled.models.audio.context import WordContext
from unrolled.models.audio.dataset import AudioDataset
from unrolled.models.audio.levels import BandLevels
from unrolled.models.audio.training import (
    audio_datasets,
    audio_network_config,
    audio_training_config,
    fit_audio_networks,
    frame_probabilities,
    unscaled,
)
from unrolled.models.sequence.dataset import SequenceDataset
from unrolled.models.sequence.labels import encode_classes
from unrolled.models.sequence.samples import collect_samples
from unrolled.train.config import Monitor


def _data(n: int) -> tuple[Sequences, NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 2
    arrays = [rng.normal(-5, 1, size=(8 + i % 3, 4)) + 4 * labels[i] * np.eye(4)[0] for i in range(n)]
    return Sequences.from_arrays(arrays), labels


def test_few_recordings_train_for_more_epochs() -> None:
    """At least 16, at most 60; the number of the caller wins."""
    settings = {"batch_size": 32, "patience": None, "learning_rate": 1e-3, "seed": 0}
    epochs = [
        audio_training_config(n, max_epochs=None, **settings).max_steps
        / audio_training_config(n, max_epochs=1, **settings).max_steps
        for n in (40, 400, 4000)
    ]
    assert epochs == [60, 38, 16]
    assert audio_training_config(400, max_epochs=3, **settings).patience == 3


def test_held_out_recordings_are_not_changed_at_random() -> None:
    """And none where nothing is held out."""
    data, labels = _data(6)
    levels = BandLevels.fit(data.values, data.offsets, kind="running")
    features, targets = LogMel(8000, 4), torch.from_numpy(labels)
    training, validation = audio_datasets(
        data, targets, features, levels, Augmentation(), np.arange(6) >= 4, context=WordContext(1, window=5)
    )
    assert validation is not None
    assert (len(training), len(validation)) == (4, 2)
    assert training.augmentation is not None
    assert training.context is not None
    assert (validation.augmentation, validation.context) == (None, None)
    nothing = np.zeros(6, dtype=bool)
    assert audio_datasets(data, targets, features, levels, None, nothing)[1] is None


def test_networks_learn_and_give_probabilities() -> None:
    """A louder band tells the classes apart; each network is of another seed."""
    data, labels = _data(40)
    targets = encode_classes(collect_samples(data, labels, None, None), None, "y", "cpu")
    levels = BandLevels.fit(data.values, data.offsets, kind="recording")
    sequences = SequenceDataset.from_sequences(data, unscaled(4), targets.values)
    dataset = AudioDataset(sequences, levels, torch.arange(4.0))
    model = AudioClassifier(n_bands=4, hidden_size=4, num_layers=1)
    config = audio_training_config(40, max_epochs=6, batch_size=8, patience=None, learning_rate=0.02, seed=0)
    ensemble = fit_audio_networks(
        dataset, None, targets, audio_network_config(model, data.lengths, 2), config,
        n_members=2, device="cpu", monitor=Monitor(),
    )  # fmt: skip
    assert len(ensemble.networks) == 2
    frames = Sequences.from_arrays([levels.normalize(data[i].values) for i in range(40)])
    probabilities = frame_probabilities(ensemble.networks, frames, "cpu")
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert (probabilities.argmax(1) == labels).mean() > 0.9
