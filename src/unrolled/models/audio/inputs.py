"""Read X as the estimators of recordings take it, and compute the frames of every recording."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from unrolled.data.audio.log_mel import LogMel
from unrolled.data.audio.read import AUDIO_SUFFIXES, LabelledRecordings, read_recordings
from unrolled.data.audio.recording import Recording, RecordingList, as_recordings
from unrolled.data.sequences import Sequences
from unrolled.errors import DataError

_MOST_LABELS = 8  # of one recording; an array that is longer holds samples


class AudioInputs(NamedTuple):
    """Recordings of one rate, and what stands beside each, as given or read; None where nothing does."""

    recordings: RecordingList
    y: Any
    groups: Any


def read_audio_inputs(
    X: Any, y: Any = None, groups: Any = None, *, who: str, rate: int | None, resample: bool,
    transcripts: bool = False,
) -> AudioInputs:  # fmt: skip
    """Read recordings of one rate, with the labels and speakers of their folder or table.

    Args:
        X: as for `as_recordings`; or a folder or table, as for `read_recordings`.
        y: labels; None for those of the folder.
        groups: speakers; None for those of the table.
        who: what messages call X.
        rate: samples a second that are needed; None for those of X.
        resample: convert recordings of another rate.
        transcripts: whether the labels of a table are texts, as in `read_recordings`.

    Raises:
        ArgumentError, DataError, MissingDependencyError: as both raise.
    """
    _require_recordings_first(X, y, who, "transcripts" if transcripts else "labels")
    if isinstance(X, str | Path):
        X = read_recordings(X, transcripts=transcripts)
    notes: tuple[str, ...] = ()
    if isinstance(X, LabelledRecordings):
        y = X.labels if y is None else y
        groups = X.groups if groups is None else groups
        notes = tuple(note for note in X.notes if not note.startswith("Channels"))
    recordings = as_recordings(X, who=who, rate=rate, resample=resample)
    if notes:
        recordings = RecordingList(recordings.items, recordings.rate, (*notes, *recordings.notes))
    return AudioInputs(recordings, y, groups)


def _require_recordings_first(X: Any, y: Any, who: str, beside: str) -> None:
    """Refuse recordings that were passed as y, whose labels or transcripts were passed as X."""
    first_x, first_y = _first(X), _first(y)
    is_label = isinstance(first_x, str | int | float | np.generic)
    if is_label and not _is_recording(first_x) and _is_recording(first_y):
        raise DataError(
            f"{who}: expected recordings first and their {beside} second, got them the other way round. "
            f"Call it with (recordings, {beside})."
        )


def _first(items: Any) -> Any:
    """Return the first of several items; None where there is none, or a generator would lose it."""
    has_items = isinstance(items, Collection) and not isinstance(items, str)
    return next(iter(items), None) if has_items and getattr(items, "ndim", 1) > 0 else None


def _is_recording(item: Any) -> bool:
    """Tell samples, a Recording and the path of a sound from a label or a transcript."""
    if isinstance(item, str | Path):
        return str(item).lower().endswith(AUDIO_SUFFIXES)
    return isinstance(item, Recording) or (hasattr(item, "dtype") and np.size(item) > _MOST_LABELS)


def require_targets(y: Any, who: str, *, transcripts: bool = False) -> Any:
    """Return labels or transcripts, if there are any.

    Raises:
        DataError: there are none, neither given nor those of a folder or table.
    """
    if y is None:
        kind, way = "labels", "a folder whose folders are labels"
        if transcripts:
            kind, way = "transcripts", "a table with a column of paths and one of texts"
        raise DataError(f"{who}: expected {kind}, got none. Pass them, or {way}.")
    return y


def is_label_among(value: Any, classes: Sequence[Any]) -> bool:
    """Tell whether a value is one of some classes; an array or pandas' NA, of which == is no answer, is none.

    >>> is_label_among("hush", ["hush", "yes"]), is_label_among(np.array(["hush", "yes"]), ["hush", "yes"])
    (True, False)
    """
    return isinstance(value, str | int | float | np.generic) and value in classes


def raw_frames(recordings: Sequence[Any], features: LogMel, who: str, *, tail: int = 0) -> Sequences:
    """Compute the frames (ΣT, n_bands) of recordings, as sequences.

    Args:
        recordings: N of them.
        features: the settings.
        who: what messages call them.
        tail: samples of silence that are appended to each.

    Raises:
        DataError: one is shorter than a window; the message names it.
    """
    parts = []
    for i, recording in enumerate(recordings):
        wave = recording.wave()
        frames = features.frames(np.pad(wave, (0, tail)) if tail else wave)
        if not features.count(len(wave)):
            place = f"{who}, recording {i}"
            name = "" if recording.name == place else f" ({recording.name})"
            raise DataError(
                f"{place}{name}: expected at least {features.window} samples, "
                f"{features.window_ms:g} ms, got {len(recording)}. Leave it out."
            )
        parts.append(frames)
    return Sequences.from_arrays([np.ascontiguousarray(part) for part in parts])
