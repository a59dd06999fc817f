"""Live streams of a Transcriber: samples in chunks of any size, the text of the whole recording.

Shapes: T frames, K kinds of output, the blank first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.models.audio.states import SoundStream
from unrolled.models.audio.transcription.transcripts import BLANK
from unrolled.models.audio.transcription.words import Word, WrittenToken, best_path, words_of
from unrolled.models.streaming.snapshots import State

Floats = NDArray[np.float64]

_MOST_HELD = 16  # tokens of one character


class TranscriptionStream(SoundStream):
    """Live stream of speech: samples in, text out, each output of the network at its likeliest.

    Made by `model.stream(...)`. The text of all calls joined is that of `predict`, however the samples are
    cut into chunks; memory and time a second of sound stay the same however long it runs.

    Args:
        model: a fitted Transcriber.

    >>> import unrolled as ur
    >>> tone = {"low": 0.3, "high": 1.2}
    >>> texts = ["low", "high", "low high", "high low"] * 6
    >>> waves = [np.concatenate([np.sin(np.arange(2400) * tone[word]) for word in text.split()])
    ...          for text in texts]
    >>> model = ur.Transcriber(rate=8000, unit="word", hidden_size=8, max_epochs=2).fit(waves, texts)
    >>> stream = model.stream()
    >>> text = "".join(stream.feed(chunk) for chunk in np.array_split(waves[2], 7)) + stream.finish()
    >>> [text] == model.predict(waves[2:3])
    True
    """

    # samples and outputs, the likeliest of the last; whether there is text, a space is due, all has ended
    _counters = ("samples", "outputs", "last", "is_written", "is_spaced", "is_ended")

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self._stride = model.network_config_.stem_stride
        self._pending: Floats = np.zeros(model.network_config_.output_size)  # after a block that goes on
        self._held: list[int] = []  # tokens that are no whole character yet
        self._written: list[WrittenToken] = []

    @property
    def words(self) -> list[Word]:
        """Words so far, with their times; the last one may go on."""
        rate, step = self._model.rate_, self._stride * self._model.features_.hop
        return words_of(self._model.codec_, self._written, step / rate, self._counts["samples"] / rate)

    def feed(self, chunk: Any) -> str:
        """Take the next samples (n,), and return what they add to the text.

        Raises:
            DataError: these are no numbers (n,), or one is not finite; the stream has not moved. Or the
                recording has ended.
        """
        return self._write(self.outputs(chunk))

    def finish(self) -> str:
        """End the recording, and return the rest of the text."""
        return "" if self._counts["is_ended"] else self._write(self.last_outputs())

    def outputs(self, chunk: Any) -> Floats:
        """Take the next samples (n,), and return the probabilities (m, K) of the outputs they complete.

        Raises:
            DataError: as `feed`.
        """
        if self._counts["is_ended"]:
            raise DataError("chunk: expected no sound after the end. Call reset() to begin anew.")
        frames = self._frames.feed(chunk)
        answers, before = self._step(frames), self._counts["frames"]
        if len(answers):
            self._pending = answers[-1].copy()
        self._counts |= {"frames": before + len(frames), "samples": self._counts["samples"] + len(chunk)}
        ends_block = (np.arange(len(frames)) + before) % self._stride == self._stride - 1
        return np.asarray(answers[ends_block])

    def last_outputs(self) -> Floats:
        """End the recording, and return the probabilities (m, K) of the outputs of the silence behind it."""
        n_samples = self._counts["samples"]
        outputs = self.outputs(np.zeros(self._model.tail_samples_))
        self._counts |= {"samples": n_samples, "is_ended": 1}
        is_block_open = self._counts["frames"] % self._stride > 0
        return np.concatenate([outputs, self._pending[None]]) if is_block_open else outputs

    def reset(self) -> None:
        """Go back to before the first sample, without a text."""
        self._clear_network_state()
        self._frames.reset()
        self._counts = dict.fromkeys(self._counts, 0)
        self._held, self._written = [], []

    def _write(self, probabilities: Floats) -> str:
        """Add the likeliest outputs to the text."""
        if not len(probabilities):
            return ""
        counts = self._counts
        path, before = best_path(probabilities, counts["last"]), counts["outputs"]
        n_repeated = int(np.logical_and.accumulate(probabilities.argmax(1) == counts["last"]).sum())
        if n_repeated and counts["last"] != BLANK and self._written:
            self._written[-1] = self._written[-1]._replace(end=before + n_repeated)
        self._written += [WrittenToken(token, before + start, before + end) for token, start, end in path]
        counts |= {"last": int(probabilities[-1].argmax()), "outputs": before + len(probabilities)}
        self._held += [written.token for written in path]
        codec = self._model.codec_
        piece = codec.tokenizer.join(codec.names(self._held))
        if piece.endswith("\ufffd"):  # half a character of a subword
            return ""
        self._held = []
        return self._spaced(piece)

    def _spaced(self, piece: str) -> str:
        """Return a piece of text with one space between words and none at the ends."""
        text, counts = "", self._counts
        for character in piece:
            if character == " ":
                counts["is_spaced"] = counts["is_written"]
            else:
                text += " " * counts["is_spaced"] + character
                counts |= {"is_spaced": 0, "is_written": 1}
        return text

    def _state(self) -> State:
        held = np.zeros(_MOST_HELD, dtype=np.int64)
        held[: len(self._held)] = self._held[:_MOST_HELD]
        return super()._state() | {"pending": self._pending, "held": held}

    def _set_network_state(self, state: State) -> None:
        self._pending, held = state.pop("pending"), state.pop("held")
        self._held = held[held != BLANK].tolist()
        super()._set_network_state(state)
