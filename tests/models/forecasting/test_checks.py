"""What a Forecaster asks of data, and what it takes for the same data as before."""

from __future__ import annotations

import hashlib
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from unrolled import DataError, Forecaster, read
from unrolled.models.forecasting.checks import check_series, match_fitted, read_like
from unrolled.models.forecasting.encoder import SeriesEncoder

SMALL = {"horizon": 2, "hidden_size": 4, "max_steps": 8, "window": 6}
ROLES = {
    "id": "shop",
    "time": "day",
    "target": "sold",
    "past": "visits",
    "future": "promo",
    "static": "size",
}


def _dated(values: np.ndarray, freq: str, start: str = "2020-01-01") -> pd.DataFrame:
    return pd.DataFrame({"ds": pd.date_range(start, periods=len(values), freq=freq), "y": values})


def _wandering(steps: int, seed: int = 0) -> np.ndarray:
    return 100 + np.cumsum(np.random.default_rng(seed).normal(size=steps))


def test_a_text_is_no_forecast() -> None:
    """Letters have an order, but no next value."""
    with pytest.raises(DataError, match="expected numbers to forecast, got a text"):
        Forecaster(**SMALL).fit("the quick brown fox jumps over the lazy dog")


def test_times_without_a_frequency_get_one() -> None:
    """A `Sequences` made by hand goes on day by day, not nanosecond by nanosecond."""
    by_hand = replace(read(_dated(_wandering(40), "D")), freq=None)
    assert check_series(by_hand).freq == "D"
    ahead = Forecaster(**SMALL).fit(by_hand).predict()["ds"]
    assert [str(day)[:10] for day in ahead] == ["2020-02-10", "2020-02-11"]


@pytest.mark.parametrize(("freq", "steps"), [("B", 5), ("BME", 4)])
def test_a_short_stretch_of_the_fitted_calendar_is_taken(freq: str, steps: int) -> None:
    """One week of business days looks like days; it still fits the calendar of the model."""
    frame = _dated(_wandering(80), freq)
    model = Forecaster(**SMALL).fit(frame)
    monday = frame[frame["ds"].dt.day_of_week == 0].index[3] if freq == "B" else 22
    newer = frame.iloc[monday : monday + steps]
    assert read(newer).freq != freq
    assert model.predict(newer)["ds"].iloc[0] == frame["ds"].iloc[monday + steps]


def test_another_calendar_is_refused() -> None:
    """Days cannot go on where months were fitted."""
    model = Forecaster(**SMALL).fit(_dated(_wandering(60), "MS"))
    with pytest.raises(DataError, match="fitted on steps of 'MS', these are 'D'"):
        model.predict(_dated(_wandering(60), "D"))


@pytest.mark.parametrize(("fitted", "given"), [("D", "MS"), ("D", "W-SUN"), ("D", "2D"), ("MS", "QS")])
def test_coarser_data_is_refused(fitted: str, given: str) -> None:
    """Months lie on the calendar of days, but their next step is not the next day."""
    model = Forecaster(**SMALL).fit(_dated(_wandering(60), fitted))
    with pytest.raises(DataError, match=f"fitted on steps of '{fitted}', these are '{given}'"):
        model.predict(_dated(_wandering(60), given))


def test_a_week_with_a_closed_day_goes_on() -> None:
    """A short stretch of a six-day week is read by the calendar of the model; the closed day is skipped."""
    days = pd.date_range("2021-01-04", periods=70)
    frame = pd.DataFrame({"ds": days[days.day_of_week < 6], "y": _wandering(60)})
    model = Forecaster(**SMALL).fit(frame)
    dates = model.predict(frame.iloc[:11])["ds"]
    assert dates.dt.day_name().tolist()[:2] == ["Saturday", "Monday"]


def test_an_unknown_series_gets_the_fitted_transform() -> None:
    """A positive series under another name is not read as a logarithm where the model reads none."""
    frame = _dated(_wandering(60), "D")
    model = Forecaster(**SMALL, transform="difference").fit(frame)
    same = model.predict(frame)["lstm"].to_numpy()
    renamed = model.predict(frame.rename(columns={"y": "other"}))["lstm"].to_numpy()
    np.testing.assert_allclose(renamed, same, rtol=1e-3)


def test_the_validation_fit_knows_no_scale_of_its_validation_set() -> None:
    """Altering the held-out steps changes no number that the validation fit reads before them."""
    y = _wandering(100)
    wild = np.concatenate([y[:90], y[90:] * np.linspace(3, 9, 10)])
    units = []
    for values in (y, wild):
        series = read(values)
        encoding = SeriesEncoder.learn(series, "difference", 1).measured_on(series.head(np.array([90])))
        units.append(encoding.encode(series, 2)[0].transformed.unit[:90])
    np.testing.assert_array_equal(*units)


def test_fewer_steps_are_the_first_of_all() -> None:
    """A shorter horizon is a part of the whole one, known-future columns included."""
    frame = _dated(_wandering(60), "D").assign(sale=np.arange(60) % 3)
    series = read(frame, target="y", future=["sale"])
    model = Forecaster(**SMALL | {"horizon": 4}).fit(series)
    ahead = pd.DataFrame({"ds": pd.date_range("2020-03-01", periods=4), "sale": [0, 1, 2, 0]})
    whole = model.predict(future=ahead)
    pd.testing.assert_frame_equal(model.predict(horizon=2, future=ahead), whole.head(2))


def test_a_future_date_that_cannot_be_read_names_its_row() -> None:
    """One sentence, with the row of the future frame."""
    frame = _dated(_wandering(60), "D").assign(sale=np.arange(60) % 3)
    model = Forecaster(**SMALL).fit(read(frame, target="y", future=["sale"]))
    with pytest.raises(DataError, match=r"future row 2.*soon"):
        model.predict(future=pd.DataFrame({"ds": ["2020-03-01", "soon"], "sale": [0, 1]}))


@pytest.mark.parametrize(("sale", "fault"), [([0, np.inf], "finite number"), ([0, 1], "got a second")])
def test_future_rows_are_checked(sale: list[float], fault: str) -> None:
    """What `read` would refuse is refused in a future frame too."""
    frame = _dated(_wandering(60), "D").assign(sale=np.arange(60) % 3)
    model = Forecaster(**SMALL).fit(read(frame, target="y", future=["sale"]))
    twice = ["2020-03-01"] * 2
    with pytest.raises(DataError, match=rf"future row 2.*{fault}"):
        model.predict(future=pd.DataFrame({"ds": twice, "sale": sale}))


@pytest.mark.parametrize("name", ["lstm", "lstm-lo-80", "unique_id"])
def test_a_column_called_as_an_output_is_refused(name: str) -> None:
    """It would take the place of the forecast, or lose its own."""
    frame = _dated(_wandering(60), "D").rename(columns={"ds": name})
    with pytest.raises(DataError, match=f"column '{name}' has the name of an output. Rename it."):
        Forecaster(**SMALL).fit(read(frame, time=name)).predict()


def test_a_pipeline_of_scikit_learn_runs() -> None:
    """It passes y, which is not used."""
    from sklearn.pipeline import make_pipeline

    fitted = make_pipeline(Forecaster(**SMALL)).fit(_wandering(40))
    assert len(fitted.predict(_wandering(40))) == 2


def test_two_threads_fit_what_one_fits() -> None:
    """Torch's random state is the process's: a second fit waits for it."""
    y = _wandering(40)

    def forecast(_: int) -> tuple[float, ...]:
        return tuple(Forecaster(**SMALL, random_state=1).fit(y).predict()["lstm"])

    with ThreadPoolExecutor(3) as pool:
        assert {*pool.map(forecast, range(3))} == {forecast(0)}


def test_a_batch_holds_at_most_all_windows() -> None:
    """A batch beyond the data is the data, not a wait for ever."""
    assert len(Forecaster(**SMALL, batch_size=10**9).fit(_wandering(40)).predict()) == 2


def test_a_seed_is_one_that_torch_takes() -> None:
    """Beyond 64 bits there is none."""
    with pytest.raises(ValueError, match="random_state: expected a whole number from 0 to"):
        Forecaster(**SMALL, random_state=10**20).fit(_wandering(40))


def test_saving_loses_nothing_else(tmp_path: Path) -> None:
    """A folder with other files in it is no place for a model; a saved model is."""
    model = Forecaster(**SMALL).fit(_wandering(40))
    model.save(tmp_path / "model")
    model.save(tmp_path / "model")
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OSError, match=r"a folder with other files \(model, thesis.txt\). Name another."):
        model.save(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "README.md").write_text("of another project")
    with pytest.raises(OSError, match=r"other files \(README.md\)"):
        model.save(tmp_path / "other")


def test_a_sealed_folder_of_another_version_is_told(tmp_path: Path) -> None:
    """Whole files that hold something else: one sentence, with the version that wrote them."""
    model = Forecaster(**SMALL).fit(_wandering(40))
    model.save(tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config.pop("sha256")
    config["params"]["gates"] = 4
    seal = hashlib.sha256(json.dumps(config).encode()).hexdigest()
    (tmp_path / "model" / "config.json").write_text(json.dumps({"sha256": seal, **config}))
    with pytest.raises(ValueError, match=r"the files are whole, but not what unrolled .* saved by 0\."):
        Forecaster.load(tmp_path / "model")


def test_a_checkpoint_of_other_weights_is_refused(tmp_path: Path) -> None:
    """Tensors of one training under the record of another."""
    Forecaster(**SMALL).fit(_wandering(40), checkpoint=tmp_path)
    shutil.copy(tmp_path / "refit" / "training.safetensors", tmp_path / "validation-fit")
    with pytest.raises(ValueError, match="not a whole checkpoint"):
        Forecaster(**SMALL).fit(_wandering(40), checkpoint=tmp_path)


def test_a_device_is_a_name_and_can_change_on_loading(tmp_path: Path) -> None:
    """What is saved is a name; a model made on another machine can be brought to this one's."""
    with pytest.raises(ValueError, match="device: expected the name of one that torch can use"):
        Forecaster(**SMALL, device=torch.device("cpu")).fit(_wandering(40))
    model = Forecaster(**SMALL).fit(_wandering(40))
    model.device = "cuda:77"
    model.save(tmp_path / "model")
    with pytest.raises(ValueError, match="got 'cuda:77'"):
        Forecaster.load(tmp_path / "model")
    back = Forecaster.load(tmp_path / "model", device="cpu")
    np.testing.assert_array_equal(back.predict()["lstm"], model.set_params(device="cpu").predict()["lstm"])


GAPPED = pd.DataFrame({"ds": pd.date_range("2020-01-01", periods=60), "y": _wandering(60)}).drop(
    index=[20, 21]
)


@pytest.mark.parametrize(
    ("frame", "call"),
    [
        (GAPPED, "unrolled.read(..., fill='linear')"),
        (
            GAPPED.assign(y=GAPPED["y"].where(GAPPED.index != 40)).iloc[25:],
            "unrolled.read(..., fill='linear')",
        ),
        (pd.concat([GAPPED.iloc[22:]] * 2).assign(k=range(72)), "unrolled.read(..., id=)"),
        (GAPPED.iloc[22:, 1:].assign(z=1.5), "unrolled.read(..., time=)"),
    ],
)
def test_the_way_out_of_fit_is_one_that_its_caller_has(frame: pd.DataFrame, call: str) -> None:
    """It takes no argument of `read` and no option of the shell: the call of `read` is named."""
    for method in (Forecaster(**SMALL).fit, check_series):
        with pytest.raises(DataError) as fault:
            method(frame)
        assert call in str(fault.value)
        assert "--" not in str(fault.value)


def test_the_way_out_of_a_gap_works() -> None:
    """What the sentence says, done."""
    assert Forecaster(**SMALL).fit(read(GAPPED, fill="linear")).series_.lengths.tolist() == [60]


@pytest.fixture(scope="module")
def shops() -> tuple[pd.DataFrame, Forecaster]:
    """Two shops with numbers for names, three inputs of each role; a model fitted on all but ten days."""
    rng = np.random.default_rng(0)
    frame = pd.concat(
        pd.DataFrame(
            {
                "shop": shop,
                "day": pd.date_range("2024-01-01", periods=60),
                "sold": 20 + rng.normal(size=60),
                "visits": rng.integers(5, 90, 60),
                "promo": rng.integers(0, 2, 60),
                "size": shop * 10.0,
            }
        )
        for shop in (7, 8)
    )
    past = frame[frame["day"] < "2024-02-20"]
    return frame, Forecaster(**SMALL).fit(read(past, **ROLES))


def test_new_data_is_read_in_the_roles_of_the_fitted(
    shops: tuple[pd.DataFrame, Forecaster], tmp_path: Path
) -> None:
    """A frame or a file goes to `predict` of a saved model as it is, in any order of columns."""
    frame, model = shops
    model.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    new, plan = frame[frame["day"] < "2024-02-25"], frame[["shop", "day", "promo"]]
    expected = model.predict(read(new, **ROLES), future=plan)
    new.iloc[:, ::-1].to_csv(tmp_path / "new.csv", index=False)
    for source in (
        new,
        new.iloc[:, ::-1].assign(weather=1.5),
        tmp_path / "new.csv",
        str(tmp_path / "new.csv"),
    ):
        pd.testing.assert_frame_equal(loaded.predict(source, future=plan), expected)


def test_new_data_may_call_its_time_otherwise(shops: tuple[pd.DataFrame, Forecaster]) -> None:
    """Inputs keep their roles by name; what else is there is found as `read` finds it."""
    frame, model = shops
    renamed = frame.rename(columns={"day": "date"})[["shop", "date", "sold", "visits", "promo", "size"]]
    series = read_like(renamed, model.series_)
    assert dict(zip(series.columns, series.roles, strict=True))["promo"] == "future"
    assert series.names.time == "date"


def test_a_column_that_new_data_lacks_is_named(shops: tuple[pd.DataFrame, Forecaster]) -> None:
    """It cannot be made up; where it is there, the frame itself is the way to it."""
    frame, model = shops
    roles = {"id": "shop", "time": "day", "target": "sold"}
    with pytest.raises(DataError, match="'promo'"):
        match_fitted(frame.drop(columns="promo"), model.series_)
    with pytest.raises(DataError, match="expected the columns visits, promo, size of the fitted data"):
        match_fitted(read(frame[["shop", "day", "sold"]], **roles), model.series_)
    match_fitted(frame, model.series_)
