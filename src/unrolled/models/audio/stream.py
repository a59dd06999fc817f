"""Live streams of AudioClassifier: samples in chunks of any size, the scores of the whole recording.

Shapes: K classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.models.audio.inputs import is_label_among
from unrolled.models.audio.states import SoundStream
from unrolled.validation import ErrorCollector, check_float, short_repr

Floats = NDArray[np.float64]

_HOLD_MS, _REFRACTORY_MS = 50.0, 500.0


class Detection(NamedTuple):
    """Class that a stream has recognised.

    Args:
        label: the class.
        seconds: from the first sample of the stream to the end of the frame that decided.
        probability: of the class at that frame.
    """

    label: Any
    seconds: float
    probability: float


class AudioStream(SoundStream):
    """Live stream of sound: samples in, probabilities out, and the classes that were recognised.

    Made by `model.stream(...)`. After each frame the probabilities equal `predict_proba` of the samples since
    the stream began, to the bit, however the samples are cut into chunks. With a `threshold`, a class whose
    probability has stayed at or above it for `hold_ms` is recognised, and the stream begins anew, then and
    after the refractory time.

    With a `threshold` a model of a `background` is stepped as two copies, each of which begins anew after
    twice the frames of a long word (`context_.window`), half a turn after the other. The probabilities are
    those of the copy that began first: it has heard a whole word, and no more than in training.

    Args:
        model: a fitted AudioClassifier.
        threshold: least probability of what is recognised; None to recognise nothing and never begin anew.
        hold_ms: milliseconds that it has to stay there; None for 50.
        refractory_ms: milliseconds after a detection without another; None for 500.
        ignore: classes that are never reported, such as noise; the stream begins anew with them too. The
            model's `background` neither is reported nor begins anew.

    Raises:
        ArgumentError: an argument is out of range, or says how to recognise where there is no threshold; or
            the model cannot be streamed.

    >>> import unrolled as ur
    >>> recordings = [np.sin(np.arange(1600) * w) for w in (0.3, 0.31, 1.2, 1.21)] * 4
    >>> model = ur.AudioClassifier(rate=8000, hidden_size=4, max_epochs=1).fit(recordings, [0, 0, 1, 1] * 4)
    >>> stream = model.stream()
    >>> scores = np.concatenate([stream.feed(chunk) for chunk in np.split(recordings[0], [100, 777])])
    >>> scores.shape, bool((scores[-1] == model.predict_proba(recordings[:1])[0]).all())
    ((18, 2), True)
    """

    # frames before which nothing is reported, the likeliest class and for how long, frames since the start
    _counters = ("quiet_until", "held", "held_frames", "age")

    def __init__(
        self,
        model: Any,
        *,
        threshold: float | None = None,
        hold_ms: float | None = None,
        refractory_ms: float | None = None,
        ignore: Sequence[Any] = (),
    ) -> None:
        is_spotter = threshold is not None and model.context_ is not None
        super().__init__(model, n_copies=2 if is_spotter else 1)
        names = model.classes_.tolist()
        times_ms = {"hold_ms": hold_ms, "refractory_ms": refractory_ms}
        self._ignored = _check_options(names, threshold, times_ms, ignore)
        self._threshold, self._is_spotter = threshold, is_spotter
        hold_ms = _HOLD_MS if hold_ms is None else hold_ms
        refractory_ms = _REFRACTORY_MS if refractory_ms is None else refractory_ms
        hop_ms = model.features_.hop_ms
        self._hold, self._refractory = round(hold_ms / hop_ms), round(refractory_ms / hop_ms)
        self._background = model.context_.background if is_spotter else -1
        self._window = model.context_.window if is_spotter else 0
        self._counts["held"] = -1
        self.detections: list[Detection] = []

    def feed(self, chunk: Any) -> Floats:
        """Take the next samples (n,), and return the probabilities (m, K) after each frame they complete.

        Raises:
            DataError: these are no numbers (n,), or one is not finite; the stream has not moved.
        """
        frames, parts = self._frames.feed(chunk), []
        if self._threshold is None or not len(frames):
            self._counts["frames"] += len(frames)
            return self._step(frames)
        while len(frames):
            scores = self._hear(frames)
            hit = self._first_hit(scores, self._threshold)
            if hit is not None:
                self._begin_anew()
                scores = scores[: hit + 1]
            parts.append(scores)
            frames = frames[len(scores) :]
        return _joined(parts)

    def _hear(self, frames: Floats) -> Floats:
        """Step the copies, and return the probabilities (m, K) of the one that began first."""
        if not self._is_spotter:
            return self._step(frames)
        window, parts = self._window, []
        while len(frames):
            turn, place = divmod(self._counts["age"], window)
            if place == 0:
                self._clear_network_state(turn % 2)
            part = frames[: window - place]
            self._counts["age"] += len(part)
            parts.append(self.states.step_all(part)[self.answering])
            frames = frames[len(part) :]
        return _joined(parts)

    @property
    def answering(self) -> int:
        """Place in `states` of the copy whose probabilities the last frame has."""
        turn = max(self._counts["age"] - 1, 0) // self._window if self._is_spotter else 0
        return (turn + 1) % 2 if turn else 0

    def reset(self) -> None:
        """Go back to before the first sample; detections stay."""
        self._begin_anew()
        self._frames.reset()
        self._counts |= {"frames": 0, "quiet_until": 0}

    def _begin_anew(self) -> None:
        self._clear_network_state()
        self._counts |= {"held": -1, "held_frames": 0, "age": 0}

    def _first_hit(self, scores: Floats, threshold: float) -> int | None:
        """Count frames up to the first after which the stream begins anew, and return its place.

        That is where a class has held, which is reported, and the end of the refractory time, whose sound is
        the rest of that class.
        """
        counts = self._counts
        for place, row in enumerate(scores):
            counts["frames"] += 1
            if counts["frames"] <= counts["quiet_until"]:
                if counts["frames"] == counts["quiet_until"]:
                    return place
                continue
            best = int(row.argmax())
            is_high = best != self._background and bool(row[best] >= threshold)
            is_same = is_high and counts["held"] == best
            counts["held"] = best if is_high else -1
            counts["held_frames"] = counts["held_frames"] + 1 if is_same else int(is_high)
            if is_high and counts["held_frames"] > self._hold:
                if best not in self._ignored:
                    label = self._model.classes_[best]
                    self.detections.append(Detection(label, self.seconds, float(row[best])))
                    counts["quiet_until"] = counts["frames"] + self._refractory
                return place
        return None


def _joined(parts: list[Floats]) -> Floats:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _check_options(classes: list[Any], threshold: Any, times_ms: dict[str, Any], ignore: Any) -> list[int]:
    """Return the positions of the ignored classes, if the options are in range and have a threshold."""
    faults, given = ErrorCollector(), {name: value for name, value in times_ms.items() if value is not None}
    if threshold is not None:
        faults.collect(check_float, "threshold", threshold, above=0, most=1)
    for name, value in given.items():
        faults.collect(check_float, name, value, least=0)
    has_items = isinstance(ignore, Iterable) and getattr(ignore, "ndim", 1) > 0
    if isinstance(ignore, str) or not has_items:
        faults.add(f"ignore: expected a list of classes, got {short_repr(ignore)}. Put it in a list.")
        ignore = ()
    labels = list(ignore)
    for label in labels:
        if not is_label_among(label, classes):
            faults.add(f"ignore: expected some of the classes {classes}, got {short_repr(label)}.")
    for name in (*given, *["ignore"] * bool(labels)) if threshold is None else ():
        faults.add(
            f"{name}: expected a threshold beside it, without which nothing is recognised, got none. Pass "
            "threshold=0.9 too, or leave it out."
        )
    faults.raise_if_any()
    return [classes.index(label) for label in labels]
