"""The Forecaster in scikit-learn: its checks, clone, parameters, pickling and searches."""

import pickle
from collections import Counter
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import SkipTestWarning
from sklearn.model_selection import GridSearchCV
from sklearn.utils import TransformerTags
from sklearn.utils.estimator_checks import check_estimator

from unrolled import DataError, Forecaster
from unrolled.errors import ArgumentError

QUICK: dict[str, Any] = {"cell": "rnn", "hidden_size": 4, "max_steps": 8, "val_check_steps": 4, "window": 4}

SHORT = "its table has two or three features, here steps: too short a series to learn from"
PARAMETER = "transform is the parameter that names the transform of values, no method"
WORDS = "the error speaks of series and steps, not of samples and features"
ONE_SERIES = "a vector is one series"
EXPECTED = {
    "check_dict_unchanged": SHORT,
    "check_dont_overwrite_parameters": SHORT,
    "check_estimators_fit_returns_self": SHORT,
    "check_estimators_overwrite_params": SHORT,
    "check_estimators_pickle": SHORT,
    "check_f_contiguous_array_estimator": SHORT,
    "check_fit2d_predict1d": SHORT,
    "check_fit_check_is_fitted": SHORT,
    "check_fit_idempotent": SHORT,
    "check_fit_score_takes_y": SHORT,
    "check_methods_sample_order_invariance": SHORT,
    "check_methods_subset_invariance": SHORT,
    "check_n_features_in": SHORT,
    "check_pipeline_consistency": SHORT,
    "check_readonly_memmap_input": SHORT,
    "check_dtype_object": PARAMETER,
    "check_estimators_dtypes": PARAMETER,
    "check_transformer_data_not_an_array": PARAMETER,
    "check_transformer_general": PARAMETER,
    "check_transformer_preserve_dtypes": PARAMETER,
    "check_transformers_unfitted": PARAMETER,
    "check_estimators_empty_data_messages": WORDS,
    "check_estimators_nan_inf": WORDS,
    "check_fit2d_1feature": WORDS,
    "check_fit1d": ONE_SERIES,
    "check_n_features_in_after_fitting": "series have no fixed number of steps, so no n_features_in_",
}


class _OfTables(Forecaster):
    """A Forecaster that lets scikit-learn run the checks of tables, and of transformers, on it."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array, tags.input_tags.two_d_array = False, True
        tags.transformer_tags = TransformerTags()
        return tags


@pytest.mark.filterwarnings("ignore:Estimator _OfTables does not inherit from:UserWarning")
@pytest.mark.filterwarnings("ignore:axes .* were read as:UserWarning")
def test_it_passes_the_checks_of_scikit_learn_that_series_admit() -> None:
    """Each of the others fails for the reason that stands beside it."""
    model = _OfTables(1, **QUICK | {"window": 2})
    results = check_estimator(model, expected_failed_checks=EXPECTED, on_fail=None, on_skip=None)
    failed = {one["check_name"]: one["exception"] for one in results if one["status"] == "failed"}
    assert failed == {}
    assert {one["check_name"] for one in results if one["status"] == "xfail"} == set(EXPECTED)
    assert Counter(one["status"] for one in results)["passed"] >= 18
    for one in results:
        if EXPECTED.get(one["check_name"]) == SHORT:
            assert "Give a longer series" in str(one["exception"])


def test_scikit_learn_is_told_that_rows_are_series() -> None:
    """So that it says that it cannot check the Forecaster, and does not stop over its `transform`."""
    with pytest.warns(SkipTestWarning, match="Can't test estimator Forecaster"):
        results = check_estimator(Forecaster(1, **QUICK))
    assert {one["status"] for one in results} == {"passed"}


@pytest.fixture(scope="module")
def series() -> list[np.ndarray]:
    """Three random walks."""
    rng = np.random.default_rng(0)
    return [rng.normal(size=n).cumsum() for n in (24, 31, 40)]


def test_clones_and_pickles_forecast_the_same(series: list[np.ndarray]) -> None:
    """Parameters come back as they were given; a clone that is fitted again is the same model."""
    model = Forecaster(2, **QUICK).fit(series)
    twin = clone(model)
    assert twin.get_params() == model.get_params()
    with pytest.raises(ValueError, match="not fitted"):
        twin.predict()
    expected = model.predict()
    for other in (pickle.loads(pickle.dumps(model)), twin.fit(series)):
        assert other.predict().equals(expected)
    changed = clone(model).set_params(hidden_size=5, transform="diff")
    assert (changed.hidden_size, changed.transform) == (5, "diff")
    with pytest.raises(ArgumentError, match="Did you mean 'hidden_size'"):
        changed.set_params(hiden_size=3)


def test_a_search_takes_a_score_of_forecasts(series: list[np.ndarray]) -> None:
    """The folds are of whole series; the score forecasts the last steps of each from those before."""

    def score(model: Forecaster, held_out: list[np.ndarray], _y: object = None) -> float:
        forecasts = model.predict([one[:-2] for one in held_out])["rnn"].to_numpy().reshape(-1, 2)
        return -float(np.abs(forecasts - [one[-2:] for one in held_out]).mean())

    search = GridSearchCV(Forecaster(2, **QUICK), {"hidden_size": [3, 4]}, scoring=score, cv=3)
    search.fit(series)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.hidden_size == search.best_params_["hidden_size"]


def test_a_series_without_an_origin_is_refused() -> None:
    """Three steps have a window and a horizon, but no target after the first step of a forecast."""
    with pytest.raises(DataError, match="need 4 steps, got 3"):
        Forecaster(1, **QUICK | {"window": 2}).fit([[1.0, 2.0, 4.0]])
    Forecaster(1, **QUICK | {"window": 2}).fit([[1.0, 2.0, 4.0, 3.0]])
