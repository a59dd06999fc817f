"""Saved models: a folder of safetensors, JSON and a model card that holds no code."""

from __future__ import annotations

import hashlib
import json
import numbers
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor

from unrolled.atomic_write import list_folder, read_pair, replace_folder
from unrolled.data.sequences import Sequences
from unrolled.data.storage import pack_series, unpack_series
from unrolled.errors import ModelLoadError, StorageError
from unrolled.formatting import with_article
from unrolled.train.checkpoint import select_prefix
from unrolled.validation import check_path

_TENSORS, _CONFIG, _CARD = "model.safetensors", "config.json", "README.md"
_FORMAT = 4


class SavedField(NamedTuple):
    """Codec of a learned attribute: to JSON and tensors, and back.

    Args:
        pack: gives the record for JSON and the tensors by name.
        unpack: takes these two.
        is_optional: whether there are fits that do not learn it.
    """

    pack: Callable[[Any], tuple[Any, dict[str, Tensor]]]
    unpack: Callable[[Any, dict[str, Tensor]], Any]
    is_optional: bool = False


def record_field(kind: Any) -> SavedField:
    """Describe a field of a class that has `to_dict` and `from_dict`."""
    return SavedField(lambda value: (value.to_dict(), {}), lambda record, _: kind.from_dict(record))


PLAIN = SavedField(lambda value: (value, {}), lambda record, _: record)  # numbers, texts, None
ARRAY = SavedField(  # with its dtype; [()] gives a number where there is one
    lambda array: ([array.tolist(), array.dtype.str], {}),
    lambda record, _: np.array(record[0], dtype=record[1])[()],
)


def _pack_series(series: Sequences) -> tuple[dict[str, Any], dict[str, Tensor]]:
    arrays, record = pack_series(series)
    return record, {name: torch.from_numpy(array) for name, array in arrays.items()}


SERIES = SavedField(
    _pack_series,
    lambda record, tensors: unpack_series({name: part.numpy() for name, part in tensors.items()}, record),
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
    """Read the attributes that `pack_fields` wrote.

    Raises:
        KeyError: one of the fields is missing and not optional, or there is another.
    """
    missing = {name for name, field in fields.items() if not field.is_optional} - records.keys()
    if missing:
        raise KeyError(*sorted(missing))
    return {
        name: fields[name].unpack(record, select_prefix(f"{name}.", tensors))
        for name, record in records.items()
    }


def save_model(path: str | Path, tensors: dict[str, Tensor], config: dict[str, Any], card: str) -> None:
    """Write weights, settings and a model card as one folder, whole or not at all.

    The settings hold a SHA-256 of the weights and of themselves, by which `load_model` detects a cut or
    altered file.

    Raises:
        StorageError: the folder could not be written; what stood there before still stands.
    """

    def fill(new: Path) -> None:
        # not save_file: what it raises on a full disk is no OSError
        content = save({name: tensor.contiguous() for name, tensor in tensors.items()})
        (new / _TENSORS).write_bytes(content)
        body = {"format": _FORMAT, "weights": _digest(content), **config}
        body = json.loads(json.dumps(body, default=_plain))
        signed = {"sha256": _digest(json.dumps(body).encode()), **body}
        (new / _CONFIG).write_text(json.dumps(signed, indent=1))
        (new / _CARD).write_text(card)

    require_replaceable(path)
    replace_folder(path, fill)


def require_replaceable(path: str | Path) -> None:
    """Pass if saving a model there would replace nothing but a saved model.

    Raises:
        StorageError: there is a folder that holds more than a saved model.
    """
    folder = check_path("save path", path)
    if not folder.is_dir():
        return
    names = list_folder(folder)
    others = sorted(names - {_TENSORS, _CONFIG, _CARD} if {_TENSORS, _CONFIG} <= names else names)
    if others:
        some = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
        raise StorageError(
            f"{path}: expected a new folder or a saved model, got a folder with other files ({some}). "
            "Name another."
        )


def load_model(path: str | Path, estimator: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors and settings that `save_model` wrote; nothing in the folder is run.

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
        config_text, content = read_pair(folder / _CONFIG, folder / _TENSORS)
        config = json.loads(config_text)
        digest = config.pop("sha256")
        is_intact = {
            _CONFIG: _digest(json.dumps(config).encode()) == digest,
            _TENSORS: _digest(content) == config["weights"],
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        is_intact = {_CONFIG: False}
    for name, intact in is_intact.items():
        if not intact:
            raise ModelLoadError(
                f"{folder}: {name} is not the file that was saved, it was cut or altered. "
                "Save the model again, or restore the file."
            )
    if (config.get("format"), config.get("estimator")) != (_FORMAT, estimator):
        saved = config.get("estimator")
        way = "Fit it again with this version" if saved == estimator else f"Load it with {saved}.load(folder)"
        raise ModelLoadError(
            f"{folder}: expected {with_article(estimator)}, format {_FORMAT}; "
            f"found {saved}, format {config.get('format')}. {way}."
        )
    return load(content), config


def saved_estimator_name(path: str | Path) -> str:
    """Read the class of a saved model; empty where there is none, which `load_model` then explains."""
    try:
        return str(json.loads((Path(path) / _CONFIG).read_text())["estimator"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def load_one_of(path: str | Path, kinds: Sequence[Any]) -> Any:
    """Load a saved model as that of the estimators (classes) which it is; the first refuses what is none.

    Raises:
        ModelLoadError: it is none of them, or damaged.
    """
    by_name, name = {kind.__name__: kind for kind in kinds}, saved_estimator_name(path)
    if name and name not in by_name:
        raise ModelLoadError(
            f"{path}: expected one of {', '.join(by_name)}; found {name}. Name another model."
        )
    return by_name.get(name, kinds[0]).load(path)


def _plain(number: Any) -> Any:
    """Convert NumPy's numbers, such as those of a grid of settings, to Python's."""
    if isinstance(number, np.generic):
        return number.item()
    if isinstance(number, numbers.Real):  # a Fraction
        return float(number)
    raise TypeError(f"a saved model cannot hold {number!r}")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
