"""Checkpoints of a training: safetensors and JSON in one folder, replaced whole after each check."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from unrolled.atomic_write import list_folder, read_pair, replace_folder
from unrolled.errors import ModelLoadError

_TENSORS, _RECORD = "training.safetensors", "training.json"


def save_checkpoint(folder: Path, tensors: dict[str, Tensor], record: dict[str, Any]) -> None:
    """Replace the checkpoint at `folder` in one step; the folders above it are made where they are missing.

    Raises:
        StorageError: it could not be written; the checkpoint before it still stands.
    """

    def fill(new: Path) -> None:
        # not save_file: what it raises on a full disk is no OSError
        content = save({name: t.detach().contiguous().cpu() for name, t in tensors.items()})
        (new / _TENSORS).write_bytes(content)
        (new / _RECORD).write_text(json.dumps(record | {"sha256": _digest(content, record)}))

    with suppress(OSError):  # replace_folder names the folder in its error
        folder.parent.mkdir(parents=True, exist_ok=True)
    replace_folder(folder, fill)


def load_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Read what `save_checkpoint` wrote; None where there is no such folder, or nothing in it.

    Raises:
        ModelLoadError: a file is missing, cut or altered, or the folder holds something else.
    """
    if not folder.is_dir():
        if folder.exists():
            raise ModelLoadError(f"{folder}: expected the folder of a checkpoint, got a file. Name another.")
        return None
    try:
        names = list_folder(folder)
        if not names:
            return None
        _require_only_checkpoint(folder, names)
        text, content = read_pair(folder / _RECORD, folder / _TENSORS)
        record = json.loads(text)
        if record.pop("sha256") != _digest(content, record):
            raise ValueError("it is not what was written")
        return load(content), record
    except ModelLoadError:
        raise
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        SafetensorError,
    ) as fault:
        raise ModelLoadError(
            f"{folder}: not a whole checkpoint ({fault}). Delete the folder to train from the start."
        ) from fault


def _require_only_checkpoint(folder: Path, names: set[str]) -> None:
    """Pass if no other files are there: nobody is told to delete a folder of their own files."""
    if others := sorted(names - {_TENSORS, _RECORD}):
        raise ModelLoadError(
            f"{folder}: expected a checkpoint or nothing, got a folder with other files ({others[0]}). "
            "Name another folder."
        )


def _digest(content: bytes, record: dict[str, Any]) -> str:
    return hashlib.sha256(content + json.dumps(record).encode()).hexdigest()


def select_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Select the tensors whose names start with `prefix`, and drop it from their names.

    >>> import torch
    >>> select_prefix("best.", {"best.bias": torch.zeros(1), "last.bias": torch.ones(1)})
    {'bias': tensor([0.])}
    """
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
