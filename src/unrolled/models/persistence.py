"""Saved models: a folder of safetensors, JSON and a model card that holds no code."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.torch import load, save
from torch import Tensor

from unrolled.atomic_write import replace_folder
from unrolled.errors import ModelLoadError, StorageError
from unrolled.train.checkpoint import select_prefix
from unrolled.validation import check_path

_TENSORS, _CONFIG, _CARD = "model.safetensors", "config.json", "README.md"
_FORMAT = 3


class SavedField(NamedTuple):
    """How a learned attribute of an estimator is saved: as JSON and tensors, and read back.

    Args:
        pack: gives the record for JSON and the tensors by name.
        unpack: takes these two.
    """

    pack: Callable[[Any], tuple[Any, dict[str, Tensor]]]
    unpack: Callable[[Any, dict[str, Tensor]], Any]


def record_field(kind: Any) -> SavedField:
    """Describe a field of a class that has `to_dict` and `from_dict`."""
    return SavedField(lambda value: (value.to_dict(), {}), lambda record, _: kind.from_dict(record))


PLAIN = SavedField(lambda value: (value, {}), lambda record, _: record)  # numbers, texts, None
ARRAY = SavedField(  # with its dtype; [()] gives a number where there is one
    lambda array: ([array.tolist(), array.dtype.str], {}),
    lambda record, _: np.array(record[0], dtype=record[1])[()],
)


def pack_fields(owner: Any, fields: Mapping[str, SavedField]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Pack those of the fields that an object has; tensors are named `field.tensor`."""
    records: dict[str, Any] = {}
    tensors: dict[str, Tensor] = {}
    for name in fields.keys() & vars(owner).keys():
        records[name], parts = fields[name].pack(getattr(owner, name))
        tensors |= {f"{name}.{part}": tensor for part, tensor in parts.items()}
    return records, tensors


def unpack_fields(
    records: dict[str, Any], tensors: dict[str, Tensor], fields: Mapping[str, SavedField]
) -> dict[str, Any]:
    """Read the attributes that `pack_fields` wrote."""
    return {
        name: fields[name].unpack(record, select_prefix(f"{name}.", tensors))
        for name, record in records.items()
    }


def save_model(path: str | Path, tensors: dict[str, Tensor], config: dict[str, Any], card: str) -> None:
    """Write weights, settings and a model card as one folder, whole or not at all.

    The settings hold a SHA-256 of the weights and of themselves, so that a cut or altered file is seen on
    loading.

    Raises:
        StorageError: the folder could not be written; what stood there before still stands.
    """

    def fill(new: Path) -> None:
        # not save_file: what it raises on a full disk is no OSError
        content = save({name: tensor.contiguous() for name, tensor in tensors.items()})
        (new / _TENSORS).write_bytes(content)
        body = {"format": _FORMAT, "weights": _digest(content), **config}
        body = json.loads(json.dumps(body, default=_plain))
        sealed = {"sha256": _digest(json.dumps(body).encode()), **body}
        (new / _CONFIG).write_text(json.dumps(sealed, indent=1))
        (new / _CARD).write_text(card)

    require_replaceable(path)
    replace_folder(path, fill)


def require_replaceable(path: str | Path) -> None:
    """Pass if a model can be saved there without losing anything else.

    Raises:
        StorageError: there is a folder that holds more than a saved model.
    """
    folder = check_path("save path", path)
    if not folder.is_dir():
        return
    names = _names_together(folder)
    others = sorted(names - {_TENSORS, _CONFIG, _CARD} if {_TENSORS, _CONFIG} <= names else names)
    if others:
        some = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
        raise StorageError(
            f"{path}: expected a new folder or a saved model, got a folder with other files ({some}). "
            "Name another."
        )


def _names_together(folder: Path) -> set[str]:
    """The names in one folder, though another process may put a new one in its place meanwhile."""
    while True:
        try:
            was = folder.stat()
            names = {inside.name for inside in folder.iterdir()}
            if os.path.samestat(was, folder.stat()):
                return names
        except FileNotFoundError:  # for a moment there may be none
            return set()


def load_model(path: str | Path, estimator: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `save_model` wrote; nothing in it is run.

    Raises:
        ModelLoadError: the folder or a file is missing, cut or altered, or holds another estimator.
    """
    folder = check_path("load path", path)
    if not folder.is_dir():
        raise ModelLoadError(f"{folder}: expected the folder of a saved model, found none. See model.save.")
    for name in (_CONFIG, _TENSORS):
        if not (folder / name).is_file():
            raise ModelLoadError(f"{folder}: {name} is missing. Save the model again, or restore the file.")
    content = b""
    try:
        config, content = _read_together(folder)
        sealed = json.loads(config)
        seal = sealed.pop("sha256")
        whole = {
            _CONFIG: _digest(json.dumps(sealed).encode()) == seal,
            _TENSORS: _digest(content) == sealed["weights"],
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        whole = {_CONFIG: False}
    for name, is_whole in whole.items():
        if not is_whole:
            raise ModelLoadError(
                f"{folder}: {name} is not the file that was saved, it was cut or altered. "
                "Save the model again, or restore the file."
            )
    if (sealed.get("format"), sealed.get("estimator")) != (_FORMAT, estimator):
        found = f"{sealed.get('estimator')}, format {sealed.get('format')}"
        raise ModelLoadError(f"{folder}: expected a {estimator}, format {_FORMAT}; found {found}.")
    return load(content), sealed


def _read_together(folder: Path) -> tuple[bytes, bytes]:
    """Settings and weights of one saving, though another process may save to the folder meanwhile."""
    config = (folder / _CONFIG).read_bytes()
    while True:
        content = (folder / _TENSORS).read_bytes()
        again = (folder / _CONFIG).read_bytes()
        if again == config:
            return config, content
        config = again


def saved_estimator_name(path: str | Path) -> str:
    """Which estimator a folder holds; empty where it does not tell, and `load_model` will say why."""
    try:
        return str(json.loads((Path(path) / _CONFIG).read_text())["estimator"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _plain(number: Any) -> Any:
    """NumPy's numbers, such as those of a grid of settings, as Python's."""
    if isinstance(number, np.generic):
        return number.item()
    raise TypeError(f"a saved model cannot hold {number!r}")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
