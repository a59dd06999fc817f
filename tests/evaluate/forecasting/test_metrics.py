"""The measures: against their formulas, and against utilsforecast's own where it has them."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from utilsforecast import losses as field

from unrolled.evaluate.forecasting.metrics import METRICS, forecast_metrics, losses_by_origin, mase_scales
from unrolled.models.forecasting.network import QUANTILES

TAUS = (0.1, 0.3, 0.5, 0.9)
N, K, H = 3, 5, 2


@pytest.fixture
def forecasts() -> dict[str, np.ndarray]:
    """Three series of different sizes, five origins, two steps."""
    rng = np.random.default_rng(0)
    size = np.array([1.0, 10.0, 100.0])[:, None, None]
    actual = size * (5 + rng.normal(size=(N, K, H)))
    quantiles = size[..., None] * (5 + np.array([-1.0, -0.4, 0.1, 1.2]) + np.zeros((N, K, H, 4)))
    return {"actual": actual, "quantiles": quantiles, "units": np.array([2.0, 30.0, 100.0])}


def measured(forecasts: dict[str, np.ndarray], **changed: np.ndarray) -> dict[str, float | None]:
    """The row of the table, with the third quantile as the point."""
    forecasts = forecasts | changed
    quantiles = forecasts["quantiles"]
    return forecast_metrics(
        forecasts["actual"], quantiles[..., 2], (quantiles[..., 0], quantiles[..., 3]), quantiles,
        taus=TAUS, units=forecasts["units"], level=80,
    )  # fmt: skip


def test_every_measure_is_its_formula(forecasts: dict[str, np.ndarray]) -> None:
    """Each over a series' origins and steps, then the mean over series."""
    y, q = forecasts["actual"], forecasts["quantiles"]
    error = np.abs(y - q[..., 2])
    levels, widths = [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9], [0.15, 0.1, 0.1, 0.1, 0.15, 0.2, 0.2]
    fan = [q[..., 0], q[..., :2].mean(-1), q[..., 1], q[..., 1:3].mean(-1), q[..., 2], q[..., 2:].mean(-1)]
    fan.append(q[..., 3])
    pinball = [np.maximum(t * (y - f), (t - 1) * (y - f)).mean() for t, f in zip(levels, fan, strict=True)]
    expected = {
        "mae": error.mean(),
        "rmse": np.sqrt((error**2).mean(axis=(1, 2))).mean(),
        "mase": (error.mean(axis=(1, 2)) / forecasts["units"]).mean(),
        "smape": (200 * error / (np.abs(y) + np.abs(q[..., 2]))).mean(),
        "crps": 2 * np.dot(widths, pinball),
        "coverage": ((y >= q[..., 0]) & (y <= q[..., 3])).mean(),
    }
    row = measured(forecasts)
    assert tuple(row) == METRICS == tuple(expected)
    assert row == pytest.approx(expected)
    assert len({round(value, 6) for value in expected.values()}) == len(expected)


def test_a_perfect_point_has_the_crps_of_a_point() -> None:
    """Where all quantiles are one point, the quantile at the middle makes crps the absolute error."""
    y = np.full((1, 1, 2), 3.0)
    row = forecast_metrics(y, y + 2, (y, y), (y + 2)[..., None], taus=(0.5,), units=np.ones(1), level=80)
    assert row["crps"] == row["mae"] == 2.0


@pytest.mark.parametrize(("centre", "spread"), [(0.0, 1.0), (1.5, 1.0), (0.0, 0.5), (-0.5, 3.0)])
def test_the_crps_of_a_normal_is_the_closed_form(centre: float, spread: float) -> None:
    """Our uneven levels, normal forecasts of N(0, 1), right or shifted or of another width: within 2 %.

    σ (z (2Φ(z) − 1) + 2φ(z) − 1/√π) at z = (y − μ) / σ, over y: 1/√π = 0.564 where the forecast is right.
    """
    y = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)[None, None]
    q = np.broadcast_to(stats.norm.ppf(QUANTILES, centre, spread), (*y.shape, len(QUANTILES)))
    row = forecast_metrics(
        y, q[..., 3], (q[..., 1], q[..., 5]), q, taus=QUANTILES, units=np.ones(1), level=80
    )
    z = (y - centre) / spread
    exact = spread * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - np.pi**-0.5).mean()
    assert row["crps"] == pytest.approx(exact, rel=0.02)
    if (centre, spread) == (0, 1):
        assert row["crps"] == pytest.approx(0.564, abs=0.002)


def test_mase_is_utilsforecasts() -> None:
    """The same number from a frame of the steps before the first origin."""
    rng = np.random.default_rng(1)
    past, actual, point = rng.normal(size=40), rng.normal(size=(1, 2, 3)), rng.normal(size=(1, 2, 3))
    units = mase_scales([past], season=4)
    row = forecast_metrics(
        actual, point, (point, point), point[..., None], taus=(0.5,), units=units, level=80
    )
    frame = pd.DataFrame({"unique_id": 0, "y": actual.ravel(), "model": point.ravel()})
    train = pd.DataFrame({"unique_id": 0, "ds": np.arange(40), "y": past})
    theirs = field.mase(frame, ["model"], seasonality=4, train_df=train)["model"].item()
    assert row["mase"] == pytest.approx(theirs)


def test_units_fall_back_to_steps_and_then_to_nothing() -> None:
    """A season as long as the series, or repeated exactly, leaves the changes from step to step."""
    series = [np.array([1.0, 4.0]), np.array([1.0, 2.0] * 4), np.ones(9)]
    np.testing.assert_array_equal(mase_scales(series, season=2), [3.0, 1.0, np.nan])


def test_a_series_that_never_changed_is_left_out_of_mase(forecasts: dict[str, np.ndarray]) -> None:
    """It has no unit; where none has, there is no mase."""
    units = np.array([2.0, np.nan, 100.0])
    two = {name: array[[0, 2]] for name, array in forecasts.items()}
    assert measured(forecasts, units=units)["mase"] == measured(two)["mase"]
    assert measured(forecasts, units=np.full(3, np.nan))["mase"] is None


def test_one_loss_an_origin_weighs_series_alike(forecasts: dict[str, np.ndarray]) -> None:
    """Each series in its own unit, so that none drowns the others; one alone stays as it is."""
    y = forecasts["actual"]
    losses = losses_by_origin(y, y + forecasts["units"][:, None, None], forecasts["units"])
    np.testing.assert_allclose(losses, np.ones(K))
    alone = losses_by_origin(y[:1], y[:1] + 3, np.array([7.0]))
    np.testing.assert_allclose(alone, np.full(K, 3.0))
    units = np.array([2.0, np.nan, 100.0])
    np.testing.assert_allclose(
        losses_by_origin(y, y + 1, units), losses_by_origin(y[[0, 2]], y[[0, 2]] + 1, units[[0, 2]])
    )


def test_nothing_is_divided_by_nothing() -> None:
    """A forecast of 0 for a 0 has no percentage error."""
    y = np.zeros((1, 2, 2))
    row = forecast_metrics(y, y, (y, y), y[..., None], taus=(0.5,), units=np.ones(1), level=80)
    assert row == {"mae": 0, "rmse": 0, "mase": 0, "smape": 0, "crps": 0, "coverage": 1}


def test_steps_without_an_actual_value_change_no_score() -> None:
    """Whatever was forecast there; a series, or an origin, without any is left out."""
    rng = np.random.default_rng(3)
    actual, point = rng.normal(5, 1, size=(2, 3, 4, 2)), rng.normal(5, 1, size=(3, 4, 2))
    y = actual[0]
    y[0], y[1:, 2], y[1, 0, 1] = np.nan, np.nan, np.nan
    units = np.array([1.0, 2.0, 4.0])
    rows = [
        forecast_metrics(y, p, (p - 1, p + 1), p[..., None], taus=[0.5], units=units, level=80)
        for p in (point, np.where(np.isnan(y), 1e9, point))
    ]
    assert rows[0] == rows[1]
    errors = np.abs(y - point)
    assert rows[0]["mae"] == pytest.approx(np.mean([np.nanmean(e) for e in errors[1:]]))
    losses = losses_by_origin(y, point, units)
    slow = [
        np.mean([np.nanmean(errors[i, k]) / units[i] for i in (1, 2) if not np.isnan(errors[i, k]).all()])
        for k in (0, 1, 3)
    ]
    np.testing.assert_allclose(losses, slow)


def test_changes_from_and_to_missing_values_are_no_unit() -> None:
    """A filled stretch that stands still would make the unit of MASE too small."""
    y = np.array([1.0, np.nan, np.nan, 4.0, 6.0, 9.0])
    assert mase_scales([y], season=1).tolist() == [2.5]
