"""A Forecaster fits on a split, calibrates, refits on all data; and keeps what Ctrl-C leaves of either."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from torch import Tensor

from unrolled.errors import ArgumentError, ModelLoadError
from unrolled.models.forecasting.forecaster import Forecaster
from unrolled.models.forecasting.network import ForecastNetwork
from unrolled.models.forecasting.training import forecast_training_config
from unrolled.models.forecasting.windows import ForecastBatch
from unrolled.train.loop import BatchLoss

CHECKS, INTERVAL = 3, 8
MAX_STEPS = CHECKS * INTERVAL


@pytest.fixture
def options(tiny: dict[str, Any]) -> dict[str, Any]:
    """A tiny model of three checks."""
    return {**tiny, "max_steps": MAX_STEPS, "val_check_steps": INTERVAL}


def _ctrl_c(stage: str, check: int, member: int = 1) -> Callable[[dict[str, Any]], None]:
    """A callback that stands for Ctrl-C after this check of this stage."""

    def callback(record: dict[str, Any]) -> None:
        if (record["stage"], record["member"], record["step"]) == (stage, member, check * INTERVAL):
            raise KeyboardInterrupt

    return callback


def _default_config(n_windows: int, cell: str = "lstm", horizon: int = 12, **changes: Any) -> Any:
    settings = {"max_steps": None, "val_check_steps": None, "patience": None, "batch_size": None}
    return forecast_training_config(
        n_windows, cell, horizon, **{**settings, **changes}, learning_rate=0.01, seed=0
    )


@pytest.mark.parametrize(
    ("n_windows", "interval", "batch_size"),
    [(1, 8, 8), (240, 8, 10), (1024, 8, 42), (10_000, 25, 64), (409_600, 160, 64), (10**6, 160, 64)],
)
def test_checks_are_a_quarter_of_the_root_of_the_windows_apart(
    n_windows: int, interval: int, batch_size: int
) -> None:
    """From 8 to 160 steps, twelve checks in all, unless the caller says otherwise."""
    config = _default_config(n_windows)
    assert (config.val_check_steps, config.max_steps) == (interval, 12 * interval)
    assert (config.batch_size, config.patience) == (batch_size, 8)
    config = _default_config(n_windows, max_steps=50, val_check_steps=20, batch_size=10**7, patience=2)
    assert (config.max_steps, config.val_check_steps, config.patience) == (50, 20, 2)
    assert config.batch_size == n_windows


def test_batches_of_few_windows_are_larger_where_a_window_has_few_targets() -> None:
    """A feedforward network learns one origin a window, a recurrent one several of each step ahead."""
    sizes = [_default_config(480, cell).batch_size for cell in ("rnn", "gru", "lstm", "feedforward")]
    assert sizes == [20, 20, 20, 60]
    assert [_default_config(480, horizon=steps).batch_size for steps in (1, 5, 6)] == [60, 60, 20]


@pytest.mark.parametrize(("n_series", "horizon", "n_readouts"), [(2, 6, 8), (40, 6, 16), (2, 5, 16)])
def test_many_windows_and_those_of_few_targets_are_read_out_twice_as_often(
    n_series: int, horizon: int, n_readouts: int, tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 1,536 windows on, where a batch is no smaller, and below six steps ahead."""
    seen, loss = set(), ForecastNetwork.loss

    def recorded(network: ForecastNetwork, batch: ForecastBatch) -> BatchLoss:
        if network.training:
            seen.add(batch.readouts.shape[1])
        return loss(network, batch)

    monkeypatch.setattr(ForecastNetwork, "loss", recorded)
    steps = np.random.default_rng(0).normal(size=(n_series, 60)).cumsum(1)
    table = {"unique_id": np.arange(n_series).repeat(60), "ds": np.tile(np.arange(60), n_series)}
    Forecaster(**{**tiny, "horizon": horizon, "max_steps": 2}).fit(
        pd.DataFrame({**table, "y": steps.ravel()})
    )
    assert seen == {n_readouts}


def test_the_refit_takes_the_steps_that_were_best(options: dict[str, Any], walk: Any) -> None:
    """First validated on the latest part, then on everything, and every check is told to the callbacks."""
    records: list[dict[str, Any]] = []
    model = Forecaster(**options).fit(walk(60), callbacks=[records.append])
    best = model.history_.best_step
    steps = [(record["stage"], record["step"]) for record in records]
    assert steps == [
        *(("validation fit", step) for step in range(INTERVAL, MAX_STEPS + 1, INTERVAL)),
        *(("refit", step) for step in range(INTERVAL, best + 1, INTERVAL)),
    ]
    assert model.history_.best.validation_loss == min(r["validation_loss"] for r in records[:CHECKS])
    assert {record["validation_loss"] for record in records[CHECKS:]} == {None}
    assert [record["max_steps"] for record in records] == [MAX_STEPS] * CHECKS + [best] * (best // INTERVAL)


def test_without_validation_it_trains_once(options: dict[str, Any], walk: Any) -> None:
    """All steps; bands are left as they were trained."""
    records: list[dict[str, Any]] = []
    model = Forecaster(**options, validation_fraction=0).fit(walk(60), callbacks=[records.append])
    assert [(r["stage"], r["step"]) for r in records] == [("training", k * INTERVAL) for k in (1, 2, 3)]
    assert model._factors.tolist() == [1.0] * 7


def test_patience_ends_the_validation_fit(options: dict[str, Any], walk: Any) -> None:
    """With a rate that spoils every step after the first check, one bad check is enough."""
    options |= {"learning_rate": 3.0, "max_steps": 20 * INTERVAL, "patience": 1}
    history = Forecaster(**options).fit(walk(60)).history_
    assert history.stopped == "early"
    assert history.records[-1].step == history.best_step + INTERVAL


def test_patience_without_validation_is_refused(options: dict[str, Any]) -> None:
    """It would do nothing: no loss is ever compared."""
    with pytest.raises(ArgumentError, match=r"patience: validation_fraction=0 holds nothing out; got 3\."):
        Forecaster(**options, patience=3, validation_fraction=0).fit([1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("stage", "check", "member", "n_members"),
    [("validation fit", 1, 1, 1), ("validation fit", 2, 1, 1), ("refit", 1, 1, 1), ("refit", 1, 2, 3)],
)
def test_ctrl_c_keeps_the_best_weights_and_says_so(
    stage: str, check: int, member: int, n_members: int, options: dict[str, Any], walk: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """In either training, in a member of an ensemble: a model that forecasts comes of it."""
    model = Forecaster(**options, n_members=n_members)
    model.fit(walk(60), callbacks=[_ctrl_c(stage, check, member)])
    kept = "1 of 3 networks" if n_members > 1 else f"step {model.history_.best_step}"
    assert (
        capsys.readouterr().err
        == f"Interrupted: the model has the best weights so far ({kept}), not saved yet.\n"
    )
    assert model.history_.stopped == "interrupted"
    assert len(model.networks_) == 1
    assert np.isfinite(model.predict()["lstm"]).all()


def test_ctrl_c_in_the_refit_leaves_the_validated_network(options: dict[str, Any], walk: Any) -> None:
    """Its best weights are known to be good; those of a refit cut short are not."""
    series = walk(60)
    interruptions = [_ctrl_c("validation fit", CHECKS), _ctrl_c("refit", 1)]
    cut_short = [Forecaster(**options).fit(series, callbacks=[each]).predict() for each in interruptions]
    pd.testing.assert_frame_equal(*cut_short, rtol=0, atol=0)


def test_ctrl_c_without_validation_leaves_what_was_reached(options: dict[str, Any], walk: Any) -> None:
    """One check of three is better than nothing."""
    model = Forecaster(**options, validation_fraction=0)
    model.fit(walk(60), callbacks=[_ctrl_c("training", 1)])
    assert (model.history_.stopped, model.history_.best_step) == ("interrupted", INTERVAL)
    assert np.isfinite(model.predict()["lstm"]).all()


def test_ctrl_c_before_anything_was_learned_is_ctrl_c(
    options: dict[str, Any], walk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first step of all is stopped; the model is as unfitted as before."""

    def loss(*_: Any) -> Tensor:
        raise KeyboardInterrupt

    monkeypatch.setattr(ForecastNetwork, "loss", loss)
    model = Forecaster(**options)
    for fraction in (0.1, 0):
        with pytest.raises(KeyboardInterrupt):
            model.set_params(validation_fraction=fraction).fit(walk(60))
    assert not model.__sklearn_is_fitted__()


def test_an_error_in_a_callback_leaves_the_model_as_it_was(options: dict[str, Any], walk: Any) -> None:
    """It reaches the caller, and the model forecasts what it did before."""
    model = Forecaster(**options).fit(walk(60))
    before = model.predict()

    def broken(record: dict[str, Any]) -> None:
        raise ZeroDivisionError(record["step"])

    with pytest.raises(ZeroDivisionError, match=str(INTERVAL)):
        model.fit(walk(50), callbacks=[broken])
    pd.testing.assert_frame_equal(model.predict(), before, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("stage", "check", "member"), [("validation fit", 2, 1), ("refit", 1, 1), ("refit", 1, 2)]
)
def test_a_stopped_fit_is_resumed_from_its_checkpoint(
    stage: str, check: int, member: int, options: dict[str, Any], walk: Any, tmp_path: Path
) -> None:
    """The second fit ends with the forecast of one that was never stopped, to the bit."""
    options |= {"n_members": member, "dropout": 0.2}
    series, folder = walk(60), tmp_path / "runs" / "one"
    whole = Forecaster(**options).fit(series).predict()
    stopped = Forecaster(**options)
    stopped.fit(series, checkpoint=folder, callbacks=[_ctrl_c(stage, check, member)])
    assert stopped.history_.stopped == "interrupted"
    resumed = Forecaster(**options).fit(series, checkpoint=folder)
    assert resumed.history_.stopped != "interrupted"
    pd.testing.assert_frame_equal(resumed.predict(), whole, rtol=0, atol=0)


@pytest.mark.parametrize(
    "change",
    [{"hidden_size": 5}, {"cell": "gru"}, {"transform": "difference"}, {"dropout": 0.1}, {"random_state": 3}],
    ids=str,
)
def test_a_checkpoint_of_another_model_is_refused(
    change: dict[str, Any], options: dict[str, Any], walk: Any, tmp_path: Path
) -> None:
    """In a sentence, for settings that shape the weights and for those that do not."""
    Forecaster(**options).fit(walk(60), checkpoint=tmp_path / "c")
    with pytest.raises(ModelLoadError, match="made with other settings or data"):
        Forecaster(**{**options, **change}).fit(walk(60), checkpoint=tmp_path / "c")


def test_a_checkpoint_of_other_data_is_refused(options: dict[str, Any], walk: Any, tmp_path: Path) -> None:
    """One value is enough."""
    series = walk(60)
    Forecaster(**options).fit(series, checkpoint=tmp_path / "c")
    series[30] *= 1.01
    with pytest.raises(ModelLoadError, match="made with other settings or data"):
        Forecaster(**options).fit(series, checkpoint=tmp_path / "c")


def test_progress_is_drawn_only_when_verbose(
    options: dict[str, Any], walk: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """With time left, on stderr."""
    Forecaster(**options).fit(walk(60))
    assert capsys.readouterr() == ("", "")
    Forecaster(**options, verbose=True).fit(walk(60))
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert any(line.startswith(f"validation fit {MAX_STEPS}/{MAX_STEPS} steps, loss") for line in lines)
    assert all(line.endswith(" left") for line in lines)


def test_a_long_fit_on_a_terminal_says_when_it_ends(
    options: dict[str, Any], walk: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a check too, and before the first; `verbose=False` silences it."""
    monkeypatch.setattr("unrolled.train.progress._FIRST_S", 0.0)
    monkeypatch.setattr("unrolled.train.progress._LONG_S", 0.0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    slow = options | {"max_steps": 4, "val_check_steps": 4}
    Forecaster(**slow).fit(walk(60))
    drawn = capsys.readouterr().err.split("\r")
    assert drawn[1].startswith("validation fit 1/4 steps, 0:0")
    Forecaster(**slow, verbose=False).fit(walk(60))
    assert capsys.readouterr().err == ""


def test_a_score_alone_is_refused(options: dict[str, Any]) -> None:
    """The sentence names the call that holds a forecast against simple ones."""
    with pytest.raises(ArgumentError, match=r"Call unrolled\.backtest\(model, series\)"):
        Forecaster(**options).score([1.0, 2.0, 3.0])
