"""The series that a saved model goes on from come back as they were."""

import json

import numpy as np
import pandas as pd
import pytest

from unrolled.data.io.read import read
from unrolled.data.sequences import Sequences
from unrolled.models.forecasting.forecaster import Forecaster
from unrolled.models.summary import model_card, pack_series, unpack_series

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
        Sequences.from_arrays([[1.0, 2.0], [3.0, np.nan, 5.0]]),
    ],
    ids=["dated", "counted", "without times"],
)
def test_series_survive_the_folder(series: Sequences) -> None:
    """Values, offsets and times to the bit, with their types; names, roles and frequency."""
    tensors, record = pack_series(series)
    back = unpack_series(tensors, json.loads(json.dumps(record)))
    np.testing.assert_array_equal(back.values, series.values)
    np.testing.assert_array_equal(back.offsets, series.offsets)
    if series.times is None:
        assert back.times is None
    else:
        assert back.times.dtype == series.times.dtype
        np.testing.assert_array_equal(back.times, series.times)
    for name in ("ids", "columns", "roles", "freq", "order", "names", "source", "backend"):
        assert getattr(back, name) == getattr(series, name), name


def test_the_card_says_what_was_fitted_and_no_score(fitted: Forecaster) -> None:
    """Each fact is the model's own."""
    card = model_card(fitted, fitted._series)
    assert f"| weights | {fitted.n_parameters_:,} |" in card
    assert f"| transform | {fitted.transform_} ({fitted.transform_reason_}) |" in card
    assert f"| training | {fitted.history_.best_epoch} epochs ({fitted.history_.stopped})" in card
    assert "unrolled.backtest(model, series)" in card
