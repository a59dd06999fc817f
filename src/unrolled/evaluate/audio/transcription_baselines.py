"""Baselines of transcripts: the commonest one, and that of the nearest training recording.

Each has `fit(recordings, transcripts)` and `predict(recordings)` on recordings of one rate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.data.audio.log_mel import LogMel
from unrolled.data.audio.recording import RecordingList
from unrolled.evaluate.sequence.baselines import NearestEuclidean
from unrolled.models.audio.inputs import raw_frames
from unrolled.models.audio.levels import BandLevels

Floats = NDArray[np.float64]


class CommonestTranscript:
    """The most frequent training transcript, of several the first: what is right without listening.

    >>> CommonestTranscript().fit([], ["no", "yes", "yes"]).predict(["any", "other"])
    ['yes', 'yes']
    """

    def fit(self, X: Sequence[Any], y: Sequence[str]) -> Self:  # noqa: ARG002 (as all baselines)
        """Count transcripts."""
        self.transcript_ = Counter(y).most_common(1)[0][0]
        return self

    def predict(self, X: Sequence[Any]) -> list[str]:
        """Return it for each recording."""
        return [self.transcript_] * len(X)


class NearestRecording:
    """The transcript of the training recording whose log-mel frames, stretched to one length, are nearest.

    >>> from unrolled import Recording
    >>> tones = [Recording(np.sin(np.arange(2000) * w), 8000) for w in (0.3, 1.2, 0.31)]
    >>> train, test = RecordingList(tuple(tones[:2]), 8000), RecordingList(tuple(tones[2:]), 8000)
    >>> NearestRecording().fit(train, ["low", "high"]).predict(test)
    ['low']
    """

    def fit(self, X: RecordingList, y: Sequence[str]) -> Self:
        """Keep the frames of all recordings, less their levels."""
        self.features_ = LogMel(X.rate)
        raw = raw_frames(X, self.features_, "X")
        self.levels_ = BandLevels.fit(raw.values, raw.offsets, kind="recording")
        self.nearest_ = NearestEuclidean().fit(self._frames(X), np.array(list(y), dtype=object))
        return self

    def predict(self, X: RecordingList) -> list[str]:
        """Return the transcript of the nearest training recording of each."""
        return [str(text) for text in self.nearest_.predict(self._frames(X))]

    def _frames(self, X: RecordingList) -> list[Floats]:
        raw = raw_frames(X, self.features_, "X")
        return [self.levels_.normalize(part) for part in np.split(raw.values, raw.offsets[1:-1])]


TRANSCRIPTION_BASELINES: dict[str, Callable[[], Any]] = {
    "commonest transcript": CommonestTranscript,
    "nearest recording": NearestRecording,
}
