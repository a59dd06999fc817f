"""Bounds of forecasts: learned where values reach one and never pass it, given, kept by every quantile."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled import backtest
from unrolled.data.io.read import read
from unrolled.data.sequences import Sequences
from unrolled.errors import ArgumentError, DataError
from unrolled.models.forecasting.bounds import Bound, OutputBounds
from unrolled.models.forecasting.forecaster import Forecaster

SMALL = {"horizon": 3, "hidden_size": 4, "max_steps": 8, "window": 12}
RNG = np.random.default_rng(0)
NORMAL = RNG.normal(size=200)
RISING = np.arange(60.0)

LEARNED: dict[str, tuple[Any, Bound]] = {
    "rare counts": (RNG.poisson(0.2, 200), Bound(0, None)),
    "counts": (RNG.poisson(3, 200), Bound(0, None)),
    "rain": (np.maximum(NORMAL, 0), Bound(0, None)),
    "zeros that were computed": (np.where(NORMAL < 0, 1e-17 * NORMAL, NORMAL), Bound(0, None)),
    "claims with many zeros": (np.where(NORMAL > 1, np.exp(9 + NORMAL), 0), Bound(0, None)),
    "nothing sold": (np.r_[np.zeros(30), 1.0, np.zeros(9)], Bound(0, None)),
    "percentages capped at 100": (np.minimum(98 + 3 * NORMAL, 100), Bound(None, 100)),
    "shares from 0 to 1": (np.clip(0.5 + NORMAL, 0, 1), Bound(0, 1)),
    "on and off": (RNG.integers(0, 2, 200), Bound(0, 1)),
    "losses since the peak": (-np.maximum(NORMAL, 0), Bound(None, 0)),
    "positive, far from 0": (10 + NORMAL, Bound()),
    "positive, near 0": (np.exp(NORMAL), Bound()),
    "a walk": (50 + np.cumsum(NORMAL), Bound()),
    "0 is passed": (np.r_[np.maximum(NORMAL, 0), -0.5], Bound()),
    "it only begins at 0": (RISING, Bound()),
    "one measurement is 0": (NORMAL - NORMAL.min(), Bound()),
    "a price that stays up": (np.repeat([10.0, 12.0, 15.0], 20), Bound()),
    "the largest count recurs by chance": (1 + np.minimum(RNG.poisson(1, 200), 3), Bound()),
    "a constant": (np.append(np.full(30, 4.0), 3.0), Bound()),
}


def _bounds(*arrays: Any, bounds: Any = None) -> OutputBounds:
    return OutputBounds.of(bounds, Sequences.from_arrays([np.asarray(y, dtype=float) for y in arrays]))


@pytest.mark.parametrize("kind", LEARNED)
def test_a_bound_is_learned_where_values_reach_it_and_never_pass_it(kind: str) -> None:
    """0 below; above only a value that the series comes back to again and again."""
    y, bound = LEARNED[kind]
    learned = _bounds(y)
    assert learned.series == {"0": bound}
    assert learned.is_learned
    assert bool(learned.note) == (bound != Bound())
    assert OutputBounds.from_dict(learned.to_dict()) == learned


def test_a_bound_that_most_series_share_holds_for_all() -> None:
    """Of many shops some had no day without a sale yet; one that was negative ends that."""
    counts = [RNG.poisson(1, 60) for _ in range(3)]
    panel = _bounds(*counts, 5 + RNG.poisson(9, 60))
    assert set(panel.series.values()) == {Bound(0, None)}
    assert panel.common == Bound(0, None)
    mixed = _bounds(*counts, NORMAL)
    assert [bound.lower for bound in mixed.series.values()] == [0, 0, 0, None]
    assert mixed.common == Bound()
    assert mixed.note == "forecasts are never below 0, which values of 3 of 4 series reach and never pass"
    few = _bounds(counts[0], *(20 + NORMAL[k : k + 50] for k in range(3)))
    assert [bound.lower for bound in few.series.values()] == [0, None, None, None]


def test_a_learned_bound_ends_where_a_later_value_passes_it() -> None:
    """From that origin on, and not before; a bound that was given stays."""
    y = np.r_[RNG.poisson(1, 50), -4.0, 3.0]
    series, origins = Sequences.from_arrays([y]), np.array([[49, 50, 51]])
    learned = _bounds(y[:50]).limits(series, origins, is_log=[False], integer=False)
    assert learned.lower.tolist() == [[0, -np.inf, -np.inf]]
    given = _bounds(y[:50], bounds=(0, 9)).limits(series, origins, is_log=[False], integer=False)
    assert (given.lower.tolist(), given.upper.tolist()) == ([[0, 0, 0]], [[9, 9, 9]])


@pytest.mark.parametrize(
    ("bounds", "y"), [(None, RNG.poisson(0.3, 120)), ((0, None), 1 + NORMAL**2), ((None, 3), 3 - NORMAL**2)]
)
def test_every_quantile_keeps_the_bounds(bounds: Any, y: Any) -> None:
    """Medians, narrow bands, bands that are extrapolated, quantiles from many origins."""
    model = Forecaster(**SMALL, bounds=bounds).fit(y)
    lower, upper = bounds or (0, None)
    series = read(np.asarray(y, dtype=float))
    parts = list(model.forecast_origins(series, np.arange(20, 100)[None]).values())
    parts.append(model.predict(level=[50, 80, 95, 99.99]).drop(columns=["unique_id", "ds"]).to_numpy())
    for part in parts:
        assert part.min() >= (-np.inf if lower is None else lower)
        assert part.max() <= (np.inf if upper is None else upper)


def test_a_backtest_keeps_the_bounds() -> None:
    """They are learned before its first origin, by the network and its feedforward baseline."""
    y = np.random.default_rng(1005).poisson(0.2, 120).astype(float)
    model = Forecaster(**SMALL)
    result = backtest(model, y, origins=6, baselines=["Naive", "feedforward"])
    assert (result.forecasts[["lstm", "feedforward"]] >= 0).all(axis=None)
    free = backtest(Forecaster(**SMALL, bounds=False), y, origins=6, baselines=["Naive"])
    assert (free.forecasts["lstm"] <= result.forecasts["lstm"]).all()


def test_forecasts_that_reach_no_bound_are_as_they_were() -> None:
    """To the bit, whether bounds are learned, given, or none."""
    for y in (50 + np.cumsum(NORMAL), np.r_[0.0, 0.0, 500 + NORMAL]):
        frames = [
            Forecaster(**SMALL, bounds=bounds).fit(y).predict(level=[80, 99])
            for bounds in (None, False, (None, None), (-1e6, 1e6))
        ]
        for frame in frames[1:]:
            pd.testing.assert_frame_equal(frame, frames[0], check_exact=True)


def test_wide_bands_of_logarithms_stay_above_0() -> None:
    """Their tails are extrapolated, below 0 without a limit."""
    model = Forecaster(**SMALL, transform="log", bounds=False).fit(np.exp(NORMAL))
    assert model.predict(level=99.99)["lstm-lo-99.99"].min() >= 0


def test_whole_numbers_on_request(tmp_path: Path) -> None:
    """Medians and bands are rounded and of a type of whole numbers, inside of bounds that are none."""
    y = RNG.poisson(3, 120)
    model = Forecaster(**SMALL, integer=True, bounds=(0.5, 40.5)).fit(y + 1)
    frame = model.predict(level=[80, 95])
    assert all(frame[name].dtype == np.int64 for name in frame.columns[2:])
    assert frame.iloc[:, 2:].min(axis=None) >= 1
    plain = Forecaster(**SMALL, bounds=(0.5, 40.5)).fit(y + 1).predict(level=[80, 95])
    assert (frame.iloc[:, 2:] - plain.iloc[:, 2:]).abs().max(axis=None) <= 0.5
    quantiles = model.forecast_origins(read(y + 1.0), np.array([[80, 90]]))["quantiles"]
    assert (quantiles == np.rint(quantiles)).all()


@pytest.mark.parametrize("bounds", [None, False, (0, None), (np.int64(0), np.float64(60.0))])
def test_a_saved_model_keeps_its_bounds(tmp_path: Path, bounds: Any) -> None:
    """Argument and what was learned come back, also in its card."""
    model = Forecaster(**SMALL, bounds=bounds).fit(RNG.poisson(0.5, 60))
    model.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    assert loaded.bounds == bounds
    assert isinstance(loaded.bounds, type(bounds))
    assert loaded.bounds_ == model.bounds_
    pd.testing.assert_frame_equal(loaded.predict(), model.predict())
    assert (model.bounds_.note in (tmp_path / "model" / "README.md").read_text()) or bounds is False


def test_a_value_outside_of_given_bounds_is_named() -> None:
    """In fitting and in new data: series, time, value; wider bounds are the way out."""
    frame = pd.DataFrame({"ds": pd.date_range("2024", periods=60), "y": 5 + NORMAL[:60]})
    bad = frame.assign(y=frame["y"].mask(frame.index == 30, -3.0))
    model = Forecaster(**SMALL, bounds=(0, None))
    with pytest.raises(DataError) as fault:
        model.fit(bad)
    assert str(fault.value) == (
        "data frame, series 'y': expected values at 0 or above, as the bounds say, got -3 at 2024-01-31. "
        "Correct it, or give wider bounds."
    )
    with pytest.raises(DataError, match="got -3 at 2024-01-31"):
        model.fit(frame).predict(bad)
    Forecaster(**SMALL, bounds=(-3, None)).fit(bad)  # the way out


@pytest.mark.parametrize(
    ("bounds", "got"),
    [
        (True, "got True"),
        ("0:", "got '0:'"),
        ((0,), "got (0,)"),
        ((3, 1), "the first below the second, got (3, 1)"),
        ((0, float("inf")), "got inf in (0, inf). Put None where there is no bound"),
        ((False, 1), "got False in (False, 1)"),
    ],
)
def test_bounds_that_are_none_are_refused(bounds: Any, got: str) -> None:
    """One sentence, before anything is read."""
    with pytest.raises(ArgumentError) as fault:
        Forecaster(bounds=bounds).fit([1.0, 2.0])
    assert str(fault.value).startswith("bounds: expected None, False or two numbers such as (0, None)")
    assert got in str(fault.value)
