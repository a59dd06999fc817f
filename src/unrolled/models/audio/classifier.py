"""AudioClassifier: recordings to classes, learned from the recordings alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.audio.log_mel import LogMel
from unrolled.data.io.targets import as_labels
from unrolled.data.splits import holdout_mask
from unrolled.errors import ArgumentError
from unrolled.models.audio.augmentation import Augmentation
from unrolled.models.audio.base import AudioEstimator
from unrolled.models.audio.context import WordContext
from unrolled.models.audio.inputs import is_label_among, read_audio_inputs, require_targets
from unrolled.models.audio.levels import BandLevels
from unrolled.models.audio.states import check_stream_rate
from unrolled.models.audio.stream import AudioStream
from unrolled.models.audio.training import (
    audio_datasets,
    audio_network_config,
    audio_training_config,
    fit_audio_networks,
    frame_probabilities,
    unscaled,
)
from unrolled.models.parameters import Choice, FloatRange, RandomSource
from unrolled.models.persistence import ARRAY, SavedField
from unrolled.models.sequence.dataset import SequenceDataset
from unrolled.models.sequence.labels import (
    ClassWeight,
    Labels,
    encode_classes,
    require_like_classes,
)
from unrolled.models.sequence.network import SequenceNetwork
from unrolled.models.sequence.samples import TrainingSamples, check_weights, collect_samples
from unrolled.models.sequence.training import EncodedTargets, stopping_facts
from unrolled.models.summary import Fact
from unrolled.nn.modules.pooling import POOLINGS
from unrolled.train.config import Callback, Monitor
from unrolled.train.ensemble import Ensemble, report_interruption
from unrolled.train.threads import shared_processors
from unrolled.validation import optional_int, short_repr, suggest_spelling

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_X, _Y = "AudioClassifier X", "AudioClassifier y"
_CONTEXT = SavedField(
    lambda context: (None if context is None else asdict(context), {}),
    lambda record, _: None if record is None else WordContext(**record),
)


class AudioClassifier(AudioEstimator):
    """Predict the class of each recording: the word that is spoken, the kind of sound.

    Log-mel frames, whose loudness, colour and noise floor are divided out as the recording goes on, are read
    by convolutions over neighbouring frames and by recurrent layers. In training the frames are changed at
    random: speed, pitch, the colour of the microphone, noise, and masks (SpecAugment). Nothing is downloaded.

    How well a word is recognised depends on whether the network knows the voice: give `groups=`, the speaker
    of each recording, to `fit` and to `compare`, or the score is that of voices it has heard.

    Args:
        rate: samples a second that the model reads; None for that of the recordings. Arrays, which have
            none, are taken to have this one.
        resample: convert recordings of another rate, which are refused else.
        n_bands: log-mel bands of a frame; frames are 25 ms long, one every 10 ms.
        normalization: "running" divides out the levels of the recording up to each frame, which a live stream
            can; "recording" those of the whole.
        augmentation: whether the frames are changed at random in training.
        cell: "gru", "lstm" or "rnn".
        hidden_size: units of each layer.
        num_layers: recurrent layers, one on the other.
        bidirectional: whether a second run reads from the end, which a live stream does not have.
        pooling: how the states of all frames become one vector; see SequenceClassifier.
        dropout: between layers and before the readout, from 0 to below 1.
        label_smoothing: share of the target that is spread over all classes.
        background: label of the recordings that hold none of the other classes, however long: noise, other
            speech. In training the words are put between random pieces of them, so that a live stream can
            recognise them in running sound. None where recordings are heard one by one.
        class_weight: None; "balanced" for classes that count alike however rare; or a dict of weights.
        n_members: networks with different seeds, whose probabilities are averaged.
        max_epochs: passes over the recordings at most; None for 16, or as many as make 600 steps, but no more
            than 60; with a `background` half as many again.
        patience: epochs without a lower validation loss before the training stops early; None for all.
        batch_size: recordings a step; fewer where there are few.
        learning_rate: the peak of its one cycle.
        validation_fraction: the part of each class, or of the groups, that is held out to choose the epoch
            by; None for none: the fixed number of epochs trains on all.
        random_state: seed of weights, shuffling, dropout, random changes and of what is held out.
        device: where torch computes.
        verbose: draw a progress line with time left on stderr; None for on a terminal, if the fit takes more
            than two seconds.

    After `fit`: `classes_`, `rate_`, `features_` (a LogMel), `levels_`, `context_` (None without a
    background), `n_groups_` (0 where none were given), `n_epochs_` and `stopping_reason_`, `history_` (of the
    last network), `networks_`, `network_config_`, `n_parameters_` (of one), `seconds_`.

    >>> time = np.arange(2000) / 8000
    >>> recordings = [np.sin(2 * np.pi * hz * (1 + slope * time) * time) for hz in range(300, 500, 10)
    ...               for slope in (1, -1)]
    >>> model = AudioClassifier(rate=8000, hidden_size=8, max_epochs=12).fit(recordings, ["up", "down"] * 20)
    >>> model.predict(recordings[:2]).tolist()
    ['up', 'down']
    """

    _learned: ClassVar = {
        "classes_": ARRAY,
        "context_": _CONTEXT,
    }

    pooling: Annotated[str | None, Choice(POOLINGS, separator="+")]
    label_smoothing: Annotated[float, FloatRange(least=0, below=1)]

    background: Any
    class_weight: ClassWeight
    classes_: Labels
    context_: WordContext | None

    def __init__(
        self,
        *,
        rate: int | None = None,
        resample: bool = False,
        n_bands: int = 40,
        normalization: str = "running",
        augmentation: bool = True,
        cell: str = "gru",
        hidden_size: int = 128,
        num_layers: int = 2,
        bidirectional: bool = False,
        pooling: str | None = None,
        dropout: float = 0.3,
        label_smoothing: float = 0.1,
        background: Any = None,
        class_weight: ClassWeight = None,
        n_members: int = 1,
        max_epochs: int | None = None,
        patience: int | None = None,
        batch_size: int = 32,
        learning_rate: float = 4e-3,
        validation_fraction: float | None = None,
        random_state: RandomSource = 0,
        device: str = "cpu",
        verbose: bool | None = None,
    ) -> None:
        self._store_parameters(locals())

    @shared_processors()
    @torch.inference_mode(mode=False)  # whoever calls, what is made here has gradients
    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        groups: Any = None,
        checkpoint: str | Path | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> Self:
        """Learn from recordings and their labels.

        Ctrl-C keeps the best weights so far and says so.

        Args:
            X: N recordings: a list of arrays (N_i,) or (N_i, channels), of `Recording`s or of paths; what
                `read_recordings` gave; or the path of a folder with a folder a label, or of a table of paths.
            y: N labels; None for those of the folder or table.
            sample_weight: N weights, at least 0: one of k counts as k copies of the recording would.
            groups: N names; recordings of one group (a speaker) are held out together. None for the speakers
                of the table, if it has any.
            checkpoint: a folder that holds the training after each epoch. Fitting again with the same
                folder resumes it there, to the same result.
            callbacks: each is called after every epoch with a dict, as in SequenceClassifier.

        Raises:
            ArgumentError: some arguments are out of range, each named on its own line; or there are arrays
                and no `rate`.
            DataError: X, y, groups or weights cannot be used as they are.
            MissingDependencyError: a file needs soundfile, which is not installed.
            TrainingError: the loss is no longer finite.
        """
        self.check_parameters()
        monitor = Monitor.from_arguments(checkpoint, callbacks, verbose=self.verbose)
        start_s, seed = time.perf_counter(), self._draw_seed()
        rate = optional_int(self.rate)
        recordings, y, groups = read_audio_inputs(
            X, y, groups, who=_X, rate=rate, resample=bool(self.resample)
        )
        features = LogMel(recordings.rate, int(self.n_bands))
        data = self._raw_frames(recordings, features)
        samples = collect_samples(
            data, as_labels(require_targets(y, _Y), len(data), who=_Y), sample_weight, groups
        )
        smoothing = float(self.label_smoothing)
        targets = encode_classes(samples, self.class_weight, _Y, self.device, smoothing=smoothing)
        fraction = self.validation_fraction or 0.0
        mask = holdout_mask(len(samples.data), fraction, seed, strata=targets.strata, groups=samples.groups)
        training = samples.data.select(np.flatnonzero(~mask))
        levels = BandLevels.fit(training.values, training.offsets, kind=self.normalization)
        context = self._measure_context(samples, targets)
        ensemble = self._fit_ensemble(samples, features, levels, context, targets, mask, seed, monitor)
        learned = targets.learned | {
            "context_": context,
            "features_": features,
            "history_": ensemble.history,
            "levels_": levels,
            "n_groups_": 0 if samples.groups is None else int(samples.groups.max()) + 1,
            "seed_": seed,
            "_notes": list(recordings.notes),
            **stopping_facts("gradient", ensemble.history, mask, fraction),
            "seconds_": time.perf_counter() - start_s,
        }
        self._set_learned(ensemble.networks, learned)
        return self

    def _measure_context(self, samples: TrainingSamples, targets: EncodedTargets) -> WordContext | None:
        """Find the class of background, and measure the words; None without a background."""
        if self.background is None:
            return None
        classes = targets.learned["classes_"].tolist()
        if not is_label_among(self.background, classes):
            offer = suggest_spelling(str(self.background), map(str, classes))
            raise ArgumentError(
                f"background: expected a label of y, got {short_repr(self.background)}, which no recording "
                f"has.{offer}"
            )
        number = classes.index(self.background)
        return WordContext.fit(samples.data.lengths, targets.values.cpu().numpy(), number)

    def _fit_ensemble(
        self,
        samples: TrainingSamples,
        features: LogMel,
        levels: BandLevels,
        context: WordContext | None,
        targets: EncodedTargets,
        validation_mask: NDArray[np.bool_],
        seed: int,
        monitor: Monitor,
    ) -> Ensemble[SequenceNetwork]:
        training, validation = audio_datasets(
            samples.data, targets.values, features, levels, Augmentation() if self.augmentation else None,
            validation_mask, context=context, device=self.device,
            weights=None if samples.weights is None else torch.from_numpy(samples.weights),
        )  # fmt: skip
        config = audio_training_config(
            len(training),
            max_epochs=optional_int(self.max_epochs),
            batch_size=int(self.batch_size),
            patience=optional_int(self.patience),
            learning_rate=self.learning_rate,
            seed=seed,
            is_spotter=context is not None,
        )
        lengths = samples.data.lengths
        if context is not None:
            lengths = lengths[targets.values.cpu().numpy() != context.background]
        network_config = audio_network_config(self, lengths, targets.output_size)
        with self._name_remedies():
            ensemble = fit_audio_networks(
                training, validation, targets, network_config, config,
                n_members=int(self.n_members), device=self.device, monitor=monitor,
            )  # fmt: skip
        report_interruption(ensemble)
        return ensemble

    def predict(self, X: Any) -> Labels:
        """Predict the likeliest class (N,) of each recording.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X cannot be used as it is, or has another rate.
        """
        likeliest = self.predict_proba(X).argmax(1)
        return self.classes_[likeliest]  # type: ignore[no-any-return]

    def predict_proba(self, X: Any) -> Floats:
        """Predict the probability (N, K) of each class, in the order of `classes_`.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X cannot be used as it is, or has another rate.
        """
        frames = self.normalized_frames(X)
        return frame_probabilities(self.networks_, frames, self.device)

    def score(self, X: Any, y: Any = None, *, sample_weight: Any = None) -> float:
        """Compute the accuracy: the share of recordings whose class is predicted.

        A class that was not seen in training is never predicted, and counts as wrong.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X or y cannot be used as it is, or its labels are of another type than in training.
        """
        self._require_fitted()
        recordings, y, _ = read_audio_inputs(X, y, who=_X, rate=self.rate_, resample=bool(self.resample))
        frames = self.normalized_frames(recordings)
        labels = as_labels(require_targets(y, _Y), len(frames), who=_Y)
        require_like_classes(labels, self.classes_, _Y)
        predictions = self.classes_[frame_probabilities(self.networks_, frames, self.device).argmax(1)]
        return float(np.average(predictions == labels, weights=check_weights(sample_weight, frames)))

    def stream(self, blob: bytes | None = None, *, rate: int | None = None, **options: Any) -> Any:
        """Return a live stream, an `AudioStream`: sound in chunks, probabilities after each frame.

        Args:
            blob: a snapshot to go on from; None to begin.
            rate: samples a second of the chunks, which must be the model's; None for that.
            options: `threshold`, `hold_ms`, `refractory_ms` and `ignore`, described in `AudioStream`.

        Raises:
            NotFittedError: `fit` was not called.
            ArgumentError: the model cannot be streamed, which the sentence explains; or an argument is out of
                range.
            DataError: the snapshot is not whole, of another format, or of another model.
        """
        self._require_fitted()
        check_stream_rate(rate, self.rate_)
        stream = AudioStream(self, **options)
        if blob is not None:
            stream.restore(blob)
        return stream

    def tensors(self, X: Any) -> tuple[Tensor, Tensor]:
        """Return the frames (N, T, n_bands) that the networks read, 0 beyond a recording's end, and lengths.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X cannot be used as it is, or has another rate.
        """
        frames = self.normalized_frames(X)
        dataset = SequenceDataset.from_sequences(frames, unscaled(self.features_.n_bands), device=self.device)
        values, lengths = dataset.batch(torch.arange(len(frames)))[:2]
        return values, lengths

    def output_scale(self) -> tuple[float, float]:
        """Return mean and scale of numbers that the networks put out: of classes 0 and 1."""
        return 0.0, 1.0

    def output_classes(self) -> Labels:
        """Return `classes_`, whose logits the networks put out."""
        self._require_fitted()
        return self.classes_

    def _facts(self) -> tuple[Fact, ...]:
        if self.context_ is None:
            return super()._facts()
        most_s = 2 * self.context_.window * self.frame_s_
        words = f"{self.background!r}, of which words had up to {most_s:.2g} s before them in training"
        return *super()._facts(), Fact("Background", words)

    def __sklearn_tags__(self) -> Any:
        """Describe a classifier of recordings."""
        from sklearn.utils import ClassifierTags  # noqa: PLC0415

        tags = super().__sklearn_tags__()
        tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
        return tags
