"""Scales are learned at fit time and stay; inputs of a step come from steps up to it."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from unrolled.data.io.read import read
from unrolled.data.preprocess.transforms import Scale, Transform, Transformed
from unrolled.data.sequences import Sequences
from unrolled.errors import DataError
from unrolled.models.forecasting.encoder import SeriesEncoder
from unrolled.models.forecasting.windows import Windows

HORIZON, ORIGIN = 4, 40


def _panel(later: float = 1.0, past_later: float = 0.0) -> Sequences:
    """Two series of months with a past and a future column; steps after the origin can be altered."""
    rng, parts = np.random.default_rng(0), []
    for name, size in (("a", 10.0), ("b", 1000.0)):
        y = size * np.exp(np.cumsum(rng.normal(0.01, 0.1, size=60)))
        frame = pd.DataFrame({"unique_id": name, "ds": pd.date_range("2015-01-01", periods=60, freq="MS")})
        parts.append(frame.assign(y=y, p=rng.normal(size=60), f=rng.normal(size=60)))
        parts[-1].loc[ORIGIN + 1 :, "y"] *= later
        parts[-1].loc[ORIGIN + 1 :, "p"] += past_later
    return read(pd.concat(parts), target="y", past=["p"], future=["f"])


def _windows(encoding: SeriesEncoder, series: Sequences) -> Windows:
    return encoding.windows(encoding.encode(series, HORIZON), 16, HORIZON)


def _seen(encoding: SeriesEncoder, series: Sequences) -> list[np.ndarray]:
    """All that a network is shown at the origin of each series."""
    windows = _windows(encoding, series)
    batch = windows.batch(windows.rows(np.array([0, 1]), np.array([ORIGIN, ORIGIN])))
    shown = (batch.inputs, batch.levels, batch.anchors, batch.ahead, batch.context, batch.weight)
    return [field.numpy() for field in shown]


def _is_blind(name: str) -> bool:
    encoding = SeriesEncoder.learn(_panel(), name, 12)
    altered = _panel(later=3.0, past_later=5.0)
    pairs = zip(_seen(encoding, _panel()), _seen(encoding, altered), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("name", ["auto", "scale", "minmax", "log", "difference", "log-seasonal-difference"])
def test_an_origin_is_told_nothing_of_later_targets(name: str) -> None:
    """Targets and past columns after it, altered, leave inputs, levels, anchors and context alone."""
    assert _is_blind(name)


def test_a_scaler_fitted_on_all_data_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted leak turns the test above red."""
    honest = Transform.apply

    def leaky(self: Transform, y: np.ndarray, scale: Scale, label: str = "y") -> Transformed:
        fitted = honest(self, y, scale, label)
        return replace(fitted, unit=np.full_like(fitted.unit, fitted.working.std()))

    monkeypatch.setattr(Transform, "apply", leaky)
    assert not _is_blind("difference")


def test_the_target_among_the_inputs_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted leak: each step reads the move that follows it."""
    honest = Transformed.inputs.fget
    monkeypatch.setattr(Transformed, "inputs", property(lambda fitted: np.roll(honest(fitted), -1)))
    assert not _is_blind("difference")


def test_the_future_column_is_told_for_each_step_ahead() -> None:
    """In standard deviations of the fitted data, beside sine and cosine of the month."""
    series = _panel()
    encoding = SeriesEncoder.learn(series, "difference", 12)
    windows = _windows(encoding, series)
    ahead = windows.batch(windows.rows(np.array([1]), np.array([ORIGIN]))).ahead[0].numpy()
    f = series.values[:, series.columns.index("f")]
    mean, spread = encoding.covariates["f"]
    np.testing.assert_allclose(ahead[:, 0], (f[60 + ORIGIN + 1 : 60 + ORIGIN + 5] - mean) / spread, rtol=1e-5)
    angle = 2 * np.pi * (np.arange(ORIGIN + 1, ORIGIN + 5) % 12) / 12
    np.testing.assert_allclose(ahead[:, 1:], np.column_stack([np.sin(angle), np.cos(angle)]), atol=1e-6)


def test_a_covariate_that_never_changed_keeps_its_unit() -> None:
    """A tax rate of 0.1 throughout training, 0.2 from then on: its mean misses 0.1 by rounding only."""
    rate = np.where(np.arange(64) < 60, 0.1, 0.2)
    y = np.where(np.arange(64) < 60, np.random.default_rng(0).normal(size=64).cumsum(), np.nan)
    frame = pd.DataFrame({"ds": pd.date_range("2020", periods=64, freq="D"), "y": y, "rate": rate})
    series = read(frame, future=["rate"])
    encoding = SeriesEncoder.learn(series.head(np.array([60])), "difference", 1)
    assert np.std(rate[:60]) > 0  # rounding: divided by it, the change is 7e15 units
    np.testing.assert_allclose(encoding.encode(series, HORIZON)[0].ahead[:, 0], rate - 0.1, atol=1e-12)


def test_an_encoding_survives_json() -> None:
    """Equal after the way to text and back."""
    encoding = SeriesEncoder.learn(_panel(), "auto", 12)
    assert SeriesEncoder.from_dict(json.loads(json.dumps(encoding.to_dict()))) == encoding


def test_series_are_of_one_size_to_the_network() -> None:
    """A series a hundred times as large gives the same inputs."""
    one = np.exp(np.cumsum(np.random.default_rng(3).normal(0, 0.1, size=50)))
    for name in ("scale", "difference", "log-difference"):
        series = read([one, 100 * one])
        first, second = SeriesEncoder.learn(series, name, 1).encode(series, HORIZON)
        np.testing.assert_allclose(first.transformed.inputs, second.transformed.inputs, rtol=1e-9)


def test_a_panel_shares_what_is_subtracted() -> None:
    """Most series decide; a series with values below 0 takes no logarithm among those that do."""
    rng = np.random.default_rng(1)
    growing = [100 * np.exp(np.cumsum(rng.normal(0.02, 0.08, size=150))) for _ in range(4)]
    below = np.cumsum(rng.normal(size=150))
    encoding = SeriesEncoder.learn(read([*growing, below]), "auto", 1)
    assert encoding.common == "log-difference"
    assert list(encoding.transforms.values()) == ["log-difference"] * 4 + ["difference"]
    assert encoding.reason.startswith("difference suits 5 of 5 series; of the 4 whose level moves enough")


def test_minmax_does_not_know_a_new_series() -> None:
    """Its range was never seen; the sentence says what to do."""
    series = read([[1.0, 2.0, 4.0, 3.0]])
    encoding = SeriesEncoder.learn(series, "minmax", 1)
    with pytest.raises(
        DataError, match="series 'new': transform 'minmax' only knows the ranges of the series"
    ):
        encoding.encode(replace(series, ids=("new",)), HORIZON)
