"""Take `Sequences` apart into arrays and JSON, and put them together again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from unrolled.data.sequences import ColumnNames, DeclaredOrder, Role, Sequences


def pack_series(series: Sequences) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Split `Sequences` into arrays for safetensors and a record for JSON.

    Returns:
        Arrays values (ΣT, *feature_shape) in their own type, offsets (N + 1,) and, where there are such,
        times (ΣT,) int64 and filled (ΣT,) bool; and the rest.

    >>> series = Sequences.from_arrays([[1.0, 2.0], [4.0]])
    >>> unpack_series(*pack_series(series)).lengths.tolist()
    [2, 1]
    """
    arrays: dict[str, NDArray[Any]] = {"values": series.values, "offsets": series.offsets}
    has_dates = series.times is not None and series.times.dtype.kind == "M"
    if series.times is not None:
        times = series.times.astype("datetime64[ns]") if has_dates else series.times
        arrays["times"] = times.astype(np.int64)  # safetensors has no type for dates
    if series.filled is not None:
        arrays["filled"] = series.filled
    if series.keys is not None:
        arrays["keys"] = _to_bytes(series.keys)
    names = ("ids", "columns", "roles", "freq", "order", "names", "source", "backend", "tokens", "labels")
    return arrays, {name: getattr(series, name) for name in names} | {"has_dates": has_dates}


def unpack_series(arrays: Mapping[str, NDArray[Any]], record: Mapping[str, Any]) -> Sequences:
    """Put together what `pack_series` took apart."""
    times = arrays.get("times")
    return Sequences(
        values=arrays["values"],
        offsets=arrays["offsets"],
        ids=tuple(record["ids"]),
        columns=tuple(record["columns"]),
        roles=tuple(Role(role) for role in record["roles"]),
        times=times.view("datetime64[ns]") if times is not None and record["has_dates"] else times,
        freq=record["freq"],
        filled=arrays.get("filled"),
        order=DeclaredOrder(record["order"]),
        names=ColumnNames(*record["names"]),
        source=record["source"],
        backend=record["backend"],
        tokens=None if record["tokens"] is None else tuple(record["tokens"]),
        labels={name: tuple(labels) for name, labels in record["labels"].items()},
        keys=None if "keys" not in arrays else _from_bytes(arrays["keys"], record["backend"]),
    )


def _to_bytes(frame: nw.DataFrame[Any]) -> NDArray[np.uint8]:
    """Write a frame as an Arrow stream, in which types of columns stay what they are."""
    import pyarrow as pa  # noqa: PLC0415 (a command that saves nothing does without it)

    native = frame.to_native()
    table = pa.Table.from_pandas(native, preserve_index=False) if _is_pandas(native) else frame.to_arrow()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return np.frombuffer(sink.getvalue(), dtype=np.uint8)


def _from_bytes(content: NDArray[np.uint8], backend: Any) -> nw.DataFrame[Any]:
    import pyarrow as pa  # noqa: PLC0415

    table = pa.ipc.open_stream(pa.py_buffer(content.tobytes())).read_all()
    frame: nw.DataFrame[Any]
    frame = nw.from_native(table.to_pandas() if backend == "pandas" else table, eager_only=True)
    return frame if backend != "polars" else nw.from_arrow(table, backend=backend)


def _is_pandas(native: Any) -> bool:
    return type(native).__module__.partition(".")[0] == "pandas"
