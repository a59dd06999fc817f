"""Arguments beside X and y reach the methods that request them, as scikit-learn routes them."""

from collections.abc import Iterator

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from unrolled.models.sequence.classifier import SequenceClassifier
from unrolled.models.sequence.regressor import SequenceRegressor
from unrolled.models.text.classifier import TextClassifier

QUICK = {"hidden_size": 4, "max_epochs": 3, "learning_rate": 0.02, "n_members": 1}


@pytest.fixture
def routing() -> Iterator[None]:
    """Metadata routing is enabled."""
    with config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
def test_pipelines_route_weights_groups_and_lengths() -> None:
    """To the methods that request them, by the names that were set; score needs no request."""
    X = np.random.default_rng(0).normal(size=(20, 6))
    y, weights, lengths = np.tile([0, 1], 10), np.arange(20.0), np.tile([3, 6], 10)
    plain = make_pipeline(FunctionTransformer(), SequenceClassifier(**QUICK)).fit(X, y)
    assert plain.score(X, y) == plain[-1].score(X, y)
    model = SequenceClassifier(**QUICK).set_fit_request(sample_weight=True, lengths="steps")
    model.set_score_request(sample_weight=True, lengths="steps").set_predict_request(lengths="steps")
    line = make_pipeline(FunctionTransformer(), model)
    line.fit(X, y, sample_weight=weights, steps=lengths)
    direct = SequenceClassifier(**QUICK).fit(X, y, sample_weight=weights, lengths=lengths)
    assert line.predict(X, steps=lengths).tolist() == direct.predict(X, lengths=lengths).tolist()
    expected = direct.score(X, y, sample_weight=weights, lengths=lengths)
    assert line.score(X, y, sample_weight=weights, steps=lengths) == expected
    grouped = SequenceClassifier(**QUICK).set_fit_request(groups=True)
    search = GridSearchCV(grouped, {"cell": ["rnn"]}, cv=GroupKFold(2))
    search.fit(X, y, groups=np.arange(20) // 5)
    assert np.isfinite(search.best_score_)


@pytest.mark.usefixtures("routing")
def test_requests_are_cloned_and_checked() -> None:
    """A clone has them; an argument that the method does not have is refused."""
    model = SequenceRegressor().set_fit_request(sample_weight=True).set_predict_proba_request()
    for requester in (model, TextClassifier().set_fit_request(sample_weight=True)):  # which clones itself
        assert clone(requester).get_metadata_routing().fit.requests["sample_weight"] is True
    assert clone(TextClassifier()).get_metadata_routing().fit.requests["sample_weight"] is None
    assert SequenceRegressor().get_metadata_routing().fit.requests["sample_weight"] is None
    with pytest.raises(TypeError, match=r"Unexpected args: \{'weight'\} in fit"):
        model.set_fit_request(weight=True)


def test_requests_need_routing() -> None:
    """In scikit-learn's words."""
    with pytest.raises(RuntimeError, match="only available when metadata routing is enabled"):
        SequenceClassifier().set_fit_request(sample_weight=True)
