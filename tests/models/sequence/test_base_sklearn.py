"""The sequence estimators work in scikit-learn: its checks, pipelines, grid search, cross-validation."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin, clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from unrolled.models.sequence.classifier import SequenceClassifier
from unrolled.models.sequence.regressor import SequenceRegressor
from unrolled.models.sequence.tagger import SequenceTagger

QUICK = {"hidden_size": 8, "max_epochs": 10, "learning_rate": 0.02, "n_members": 1}
CHECKED = {"cell": "rnn", "hidden_size": 8, "max_epochs": 6, "learning_rate": 0.05, "n_members": 1}

# Each skips itself: array_api wants SCIPY_ARRAY_API set before the first import.
SKIPPED = {"check_array_api_input"}


def _ramps(count: int, seed: int = 0) -> tuple[list[Any], list[str], list[float]]:
    """Ragged sequences of two features, the class of each and the slope that decides it."""
    rng = np.random.default_rng(seed)
    slopes = rng.uniform(0.5, 1, count) * rng.choice([-1, 1], count)
    X = [
        np.column_stack([slope * np.linspace(-1, 1, steps), rng.normal(0, 1, steps)])
        for slope, steps in zip(slopes, rng.integers(3, 12, count), strict=True)
    ]
    return X, ["up" if slope > 0 else "down" for slope in slopes], slopes.tolist()


@pytest.mark.filterwarnings("ignore:Estimator Sequence.* does not inherit from:UserWarning")
@pytest.mark.parametrize("estimator", [SequenceClassifier, SequenceRegressor])
def test_it_passes_the_checks_of_scikit_learn(estimator: Any) -> None:
    """All of them, with no exclusion."""
    passed, failed = _checked(estimator(**CHECKED), {})
    assert failed == {}
    assert len(passed) > 50


def _checked(model: Any, expected: dict[str, str]) -> tuple[set[str], dict[str, Any]]:
    """Run scikit-learn's checks; names of those passed, and of those failed with what was raised."""
    results = check_estimator(model, expected_failed_checks=expected, on_fail=None, on_skip=None)
    names = {
        status: {one["check_name"]: one["exception"] for one in results if one["status"] == status}
        for status in ("passed", "failed", "skipped", "xfail")
    }
    assert set(names["skipped"]) <= SKIPPED
    assert set(names["xfail"]) == set(expected), "a check that passes now is excluded no more"
    return set(names["passed"]), names["failed"]


def test_scikit_learn_knows_what_they_are() -> None:
    """By their tags: folds are stratified for a classifier, which a tagger's lists of tags cannot be."""
    assert is_classifier(SequenceClassifier())
    assert is_regressor(SequenceRegressor())
    assert not is_classifier(SequenceTagger())


def test_it_is_not_imported_until_it_asks() -> None:
    """Half a second that a fit does not need."""
    code = (
        "import sys\n"
        "from unrolled import SequenceClassifier\n"
        "SequenceClassifier(hidden_size=2, max_epochs=1).fit([[1, 2], [2, 1]], [0, 1]).predict([[1, 2]])\n"
        "try:\n    SequenceClassifier().predict([[1, 2]])\n"
        "except ValueError as fault:\n    print(fault)\n"
        "print('sklearn' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == [
        "SequenceClassifier: not fitted yet. Call fit(X, y) first.",
        "False",
    ]


def test_an_unfitted_model_raises_scikit_learns_error_too() -> None:
    """Whose own code catches no other; also when it comes back from a worker."""
    with pytest.raises(NotFittedError) as fault:
        SequenceRegressor().predict([[1.0, 2.0]])
    again = pickle.loads(pickle.dumps(fault.value))
    assert isinstance(again, NotFittedError)
    assert str(again) == "SequenceRegressor: not fitted yet. Call fit(X, y) first."


def test_arguments_are_kept_as_given() -> None:
    """What clone asks for."""
    odd = object()
    for estimator in (SequenceClassifier, SequenceRegressor, SequenceTagger):
        assert estimator(cell=odd).cell is odd
        assert clone(estimator(hidden_size=7)).get_params() == estimator(hidden_size=7).get_params()
        assert repr(estimator(cell="rnn")) == f"{estimator.__name__}(cell='rnn')"


def test_folds_of_ragged_lists() -> None:
    """Lists of arrays that differ in length, stratified; numbers as well as classes."""
    X, y, slopes = _ramps(40)
    assert cross_val_score(SequenceClassifier(**QUICK), X, y, cv=3).mean() > 0.9
    assert cross_val_score(SequenceRegressor(**QUICK), X, slopes, cv=3).mean() > 0.8
    assert cross_val_predict(SequenceClassifier(**QUICK), X, y, cv=3, method="predict_proba").shape == (40, 2)


def test_other_scores_and_groups() -> None:
    """Log loss and area under the curve by name; folds of whole groups."""
    X, y, _ = _ramps(40)
    groups = np.repeat(np.arange(8), 5)
    for name in ("neg_log_loss", "roc_auc", "balanced_accuracy"):
        scores = cross_val_score(
            SequenceClassifier(**QUICK), X, y, cv=GroupKFold(4), groups=groups, scoring=name
        )
        assert np.isfinite(scores).all()


def test_a_grid_over_ragged_lists() -> None:
    """The best of its settings is fitted on everything."""
    X, y, _ = _ramps(30)
    search = GridSearchCV(SequenceClassifier(**QUICK), {"cell": ["rnn", "gru"], "hidden_size": [4]}, cv=2)
    search.fit(X, y)
    assert search.best_params_["hidden_size"] == 4
    assert search.predict(X).shape == (30,)
    assert search.best_estimator_.classes_.tolist() == ["down", "up"]


class _Differences(TransformerMixin, BaseEstimator):
    """A step of somebody's pipeline: ragged lists in and out."""

    def fit(self, X: Any, y: Any = None) -> "_Differences":
        self.fitted_ = True
        return self

    def transform(self, X: Any) -> Any:
        return [np.diff(x, axis=0) for x in X]


def test_a_pipeline_of_ragged_lists_in_a_grid() -> None:
    """A parameter of the last step is reached by its name."""
    X, y, _ = _ramps(30)
    line = make_pipeline(_Differences(), SequenceClassifier(**QUICK))
    search = GridSearchCV(line, {"sequenceclassifier__pooling": ["mean", "last"]}, cv=2).fit(X, y)
    assert search.score(X, y) > 0.9


def test_ragged_object_arrays() -> None:
    """What NumPy makes of a ragged list when it is told to."""
    X, y, _ = _ramps(20)
    ragged = np.empty(20, dtype=object)
    ragged[:] = X
    model = SequenceClassifier(**QUICK).fit(ragged, y)
    np.testing.assert_array_equal(model.predict(ragged), model.predict(X))


def test_a_table_fixes_its_columns_and_a_list_does_not() -> None:
    """scikit-learn's words for a table of another width; lists and (N, T, 1) take any length."""
    X = np.random.default_rng(0).normal(size=(10, 6))
    y = [0, 1] * 5
    model = SequenceClassifier(hidden_size=2, max_epochs=1).fit(X, y)
    assert model.n_features_in_ == 6
    with pytest.raises(ValueError, match="X has 9 features, but SequenceClassifier is expecting 6 features"):
        model.predict(np.zeros((4, 9)))
    assert model.predict([np.zeros(9), np.zeros(2)]).shape == (2,)
    assert model.predict(np.zeros((4, 9, 1))).shape == (4,)
    assert model.fit(X[:, :, None], y).n_features_in_ == 1
    assert model.predict(np.zeros((4, 9))).shape == (4,)


def test_a_class_in_one_fold_only_is_counted_wrong() -> None:
    """A search answers numbers."""
    X, y, _ = _ramps(31)
    y[4] = "level"
    search = GridSearchCV(SequenceClassifier(**QUICK), {"cell": ["rnn"]}, cv=KFold(3), error_score="raise")
    assert 0.5 < search.fit(X, y).best_score_ < 1


def test_tags_of_ragged_sequences_are_cross_validated() -> None:
    """Predictions of folds are joined; so where all have one length."""
    X, _, _ = _ramps(12)
    for sequences in (X, [x[:3] for x in X]):
        y = [np.where(x[:, 0] > 0, "up", "down") for x in sequences]
        tags = cross_val_predict(SequenceTagger(**QUICK), sequences, y, cv=3)
        assert [len(part) for part in tags] == [len(x) for x in sequences]
        assert np.isfinite(cross_val_score(SequenceTagger(**QUICK), sequences, y, cv=3)).all()


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_a_generator_seeds_each_fit(make: Any, tmp_path: Path) -> None:
    """Equal generators make equal models, one generator unequal ones; None a new one each time."""
    X, y, _ = _ramps(10)
    first, second = (SequenceClassifier(**QUICK, random_state=make(3)).fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    seeds = [first.seed_] + [first.fit(X, y).seed_ for _ in range(2)]
    assert len(set(seeds)) == 3
    loaded = SequenceClassifier.load(first.save(tmp_path / "model"))
    assert (loaded.seed_, loaded.random_state) == (seeds[-1], None)
    drawn = [SequenceClassifier(**QUICK, random_state=None).fit(X, y) for _ in range(2)]
    assert drawn[0].seed_ != drawn[1].seed_
    again = SequenceClassifier(**QUICK, random_state=drawn[0].seed_).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), drawn[0].predict_proba(X))
    assert ("Seed", str(drawn[0].seed_)) in drawn[0].summary()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("steps", "features"), [(3, 1), (17, 3)])
def test_a_sequence_alone_has_the_same_prediction(steps: int, features: int, threads: int) -> None:
    """To the bit, as among others."""
    X = np.random.default_rng(0).normal(size=(21, steps, features))
    model = SequenceRegressor(hidden_size=8, max_epochs=2, n_members=1).fit(X, X[:, 0, 0])
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        alone = np.concatenate([model.predict(x[None]) for x in X])
        np.testing.assert_allclose(alone, model.predict(X), rtol=1e-9, atol=1e-9)
    finally:
        torch.set_num_threads(before)


class _LastTag(SequenceTagger):
    """A tagger seen through one label a sequence, the only y that scikit-learn's checks know."""

    def fit(self, X: Any, y: Any, **named: Any) -> "_LastTag":
        """Give every step the label of its sequence."""
        super().fit(X, self._tags_of(X, y), **named)
        return self

    def score(self, X: Any, y: Any, **named: Any) -> float:
        return super().score(X, self._tags_of(X, y), **named)

    @staticmethod
    def _tags_of(X: Any, y: Any) -> Any:
        return y if y is None or np.ndim(y) != 1 else [[label] * np.shape(X)[-1] for label in y]

    def predict(self, X: Any, **named: Any) -> Any:
        return np.array([tags[-1] for tags in super().predict(X, **named)])

    def predict_proba(self, X: Any, **named: Any) -> Any:
        return np.stack([proba[-1] for proba in super().predict_proba(X, **named)])


@pytest.mark.filterwarnings("ignore:Estimator _LastTag does not inherit from:UserWarning")
def test_a_tagger_passes_the_checks_that_its_y_admits() -> None:
    """All of them, seen through the last tag."""
    passed, failed = _checked(_LastTag(**CHECKED), {})
    assert failed == {}
    assert len(passed) > 35
