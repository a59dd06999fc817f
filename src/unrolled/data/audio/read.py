"""Read recordings with their labels: a folder a label, or a table of paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.audio.recording import Recording, read_recording
from unrolled.data.io import files
from unrolled.data.io.labelled_table import LabelledColumnSpec, read_labels
from unrolled.data.io.text_tables import column_texts, read_table_head
from unrolled.data.parse.table import Table
from unrolled.data.text.read import mean_words
from unrolled.errors import DataError
from unrolled.formatting import quantity, quoted_list
from unrolled.validation import check_path, short_repr

Array = NDArray[Any]

AUDIO_SUFFIXES = (
    ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au",
    ".snd", ".caf",
)  # fmt: skip
TRANSCRIPT_NAMES = ("transcript", "transcription", "text", "sentence", "words", "label")
GROUP_NAMES = ("speaker", "speaker_id", "spk", "voice", "person", "subject")
_HEAD_CELLS = 200  # that tell whether a column holds paths


@dataclass(frozen=True, eq=False)
class LabelledRecordings(Sequence[Recording]):
    """Recordings, and what stands beside each.

    Args:
        recordings: N of them.
        labels: (N,) int64, float64 or texts; None where there are none.
        groups: (N,) texts, such as the speaker of each; None where none are known.
        source: the folder or table, for messages.
        notes: what was left out or averaged, a sentence each.
    """

    recordings: tuple[Recording, ...]
    labels: Array | None
    groups: Array | None
    source: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.recordings)

    def __getitem__(self, key: Any) -> Any:
        """Select one recording, or several by a slice."""
        return self.recordings[key]


def read_recordings(
    path: str | Path, *, label: str | None = None, groups: str | None = None, transcripts: bool = False
) -> LabelledRecordings:
    """Read recordings from a folder with a folder a label, or from a table with a column of paths.

    Hidden files are left out, links followed. Wav is read as it is; flac, ogg, mp3 and others need soundfile
    (extra `unrolled[audio]`). Channels are averaged.

    Args:
        path: a folder `yes/a.wav`, `no/b.wav`, ..., whose folders are the labels; or one of files alone,
            or a single file, which have none. A table, CSV, Parquet or any other that `read` takes, has a row
            a recording, its paths as seen from the table's folder.
        label: the column of labels; else label, class, target, word or the like, or the only other column.
        groups: the column of speakers; else one called speaker, voice, subject or the like.
        transcripts: whether the labels are texts that stay as they are written; their column is else called
            transcript, text, sentence or the like, or the one with the most words.

    Raises:
        DataError: there is nothing to read, a file is no recording or cut, or a label is missing; the message
            names the file or row.
        MissingDependencyError: a file needs soundfile, which is not installed.

    >>> from scipy.io import wavfile
    >>> for word in ("yes", "no"):
    ...     Path(word).mkdir()
    ...     wavfile.write(f"{word}/0.wav", 8000, np.ones(800, np.int16))
    >>> read = read_recordings(".")
    >>> read.labels.tolist(), read[0]
    (['no', 'yes'], Recording(no/0.wav: 0.1 s at 8,000 Hz))
    """
    path = check_path("read_recordings path", path)
    has_columns = not path.is_dir() and path.suffix.lower() not in AUDIO_SUFFIXES
    if not has_columns and (label is not None or groups is not None):
        raise DataError(
            f"{path}: expected no column beside a folder, whose folders are the labels, or a recording, got "
            f"{short_repr(groups if label is None else label)}. Leave it out, or read a table of paths."
        )
    if path.is_dir():
        return _read_folder(path)
    if path.suffix.lower() in AUDIO_SUFFIXES:
        recordings = _read_all([path], [path.name])
        return LabelledRecordings(recordings, None, None, path.name, _averaged(recordings))
    return _read_table(files.read_file(path), path, label, groups, transcripts=transcripts)


def holds_recordings(path: str | Path) -> bool:
    """Tell whether a path is a folder with recordings in it, or a table with a column of their paths."""
    path = check_path("path", path)
    if path.is_dir():
        return any(file.suffix.lower() in AUDIO_SUFFIXES for file in files.visible_files(path))
    if path.suffix.lower() in AUDIO_SUFFIXES:
        return True
    table = read_table_head(path)
    return table is not None and _find_path_column(table) is not None


def _read_folder(folder: Path) -> LabelledRecordings:
    visible = files.visible_files(folder)
    paths = [file for file in visible if file.suffix.lower() in AUDIO_SUFFIXES]
    if not paths:
        raise DataError(
            f"{folder}: expected a folder of recordings, such as yes/a.wav and no/b.wav, got "
            f"{quantity(len(visible), 'other file')}."
        )
    names = [file.relative_to(folder).as_posix() for file in paths]
    labels = [name.split("/")[0] for name in names if "/" in name]
    if labels and len(labels) < len(names):
        lone = next(name for name in names if "/" not in name)
        raise DataError(
            f"{folder}: expected every recording in the folder of its label, got {lone} beside such folders. "
            "Move it into one, or out."
        )
    recordings = _read_all(paths, names)
    notes = _averaged(recordings)
    if others := [file.relative_to(folder).as_posix() for file in visible if file not in set(paths)]:
        notes += (f"{quantity(len(others), 'file')} without a recording left out: {quoted_list(others)}.",)
    return LabelledRecordings(recordings, np.array(labels) if labels else None, None, folder.name, notes)


def _read_table(
    table: Table, path: Path, label: str | None, groups: str | None, *, transcripts: bool
) -> LabelledRecordings:
    column = _find_path_column(table)
    if column is None:
        raise DataError(
            f"{path.name}: expected a column of paths that end in .wav, .flac or the like, got "
            f"{quoted_list(list(table.columns))}."
        )
    if column.lower().endswith(AUDIO_SUFFIXES):
        raise DataError(
            f"{path.name}: expected a header in the first row, got the path {column!r}, whose recording "
            "would be left out. Write one above it, such as path,label."
        )
    if label == column:
        raise DataError(f"{path.name}: expected a column of labels, got {label!r}, the paths. Name another.")
    if groups is not None:
        table.require_column(groups, "groups")
    names = [name for name in table.columns if name.strip().lower() in GROUP_NAMES and name != label]
    group_column = groups or next(iter(names), None)
    cells = column_texts(table, column)
    recordings = _read_all([path.parent / cell for cell in cells], cells)
    notes = _averaged(recordings)
    of_groups = None
    if group_column is not None:
        of_groups = np.array([str(value) for value in table.columns[group_column].tolist()])
        notes += (f"Recordings with one {group_column!r} are kept together.",)
    taken = {column, group_column}
    others = {name: cells for name, cells in table.columns.items() if name not in taken}
    labels = _transcripts(table, others, label) if transcripts else _labels(table, others, label)
    return LabelledRecordings(recordings, labels, of_groups, path.name, notes)


def _labels(table: Table, others: dict[str, Array], label: str | None) -> Array | None:
    """Read the labels among the columns that are neither paths nor groups."""
    if label is not None:
        table.require_column(label, "label")
    elif len(others) == 1:
        label = next(iter(others))
    if not others:
        return None
    return read_labels(replace(table, columns=others), LabelledColumnSpec(label))


def _transcripts(table: Table, others: dict[str, Array], label: str | None) -> Array | None:
    """Read the transcripts among the columns that are neither paths nor groups, as they are written."""
    if label is None:
        usual = [name for name in others if name.strip().lower() in TRANSCRIPT_NAMES]
        texts = [name for name in others if table.kinds[name] == "text"]
        longest = sorted(texts, key=lambda name: -mean_words(others[name]))
        label = next(iter([*usual, *longest, *others]), None)
    if label is None:
        return None
    return np.array(column_texts(table, table.require_column(label, "label")), dtype=object)


def _find_path_column(table: Table) -> str | None:
    """Find the first column whose cells end as recordings do, but for missing ones."""
    for name, cells in table.columns.items():
        sample = [cell for cell in cells[:_HEAD_CELLS].tolist() if not _is_missing(cell)]
        if sample and all(isinstance(c, str) and c.lower().endswith(AUDIO_SUFFIXES) for c in sample):
            return name
    return None


def _is_missing(cell: Any) -> bool:
    return cell is None or cell != cell or (isinstance(cell, str) and not cell.strip())  # noqa: PLR0124 (NaN)


def _read_all(paths: Sequence[Path], names: Sequence[str]) -> tuple[Recording, ...]:
    return tuple(files.read_each(lambda file: read_recording(*file), zip(paths, names, strict=True)))


def _averaged(recordings: Sequence[Recording]) -> tuple[str, ...]:
    several = [recording.n_channels for recording in recordings if recording.n_channels > 1]
    if not several:
        return ()
    return (f"Channels of {quantity(len(several), 'recording')} averaged, up to {max(several)} of them.",)
