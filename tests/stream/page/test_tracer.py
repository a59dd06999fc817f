"""What the page is told of a model, and what it may ask."""

from base64 import b64encode
from typing import Any

import numpy as np
import pandas as pd
import pytest

import unrolled as ur
from unrolled.errors import StreamError
from unrolled.models.streaming import streams
from unrolled.models.streaming.snapshots import model_hash
from unrolled.stream.page import tracer
from unrolled.stream.page.tracer import MOST_STEPS, Tracer


@pytest.fixture(scope="module")
def regressor() -> Any:
    """Fitted on frames."""
    rng = np.random.default_rng(5)
    X = [pd.DataFrame(rng.normal(size=(6, 2)), columns=["flow", "heat"]) for _ in range(5)]
    return ur.SequenceRegressor(hidden_size=4, n_members=2, max_epochs=1).fit(X, np.arange(5.0))


def test_facts_name_inputs_answers_and_networks(regressor: Any) -> None:
    """Names of columns where the model was fitted on frames."""
    facts = Tracer(regressor).facts()
    assert facts["inputs"] == ["flow", "heat"]
    assert (facts["kind"], facts["classes"], facts["networks"]) == ("number", [], 2)
    assert "units" in facts["words"]


def test_facts_of_a_forecaster() -> None:
    """A record of the horizon after each value."""
    model = ur.Forecaster(horizon=2, window=8, hidden_size=4, max_steps=2).fit(10 + np.sin(np.arange(60.0)))
    assert Tracer(model).facts() | {"words": ""} == {
        "words": "", "reads": "values", "kind": "forecast", "classes": [], "inputs": ["x1"], "networks": 1,
        "needs_start": False,
    }  # fmt: skip


def test_a_trace_in_parts_equals_one(regressor: Any) -> None:
    """From snapshot to snapshot."""
    tracer, X = Tracer(regressor), np.random.default_rng(0).normal(size=(7, 2))
    whole, first = tracer(None, X), tracer(None, X[:3])
    second = tracer(first["snapshot"], X[3:])
    for key in ("y", "state", "input", "memory"):
        assert first[key] + second[key] == whole[key]
    assert second["snapshot"] == whole["snapshot"]


@pytest.mark.parametrize("snapshot", ["no base64!", b64encode(b"no snapshot").decode()])
def test_a_snapshot_of_something_else_is_refused(regressor: Any, snapshot: str) -> None:
    """With a stable code."""
    with pytest.raises(StreamError) as caught:
        Tracer(regressor)(snapshot, [[1.0, 2.0]])
    assert caught.value.code == "other_model"


@pytest.mark.parametrize("xs", [[[1.0]], [[np.nan, 1.0]], np.zeros((MOST_STEPS + 1, 2))])
def test_steps_that_do_not_fit_are_refused(regressor: Any, xs: Any) -> None:
    """Width, missing values, and more than the page shows."""
    with pytest.raises(StreamError) as caught:
        Tracer(regressor)(None, xs)
    assert caught.value.code == "bad_input"


def test_a_network_that_is_not_there_is_refused(regressor: Any) -> None:
    """Counted from 0."""
    with pytest.raises(StreamError, match="network"):
        Tracer(regressor)(None, [[1.0, 2.0]], network=2)


def test_the_hash_is_computed_once(regressor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the tracer or by who makes it, and by no trace."""
    digest, count = model_hash(regressor), []
    monkeypatch.setattr(tracer, "model_hash", lambda model: count.append(model) or digest)
    monkeypatch.setattr(streams, "model_hash", lambda model: count.append(model) or digest)
    for options, n_hashes in (({"digest": digest}, 0), ({}, 1)):
        made = Tracer(regressor, **options)
        first = made(None, [[1.0, 2.0]])
        assert made(first["snapshot"], [[1.0, 2.0]])["snapshot"] != first["snapshot"]
        assert len(count) == n_hashes
