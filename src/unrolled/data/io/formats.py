"""Formats that libraries read: Parquet, Arrow, Excel, JSON, SQLite."""

from __future__ import annotations

import csv
import io
import json
import shlex
import sqlite3
import zipfile
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from unrolled.data.io.csv import parse_csv
from unrolled.data.io.frames import from_frame
from unrolled.data.parse.date_numbers import looks_like_moments
from unrolled.data.parse.datetimes import looks_like_dates
from unrolled.data.parse.table import Table
from unrolled.errors import DataError, MissingDependencyError
from unrolled.validation import suggest_spelling

PARQUET = b"PAR1"  # how such a file begins


def parquet_frame(content: bytes, path: Path) -> pd.DataFrame:
    """Parse a Parquet file; the path is for messages.

    Raises:
        DataError: the file is cut or damaged.
    """
    from pyarrow import BufferReader, parquet  # noqa: PLC0415 (half the cost of reading a CSV)

    return _arrow_frame(lambda: parquet.read_table(BufferReader(content)), path, "Parquet")


def _arrow_frame(read: Callable[[], Any], path: Path, kind: str) -> pd.DataFrame:
    from pyarrow import ArrowException  # noqa: PLC0415

    try:
        frame: pd.DataFrame = read().to_pandas()
    except (ArrowException, OSError) as fault:
        raise DataError(
            f"{path}: expected a whole {kind} file, got a cut or damaged one. Fetch it again."
        ) from fault
    return frame


def _parquet(content: bytes, path: Path, _part: str) -> Table:
    return from_frame(parquet_frame(content, path), source=path.name)


def _arrow(content: bytes, path: Path, _part: str) -> Table:
    from pyarrow import ipc  # noqa: PLC0415

    opened = ipc.open_file if content.startswith(b"ARROW1") else ipc.open_stream
    return from_frame(_arrow_frame(lambda: opened(content).read_all(), path, "Arrow"), source=path.name)


def is_workbook(content: bytes) -> bool:
    """Return whether a zip is a workbook of Excel or LibreOffice.

    >>> buffer = io.BytesIO()
    >>> zipfile.ZipFile(buffer, "w").writestr("xl/workbook.xml", "")
    >>> is_workbook(buffer.getvalue())
    True
    """
    names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    return any(name.startswith("xl/") for name in names) or "content.xml" in names


def _excel(content: bytes, path: Path, part: str) -> Table:
    """Read a sheet as if it had been saved as CSV, so that titles above its table do no harm."""
    if find_spec("python_calamine") is None:
        raise MissingDependencyError(
            f"{path}: workbooks need python-calamine: pip install 'unrolled[excel]', or save the sheet "
            "as CSV."
        )
    from python_calamine import CalamineError, load_workbook  # noqa: PLC0415 (an extra)

    try:
        book = load_workbook(io.BytesIO(content))
        names = [name for name in book.sheet_names if book.get_sheet_by_name(name).height]
        name = _chosen(names, part, path, "sheet", several=True)
        rows = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
    except (CalamineError, zipfile.BadZipFile) as fault:
        raise DataError(
            f"{path}: expected a whole workbook, got a cut, damaged or protected one. Save it again."
        ) from fault
    text = io.StringIO()
    csv.writer(text).writerows(_cells(row) for row in rows)
    others = [other for other in names if other != name]
    notes = (
        []
        if part or not others
        else [f"sheet {name!r} was read; {shlex.quote(f'{path}::{others[0]}')} is another"]
    )
    return parse_csv(text.getvalue(), path.name, notes, separator=",")


def _cells(row: Sequence[Any]) -> list[str]:
    """Write a row up to its last filled cell."""
    cells = [_cell(value) for value in row]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _cell(value: Any) -> str:
    """Write a cell as a text: whole numbers without a point, days without a clock."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime) and not (value.hour or value.minute or value.second):
        return value.date().isoformat()
    return str(value)


def _chosen(names: Sequence[str], part: str, path: Path, kind: str, *, several: bool) -> str:
    """Return the part of a file that is meant: the one named, else the only or, where allowed, the first."""
    if part in names or (not part and (len(names) == 1 or (several and names))):
        return part or names[0]
    got = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "") or "none"
    example = shlex.quote(f"{str(path).partition('::')[0]}::{names[0]}") if names else ""
    way = f" Name one: {example}." if names else ""
    raise DataError(
        f"{path}: expected {f'a {kind} {part!r}' if part else f'one {kind}'}, got {got}."
        f"{suggest_spelling(part, names) or way}"
    )


def _sqlite(content: bytes, path: Path, part: str) -> Table:
    """Read a table or view; the file's bytes are opened in memory, so that nothing is written."""
    with sqlite3.connect(":memory:") as base:
        try:
            base.deserialize(
                content[:18] + b"\x01\x01" + content[20:]
            )  # a write-ahead log would be a second file
            listed = base.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall()
            names = [name for (name,) in listed if not name.startswith("sqlite_")]
            name = _chosen(names, part, path, "table", several=False)
            rows = base.execute('SELECT * FROM "{}"'.format(name.replace('"', '""')))  # noqa: S608 (a name of its own)
            frame = pd.DataFrame(rows.fetchall(), columns=[column[0] for column in rows.description])
        except sqlite3.Error as fault:
            raise DataError(
                f"{path}: expected a whole SQLite file, got a cut or damaged one ({fault}). Fetch it again."
            ) from fault
    base.close()
    return from_frame(frame, source=path.name)


def _json(content: bytes, path: Path, _part: str) -> Table:
    """Read a table of JSON, whose cells are texts or numbers."""
    return from_frame(json_frame(content, path, records_frame), source=path.name)


def json_frame(content: bytes, path: Path, to_frame: Callable[[Any, str], pd.DataFrame]) -> pd.DataFrame:
    """Read records, a line each or one list of them; or one object of columns, as `to_frame` takes them.

    Either may lie in an envelope of other things, as services send them; objects of columns, rows or one
    series are taken as pandas writes them.
    """
    text = content.decode("utf-8-sig", errors="replace")
    try:
        data = json.loads(text)
    except ValueError:
        data = [_record(line, k, path) for k, line in enumerate(text.splitlines()) if line.strip()]
    if isinstance(data, dict):
        tables = [v for v in data.values() if isinstance(v, dict) and _all_are(v.values(), list)]
        data = tables[0] if len(tables) == 1 else data
        if (frame := _as_pandas_writes(data, path.name)) is not None:
            return frame
    lists = [value for value in data.values() if isinstance(value, list)] if isinstance(data, dict) else []
    if isinstance(data, list):
        lists = [value for value in data if isinstance(value, list)]
    if len(lists) == 1 and lists[0] and isinstance(lists[0][0], dict):
        data = lists[0]  # records in an envelope
    return to_frame(data if lists or isinstance(data, list) else [data], path.name)


def _as_pandas_writes(data: dict[str, Any], source: str) -> pd.DataFrame | None:
    """Make a frame of what `to_json` of pandas writes of a series or a frame; None of anything else.

    >>> _as_pandas_writes({"ds": {"0": 2020, "1": 2021}, "y": {"0": 5, "1": 7}}, "data")["y"].tolist()
    [5, 7]
    """
    values = list(data.values())
    if data.keys() in ({"columns", "index", "data"}, {"name", "index", "data"}):
        return _split_frame(data, source)
    if _all_are(values, dict) and all(one.keys() == values[0].keys() for one in values):
        frame = pd.DataFrame(data)
        return _with_index(frame.T if all(map(str.isdecimal, data)) else frame)
    if len(data) > 1 and _all_are(values, int | float | None) and _are_times(list(data)):
        return pd.DataFrame({"ds": list(data), "y": values})
    return None


def _split_frame(data: dict[str, Any], source: str) -> pd.DataFrame:
    """Make a frame of columns, index and rows, or of name, index and values."""
    columns = data["columns"] if "columns" in data else [data["name"] or "y"]
    try:
        return _with_index(pd.DataFrame(data["data"], index=data["index"], columns=columns))
    except (ValueError, TypeError) as fault:
        raise DataError(f"{source}: expected {', '.join(data)} as pandas writes them; {fault}.") from fault


def _with_index(frame: pd.DataFrame) -> pd.DataFrame:
    """Make the index a column of times; drop one that counts rows."""
    keys = [str(key) for key in frame.index]
    counts_rows = all(map(str.isdecimal, keys)) and not _are_times(keys)
    return frame.reset_index(drop=counts_rows, names="index" if "ds" in frame else "ds")


def _are_times(keys: list[str]) -> bool:
    """Return whether texts are dates, or numbers of seconds or parts of them since 1970."""
    texts = np.array(keys, dtype=object)
    are_numbers = all(map(str.isdecimal, keys))
    return looks_like_dates(texts) or (are_numbers and looks_like_moments(texts.astype(np.float64)))


def _all_are(values: Collection[Any], kind: Any) -> bool:
    return bool(values) and all(isinstance(one, kind) for one in values)


def _record(line: str, k: int, path: Path) -> Any:
    try:
        return json.loads(line)
    except ValueError as fault:
        raise DataError(f"{path} row {k + 1}: expected a JSON object, got a broken one ({fault}).") from fault


def records_frame(data: Any, source: str) -> pd.DataFrame:
    """Make a frame of records, a dict each, or of columns.

    Raises:
        DataError: they are something else, or hold lists or dicts themselves.

    >>> records_frame([{"ds": "2020", "y": 1}, {"ds": "2021"}], "data")["y"].tolist()
    [1.0, nan]
    """
    frame = nested_frame(data, source)
    for name in frame.columns:
        nested = next((v for v in frame[name] if isinstance(v, dict | list)), None)
        if nested is not None:
            raise DataError(
                f"{source}, column {str(name)!r}: expected a text or a number a cell, got a "
                f"{type(nested).__name__}. Flatten it first: pandas.json_normalize(records)."
            )
    return frame


def nested_frame(data: Any, source: str) -> pd.DataFrame:
    """Make a frame of records or of columns, whose cells may be lists.

    Raises:
        DataError: they are something else.

    >>> nested_frame([{"x": [1, 2], "label": "up"}], "data")["x"].tolist()
    [[1, 2]]
    """
    try:
        return pd.DataFrame(data)
    except (ValueError, TypeError, AttributeError) as fault:
        raise DataError(f"{source}: expected records or columns of equal length; {fault}.") from fault


FORMATS: tuple[tuple[bytes, Callable[[bytes, Path, str], Table]], ...] = (
    (PARQUET, _parquet),
    (b"ARROW1", _arrow),
    (b"\xff\xff\xff\xff", _arrow),
    (b"PK\x03\x04", _excel),
    (b"\xd0\xcf\x11\xe0", _excel),
    (b"SQLite format 3", _sqlite),
    (b"{", _json),
    (b"[", _json),
)
