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

from unrolled.atomic_write import replace_folder
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
        (new / _RECORD).write_text(json.dumps(record | {"sha256": hashlib.sha256(content).hexdigest()}))

    with suppress(OSError):  # replace_folder names the folder in its error
        folder.parent.mkdir(parents=True, exist_ok=True)
    replace_folder(folder, fill)


def load_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Read what `save_checkpoint` wrote; None where there is no such folder.

    Raises:
        ModelLoadError: a file is missing, cut or altered.
    """
    if not folder.exists():
        return None
    try:
        content, record = (folder / _TENSORS).read_bytes(), json.loads((folder / _RECORD).read_text())
        if record.pop("sha256") != hashlib.sha256(content).hexdigest():
            raise ValueError(f"{_TENSORS} is not the file that was written")
        return load(content), record
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


def select_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Select the tensors whose names start with `prefix`, and drop it from their names.

    >>> import torch
    >>> select_prefix("best.", {"best.bias": torch.zeros(1), "last.bias": torch.ones(1)})
    {'bias': tensor([0.])}
    """
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
