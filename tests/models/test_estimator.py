"""Estimators keep scikit-learn's contract, and what is saved is loaded."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from unrolled.data.io.read import read
from unrolled.data.sequences import Sequences
from unrolled.errors import ArgumentError
from unrolled.models.estimator import Estimator
from unrolled.models.forecasting.forecaster import Forecaster

FILES = ("README.md", "config.json", "model.safetensors")


def test_arguments_are_kept_as_given() -> None:
    """By identity, without a check before fit: what scikit-learn's clone asks for."""
    odd = object()
    assert Forecaster(horizon=odd).horizon is odd
    model = Forecaster(7, cell="gru", window=30)
    twin = clone(model)
    assert twin is not model
    assert twin.get_params() == model.get_params()
    assert set(model.get_params()) >= {"horizon", "cell", "random_state", "device", "verbose"}


def test_a_clone_of_a_fitted_model_is_not_fitted(fitted: Forecaster) -> None:
    """And fits to the same result."""
    check_is_fitted(fitted)
    twin = clone(fitted)
    with pytest.raises(Exception, match="not fitted"):
        check_is_fitted(twin)
    pd.testing.assert_frame_equal(twin.fit(fitted._series).predict(), fitted.predict())


def test_set_params_changes_what_is_there_and_refuses_what_is_not() -> None:
    """The nearest spelling is offered."""
    model = Forecaster().set_params(hidden_size=9, cell="rnn")
    assert (model.hidden_size, model.cell) == (9, "rnn")
    with pytest.raises(ArgumentError) as fault:
        model.set_params(hiden_size=3)
    assert str(fault.value) == "Forecaster: there is no argument 'hiden_size'. Did you mean 'hidden_size'?"


def test_changed_arguments_wait_for_the_next_fit(tiny: dict[str, Any], walk: Any) -> None:
    """A fitted model forecasts as it was fitted."""
    model = Forecaster(**tiny).fit(walk(40))
    expected = model.predict()
    model.set_params(horizon=5, cell="gru", window=3)
    pd.testing.assert_frame_equal(model.predict(), expected)


def test_repr_shows_what_was_changed() -> None:
    """And evaluates to the same model."""
    assert repr(Forecaster()) == "Forecaster()"
    assert repr(Forecaster(3, cell="gru", learning_rate=0.1)) == (
        "Forecaster(horizon=3, cell='gru', learning_rate=0.1)"
    )


def test_a_saved_model_is_safetensors_json_and_a_card(saved: Path) -> None:
    """Three files, none of them code; the card says what the model is and holds no score."""
    assert sorted(path.name for path in saved.iterdir()) == sorted(FILES)
    config = json.loads((saved / "config.json").read_text())
    assert config["estimator"] == "Forecaster"
    assert config["params"]["horizon"] == 3
    card = (saved / "README.md").read_text()
    assert "| Forecasts | 3 months |" in card
    assert "| Fitted on | 3 series, 118 steps, frequency MS |" in card
    assert "This card holds no score" in card


def test_saved_and_loaded_is_identical(fitted: Forecaster, saved: Path, shops: pd.DataFrame) -> None:
    """The same forecasts to the bit, of its own series and of others, and the same facts."""
    loaded = Forecaster.load(saved)
    for data in (None, shops.assign(y=shops["y"] * 1.3)):
        before, after = (m.predict(data, level=(50, 95)) for m in (fitted, loaded))
        pd.testing.assert_frame_equal(before, after, rtol=0, atol=0)
    assert loaded.get_params() == fitted.get_params()
    assert loaded.history_ == fitted.history_
    for name in ("transform_", "transform_reason_", "window_", "season_", "n_parameters_", "seconds_"):
        assert getattr(loaded, name) == getattr(fitted, name)


def test_ensembles_covariates_and_counted_steps_are_saved(tmp_path: Path, tiny: dict[str, Any]) -> None:
    """Several networks, an argument from NumPy, a column beside the target, times that are numbers."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"step": np.arange(5, 55), "y": rng.normal(size=50), "a": rng.normal(size=50)})
    series = read(frame, time="step", target="y", past=["a"])
    model = Forecaster(**{**tiny, "hidden_size": np.int64(4)}, cell="rnn", activation="prelu", n_members=2)
    model.fit(series).save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.predict(), model.predict(), rtol=0, atol=0)
    assert loaded.predict()["step"].tolist() == [55, 56, 57]
    assert isinstance(loaded._series, Sequences)


def test_an_estimator_is_fitted_once_something_ends_in_an_underscore() -> None:
    """The rule for every estimator to come."""

    class Mean(Estimator):
        def __init__(self, of: int = 1) -> None:
            self.of = of

    model = Mean()
    assert not model.__sklearn_is_fitted__()
    model.mean_ = 3.0
    assert model.__sklearn_is_fitted__()
    assert repr(Mean(2)) == "Mean(of=2)"


class Halving(Forecaster):
    """Forecaster with a parameter of its own, and some of the base's fixed."""

    def __init__(self, horizon: int = 2, *, times: int = 1) -> None:
        super().__init__(horizon, hidden_size=4, max_steps=4, val_check_steps=2)
        self._store_parameters(locals())


def test_a_subclass_may_have_other_parameters_than_its_base(walk: Any, tmp_path: Path) -> None:
    """Its own are those of `get_params`; the base keeps what was passed on, also in a loaded model."""
    model = clone(Halving(3, times=2))
    assert model.get_params() == {"horizon": 3, "times": 2}
    model.fit(walk(40))
    loaded = Halving.load(model.save(tmp_path / "model"))
    assert (loaded.times, loaded.hidden_size, loaded.n_parameters_) == (2, 4, model.n_parameters_)
    pd.testing.assert_frame_equal(loaded.predict(), model.predict())


def test_a_constructor_that_does_not_name_its_parameters_is_refused() -> None:
    """In a sentence that says how it is written."""

    class Vague(Forecaster):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)

    with pytest.raises(ArgumentError, match=r"^Vague: expected .* names its parameters, got \*\*kwargs: Any"):
        Vague(horizon=2).get_params()


def test_parameters_of_numpy_fit_resume_and_are_saved(walk: Any, tmp_path: Path) -> None:
    """A grid of settings holds such numbers; a checkpoint and a saved model are JSON."""
    settings: dict[str, Any] = {
        "hidden_size": np.int64(4), "max_steps": np.int16(4), "val_check_steps": np.int8(2),
        "patience": np.uint8(3), "batch_size": np.int64(8), "learning_rate": np.float32(0.01),
        "dropout": Fraction(1, 4), "validation_fraction": Fraction(1, 5), "random_state": np.uint32(7),
    }  # fmt: skip
    model = Forecaster(2, **settings).fit(walk(60), checkpoint=tmp_path / "c")
    again = Forecaster(2, **settings).fit(walk(60), checkpoint=tmp_path / "c")
    loaded = Forecaster.load(model.save(tmp_path / "model"))
    for other in (again, loaded):
        pd.testing.assert_frame_equal(other.predict(), model.predict())
