"""Transcriber: recordings of speech to text, learned from pairs of both alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.audio.error_rates import ErrorRates, error_rates
from unrolled.data.audio.log_mel import LogMel
from unrolled.data.audio.recording import RecordingList
from unrolled.data.io.targets import as_groups
from unrolled.data.sequences import Sequences
from unrolled.data.splits import holdout_mask
from unrolled.data.text.codec import CODEC_UNITS, TextCodec
from unrolled.errors import ArgumentError
from unrolled.formatting import quantity
from unrolled.models.audio.augmentation import Augmentation
from unrolled.models.audio.base import AudioEstimator
from unrolled.models.audio.inputs import AudioInputs, read_audio_inputs, require_targets
from unrolled.models.audio.levels import BandLevels
from unrolled.models.audio.states import check_stream_rate
from unrolled.models.audio.training import audio_datasets, fit_audio_networks
from unrolled.models.audio.transcription.decoding import BEAM, choose_fusion_weights, decode_outputs
from unrolled.models.audio.transcription.fusion import (
    FusionWeights,
    LanguageFusion,
    require_character_model,
)
from unrolled.models.audio.transcription.outputs import recording_outputs
from unrolled.models.audio.transcription.stream import TranscriptionStream
from unrolled.models.audio.transcription.training import (
    ctc_targets,
    transcription_network_config,
    transcription_training_config,
)
from unrolled.models.audio.transcription.transcripts import EncodedTranscripts, as_transcripts, make_codec
from unrolled.models.audio.transcription.words import Word, WrittenToken, text_of, words_of
from unrolled.models.parameters import Choice, IntRange, RandomSource, UnusedBeside
from unrolled.models.persistence import SavedField, record_field
from unrolled.models.sequence.network import SequenceNetwork
from unrolled.models.sequence.training import stopping_facts
from unrolled.models.summary import Fact
from unrolled.train.config import Callback, Monitor
from unrolled.train.ensemble import Ensemble, report_interruption
from unrolled.train.threads import shared_processors
from unrolled.validation import check_int, optional_int

_X, _Y = "Transcriber X", "Transcriber y"
_AUGMENTATION = Augmentation(tempo=0.15, pitch=0.1, time_masks=2, time_mask=12)
_FUSION = SavedField(
    lambda weights: (list(weights), {}), lambda record, _: FusionWeights(*record), is_optional=True
)


class Transcriber(AudioEstimator):
    """Transcribe speech: recordings to text, learned from recordings and their transcripts alone.

    Log-mel frames, less the levels of the recording so far, are read by convolutions over neighbouring
    frames, of which every second or third goes on, and by recurrent layers. Their outputs are tokens or
    blanks; the CTC loss sums over all ways to spread a transcript over them, so that nobody has to say when
    a word was spoken. In training the frames are changed at random. Nothing is downloaded.

    Transcripts are learned as they are written: numbers as words or digits, case and signs included.

    Args:
        rate: samples a second that the model reads, and of arrays; None for that of the recordings.
        resample: convert recordings of another rate, which are refused else.
        unit: tokens that are written: "char", "word" or "subword" (extra `unrolled[text]`).
        alphabet: characters of the transcripts, beside which others are refused; None for those that occur.
        vocabulary: words or subwords at most; None for 6,000, or where there are fewer for all, of subwords
            for those that occur twice.
        n_bands: log-mel bands of a frame; frames are 25 ms long, one every 10 ms.
        normalization: "running" divides out the levels of the recording up to each frame, which a live stream
            can; "recording" those of the whole.
        augmentation: whether the frames are changed at random in training.
        cell: "gru", "lstm" or "rnn".
        hidden_size: units of each layer.
        num_layers: recurrent layers, one on the other.
        bidirectional: whether a second run reads from the end, which a live stream does not have.
        dropout: between layers and before the readout, from 0 to below 1.
        n_members: networks with different seeds, whose probabilities are averaged.
        max_epochs: passes over the recordings at most; None for 20, or as many as make 5,600 steps, but no
            more than 120.
        patience: epochs without a lower validation loss before the training stops early; None for all.
        batch_size: recordings a step; fewer where there are few.
        learning_rate: the peak of its one cycle.
        validation_fraction: the part, or of groups, that is held out to choose the epoch by; None for none.
        random_state: seed of weights, shuffling, dropout, random changes and of what is held out.
        device: where torch computes.
        verbose: draw a progress line with time left on stderr; None for on a terminal, if the fit takes more
            than two seconds.

    After `fit`: `codec_` (its `vocabulary`), `rate_`, `features_` (a LogMel), `levels_`, `n_groups_` (0 where
    none were given), `n_epochs_` and `stopping_reason_`, `history_` (of the last network), `networks_`,
    `network_config_`, `n_parameters_` (of one), `seconds_`; after `tune_language_model`: `fusion_weights_`.

    >>> tone = {"low": 0.3, "high": 1.2}
    >>> texts = ["low", "high", "low high", "high low"] * 6
    >>> waves = [np.concatenate([np.hanning(2400) * np.sin(np.arange(2400) * tone[word])
    ...                          for word in text.split()]) for text in texts]
    >>> small = {"hidden_size": 16, "num_layers": 1, "dropout": 0.0, "augmentation": False}
    >>> model = Transcriber(rate=8000, unit="word", **small, max_epochs=40, learning_rate=1e-2)
    >>> model = model.fit(waves, texts)
    >>> model.predict(waves[:3])
    ['low', 'high', 'low high']
    """

    _fit_call = "fit(recordings, transcripts)"
    _tail_s = 0.2  # in which the last sounds are written
    _learned: ClassVar = {"codec_": record_field(TextCodec), "fusion_weights_": _FUSION}
    _unused = (
        UnusedBeside(("vocabulary",), "unit", ("char",), "has all characters of the transcripts"),
        UnusedBeside(("alphabet",), "unit", ("word", "subword"), "has no alphabet of its own"),
    )

    unit: Annotated[str, Choice(CODEC_UNITS)]
    vocabulary: Annotated[int | None, IntRange(least=1, most=1 << 20)]

    alphabet: str | None
    codec_: TextCodec
    fusion_weights_: FusionWeights

    def __init__(
        self,
        *,
        rate: int | None = None,
        resample: bool = False,
        unit: str = "char",
        alphabet: str | None = None,
        vocabulary: int | None = None,
        n_bands: int = 40,
        normalization: str = "running",
        augmentation: bool = True,
        cell: str = "gru",
        hidden_size: int = 256,
        num_layers: int = 2,
        bidirectional: bool = False,
        dropout: float = 0.2,
        n_members: int = 1,
        max_epochs: int | None = None,
        patience: int | None = None,
        batch_size: int = 16,
        learning_rate: float = 3e-3,
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
        groups: Any = None,
        checkpoint: str | Path | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> Self:
        """Learn from recordings and their transcripts.

        Ctrl-C keeps the best weights so far and says so.

        Args:
            X: N recordings: a list of arrays (N_i,) or (N_i, channels), of `Recording`s or of paths; what
                `read_recordings` gave; or the path of a table of paths and transcripts.
            y: N transcripts; None for those of the table.
            groups: N names; recordings of one group (a speaker) are held out together. None for the speakers
                of the table, if it has any.
            checkpoint: a folder that holds the training after each epoch. Fitting again with the same
                folder resumes it there, to the same result.
            callbacks: each is called after every epoch with a dict, as in SequenceClassifier.

        Raises:
            ArgumentError: some arguments are out of range, each named on its own line; or there are arrays
                and no `rate`.
            DataError: X, y or groups cannot be used as they are, a transcript has characters outside the
                alphabet, or is longer than its recording allows.
            MissingDependencyError: a file needs soundfile, or subwords tokenizers, which is not installed.
            TrainingError: the loss is no longer finite.
        """
        self.check_parameters()
        monitor = Monitor.from_arguments(checkpoint, callbacks, verbose=self.verbose)
        start_s, seed = time.perf_counter(), self._draw_seed()
        inputs = read_audio_inputs(
            X, y, groups, who=_X, rate=optional_int(self.rate), resample=bool(self.resample),
            transcripts=True,
        )  # fmt: skip
        features, n = LogMel(inputs.recordings.rate, int(self.n_bands)), len(inputs.recordings)
        fraction = self.validation_fraction or 0.0
        group_ids = None if inputs.groups is None else as_groups(inputs.groups, n)
        mask = holdout_mask(n, fraction, seed, strata=None, groups=group_ids)
        texts = as_transcripts(require_targets(inputs.y, _Y, transcripts=True), n, _Y)
        codec = make_codec(self.unit, self.alphabet, texts, mask, optional_int(self.vocabulary), _Y)
        data = self._raw_frames(inputs.recordings, features)
        names = [recording.name for recording in inputs.recordings]
        transcripts = EncodedTranscripts.of(codec, texts, data.lengths, names, _Y)
        training = data.select(np.flatnonzero(~mask))
        levels = BandLevels.fit(training.values, training.offsets, kind=self.normalization)
        ensemble = self._fit_ensemble(data, transcripts, features, levels, (mask, seed), monitor)
        learned = {
            "codec_": codec,
            "features_": features,
            "history_": ensemble.history,
            "levels_": levels,
            "n_groups_": 0 if group_ids is None else int(group_ids.max()) + 1,
            "seed_": seed,
            "_notes": list(inputs.recordings.notes),
            **stopping_facts("gradient", ensemble.history, mask, fraction),
            "seconds_": time.perf_counter() - start_s,
        }
        self._set_learned(ensemble.networks, learned)
        return self

    def _fit_ensemble(
        self,
        data: Sequences,
        transcripts: EncodedTranscripts,
        features: LogMel,
        levels: BandLevels,
        held_out: tuple[NDArray[np.bool_], int],
        monitor: Monitor,
    ) -> Ensemble[SequenceNetwork]:
        validation_mask, seed = held_out
        targets = ctc_targets(transcripts.rows, len(transcripts.codec.vocabulary), transcripts.stride)
        training, validation = audio_datasets(
            data, targets.values, features, levels, _AUGMENTATION if self.augmentation else None,
            validation_mask, device=self.device,
        )  # fmt: skip
        config = transcription_training_config(
            len(training),
            max_epochs=optional_int(self.max_epochs),
            batch_size=int(self.batch_size),
            patience=optional_int(self.patience),
            learning_rate=self.learning_rate,
            seed=seed,
        )
        network_config = transcription_network_config(self, targets.output_size, transcripts.stride)
        with self._name_remedies():
            ensemble = fit_audio_networks(
                training, validation, targets, network_config, config,
                n_members=int(self.n_members), device=self.device, monitor=monitor,
            )  # fmt: skip
        report_interruption(ensemble)
        return ensemble

    def predict(self, X: Any, *, beam: int | None = None, language_model: Any = None) -> list[str]:
        """Transcribe recordings, of any length.

        Args:
            X: N recordings, as for `fit`.
            beam: hypotheses that go on at each output; 1 takes the likeliest token each time, as a live
                stream does. None for that, or beside a language model for 8.
            language_model: a LanguageModel with unit="char" that judges the hypotheses, with the weight that
                `tune_language_model` chose; None for none.

        Raises:
            NotFittedError: `fit` was not called.
            ArgumentError: an argument is out of range, or no weight was chosen for the language model.
            DataError: X cannot be used as it is, or has another rate.
        """
        return [
            text_of(self.codec_, [each.token for each in written])
            for written, _ in self._decode(X, beam, language_model)
        ]

    def predict_words(
        self, X: Any, *, beam: int | None = None, language_model: Any = None
    ) -> list[list[Word]]:
        """Transcribe recordings, word by word with their times; see `Word`.

        Args:
            X: N recordings.
            beam: as of `predict`.
            language_model: as of `predict`.

        Raises:
            NotFittedError, ArgumentError, DataError: as `predict`.
        """
        return [
            words_of(self.codec_, written, self._step_s, seconds)
            for written, seconds in self._decode(X, beam, language_model)
        ]

    def tune_language_model(self, language_model: Any, X: Any, y: Any = None, *, beam: int = BEAM) -> Self:
        """Choose the weight of a language model on recordings that neither model learned from.

        Args:
            language_model: a fitted LanguageModel with unit="char".
            X: N recordings, as for `fit`.
            y: N transcripts; None for those of a table.
            beam: hypotheses of the search.

        Raises:
            NotFittedError: `fit` was not called.
            ArgumentError: the language model is none of characters, or `beam` is out of range.
            DataError: X or y cannot be used as they are.
        """
        require_character_model(language_model)
        check_int("beam", beam, least=1, most=1000)
        recordings, texts = self._read_pairs(X, y)
        outputs = recording_outputs(self, recordings)
        self.fusion_weights_ = choose_fusion_weights(language_model, self.codec_, outputs, texts, beam)
        return self

    def score(self, X: Any, y: Any = None) -> float:
        """Compute 1 less the word error rate, which is below 0 where there are more errors than words.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X or y cannot be used as they are.
        """
        return 1.0 - self.score_texts(X, y).word_error_rate

    def score_texts(
        self, X: Any, y: Any = None, *, beam: int | None = None, language_model: Any = None
    ) -> ErrorRates:
        """Compute word and character error rates of `predict(X)` beside y; texts count as they are written.

        Raises:
            NotFittedError, ArgumentError, DataError: as `predict`.
        """
        recordings, texts = self._read_pairs(X, y)
        return error_rates(self.predict(recordings, beam=beam, language_model=language_model), texts)

    def stream(self, blob: bytes | None = None, *, rate: int | None = None) -> Any:  # type: ignore[override]
        """Return a live stream, a `TranscriptionStream`: sound in chunks, text as it is spoken.

        Args:
            blob: a snapshot to go on from; None to begin.
            rate: samples a second of the chunks, which must be the model's; None for that.

        Raises:
            NotFittedError: `fit` was not called.
            ArgumentError: the model cannot be streamed, which the sentence explains; or the rate is another.
            DataError: the snapshot is not whole, of another format, or of another model.
        """
        self._require_fitted()
        check_stream_rate(rate, self.rate_)
        stream = TranscriptionStream(self)
        if blob is not None:
            stream.restore(blob)
        return stream

    def output_classes(self) -> Any:
        """Return what the outputs stand for (K,): the blank, as an empty text, and the tokens."""
        self._require_fitted()
        return np.array(["", *self.codec_.vocabulary.tokens])

    @property
    def _step_s(self) -> float:
        return self.network_config_.stem_stride * self.frame_s_  # type: ignore[no-any-return]

    def _read_pairs(self, X: Any, y: Any) -> tuple[RecordingList, list[str]]:
        recordings, y, _ = self._read(X, y)
        return recordings, as_transcripts(require_targets(y, _Y, transcripts=True), len(recordings), _Y)

    def _read(self, X: Any, y: Any = None) -> AudioInputs:
        return read_audio_inputs(
            X, y, who=_X, rate=self.rate_, resample=bool(self.resample), transcripts=True
        )

    def _decode(
        self, X: Any, beam: int | None, language_model: Any
    ) -> list[tuple[list[WrittenToken], float]]:
        """Return the tokens of each recording, and its duration in seconds."""
        self._require_fitted()
        if beam is not None:
            check_int("beam", beam, least=1, most=1000)
        fusion = None
        if language_model is not None:
            require_character_model(language_model)
            if "fusion_weights_" not in vars(self):
                raise ArgumentError(
                    "language_model: its weight is not chosen yet. Call tune_language_model(language_model, "
                    "X, y) with recordings that neither model learned from."
                )
            fusion = LanguageFusion(language_model, self.codec_, self.fusion_weights_)
        recordings = self._read(X).recordings
        beam = beam or (1 if fusion is None else BEAM)
        return [
            (decode_outputs(outputs, beam, fusion), recording.seconds)
            for outputs, recording in zip(recording_outputs(self, recordings), recordings, strict=True)
        ]

    def _facts(self) -> tuple[Fact, ...]:
        tokens = quantity(len(self.codec_.vocabulary.tokens), {"char": "character"}.get(self.unit, self.unit))
        writes = f"{tokens}, an output every {1000 * self._step_s:g} ms"
        return (*super()._facts(), Fact("Writes", writes))
