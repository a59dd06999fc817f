"""Traces of streams of sound for the page: a frame a step, with its log-mel bands."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import StreamError
from unrolled.jsonable import to_jsonable
from unrolled.models.streaming.trace import MEMORY
from unrolled.stream.page.tracer import Tracer, require_few_steps, require_times, restore
from unrolled.stream.serving.sound import SoundStreams

Floats = NDArray[np.float64]


class SoundTracer(Tracer):
    """Trace sound through an AudioClassifier, a frame a step; see `Tracer`.

    The record has `bands`, the log-mel frames (m, F), and the `detections`. Samples that complete no frame
    are in the snapshot.

    >>> import unrolled as ur
    >>> clips = [np.sin(np.arange(1600) * w) for w in (0.3, 0.31, 1.2, 1.21)] * 4
    >>> model = ur.AudioClassifier(rate=8000, hidden_size=4, max_epochs=1).fit(clips, [0, 0, 1, 1] * 4)
    >>> traced = SoundTracer(model)(None, clips[0])
    >>> len(traced["y"]), len(traced["bands"]), len(traced["state"][0])
    (18, 18, 4)
    """

    def __init__(self, model: Any, **options: Any) -> None:
        super().__init__(model, **options)
        self._read = SoundStreams(model, 1, **self._options).read

    def facts(self) -> dict[str, Any]:
        """Describe the model, which reads sound."""
        features = self._model.features_
        samples = {"rate": features.rate, "window": features.window, "hop": features.hop}
        return super().facts() | {"reads": "sound"} | samples

    def _inputs(self) -> list[str]:
        return []

    def __call__(
        self, snapshot: str | None, x: Any, network: int = 0, start: str | None = None
    ) -> dict[str, Any]:
        """Trace samples, those of `MOST_STEPS` frames at most."""
        live = self._live()
        states = live.states
        if start is not None:
            require_times(states)
        if snapshot is not None:
            restore(live, snapshot)
        wave, features = self._read(x), self._model.features_
        bands = features.frames(np.concatenate([live.rest, wave]))
        require_few_steps(len(bands))
        layers = [name for name in states.arrays if re.fullmatch(rf"network{network}\.h\d*", name)]
        if not layers:
            raise StreamError(f"network: expected one of the model's networks, from 0; got {network!r}.")
        heard, after, alone = [], [], []
        for piece in self._pieces(wave, features.window - len(live.rest)):
            alone.append(self._fed_alone(live, states.arrays, piece, layers[-1]))
            heard.append(live.feed(piece))
            after.append(states.arrays[layers[-1]][live.answering].astype(np.float64))
        shape = len(bands), states.arrays[layers[-1]].shape[1]
        state, from_input = (np.array(rows[: len(bands)]).reshape(shape) for rows in (after, alone))
        return {
            **self._heard(live, heard, len(bands)),
            "state": state.tolist(),
            "input": from_input.tolist(),
            "memory": (state - from_input).tolist(),
            "snapshot": b64encode(live.snapshot()).decode(),
            "bands": bands.tolist(),
        }

    def _live(self) -> Any:
        return self._model.stream(**self._options)

    def _heard(self, live: Any, answers: list[Any], _n_frames: int) -> dict[str, Any]:
        """Return y, and what else was heard, of the answers to all pieces."""
        detections = to_jsonable([each._asdict() for each in live.detections])
        return {"y": np.concatenate(answers).tolist(), "detections": detections}

    def _pieces(self, wave: Floats, first: int) -> Iterator[Floats]:
        """Cut samples behind each one that completes a frame; the last piece may complete none."""
        hop = self._model.features_.hop
        ends = np.arange(first, len(wave) + 1, hop)
        yield from (piece for piece in np.split(wave, ends) if len(piece))

    @staticmethod
    def _fed_alone(live: Any, arrays: Any, piece: Floats, layer: str) -> Floats:
        """Return what the state would be after a piece if the layers remembered nothing; nothing moves."""
        before, n_detections = live.snapshot(), len(getattr(live, "detections", ()))
        for name, array in arrays.items():
            if MEMORY.fullmatch(name):
                array[:] = 0
        live.feed(piece)
        state: Floats = arrays[layer][live.answering].astype(np.float64)
        if n_detections < len(getattr(live, "detections", ())):
            del live.detections[n_detections:]
        live.restore(before)
        return state


class SpeechTracer(SoundTracer):
    """Trace speech through a Transcriber; y has the text that each frame adds."""

    def _heard(self, _live: Any, answers: list[Any], n_frames: int) -> dict[str, Any]:
        return {"y": answers[:n_frames]}  # the last piece may complete no frame, and adds nothing then

    def _answers_of_model(self) -> tuple[str, list[str]]:
        return "transcript", []
