"""Where a command may write, settled before anything is trained."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from unrolled.errors import ArgumentError, StorageError
from unrolled.validation import ErrorCollector

_SUFFIXES = (".csv", ".csv.gz", ".parquet")
_MODELS = ("MODEL", "--model")  # what is read and is a folder


def check_places(
    read: Mapping[str, str | None],
    *,
    table: str | None = None,
    page: str | None = None,
    folder: str | None = None,
) -> None:
    """Refuse what cannot be read from or written to before any training.

    Args:
        read: what is read, by the name of its argument or option; None for one that was not given.
        table: --output, a file.
        page: --report, a file.
        folder: --save, a folder.

    Raises:
        ArgumentError: a name is empty; two are the same, or one lies in another's folder; the table's suffix
            is unknown; a place is of the wrong kind, has no folder to stand in, or cannot be written to.
    """
    faults = ErrorCollector(ArgumentError)
    named = {**read, "--output": table, "--report": page, "--save": folder}
    given = {option: place for option, place in named.items() if place is not None}
    for option, place in given.items():
        if not place:
            kind = "folder" if option in _MODELS else "file"
            way_out = f"Give the {kind} to read." if option.isupper() else f"Give one, or leave {option} out."
            faults.add(f"{option}: expected a name, got ''. {way_out}")
    faults.raise_if_any()
    if table is not None and not table.lower().endswith(_SUFFIXES):
        faults.add(f"--output: expected a name that ends in {', '.join(_SUFFIXES)}; got {table!r}.")
    for option in [option for option in given if option not in read]:
        if reason := _cannot_be_written(Path(given[option]), is_folder=option == "--save"):
            faults.add(f"{option}: {reason}")
    _add_clashes(faults, given, set(read))
    faults.raise_if_any()


def _cannot_be_written(place: Path, *, is_folder: bool) -> str:
    """Why nothing can be written there; an empty string where it can."""
    final = Path(os.path.realpath(place))  # a link is followed
    if not os.path.isdir(final.parent):  # noqa: PTH112 (pathlib's raises on a name that is too long)
        return f"there is no folder {place.parent}. Make it or write elsewhere."
    try:
        exists = final.exists()
    except OSError as fault:
        return f"{str(place)[:40]}... cannot be written ({fault.strerror}). Choose another name."
    if exists and not is_folder and not final.is_file():
        kind = "an existing folder" if final.is_dir() else "a device"
        return f"expected a file, got {kind}, {place}. Name a file."
    if exists and is_folder and not final.is_dir():
        return f"expected a folder, got an existing file, {place}. Name a folder."
    if not os.access(final.parent, os.W_OK | os.X_OK):
        return f"the folder {place.parent} cannot be written to. Choose another one."
    return _not_a_model(final) if exists and is_folder else ""


def _not_a_model(folder: Path) -> str:
    """Why a folder must not be replaced by a model; an empty string where it may."""
    from unrolled.models.estimator import require_replaceable

    try:
        require_replaceable(folder)
    except StorageError as fault:
        return str(fault).removeprefix(f"{folder}: ")
    return ""


def _add_clashes(faults: ErrorCollector, given: dict[str, str], read: set[str]) -> None:
    """Note what would be written over something that is read, or that is written as well."""
    real = {option: Path(os.path.realpath(place)) for option, place in given.items()}
    written = [option for option in real if option not in read]
    for k, option in enumerate(written):
        # a model may be kept again where it was
        others = [one for one in given if one in read and not (option == "--save" and one in _MODELS)]
        for other in [*others, *written[:k]]:
            if _same(real[option], real[other]):
                is_input = other in read and other not in _MODELS
                what = f"file than the input {given[other]}" if is_input else f"place than {other}"
                faults.add(f"{option}: expected another {what}, got {given[option]!r}. Name another.")
    for folder in ("--save", *_MODELS):
        for option in written:
            if folder in real and option != folder and real[folder] in real[option].parents:
                faults.add(
                    f"{option}: expected a place outside the folder of {folder}, got {given[option]!r}. "
                    "Name another."
                )


def _same(one: Path, other: Path) -> bool:
    try:
        return one == other or one.samefile(other)
    except OSError:  # one of them is not there yet
        return False
