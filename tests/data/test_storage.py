"""Series that are taken apart for storage come back as they were."""

import json

import numpy as np
import pandas as pd
import pytest

from unrolled.data.io.read import read
from unrolled.data.sequences import Sequences
from unrolled.data.storage import pack_series, unpack_series

DATED = pd.DataFrame({
    "shop": ["a"] * 4 + ["b"] * 3,
    "day": [*pd.date_range("2024-02-27", periods=4), *pd.date_range("2023-01-01", periods=3)],
    "sold": np.arange(7.0),
    "plan": [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0],
})  # fmt: skip


@pytest.mark.parametrize(
    "series",
    [
        read(DATED, id="shop", time="day", target="sold", future=["plan"]),
        read(pd.DataFrame({"step": [3, 4, 5], "y": [1.0, 2.0, 4.0]}), time="step"),
        read(pd.DataFrame({"step": [3, 5, 6], "y": [1.0, 2.0, 4.0]}), time="step", fill="linear"),
        Sequences.from_arrays([[1.0, 2.0], [3.0, np.nan, 5.0]]),
        Sequences.from_arrays([[1, 0], [2]], tokens="abc"),
        Sequences.from_arrays([np.arange(60).reshape(3, 4, 5)], dtype=np.uint8),
    ],
    ids=["dated", "counted", "filled", "without times", "tokens", "frames"],
)
def test_series_survive_storage(series: Sequences) -> None:
    """Values, offsets and times to the bit, with their types; names, roles and frequency."""
    arrays, record = pack_series(series)
    back = unpack_series(arrays, json.loads(json.dumps(record)))
    np.testing.assert_array_equal(back.values, series.values)
    assert back.values.dtype == series.values.dtype
    np.testing.assert_array_equal(back.offsets, series.offsets)
    if series.times is None:
        assert back.times is None
    else:
        assert back.times.dtype == series.times.dtype
        np.testing.assert_array_equal(back.times, series.times)
    np.testing.assert_array_equal(back.filled, series.filled)
    for name in ("ids", "columns", "roles", "freq", "order", "names", "source", "backend", "tokens"):
        assert getattr(back, name) == getattr(series, name), name
