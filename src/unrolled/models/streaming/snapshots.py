"""Snapshots of live streams: the state as bytes, and the model that it belongs to. They hold no code.

    "unrolled stream", a line feed, length of the header, header (JSON), arrays, CRC-32 of all before

The header names the format, the model by its hash, and name, type and shape of each array. The length and the
CRC have 4 bytes, little-endian.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ArgumentError, DataError
from unrolled.models.persistence import pack_fields

State = dict[str, NDArray[Any]]

_MAGIC = b"unrolled stream\n"
_FORMAT = 1
_NUMBER = struct.Struct("<I")
# Of a model, what changes no answer of a stream: how it was trained, and on what.
_NOT_HASHED = {
    "history_", "seconds_", "seed_", "stopping_reason_", "n_epochs_", "max_length_", "n_unlabelled_",
    "feature_names_in_", "transform_reason_", "_axes", "_header", "_table_steps", "_series",
}  # fmt: skip
_ANSWERING = ("missing", "integer")  # parameters that a fitted model reads


def model_hash(model: Any) -> str:
    """Compute the SHA-256 of what a fitted model answers by: its weights and settings.

    It is equal for a model that was saved and loaded, and another for other weights, scales or settings.

    Raises:
        NotFittedError: `fit` was not called.

    >>> import unrolled as ur
    >>> X, y = [[1, 2, 3], [3, 2, 1]], ["up", "down"]
    >>> first, second = (ur.SequenceClassifier(hidden_size=size, max_epochs=1).fit(X, y) for size in (4, 5))
    >>> model_hash(first) == model_hash(first), model_hash(first) == model_hash(second)
    (True, False)
    """
    config = model.network_config_
    fields = {name: field for name, field in model.saved_fields().items() if name not in _NOT_HASHED}
    records, tensors = pack_fields(model, fields)
    for k, network in enumerate(model.networks_):
        tensors |= {f"network.{k}.{name}": tensor for name, tensor in network.state_dict().items()}
    settings = {
        "estimator": type(model).__name__,
        "network": asdict(config),
        "learned": records,
        "parameters": {name: getattr(model, name, None) for name in _ANSWERING},
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=repr).encode())
    for name in sorted(tensors):
        array = tensors[name].detach().cpu().contiguous().numpy()
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def pack_snapshot(state: Mapping[str, NDArray[Any]], model: str) -> bytes:
    """Write a state and the hash of its model as bytes.

    >>> blob = pack_snapshot({"h": np.arange(3.0)}, "abc")
    >>> unpack_snapshot(blob, "abc", {"h": np.zeros(3)})["h"].tolist()
    [0.0, 1.0, 2.0]
    """
    return pack_snapshots({name: np.asarray(array)[None] for name, array in state.items()}, model)[0]


def pack_snapshots(states: Mapping[str, NDArray[Any]], model: str) -> list[bytes]:
    """Write several states (n, ...) as bytes, each as `pack_snapshot` does.

    >>> states = {"h": np.arange(6.0).reshape(2, 3)}
    >>> pack_snapshots(states, "abc")[1] == pack_snapshot({"h": np.array([3.0, 4.0, 5.0])}, "abc")
    True
    """
    head = _head(tuple((name, array.dtype.str, array.shape[1:]) for name, array in states.items()), model)
    rows = [
        np.ascontiguousarray(array).reshape(len(array), -1).view(np.uint8) if array[:1].size else
        np.empty((len(array), 0), np.uint8)
        for array in states.values()
    ]  # fmt: skip
    bodies = [head + row.tobytes() for row in np.concatenate(rows, axis=1)]
    return [body + _NUMBER.pack(zlib.crc32(body)) for body in bodies]


@lru_cache(maxsize=256)  # a server takes thousands a second, all with one
def _head(listed: tuple[tuple[str, str, tuple[int, ...]], ...], model: str) -> bytes:
    header = json.dumps({"format": _FORMAT, "model": model, "arrays": listed}).encode()
    return _MAGIC + _NUMBER.pack(len(header)) + header


def unpack_snapshot(blob: bytes, model: str, like: Mapping[str, NDArray[Any]]) -> State:
    """Read the state that `pack_snapshot` wrote.

    Args:
        blob: its bytes.
        model: hash of the model that is to go on from it.
        like: arrays of the names, types and shapes of a state of this model.

    Raises:
        ArgumentError: these are no bytes.
        DataError: they are no whole snapshot, of another format, or of another model.
    """
    if not isinstance(blob, bytes | bytearray | memoryview):
        raise ArgumentError(
            f"snapshot: expected the bytes of stream.snapshot(), got {type(blob).__name__}. Pass these."
        )
    header, content = _read_header(bytes(blob))
    if header["model"] != model:
        raise DataError(
            f"snapshot: expected one of this model ({model[:12]}), got one of another"
            f" ({header['model'][:12]}): a state means nothing to other weights. Load the model it was taken"
            " with, or start a new stream."
        )
    expected = [[name, array.dtype.str, list(array.shape)] for name, array in like.items()]
    if header["arrays"] != expected:
        raise DataError(
            "snapshot: expected the state of a stream of this kind, got that of another, such as one with"
            " another window= or adaptive=, or without threshold=. Open the stream as the snapshot was taken."
        )
    state, start = {}, 0
    for name, dtype, shape in header["arrays"]:
        count = math.prod(shape)
        state[name] = np.frombuffer(content, dtype, count, start).reshape(shape).copy()
        start += state[name].nbytes
    return state


def _read_header(blob: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the header and what follows it, if the bytes are a whole snapshot of this format."""
    start = len(_MAGIC) + _NUMBER.size
    if blob[: len(_MAGIC)] != _MAGIC or len(blob) < start + _NUMBER.size:
        raise DataError(
            f"snapshot: expected the bytes of stream.snapshot(), got {len(blob)} others."
            " Pass these, as they are."
        )
    body, checksum = blob[: -_NUMBER.size], _NUMBER.unpack(blob[-_NUMBER.size :])[0]
    if zlib.crc32(body) != checksum:
        raise DataError(
            f"snapshot: expected the whole bytes of stream.snapshot(), got {len(blob)} that are cut or"
            " altered. Use an earlier snapshot, or start a new stream."
        )
    end = start + _NUMBER.unpack(blob[len(_MAGIC) : start])[0]
    try:
        header = json.loads(blob[start:end])
        parts = [np.dtype(dtype).itemsize * math.prod(shape) for _, dtype, shape in header["arrays"]]
        if len(body) - end != sum(parts) or not isinstance(header["model"], str):
            raise ValueError(f"{len(body) - end} bytes of arrays, {sum(parts)} announced")
    except (KeyError, TypeError, ValueError) as fault:
        raise DataError(
            f"snapshot: expected the bytes of stream.snapshot(), got a header that is not one ({fault})."
            " Pass these, as they are."
        ) from fault
    if header.get("format") != _FORMAT:
        raise DataError(
            f"snapshot: expected format {_FORMAT}, which this version of unrolled reads, got format"
            f" {header.get('format')}. Open it with the version that wrote it, or start a new stream."
        )
    return header, body[end:]
