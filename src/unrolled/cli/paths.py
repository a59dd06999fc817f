"""Check of input and output paths, before anything is trained."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from unrolled.errors import ArgumentError, StorageError
from unrolled.validation import ErrorCollector

_SUFFIXES = (".csv", ".csv.gz", ".parquet")
_MODEL_FOLDERS = ("MODEL", "--model")  # what is read and is a folder


def check_paths(
    read: Mapping[str, str | None],
    *,
    table: str | None = None,
    report: str | None = None,
    folder: str | None = None,
) -> None:
    """Refuse what cannot be read from or written to before any training.

    Args:
        read: what is read, by the name of its argument or option; None for one that was not given.
        table: --output, a file.
        report: --report, a file.
        folder: --save, a folder.

    Raises:
        ArgumentError: a name is empty; two are the same, or one lies in another's folder; the table's suffix
            is unknown; a place is of the wrong kind, has no folder to stand in, or cannot be written to.
    """
    faults = ErrorCollector()
    paths_by_option = {**read, "--output": table, "--report": report, "--save": folder}
    paths = {option: path for option, path in paths_by_option.items() if path is not None}
    for option, path in paths.items():
        if not path:
            kind = "folder" if option in _MODEL_FOLDERS else "file"
            way_out = f"Give the {kind} to read." if option.isupper() else f"Give one, or leave {option} out."
            faults.add(f"{option}: expected a name, got ''. {way_out}")
    faults.raise_if_any()
    if table is not None and not table.lower().endswith(_SUFFIXES):
        faults.add(f"--output: expected a name that ends in {', '.join(_SUFFIXES)}; got {table!r}.")
    for option in [option for option in paths if option not in read]:
        if reason := _write_obstacle(Path(paths[option]), is_folder=option == "--save"):
            faults.add(f"{option}: {reason}")
    _collect_clashes(faults, paths, set(read))
    faults.raise_if_any()


def _write_obstacle(path: Path, *, is_folder: bool) -> str:
    """Reason why nothing can be written there; empty if it can."""
    final = Path(os.path.realpath(path))  # a link is followed
    if not os.path.isdir(final.parent):  # noqa: PTH112 (pathlib's raises on a name that is too long)
        return f"there is no folder {path.parent}. Make it or write elsewhere."
    try:
        exists = final.exists()
    except OSError as fault:
        return f"{str(path)[:40]}... cannot be written ({fault.strerror}). Choose another name."
    if exists and not is_folder and not final.is_file():
        kind = "an existing folder" if final.is_dir() else "a device"
        return f"expected a file, got {kind}, {path}. Name a file."
    if exists and is_folder and not final.is_dir():
        return f"expected a folder, got an existing file, {path}. Name a folder."
    if not os.access(final.parent, os.W_OK | os.X_OK):
        return f"the folder {path.parent} cannot be written to. Choose another one."
    return _replacement_obstacle(final) if exists and is_folder else ""


def _replacement_obstacle(folder: Path) -> str:
    """Reason why a folder must not be replaced by a model; empty if it may."""
    from unrolled.models.persistence import require_replaceable

    try:
        require_replaceable(folder)
    except StorageError as fault:
        return str(fault).removeprefix(f"{folder}: ")
    return ""


def _collect_clashes(faults: ErrorCollector, paths: dict[str, str], read: set[str]) -> None:
    """Note what would be written over something that is read, or that is written as well."""
    real_paths = {option: Path(os.path.realpath(path)) for option, path in paths.items()}
    written = [option for option in real_paths if option not in read]
    for k, option in enumerate(written):
        # a model may be saved again where it was loaded from
        others = [one for one in paths if one in read and not (option == "--save" and one in _MODEL_FOLDERS)]
        for other in [*others, *written[:k]]:
            if _is_same_file(real_paths[option], real_paths[other]):
                is_input = other in read and other not in _MODEL_FOLDERS
                what = f"file than the input {paths[other]}" if is_input else f"place than {other}"
                faults.add(f"{option}: expected another {what}, got {paths[option]!r}. Name another.")
    for folder in ("--save", *_MODEL_FOLDERS):
        for option in written:
            if folder in real_paths and option != folder and real_paths[folder] in real_paths[option].parents:
                faults.add(
                    f"{option}: expected a place outside the folder of {folder}, got {paths[option]!r}. "
                    "Name another."
                )


def _is_same_file(one: Path, other: Path) -> bool:
    try:
        return one == other or one.samefile(other)
    except OSError:  # one of them is not there yet
        return False


def is_recording(file: str) -> bool:
    """Tell whether a path is a single recording, by its suffix."""
    from unrolled.data.audio.read import AUDIO_SUFFIXES

    return Path(file).is_file() and Path(file).suffix.lower() in AUDIO_SUFFIXES


def require_single_recording(file: str) -> None:
    """Pass if a page can be written of a file.

    Raises:
        ArgumentError: it is a folder or a table.
    """
    if not is_recording(file):
        raise ArgumentError(
            f"--report: expected one recording beside --model, got {file}. Name a file that ends in .wav or "
            "the like, or leave --report out."
        )
