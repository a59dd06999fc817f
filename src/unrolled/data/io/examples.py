"""Real series that come with installed packages, so that nothing has to be downloaded.

`great_tables` ships the daily S&P 500 from 1950 to 2015. The file is read as it lies; the package is not
imported.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from unrolled.data.io.read import read
from unrolled.data.sequences import Sequences
from unrolled.errors import DataError, MissingDependencyError
from unrolled.validation import check_choice

_INSTALL = "pip install --force-reinstall 'great_tables>=0.15,<2'"
_ROWS = 16_600  # of 16,607 from 1950-01-03 to 2015-12-31


def names() -> list[str]:
    """List the names that `load` takes.

    >>> names()
    ['sp500', 'sp500-daily']
    """
    return ["sp500", "sp500-daily"]


def load(name: str) -> Sequences:
    """Load a real series by name.

    Args:
        name: "sp500", the S&P 500 at the end of each month from 1950 to 2015, or "sp500-daily", its daily
            closes.

    Raises:
        ArgumentError: the name is another.
        MissingDependencyError: great_tables, which holds the file, is not installed, or without it.
        DataError: the file is damaged.

    >>> series = load("sp500")
    >>> len(series.target), series.freq, round(float(series.target[-1]), 2)
    (792, 'BME', 2043.94)
    """
    check_choice("name", name, names())
    path = _sp500()
    try:
        days = read(path, time="date", target="close")
    except DataError as fault:
        raise DataError(f"{fault} The example's file is damaged. Run: {_INSTALL}") from fault
    if len(days.values) < _ROWS or days.missing.any():
        raise DataError(
            f"{path}: expected at least {_ROWS:,} daily closes, got {len(days.values):,}. Run: {_INSTALL}"
        )
    days = replace(days, ids=("S&P 500",), source="S&P 500, daily closes", notes=())
    return days if name == "sp500-daily" else _month_ends(days)


def _sp500() -> Path:
    """Locate the file in great_tables."""
    package = find_spec("great_tables")
    if package is None or package.origin is None:
        raise MissingDependencyError(
            f"examples: expected great_tables, which holds them, got none. Run: {_INSTALL}"
        )
    path = Path(package.origin).parent / "data" / "04-sp500.csv"
    if not path.is_file():
        raise MissingDependencyError(
            f"examples: expected a file {path.name} in great_tables, got none. Run: {_INSTALL}"
        )
    return path


def _month_ends(days: Sequences) -> Sequences:
    """Select the last trading day of each month."""
    assert days.times is not None
    months = days.times.astype("datetime64[M]")
    last = np.append(np.flatnonzero(months[1:] != months[:-1]), len(months) - 1)
    return replace(
        days,
        values=days.values[last],
        offsets=np.array([0, len(last)]),
        times=days.times[last],
        freq="BME",
        source="S&P 500, month-end closes",
    )
