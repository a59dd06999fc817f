"""Origins of a backtest: what is too short is left out and named, and the number that is offered works."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled import Forecaster, backtest
from unrolled.data.io.read import read
from unrolled.data.sequences import Sequences
from unrolled.errors import ArgumentError, DataError
from unrolled.evaluate.forecasting.origins import default_step, most_origins, place_origins

SMALL: dict[str, Any] = {"hidden_size": 4, "max_steps": 4}


def _panel(**spans: tuple[int, int]) -> Sequences:
    """Series of days, each from a first day of a common calendar to a last one."""
    days, rng = pd.date_range("2020-01-01", periods=100), np.random.default_rng(0)
    parts = [
        pd.DataFrame({"unique_id": name, "ds": days[first:end], "y": rng.normal(size=end - first)})
        for name, (first, end) in spans.items()
    ]
    return read(pd.concat(parts))


def _normal(length: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=length)


@pytest.mark.parametrize(
    ("length", "horizon", "window", "origins", "step", "offered"),
    [
        (30, 12, None, 17, None, 4),
        (40, 12, None, 24, 1, 14),
        (60, 6, 48, 24, None, 1),
        (120, 3, None, 500, None, 112),
    ],
)
def test_the_number_that_is_offered_works_and_one_more_does_not(
    length: int, horizon: int, window: int | None, origins: int, step: int | None, offered: int
) -> None:
    """A network needs a window and a horizon before the first origin, not only two steps."""
    model, y = Forecaster(horizon, window=window, **SMALL), _normal(length)
    with pytest.raises((ArgumentError, DataError), match=f"[Uu]se origins={offered} at most"):
        backtest(model, y, origins=origins, step=step, baselines=["Naive"])
    result = backtest(model, y, origins=offered, step=step, baselines=["Naive"])
    assert result.verdict.origins == offered
    with pytest.raises((ArgumentError, DataError)):
        backtest(model, y, origins=offered + 1, step=step, baselines=["Naive"])


def test_a_number_is_offered_where_the_first_part_never_changes() -> None:
    """Zeros up to the first origin teach nothing; later ones have more to go by."""
    y = np.r_[np.zeros(60), _normal(20)]
    with pytest.raises(DataError, match="a constant series needs no network") as fault:
        backtest(Forecaster(7, **SMALL), y, baselines=["Naive"])
    number = re.search(r"origins=(\d+) at most", str(fault.value))
    assert number is not None
    backtest(Forecaster(7, **SMALL), y, origins=int(number[1]), baselines=["Naive"])


def test_where_no_number_works_none_is_offered() -> None:
    """Too short a series, and a fault that has nothing to do with origins."""
    with pytest.raises(ArgumentError, match=r"has 14\. Give longer series, or a smaller horizon\.$"):
        backtest(Forecaster(12, **SMALL), _normal(14), origins=3)
    with pytest.raises(DataError, match=r"Use transform='scale'\.$"):
        backtest(Forecaster(2, transform="log", **SMALL), _normal(60), origins=3)
    assert most_origins(Sequences.from_arrays([_normal(14)]), Forecaster(12), 12, 24, None) == 0


def test_series_too_short_for_the_origins_are_left_out() -> None:
    """One that begins late, one that ended early; the others are tested, and a remark names those two."""
    series = _panel(a=(0, 100), b=(0, 98), late=(90, 100), c=(20, 100), early=(0, 20))
    result = backtest(Forecaster(4, **SMALL), series, origins=6, baselines=["Naive"])
    assert result.remarks[0] == (
        "2 of 5 series are left out, as 6 origins and what follows them need 12 steps up to an end in "
        "common: 'late' and 'early'."
    )
    assert result.remarks[1].startswith(
        "Series end at different times: origins are counted back from 2020-04-07"
    )
    assert sorted(set(result.forecasts["unique_id"])) == ["a", "b", "c"]


def test_of_all_ends_the_one_that_leaves_out_the_fewest_is_chosen() -> None:
    """Series that ended long ago do not keep those of today from being judged, nor the other way round."""
    today = _panel(a=(0, 100), b=(10, 100), old=(0, 30), new=(60, 100))
    assert place_origins(today, 4, 20, 1).series.ids == ("a", "b", "new")
    ended = _panel(a=(0, 40), b=(0, 40), c=(0, 100), new=(90, 100))
    placed = place_origins(ended, 4, 20, 1)
    assert placed.series.ids == ("a", "b", "c")
    assert placed.origins[:, -1].tolist() == [35, 35, 35]


def test_series_that_are_long_enough_are_all_judged() -> None:
    """Nothing is left out, and origins are where they were."""
    series = _panel(a=(0, 100), b=(0, 98))
    placed = place_origins(series, 4, 6, None)
    assert placed.series is series
    assert placed.step == default_step(np.array([98]), 4, 6) == 4
    assert placed.origins.tolist() == [[73, 77, 81, 85, 89, 93]] * 2


def test_of_many_series_left_out_five_are_named() -> None:
    """The rest is counted."""
    spans = {f"s{k}": (0, 100 if k > 7 else 8) for k in range(10)}
    remark = place_origins(_panel(**spans), 4, 20, None).remarks[0]
    assert remark.startswith("8 of 10 series are left out, ")
    assert remark.endswith(": 's0', 's1', 's2', 's3', 's4' and others.")


def test_without_times_the_short_ones_are_left_out() -> None:
    """Positions have ends of their own; ids that came with the data stay with their series."""
    arrays = Sequences.from_arrays([_normal(60), _normal(5), _normal(50)])
    placed = place_origins(arrays, 3, 5, None)
    assert placed.series.ids == ("0", "2")
    assert placed.remarks == (
        "1 of 3 series is left out, as 5 origins and what follows them need 10 steps: '1'.",
    )
    assert np.array_equal(placed.series[1].target, arrays[2].target)
