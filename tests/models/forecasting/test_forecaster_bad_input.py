"""What cannot be fitted or forecast is one sentence: the thing, the demand, what came, the way out."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled.data.io.read import read
from unrolled.errors import ArgumentError, DataError, NotFittedError, TrainingError
from unrolled.models.forecasting.forecaster import Forecaster


def test_all_wrong_parameters_are_named_at_once(walk: Any) -> None:
    """A line each, with the nearest spelling; nothing is learned."""
    model = Forecaster(
        0, cell="ltsm", activation="tahn", transform="log-diff", hidden_size=0, window=1, dropout=1.0,
        learning_rate=0, validation_fraction=0.9, random_state=-1, device="cdua", batch_size=0,
    )  # fmt: skip
    with pytest.raises(ArgumentError) as fault:
        model.fit(walk(60))
    lines = str(fault.value).splitlines()
    starts = {line.split(":")[0]: line for line in lines}
    assert list(starts) == [
        "horizon", "cell", "hidden_size", "activation", "dropout", "window", "transform", "batch_size",
        "learning_rate", "validation_fraction", "random_state", "device",
    ]  # fmt: skip
    assert starts["horizon"] == "horizon: expected a whole number at least 1, got 0."
    assert starts["cell"].endswith("got 'ltsm'. Did you mean 'lstm'?")
    assert starts["activation"].endswith("got 'tahn'. Did you mean 'tanh'?")
    assert starts["transform"].startswith("transform: expected one of auto, scale,")
    assert "Did you mean 'log'?" in starts["transform"] or "log-difference" in starts["transform"]
    assert starts["dropout"] == "dropout: expected a number at least 0 and below 1, got 1.0."
    assert starts["device"] == (
        "device: expected the name of one that torch can use here, such as 'cpu', "
        "got 'cdua'. Use device='cpu'."
    )


def test_an_activation_is_for_the_plain_rnn() -> None:
    """The others have their own, and ignore none silently."""
    with pytest.raises(ArgumentError, match="only cell='rnn' takes another than 'tanh'; got 'relu'"):
        Forecaster(cell="gru", activation="relu").fit([1.0, 2.0])


def test_a_constant_series_needs_no_network(tiny: dict[str, Any]) -> None:
    """It says the value."""
    with pytest.raises(DataError) as fault:
        Forecaster(**tiny).fit([5.0] * 40)
    assert str(fault.value) == (
        "arrays: all 40 values are 5; a constant series needs no network, its forecast is that value."
    )


def test_a_constant_series_beside_others_is_fitted(tiny: dict[str, Any], walk: Any) -> None:
    """One that stands still in a panel keeps its value, about."""
    model = Forecaster(**tiny).fit([walk(40), np.full(40, 7.0)])
    assert model.predict()["lstm"][3:].between(5, 9).all()


def test_a_series_shorter_than_window_and_horizon(tiny: dict[str, Any], walk: Any) -> None:
    """What they need, what there is, and three ways out."""
    with pytest.raises(DataError) as fault:
        Forecaster(**tiny).fit(walk(14))
    assert str(fault.value) == (
        "arrays: window 12 and horizon 3 need 15 steps, got 14. Give a longer series, or a smaller horizon "
        "or window."
    )


@pytest.mark.parametrize("steps", range(4, 10))
@pytest.mark.parametrize("horizon", [1, 2])
def test_the_shortest_series_is_fitted_or_refused(steps: int, horizon: int, walk: Any) -> None:
    """From three steps and the horizon on, it works."""
    model = Forecaster(horizon, hidden_size=4, max_steps=8)
    if steps < 3 + horizon:
        with pytest.raises(DataError, match="need 5 steps, got 4"):
            model.fit(walk(steps))
    else:
        assert np.isfinite(model.fit(walk(steps)).predict()["lstm"]).all()


def test_one_series_of_two_steps_is_named(tiny: dict[str, Any], walk: Any) -> None:
    """Beside a longer one."""
    with pytest.raises(DataError, match=r"expected at least 3 rows .* got 2 in series '1'\. Add"):
        Forecaster(**tiny).fit([walk(40), [1.0, 2.0]])


def _days(values: Any) -> pd.DataFrame:
    return pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=len(values), freq="D"), "y": values})


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda f: f.drop(index=7), "fill"),
        (lambda f: f.assign(y=f["y"].mask(f.index == 7)), "2024-01-08"),
        (lambda f: f.assign(y=f["y"].where(f.index != 7, np.inf)), r"row 7 \(counted from 0\)"),
        (lambda f: pd.concat([f, f.iloc[[7]]]), "2024-01-08"),
    ],
    ids=["gap", "nan", "infinity", "twice"],
)
def test_a_broken_series_is_refused_by_fit_and_by_predict(
    spoil: Any, sentence: str, tiny: dict[str, Any], walk: Any
) -> None:
    """Gaps, missing and infinite values, one time twice; a fitted model is still whole afterwards."""
    good = _days(walk(40))
    model = Forecaster(**tiny).fit(good)
    expected = model.predict()
    for act in (Forecaster(**tiny).fit, model.predict, model.fit):
        with pytest.raises(DataError, match=sentence):
            act(spoil(good))
    pd.testing.assert_frame_equal(model.predict(), expected)


def test_a_logarithm_of_negative_values_names_series_and_row(tiny: dict[str, Any], walk: Any) -> None:
    """Where log was asked."""
    values = walk(40)
    values[10] = -3
    with pytest.raises(DataError, match=r"series '0' row 11: transform 'log' needs values above 0, got -3\."):
        Forecaster(**tiny, transform="log").fit(values)


def test_calls_before_fit_are_refused(tiny: dict[str, Any], walk: Any) -> None:
    """Also after a fit that failed, for save, and for what a backtest calls."""
    model = Forecaster(**tiny)
    for act in (
        model.predict,
        lambda: model.save("model"),
        lambda: model.forecast_origins(read(walk(40)), np.array([[9]])),
    ):
        with pytest.raises(DataError):
            model.fit([5.0] * 40)
        with pytest.raises(NotFittedError) as fault:
            act()
        assert str(fault.value) == "Forecaster: not fitted yet. Call fit(series) first."


def test_a_loss_that_is_not_finite_ends_the_fit(tiny: dict[str, Any], walk: Any) -> None:
    """A learning rate a billion times too high; no model comes of it."""
    model = Forecaster(**{**tiny, "cell": "rnn", "activation": "relu", "learning_rate": 1e30})
    way = r"Lower learning_rate \(now 1e\+30\)\. Or choose activation='tanh'\.$"
    with pytest.raises(TrainingError, match=rf"loss is no longer finite .* by step 8\. {way}"):
        model.fit(walk(60))
    model.set_params(transform="difference")
    with pytest.raises(TrainingError, match=r"Or choose activation='tanh' or transform='auto'\.$"):
        model.fit(walk(60))
    model.set_params(activation="tanh", transform="auto")
    with pytest.raises(TrainingError, match=r"Lower learning_rate \(now 1e\+30\)\.$"):
        model.fit(walk(60))
    with pytest.raises(NotFittedError):
        model.predict()


def test_a_missing_covariate_is_named(tiny: dict[str, Any], walk: Any) -> None:
    """And where roles are given."""
    frame = _days(walk(40)).assign(rain=np.sin(np.arange(40.0)))
    model = Forecaster(**tiny).fit(read(frame, target="y", past=["rain"]))
    with pytest.raises(DataError, match=r"expected the columns rain of the fitted data\. Add them"):
        model.predict(frame.drop(columns="rain"))
