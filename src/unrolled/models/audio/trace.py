"""Trace of one recording: its frames, the state of the network behind them, and what it decides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.audio.recording import Recording
from unrolled.errors import ArgumentError
from unrolled.models.audio.inputs import read_audio_inputs
from unrolled.record import Record

Floats = NDArray[np.float64]

_DECIBELS = 10 / np.log(10)  # of a neper of power


@dataclass(frozen=True, eq=False)
class RecordingTrace(Record):
    """Frames, states and decisions of one recording, step by step.

    Args:
        name: of the recording.
        seconds: its duration.
        answer: what was recognised or written.
        step_s: seconds from one frame to the next.
        hertz: (F,) the middle of each band.
        frames: (T, F) log-mel power, in decibels.
        state_s: seconds from one state to the next.
        states: (S, H) of the last layer of the first network.
        labels: K classes, or tokens behind the blank, which has no name.
        decisions: (D, K) the probability of each after each frame, in the silence behind the recording too.
        written: words with the seconds at which they begin and end; None of a classifier.
    """

    kind: ClassVar[str] = "recording trace"

    name: str
    seconds: float
    answer: str
    step_s: float
    hertz: Floats
    frames: Floats
    state_s: float
    states: Floats
    labels: tuple[str, ...]
    decisions: Floats
    written: tuple[Any, ...] | None

    @property
    def sentence(self) -> str:
        """Name, duration and answer in words."""
        verb = "heard as" if self.written is None else "written as"
        return f"{self.name}, {self.seconds:.3g} s: {verb} {self.answer!r}."

    def __str__(self) -> str:
        return self.sentence

    def to_dict(self) -> dict[str, Any]:
        """Return the decisions and words, ready for JSON, without frames and states."""
        return {name: fact for name, fact in super().to_dict().items() if name not in ("frames", "states")}


def trace_recording(model: Any, x: Any) -> RecordingTrace:
    """Trace one recording through a fitted estimator of recordings; see `AudioEstimator.trace`."""
    who = f"{type(model).__name__}.trace"
    if why := model.why_not_streamable():
        raise ArgumentError(f"{who}: expected a model that decides as it hears. {why[:1].upper()}{why[1:]}")
    if not isinstance(x, Recording | str | Path):
        x = Recording(x, model.rate_)
    inputs = read_audio_inputs([x], who=who, rate=model.rate_, resample=bool(model.resample))
    (recording,) = inputs.recordings.items
    features, states = model.features_, model.stream_states(1)
    wave = recording.wave()
    padded = features.frames(np.pad(wave, (0, model.tail_samples_)))
    decisions = states.step(padded, np.zeros(1, dtype=np.int64), np.array([len(padded)]))
    has_words = hasattr(model, "predict_words")
    return RecordingTrace(
        name=recording.name,
        seconds=recording.seconds,
        answer=str(model.predict([recording])[0]),
        step_s=model.frame_s_,
        hertz=700 * np.expm1(features.mels / 1127),
        frames=_DECIBELS * features.frames(wave),
        state_s=model.frame_s_ * model.network_config_.stem_stride,
        states=_states(model, model.levels_.normalize(padded)),
        labels=tuple(str(label) for label in model.output_classes()),
        decisions=decisions,
        written=tuple(model.predict_words([recording])[0]) if has_words else None,
    )


@torch.inference_mode()
def _states(model: Any, normalized: Floats) -> Floats:
    """Compute the states (S, H) of the last layer of the first network behind normalised frames (T, F)."""
    network = model.networks_[0]
    values = torch.from_numpy(normalized).float()[None]
    lengths = torch.tensor([len(normalized)])
    states, _ = network.core(network.core_inputs(values, lengths)[0])
    return np.asarray(states[0].double().cpu())
