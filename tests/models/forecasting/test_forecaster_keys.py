"""Several id columns, from a frame to answers that carry them back in their own types."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from unrolled.data.io.read import read
from unrolled.evaluate.forecasting.backtest import backtest
from unrolled.models.forecasting.forecaster import Forecaster

KEYS = ["store", "item"]


def _model() -> Forecaster:
    return Forecaster(2, hidden_size=4, max_steps=4)


def _sales() -> pd.DataFrame:
    """Two stores by two items, with types that a text would lose."""
    index = pd.MultiIndex.from_product(
        [[1, 2], ["b", "a"], pd.date_range("2020-01-01", periods=40)], names=[*KEYS, "day"]
    )
    sold = np.random.default_rng(0).normal(20, 3, len(index))
    frame = pd.DataFrame({"sold": sold}, index=index).reset_index()
    return frame.astype({"store": "int32", "item": "category"})


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.from_pandas, pa.Table.from_pandas])
def test_answers_carry_every_key_in_its_type(kind: Callable[[Any], Any], tmp_path: Path) -> None:
    """Forecasts and backtest frames, also of a model that was saved."""
    frame = kind(_sales())
    model = _model().fit(read(frame, id=KEYS))
    answer = model.predict()
    model.save(tmp_path / "model")
    again = Forecaster.load(tmp_path / "model").predict()
    replay = backtest(_model(), frame, origins=2, baselines=["Naive"]).forecasts  # the keys are inferred
    for one in (answer, again, replay):
        named = [one[name] for name in KEYS]
        if isinstance(one, pd.DataFrame):
            assert [str(column.dtype) for column in named] == ["int32", "category"]
        else:
            types = "type" if isinstance(one, pa.Table) else "dtype"
            assert [getattr(column, types) for column in named] == [
                getattr(frame[name], types) for name in KEYS
            ]
        assert pd.DataFrame({n: frame_list(one[n]) for n in KEYS}).drop_duplicates().values.tolist() == [
            [1, "b"], [1, "a"], [2, "b"], [2, "a"]
        ]  # fmt: skip


def frame_list(column: Any) -> list[Any]:
    """Values of a column of any library."""
    return column.to_pylist() if isinstance(column, pa.ChunkedArray) else column.to_list()


def test_answers_can_be_merged_with_the_data() -> None:
    """One whole-number id, and the levels of an index."""
    frame = _sales().drop(columns="item").drop_duplicates(["store", "day"])
    assert len(_model().fit(frame).predict().merge(frame[["store"]].drop_duplicates(), on="store")) == 4
    levels = _sales().set_index([*KEYS, "day"])
    assert list(_model().fit(levels).predict().columns[:3]) == [*KEYS, "day"]


def test_future_rows_are_matched_by_every_key() -> None:
    """Each series takes its own plan."""
    frame = _sales().assign(plan=0.0)
    model = _model().fit(read(frame, id=KEYS, target="sold", future="plan"))
    days = pd.date_range("2020-02-10", periods=2)
    ahead = frame[KEYS].drop_duplicates().merge(pd.DataFrame({"day": days, "plan": [0.0, 0.0]}), how="cross")
    assert len(model.predict(future=ahead.sample(frac=1, random_state=0))) == 8
    ids = read(frame, id=KEYS, target="sold").ids
    assert ids == ("1 / b", "1 / a", "2 / b", "2 / a")
