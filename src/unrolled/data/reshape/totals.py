"""Leave out totals: rows that sum the rows above them, and series that are the sum of the others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.data.parse.datetimes import looks_like_dates
from unrolled.data.parse.statistics_words import are_statistics, is_total
from unrolled.data.parse.table import Table
from unrolled.data.sequences import Sequences
from unrolled.formatting import quantity, quoted_list

Floats = NDArray[np.float64]

_MOST_ROWS = 0.25  # of all: more are no totals of the others
_MOST_OFF = 0.05  # of a total on average, by which rounded parts may miss it
_MOST_DECIMALS = 6
_EXACT = 1e-9


def without_total_rows(table: Table) -> Table:
    """Leave out rows with `Total`, `2020 Total`, `Average` or the like in place of a date, with a note.

    >>> cells = np.array(["2020-01", "2020-02", "2020-03", "2020-04", "Total"], dtype=object)
    >>> table = Table({"month": cells, "sold": np.array(["1", "2", "3", "4", "10"])}, "flow.csv", str)
    >>> left = without_total_rows(table)
    >>> len(left), left.notes
    (4, ("1 row left out as no date but a total or mean: 'Total'",))
    """
    for name, cells in table.columns.items():
        if cells.dtype.kind == "O" and len(cells):
            is_left = are_statistics(cells)
            if 0 < is_left.sum() <= _MOST_ROWS * len(cells) and looks_like_dates(cells[~is_left], name):
                return _select_rows(table, name, ~is_left)
    return table


def _select_rows(table: Table, name: str, is_kept: NDArray[np.bool_]) -> Table:
    """Keep some rows of a table, with a note on what stands in a column of the others."""
    rows = np.flatnonzero(is_kept)
    texts = [str(cell).strip() for cell in table.columns[name][~is_kept]]
    note = f"{quantity(len(texts), 'row')} left out as no date but a total or mean: {quoted_list(texts)}"
    return replace(
        table,
        columns={each: values[rows] for each, values in table.columns.items()},
        place=lambda row: table.place(int(rows[row])),
        frame=None if table.frame is None else table.frame[rows.tolist()],
        notes=(*table.notes, note),
    )


def without_total_series(series: Sequences) -> Sequences:
    """Leave out series called total, or the like, that are the sum of the others at every time; with a note.

    Of several keys each is looked at by itself: `Total` among the regions of one product. A series that is
    called so and is not that sum is kept, with a note.
    """
    if series.times is None or len(series) < 3:
        return series
    keys = _keys(series)
    sums: list[int] = []
    others: list[int] = []
    for key in keys.columns:
        are_totals, rest = np.array([is_total(value) for value in keys[key]]), keys.drop(columns=key)
        for row in np.flatnonzero(are_totals):
            is_beside = (rest == rest.iloc[row]).all(axis=1).to_numpy()
            parts = np.flatnonzero(is_beside & ~are_totals)
            (sums if _is_sum(series, int(row), parts) else others).append(int(row))
    others = [row for row in dict.fromkeys(others) if row not in sums]
    notes = list(series.notes)
    if others:
        verb = "is" if len(others) == 1 else "are"
        names = quoted_list([series.ids[row] for row in others])
        notes.append(f"{names} {verb} forecast as one more series: it is not the sum of the others")
    if not sums:
        return replace(series, notes=tuple(notes))
    names = quoted_list([series.ids[row] for row in dict.fromkeys(sums)])
    notes.append(f"{names} left out as the sum of the other series; forecast it by itself, without them")
    kept = np.array([row for row in range(len(series)) if row not in sums])
    return replace(series.select(kept), notes=tuple(notes))


def _keys(series: Sequences) -> pd.DataFrame:
    """Return the keys of each series as texts, a column each."""
    if series.keys is None:
        return pd.DataFrame({"id": list(series.ids)})
    return pd.DataFrame({name: [str(v) for v in series.keys[name].to_list()] for name in series.keys.columns})


def _is_sum(series: Sequences, row: int, parts: NDArray[np.int64]) -> bool:
    """Tell whether a series is the sum of at least two others wherever it has a value, but for rounding."""
    if len(parts) < 2:
        return False
    assert series.times is not None
    columns = {}
    for k in [row, *parts.tolist()]:
        rows = slice(int(series.offsets[k]), int(series.offsets[k + 1]))
        values = pd.Series(series.values[rows, 0], index=series.times[rows])
        columns[k] = values[~values.index.duplicated()]
    frame = pd.DataFrame(columns).dropna(subset=[row])
    total, addends = frame[row].to_numpy(), frame[parts.tolist()].to_numpy()
    if not len(total) or not np.isfinite(addends).any(axis=1).all():
        return False
    rounding = 0.5 * (len(parts) + 1) * 10.0 ** -_decimals(np.append(addends[np.isfinite(addends)], total))
    size, off = np.nansum(np.abs(addends), axis=1), np.abs(np.nansum(addends, axis=1) - total)
    return bool((off <= rounding + _EXACT * size).all() and off.sum() <= _MOST_OFF * size.sum())


def _decimals(values: Floats) -> int:
    """Count the decimals with which all values are written, six at most.

    >>> _decimals(np.array([1.0, 2.5, 3.25]))
    2
    """
    exact = (n for n in range(_MOST_DECIMALS) if np.allclose(values, values.round(n), rtol=1e-12, atol=0))
    return next(exact, _MOST_DECIMALS)
