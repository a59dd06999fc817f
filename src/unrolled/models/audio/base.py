"""Base class of the estimators of recordings: their parameters, and the frames that their networks read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, ClassVar

import numpy as np

from unrolled.data.audio.log_mel import LogMel
from unrolled.data.sequences import Sequences
from unrolled.formatting import quantity
from unrolled.models.audio.inputs import raw_frames, read_audio_inputs
from unrolled.models.audio.levels import NORMALIZATIONS, BandLevels
from unrolled.models.audio.states import AudioStates
from unrolled.models.audio.trace import RecordingTrace, trace_recording
from unrolled.models.estimator import NetworkEstimator
from unrolled.models.metadata import MetadataRequester
from unrolled.models.parameters import Boolean, Choice, FloatRange, IntRange, UnusedBeside
from unrolled.models.persistence import PLAIN, SavedField, record_field
from unrolled.models.sequence.network import SequenceNetwork, SequenceNetworkConfig
from unrolled.models.summary import Fact, network_fact, sequence_card_footer

_LOG_MEL = SavedField(lambda features: (asdict(features), {}), lambda record, _: LogMel(**record))


class AudioEstimator(MetadataRequester, NetworkEstimator):
    """Estimator of recordings: log-mel frames, less the levels of the recording, read by SequenceNetworks."""

    _fit_call = "fit(recordings, y)"
    _network_class, _config_class = SequenceNetwork, SequenceNetworkConfig
    _stream_states = AudioStates
    _tail_s: ClassVar[float] = 0.0  # seconds of silence behind each recording
    _learned: ClassVar = {
        "features_": _LOG_MEL,
        "levels_": record_field(BandLevels),
        "n_epochs_": PLAIN,
        "n_groups_": PLAIN,
        "seed_": PLAIN,
        "stopping_reason_": PLAIN,
        "_notes": PLAIN,
    }
    _unused: ClassVar[tuple[UnusedBeside, ...]] = (
        UnusedBeside(("patience",), "validation_fraction", (0, None), "holds nothing out"),
    )

    rate: Annotated[int | None, IntRange(least=1000, most=1_000_000)]
    resample: Annotated[bool, Boolean()]
    n_bands: Annotated[int, IntRange(least=2, most=512)]
    normalization: Annotated[str, Choice(NORMALIZATIONS)]
    augmentation: Annotated[bool, Boolean()]
    cell: Annotated[str, Choice(("gru", "lstm", "rnn"))]
    hidden_size: Annotated[int, IntRange(least=1, most=16_384)]
    num_layers: Annotated[int, IntRange(least=1, most=64)]
    bidirectional: Annotated[bool, Boolean()]
    n_members: Annotated[int, IntRange(least=1)]
    max_epochs: Annotated[int | None, IntRange(least=1)]
    batch_size: Annotated[int, IntRange(least=1)]
    validation_fraction: Annotated[float | None, FloatRange(least=0, most=0.5)]

    features_: LogMel
    levels_: BandLevels
    n_epochs_: int
    n_groups_: int
    seed_: int
    stopping_reason_: str
    _notes: list[str]  # what reading changed

    @property
    def rate_(self) -> int:
        """Samples a second that the fitted model reads."""
        self._require_fitted()
        return self.features_.rate

    @property
    def frame_s_(self) -> float:
        """Seconds from one frame to the next."""
        return self.features_.hop / self.rate_

    def normalized_frames(self, X: Any) -> Sequences:
        """Compute the frames (T_i, n_bands) of each recording as the networks read them.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: X cannot be used as it is, or has another rate.
        """
        self._require_fitted()
        who = f"{type(self).__name__} X"
        recordings = read_audio_inputs(X, who=who, rate=self.rate_, resample=bool(self.resample)).recordings
        raw = self._raw_frames(recordings, self.features_)
        parts = np.split(raw.values, raw.offsets[1:-1])
        return Sequences.from_arrays([self.levels_.normalize(part) for part in parts])

    def trace(self, x: Any) -> RecordingTrace:
        """Show what the model hears of a recording, its state, and its decision; `plot()` draws them.

        Args:
            x: a recording: an array, a `Recording` or a path.

        Raises:
            NotFittedError: `fit` was not called.
            ArgumentError: the model cannot be streamed, which the sentence explains.
            DataError: x cannot be used as it is, or has another rate.
        """
        self._require_fitted()
        return trace_recording(self, x)

    def _raw_frames(self, recordings: Sequence[Any], features: LogMel) -> Sequences:
        tail = round(self._tail_s * features.rate)
        return raw_frames(recordings, features, f"{type(self).__name__} X", tail=tail)

    @property
    def tail_samples_(self) -> int:
        """Samples of silence that are read behind each recording."""
        return round(self._tail_s * self.rate_)

    def __sklearn_tags__(self) -> Any:
        """Describe an estimator of recordings, whose y is required."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.target_tags.required = True
        return tags

    def _facts(self) -> tuple[Fact, ...]:
        config, features = self.network_config_, self.features_
        how = {"running": "of the recording so far", "recording": "of the whole recording"}
        speakers = "not given: a random split then tests voices that the model has heard"
        if self.n_groups_:
            speakers = f"{quantity(self.n_groups_, 'group')}"
        notes = (Fact("Reading", " ".join(self._notes)),) if self._notes else ()
        return (
            network_fact(config, bidirectional=config.bidirectional),
            Fact(
                "Reads",
                f"{features.rate:,} samples a second as {features.n_bands} log-mel bands every "
                f"{features.hop_ms:g} ms, less the levels {how[self.levels_.kind]}, {config.stem_words}",
            ),
            *notes,
            Fact("Speakers", speakers),
            Fact("Answers from", config.readout_words),
            Fact("Epochs", self.stopping_reason_),
        )

    def _card_footer(self) -> str:
        return sequence_card_footer(type(self).__name__)
