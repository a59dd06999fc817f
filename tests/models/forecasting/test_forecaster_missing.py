"""Gaps that a Forecaster fills itself: the same from frames, files, arrays and Sequences."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled import ArgumentError, DataError, Forecaster, backtest, read
from unrolled.evaluate import has_lookahead

QUICK: dict[str, Any] = {"horizon": 2, "hidden_size": 4, "max_steps": 8, "window": 12}


def _gaps(steps: int = 80) -> pd.DataFrame:
    """Days without a row, values without a number, at the ends of an input too."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"ds": pd.date_range("2020-01-01", periods=steps), "y": 50 + rng.normal(size=steps)})
    frame["x"] = rng.normal(size=steps)
    frame.loc[rng.random(steps) < 0.2, "y"] = np.nan
    frame.loc[[0, 1, 20, steps - 1], "x"] = np.nan
    frame.loc[[0, steps - 1], "y"] = 50.0
    return frame.drop(index=range(30, 34))


@pytest.mark.parametrize("missing", ["mask", "forward", "linear"])
def test_frames_files_and_sequences_are_filled_alike(missing: str) -> None:
    """As read(fill=) fills them; new data too, after saving as well."""
    frame = _gaps()[["ds", "y"]]
    frame.to_csv("gaps.csv", index=False)
    expected = Forecaster(**QUICK).fit(read(frame, fill=missing)).predict()
    model = Forecaster(**QUICK, missing=missing)
    for source in (frame, Path("gaps.csv"), read(frame)):
        assert model.fit(source).predict()["lstm"].tolist() == expected["lstm"].tolist()
    model.save("model")
    for fitted in (model, Forecaster.load("model")):
        for source in (frame, Path("gaps.csv"), read(frame), read(frame, fill=missing)):
            assert fitted.predict(source)["lstm"].tolist() == expected["lstm"].tolist()


def test_an_array_may_have_gaps() -> None:
    """Counted steps as well as dates."""
    y = np.random.default_rng(0).normal(size=60)
    y[5:50:7] = np.nan
    assert np.isfinite(Forecaster(**QUICK, missing="mask").fit(y).predict()["lstm"]).all()


def test_a_model_of_masked_series_masks_what_it_reads() -> None:
    """Also where read(fill="mask") filled, and the model was told nothing."""
    frame = _gaps()
    model = Forecaster(**QUICK).fit(read(frame, past="x", fill="mask"))
    expected = model.predict()["lstm"].tolist()
    for source in (frame, read(frame, past="x")):
        assert model.predict(source)["lstm"].tolist() == expected


@pytest.mark.parametrize("fill", ["forward", "linear"])
def test_the_way_out_of_the_refusal_works(fill: str) -> None:
    """Of a gap between values, and of one at the end of an input, which has nothing on its other side."""
    with pytest.raises(DataError, match=r"Fill the gaps with unrolled.read\(..., fill='linear'\)"):
        Forecaster(**QUICK).fit(_gaps())
    with pytest.raises(DataError, match=r"column 'x', .* Fill it with unrolled.read\(..., fill='mask'\)"):
        Forecaster(**QUICK).fit(read(_gaps(), past="x", fill=fill))
    Forecaster(**QUICK).fit(read(_gaps(), past="x", fill="mask"))
    empty = read(_gaps().assign(x=np.nan), past="x", fill="mask")
    with pytest.raises(DataError, match="Leave 'x' out"):
        Forecaster(**QUICK).fit(empty)


def test_a_filled_target_is_not_learned() -> None:
    """Of masked series, no window has it as its target."""
    series = read(_gaps(), past="x", fill="mask")
    model = Forecaster(**QUICK).fit(series)
    masks = model.last_windows(series).target_mask.numpy()
    observed = series.values[:, series.columns.index("y, missing")] == 0
    for k, step in enumerate(range(len(observed) - 1 - len(masks), len(observed) - 1)):
        for ahead in range(2):
            inside = step + 1 + ahead < len(observed)
            assert masks[k, ahead] == (inside and observed[step + 1 + ahead])
    whole = replace(series, values=np.where(np.arange(series.values.shape[1]) > 1, 0.0, series.values))
    assert model.last_windows(whole).target_mask.numpy()[:-1].all()


def test_a_backtest_fills_as_the_model_does() -> None:
    """The mask looks at no later step."""
    frame = _gaps()[["ds", "y"]]
    model = Forecaster(**QUICK, missing="mask")
    result = backtest(model, frame, origins=4, baselines=["Naive"])
    assert np.isfinite(result.table[0]["mae"])
    assert not has_lookahead(model, frame)


def test_a_method_of_another_name_is_refused() -> None:
    """With the nearest spelling."""
    with pytest.raises(ArgumentError, match="missing: expected one of forward, linear, mask"):
        Forecaster(**QUICK, missing="msk").fit([1.0, 2.0])
